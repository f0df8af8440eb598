//! The legend: the meaning of the lines, surfaces and marks of a chart.

use contract::Severity;
use plotters::style::text_anchor::HPos;

use super::{
    Chart, Normal, decimal, font,
    palette::{self, BAND, CHANGE, ENVELOPE, EPISODE, EXPECTED, INK, LIMIT, VALUES, line},
    svg::{Fill, Lettering, Stroke, Svg},
};

const TEXT: Lettering = Lettering {
    size: 11.5,
    color: INK,
    anchor: HPos::Left,
};
/// The length of a line, and the width of a surface.
const SAMPLE: f64 = 22.0;
/// The height of a surface.
const SURFACE: f64 = 10.0;
/// The width that a mark takes.
const MARK: f64 = 8.0;
/// The gap between a sample and its text.
const SAMPLE_GAP: f64 = 6.0;
/// The gap between two entries.
const GAP: f64 = 18.0;

/// An entry for each kind of thing that is drawn, in one row.
pub(super) struct Legend(Vec<Entry>);

#[derive(Clone)]
struct Entry {
    sample: Sample,
    text: String,
    /// For a narrow picture.
    short: &'static str,
}

#[derive(Clone, Copy)]
enum Sample {
    Line(Stroke),
    /// With its rims, if it has any.
    Surface(Fill, Option<Stroke>),
    /// With the line in its middle.
    Envelope(Fill, Stroke),
    Dot,
    Ring,
}

impl Legend {
    /// The most telling legend of `chart` that fits into `room`; `is_dense` if its values are drawn
    /// as an envelope.
    pub(super) fn fitting(chart: &Chart, room: f64, is_dense: bool) -> Self {
        let mut legend = Self(entries(chart, is_dense));
        if legend.width() > room {
            for entry in &mut legend.0 {
                entry.text = entry.short.to_owned();
            }
        }
        while legend.width() > room && legend.0.pop().is_some() {}
        legend
    }

    pub(super) fn width(&self) -> f64 {
        let entries = self.0.iter().map(Entry::width);
        (entries.sum::<f64>() - GAP).max(0.0)
    }

    pub(super) fn draw(&self, svg: &Svg<'_>, mut x: f64, baseline: f64) {
        for entry in &self.0 {
            entry.sample.draw(svg, x, baseline);
            let text_at = x + entry.sample.width() + SAMPLE_GAP;
            svg.text((text_at, baseline), TEXT, &entry.text);
            x += entry.width();
        }
    }
}

impl Entry {
    /// With the gap to the next one.
    fn width(&self) -> f64 {
        self.sample.width() + SAMPLE_GAP + font::width(&self.text, TEXT.size) + GAP
    }
}

impl Sample {
    fn width(self) -> f64 {
        match self {
            Self::Line(_) | Self::Surface(..) | Self::Envelope(..) => SAMPLE,
            Self::Dot | Self::Ring => MARK,
        }
    }

    fn draw(self, svg: &Svg<'_>, x: f64, baseline: f64) {
        // In the middle of a pixel of the usual size, where a thin line is sharp.
        let y = baseline - 4.5;
        let (color, radius) = palette::mark(Severity::High);
        let middle = (x + MARK / 2.0, y);
        match self {
            Self::Line(stroke) => svg.line((x, y), (x + SAMPLE, y), stroke),
            Self::Surface(fill, rim) => {
                let (top, bottom) = (y - SURFACE / 2.0, y + SURFACE / 2.0);
                svg.rectangle((x, top), (x + SAMPLE, bottom), fill);
                for edge in [top, bottom] {
                    if let Some(rim) = rim {
                        svg.line((x, edge), (x + SAMPLE, edge), rim);
                    }
                }
            }
            Self::Envelope(fill, middle) => {
                Self::Surface(fill, None).draw(svg, x, baseline);
                Self::Line(middle).draw(svg, x, baseline);
            }
            Self::Dot => svg.dot(middle, radius, color),
            Self::Ring => svg.ring(middle, radius - 0.5, line(color, 1.4)),
        }
    }
}

/// One entry for each kind of thing that is there.
fn entries(chart: &Chart, is_dense: bool) -> Vec<Entry> {
    let entry = |there: bool, sample, text: String, short| {
        there.then_some(Entry {
            sample,
            text,
            short,
        })
    };
    let normal = chart.normal.iter();
    let (expected, range) = level_texts(chart);
    let values = match is_dense {
        true => Sample::Envelope(ENVELOPE, VALUES),
        false => Sample::Line(VALUES),
    };
    let within = chart.marks.iter().filter(|mark| mark.within).count();
    let outside = chart.marks.len() - within;
    let episodes = chart.episodes.len();
    let changes = chart.changes.len();
    let has_expected = normal.clone().any(|n| n.expected.is_some());
    let has_band = normal.clone().any(Normal::is_bounded);
    [
        entry(true, values, "values".to_owned(), "values"),
        entry(has_expected, Sample::Line(EXPECTED), expected, "expected"),
        entry(
            has_band,
            Sample::Surface(BAND, Some(LIMIT)),
            range,
            "normal",
        ),
        entry(
            outside > 0,
            Sample::Dot,
            counted(outside, "anomaly", "anomalies"),
            "anomalies",
        ),
        entry(
            within > 0,
            Sample::Ring,
            counted(within, "by shape", "by shape"),
            "shapes",
        ),
        entry(
            episodes > 0,
            Sample::Surface(EPISODE, None),
            counted(episodes, "episode", "episodes"),
            "episodes",
        ),
        entry(
            changes > 0,
            Sample::Line(CHANGE),
            counted(changes, "level change", "level changes"),
            "changes",
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The texts for the expected line and for the band, with numbers where those are the same
/// everywhere.
fn level_texts(chart: &Chart) -> (String, String) {
    let of = |value: f64| decimal::rounded(value);
    let level = chart.level().unwrap_or(Normal::UNKNOWN);
    // Where values cannot be negative, a limit below zero does not limit anything.
    let is_limit = |lower: &f64| !(chart.nonnegative && *lower < 0.0);
    let expected = level.expected.map_or("expected".to_owned(), |value| {
        format!("expected {}", of(value))
    });
    let range = match (level.lower.filter(is_limit), level.upper) {
        (None, None) => "normal range".to_owned(),
        (None, Some(upper)) => format!("normal up to {}", of(upper)),
        (Some(lower), None) => format!("normal from {}", of(lower)),
        (Some(lower), Some(upper)) => format!("normal {} to {}", of(lower), of(upper)),
    };
    (expected, range)
}

fn counted(count: usize, one: &str, many: &str) -> String {
    format!(
        "{} {}",
        decimal::counted(count),
        if count == 1 { one } else { many }
    )
}
