//! Drawing points and what a model says of them. No I/O; the same chart gives the same bytes.
//!
//! The shapes are plotters', drawn as SVG, and the SVG is the only source of the PNG. Their layout is made here, with text
//! measured in the embedded font: labels that fit, and dates that say what changes from one to the next.

mod axis;
mod clip;
mod decimal;
mod downsample;
mod font;
mod layers;
mod legend;
mod lines;
mod palette;
mod plot_area;
mod png;
mod svg;
#[cfg(test)]
mod tests;
mod time;
mod title;

use contract::{DetectorName, Point, Severity, Version};

pub use self::png::{DrawError, to_png};
use self::{plot_area::PlotArea, time::TimeScale};

/// What is drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Chart {
    /// Whose points.
    pub subject: String,
    /// The model's version, if it has one.
    pub version: Option<Version>,
    /// What judged the points.
    pub detector: DetectorName,
    /// The length of its season.
    pub period: Option<Period>,
    /// The points, sorted by timestamp.
    pub points: Vec<Point>,
    /// What is normal at each of them; as many, or none at all.
    pub normal: Vec<Normal>,
    /// The anomalies among them, in order.
    pub marks: Vec<Mark>,
    /// First and last timestamp of anomalies that belong together.
    pub episodes: Vec<(i64, i64)>,
    /// Timestamps at which the level changed.
    pub changes: Vec<i64>,
    /// Where not all points were fitted on: how many were.
    pub fitted: Option<Fitted>,
    /// How many points there are, shown or not.
    pub total: usize,
    /// The ends of the time axis. No point lies outside.
    pub axis: (i64, i64),
}

/// The length of a season.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// In points.
    pub points: u64,
    /// In the unit of the timestamps, where those are evenly spaced.
    pub time: Option<i64>,
}

/// What is normal at a point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Normal {
    /// The value that is expected; `None`: not known.
    pub expected: Option<f64>,
    /// The smallest normal value; `None`: none is too small.
    pub lower: Option<f64>,
    /// The largest normal value; `None`: none is too large.
    pub upper: Option<f64>,
}

/// An anomaly.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mark {
    /// The point.
    pub point: Point,
    /// How far beyond the alarm level it is.
    pub severity: Severity,
    /// Whether its value lies within the normal range: then it is one by its shape.
    pub within: bool,
}

/// The points that were fitted on: the first ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fitted {
    /// How many.
    pub points: usize,
    /// The timestamp of the last.
    pub until: i64,
}

impl Normal {
    /// Nothing is known.
    pub const UNKNOWN: Self = Self {
        expected: None,
        lower: None,
        upper: None,
    };

    /// Whether `value` is normal.
    pub fn contains(&self, value: f64) -> bool {
        self.lower.is_none_or(|lower| value >= lower)
            && self.upper.is_none_or(|upper| value <= upper)
    }

    fn is_bounded(&self) -> bool {
        self.lower.is_some() || self.upper.is_some()
    }
}

impl Chart {
    /// A chart of points alone, of which there must be at least one.
    pub fn new(subject: String, detector: DetectorName, points: Vec<Point>) -> Self {
        let end = |point: Option<&Point>| point.map_or(0, |p| p.timestamp);
        Self {
            subject,
            version: None,
            detector,
            period: None,
            normal: Vec::new(),
            marks: Vec::new(),
            episodes: Vec::new(),
            changes: Vec::new(),
            fitted: None,
            total: points.len(),
            axis: (end(points.first()), end(points.last())),
            points,
        }
    }

    /// The part of it from one timestamp to another, both included; where there is none of these, from the first point or to
    /// the last. `None` if no point is there.
    pub fn between(mut self, from: Option<i64>, to: Option<i64>) -> Option<Self> {
        let from = from.unwrap_or(self.axis.0);
        let to = to.unwrap_or(self.axis.1);
        let start = self.points.partition_point(|p| p.timestamp < from);
        let end = self.points.partition_point(|p| p.timestamp <= to);
        if start >= end {
            return None;
        }
        self.points = self.points.drain(start..end).collect();
        if !self.normal.is_empty() {
            self.normal = self.normal.drain(start..end).collect();
        }
        let inside = |at: i64| (from..=to).contains(&at);
        self.marks.retain(|mark| inside(mark.point.timestamp));
        self.changes.retain(|&at| inside(at));
        self.episodes
            .retain(|&(start, end)| start <= to && end >= from);
        for (start, end) in &mut self.episodes {
            (*start, *end) = ((*start).max(from), (*end).min(to));
        }
        self.fitted = self.fitted.filter(|fitted| fitted.until >= from);
        if let Some(fitted) = &mut self.fitted {
            fitted.until = fitted.until.min(to);
        }
        self.axis = (from, to);
        Some(self)
    }

    /// What is normal, if that is the same at all points.
    fn level(&self) -> Option<Normal> {
        let first = self.normal.first()?;
        let same = self.normal.iter().all(|normal| normal == first);
        same.then_some(*first)
    }
}

/// The chart as an SVG document of `width` × `height` pixels.
pub fn to_svg(chart: &Chart, size: (u32, u32)) -> String {
    let scale = text_scale(size);
    let canvas = (f64::from(size.0) / scale, f64::from(size.1) / scale);
    let end = |point: Option<&Point>| point.map_or(0, |p| p.timestamp);
    let ends = (end(chart.points.first()), end(chart.points.last()));
    let times = TimeScale::new(chart.axis, ends);
    svg::document(size, scale, |svg| {
        let top = title::draw(svg, chart, &times, canvas.0);
        let area = PlotArea::new(chart, times, (canvas, scale), top);
        layers::draw(svg, chart, &area);
    })
}

/// Larger pictures have larger text and lines, though not in proportion: there is more to see in them, too.
fn text_scale((width, height): (u32, u32)) -> f64 {
    let ratio = (f64::from(width) / 800.0).min(f64::from(height) / 400.0);
    ratio.sqrt().clamp(0.8, 2.5)
}
