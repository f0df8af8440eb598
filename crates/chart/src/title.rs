//! Title and legend above the plot, beside each other where there is room.

use plotters::style::text_anchor::HPos;

use super::{
    Chart, decimal, font,
    legend::Legend,
    lines::MOST_IN_A_COLUMN,
    palette::{FAINT_INK, INK},
    plot_area::Canvas,
    svg::{Lettering, Svg},
    time::TimeScale,
};

const MARGIN: f64 = 14.0;
const TITLE: Lettering = Lettering {
    size: 14.0,
    color: INK,
    anchor: HPos::Left,
};
const TITLE_BASELINE: f64 = 24.0;
/// The gap between the series and the notes that follow it.
const TITLE_GAP: f64 = 7.0;
const LEGEND_ROW: f64 = 20.0;
/// The gap between title and legend, at least.
const GAP: f64 = 28.0;
/// The largest fraction of the width that the notes may take.
const NOTES_PART: f64 = 0.75;

/// Draws title and legend over the whole width of `canvas`; returns where the plot may begin.
pub(super) fn draw(svg: &Svg<'_>, chart: &Chart, times: &TimeScale, canvas: Canvas) -> f64 {
    let width = canvas.width;
    let room = width - 2.0 * MARGIN;
    let is_dense = chart.points.len() as f64 > MOST_IN_A_COLUMN * canvas.columns(room);
    let legend = Legend::fitting(chart, room, is_dense);
    let notes = notes(chart, times, NOTES_PART * room);
    let notes_room = TITLE_GAP + font::width(&notes, TITLE.size);
    let title = font::legible(&chart.subject);
    let title_room = font::width(&title, TITLE.size) + notes_room;
    let in_one_row = title_room + GAP + legend.width() <= room;
    let title = font::shorten(&title, TITLE.size, room - notes_room);
    svg.text((MARGIN, TITLE_BASELINE), TITLE, &title);
    let faint = Lettering {
        color: FAINT_INK,
        ..TITLE
    };
    let after = MARGIN + font::width(&title, TITLE.size) + TITLE_GAP;
    svg.text((after, TITLE_BASELINE), faint, &notes);
    if in_one_row {
        legend.draw(svg, width - MARGIN - legend.width(), TITLE_BASELINE);
        TITLE_BASELINE + 12.0
    } else {
        legend.draw(svg, MARGIN, TITLE_BASELINE + LEGEND_ROW);
        TITLE_BASELINE + LEGEND_ROW + 10.0
    }
}

/// Version, points, detector and period, as far as there is `room`.
fn notes(chart: &Chart, times: &TimeScale, room: f64) -> String {
    let (shown, total) = (chart.points.len(), decimal::counted(chart.total));
    let points = match shown {
        _ if shown == chart.total => format!("{total} points"),
        _ => format!("{} of {total} points", decimal::counted(shown)),
    };
    let version = chart.version.map(|version| version.to_string());
    let period = chart.period.map(|period| {
        let time = period.time.and_then(|time| times.words(time));
        time.map_or_else(
            || format!("period {} points", period.points),
            |words| format!("period {words}"),
        )
    });
    let detector = Some(chart.detector.to_string());
    let notes = [version, Some(points), detector, period];
    let mut notes: Vec<String> = notes.into_iter().flatten().collect();
    while notes.len() > 1 && font::width(&notes.join(" · "), TITLE.size) > room {
        notes.pop();
    }
    notes.join(" · ")
}
