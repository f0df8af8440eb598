//! What stands above the plot: title and legend, beside each other where there is room.

use plotters::style::text_anchor::HPos;

use super::{
    Chart, EXPECTED, FAINT_INK, INK, UPPER, VALUES, decimal, font,
    svg::{Lettering, Stroke, Svg},
};

const MARGIN: f64 = 14.0;
const TITLE_SIZE: f64 = 14.0;
const TITLE_BASELINE: f64 = 24.0;
/// Between the series and what follows it.
const TITLE_GAP: f64 = 7.0;
const LEGEND_SIZE: f64 = 11.5;
const LEGEND_ROW: f64 = 20.0;
/// Between title and legend, at least.
const GAP: f64 = 28.0;
/// Length of a legend's stroke.
const SAMPLE: f64 = 22.0;

/// Draws title and legend over the whole `width`; returns where the plot may begin.
pub(super) fn draw(svg: &Svg<'_>, chart: &Chart<'_>, width: f64) -> f64 {
    let room = width - 2.0 * MARGIN;
    let legend = Legend::fitting(chart, room);
    let count = decimal::counted(chart.points.len());
    let second = format!("{} · {count} points", chart.version);
    let second_room = TITLE_GAP + font::width(&second, TITLE_SIZE);
    let title = font::legible(chart.series.as_str());
    let title_room = font::width(&title, TITLE_SIZE) + second_room;
    let in_one_row = title_room + GAP + legend.width() <= room;
    let title = font::shorten(&title, TITLE_SIZE, room - second_room);
    let look = Lettering {
        size: TITLE_SIZE,
        color: INK,
        anchor: HPos::Left,
    };
    svg.text((MARGIN, TITLE_BASELINE), look, &title);
    let look = Lettering {
        color: FAINT_INK,
        ..look
    };
    let after = MARGIN + font::width(&title, TITLE_SIZE) + TITLE_GAP;
    svg.text((after, TITLE_BASELINE), look, &second);
    if in_one_row {
        legend.draw(svg, width - MARGIN - legend.width(), TITLE_BASELINE);
        TITLE_BASELINE + 12.0
    } else {
        legend.draw(svg, MARGIN, TITLE_BASELINE + LEGEND_ROW);
        TITLE_BASELINE + LEGEND_ROW + 10.0
    }
}

/// The strokes and what they mean, in one row.
struct Legend(Vec<(Stroke, String)>);

impl Legend {
    /// The most telling legend that fits into `room`.
    fn fitting(chart: &Chart<'_>, room: f64) -> Self {
        let expected = decimal::rounded(chart.expected);
        let upper = decimal::rounded(chart.upper);
        let wordings = [
            (
                format!("mean {expected}"),
                format!("upper limit {upper} ({})", chart.upper_is),
            ),
            (format!("mean {expected}"), format!("limit {upper}")),
            ("mean".to_owned(), "limit".to_owned()),
        ];
        wordings
            .into_iter()
            .map(|(expected, limit)| {
                let mut entries = vec![(VALUES, "values".to_owned()), (EXPECTED, expected)];
                if chart.upper.is_finite() {
                    entries.push((UPPER, limit));
                }
                Self(entries)
            })
            .find(|legend| legend.width() <= room)
            .unwrap_or(Self(Vec::new()))
    }

    fn width(&self) -> f64 {
        let entries = self.0.iter().map(|(_, text)| entry_width(text));
        (entries.sum::<f64>() - 18.0).max(0.0)
    }

    fn draw(&self, svg: &Svg<'_>, mut x: f64, baseline: f64) {
        let look = Lettering {
            size: LEGEND_SIZE,
            color: INK,
            anchor: HPos::Left,
        };
        for (stroke, text) in &self.0 {
            // Between two pixels of the usual size, where a thin line is sharp.
            let y = baseline - 4.5;
            svg.line((x, y), (x + SAMPLE, y), *stroke);
            svg.text((x + SAMPLE + 6.0, baseline), look, text);
            x += entry_width(text);
        }
    }
}

/// Stroke, text and the gap to the next entry.
fn entry_width(text: &str) -> f64 {
    SAMPLE + 6.0 + font::width(text, LEGEND_SIZE) + 18.0
}
