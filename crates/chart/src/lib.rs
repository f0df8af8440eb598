//! Draws points and the verdicts on them. No I/O; the same chart gives the same bytes.
//!
//! The shapes are plotters', drawn as SVG, and the SVG is the only source of the PNG. The layout is
//! made here, with text measured in the embedded font, so that labels fit, and dates say what
//! changes from one tick to the next.

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
use self::{
    plot_area::{Canvas, PlotArea},
    time::TimeScale,
};

/// A series of points, and what a model says of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Chart {
    /// The name of the series.
    pub subject: String,
    /// The model's version, if it has one.
    pub version: Option<Version>,
    /// The detector that judged the points.
    pub detector: DetectorName,
    /// The length of the model's season, if it has one.
    pub period: Option<Period>,
    /// The points, sorted by timestamp.
    pub points: Vec<Point>,
    /// The normal range at each point: as many as there are points, or none at all.
    pub normal: Vec<Normal>,
    /// The anomalies among the points, sorted by timestamp.
    pub marks: Vec<Mark>,
    /// First and last timestamp of anomalies that belong together.
    pub episodes: Vec<(i64, i64)>,
    /// Timestamps at which the level changed.
    pub changes: Vec<i64>,
    /// The points that were fitted on, where those are not all.
    pub fitted: Option<Fitted>,
    /// The number of points, shown or not.
    pub total: usize,
    /// Whether no value, shown or not, is below zero. Then the normal range is not drawn below it.
    pub nonnegative: bool,
    /// The ends of the time axis. No point lies outside.
    pub axis: (i64, i64),
}

/// The length of a season.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// The number of points in it.
    pub points: u64,
    /// Its length in the unit of the timestamps, where those are evenly spaced.
    pub time: Option<i64>,
}

/// The normal range at a point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Normal {
    /// The expected value, if it is known.
    pub expected: Option<f64>,
    /// The smallest normal value; `None` if no value is too small.
    pub lower: Option<f64>,
    /// The largest normal value; `None` if no value is too large.
    pub upper: Option<f64>,
}

/// The mark of an anomaly.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mark {
    /// The point that is an anomaly.
    pub point: Point,
    /// How far beyond the alarm level it is.
    pub severity: Severity,
    /// Whether its value is normal, so that only the shape of the series is not.
    pub within: bool,
}

/// The points that were fitted on: the first ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fitted {
    /// The number of these points.
    pub points: usize,
    /// The timestamp of the last of them.
    pub until: i64,
}

/// The size of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Width in pixels, at a scale of 1.
    pub width: u32,
    /// Height in pixels, at a scale of 1.
    pub height: u32,
    /// Pixels of the picture, along each side, in one at a scale of 1. A larger scale draws the
    /// same layout more sharply: 2 suits the screens of today.
    pub scale: u32,
}

impl Normal {
    /// Of a point about which nothing is known.
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
    /// A chart of points alone. There must be at least one.
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
            nonnegative: points.iter().all(|point| point.value >= 0.0),
            axis: (end(points.first()), end(points.last())),
            points,
        }
    }

    /// The part from one timestamp to another, both included. It begins with the first point where
    /// `from` is not given, and ends with the last where `to` is not. `None` if no point is in it.
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

    /// The normal range, if that is the same at all points.
    fn level(&self) -> Option<Normal> {
        let first = self.normal.first()?;
        let same = self.normal.iter().all(|normal| normal == first);
        same.then_some(*first)
    }
}

/// The charts, at least one, as an SVG document: one above the other, of equal height.
pub fn to_stacked_svg(charts: &[Chart], size: Size) -> String {
    if let [chart] = charts {
        return to_svg(chart, size);
    }
    let height = size.height / u32::try_from(charts.len()).unwrap_or(u32::MAX).max(1);
    let part = Size { height, ..size };
    let tops = (0..).step_by((height * size.scale) as usize);
    let placed = |(chart, top): (&Chart, u32)| {
        to_svg(chart, part).replacen("<svg ", &format!("<svg y=\"{top}\" "), 1)
    };
    let parts: String = charts.iter().zip(tops).map(placed).collect();
    svg::stacked((size.width * size.scale, size.height * size.scale), &parts)
}

/// The chart as an SVG document.
pub fn to_svg(chart: &Chart, size: Size) -> String {
    let canvas = canvas(size);
    let end = |point: Option<&Point>| point.map_or(0, |p| p.timestamp);
    let ends = (end(chart.points.first()), end(chart.points.last()));
    let times = TimeScale::new(chart.axis, ends);
    let pixels = (size.width * size.scale, size.height * size.scale);
    svg::document(pixels, canvas.scale, |svg| {
        let top = title::draw(svg, chart, &times, canvas);
        let area = PlotArea::new(chart, times, canvas, top);
        layers::draw(svg, chart, &area);
    })
}

/// Larger pictures have larger text and lines, though not in proportion: there is more to see in
/// them, too.
fn canvas(size: Size) -> Canvas {
    let (width, height) = (f64::from(size.width), f64::from(size.height));
    let ratio = (width / 800.0).min(height / 400.0);
    let enlarged = ratio.sqrt().clamp(0.8, 2.5);
    let density = f64::from(size.scale);
    Canvas {
        width: width / enlarged,
        height: height / enlarged,
        scale: enlarged * density,
        density,
    }
}
