//! Drawing the training points of a model and what it learned from them. No I/O; the same chart gives the same bytes.
//!
//! Everything is drawn as SVG, laid out by hand with text measured in the embedded font, and the SVG is the only source of the
//! PNG.

mod area;
mod axis;
mod decimal;
mod font;
mod head;
mod picture;
mod reduce;
mod svg;
mod time;

use contract::{Point, SeriesId, Version};

use self::{
    area::Area,
    svg::{Stroke, Svg},
};
pub(crate) use picture::{DrawError, to_png};

/// What is drawn.
pub(crate) struct Chart<'a> {
    /// Whose points.
    pub(crate) series: &'a SeriesId,
    /// The model's version.
    pub(crate) version: Version,
    /// The points, at least one, sorted by timestamp.
    pub(crate) points: &'a [Point],
    /// The value that the model expects.
    pub(crate) expected: f64,
    /// Where its normal range ends; not drawn if infinite.
    pub(crate) upper: f64,
    /// What that is, such as `mean + 3σ`.
    pub(crate) upper_is: &'static str,
}

const INK: &str = "#262626";
const FAINT_INK: &str = "#737373";
const VALUES: Stroke = line("#1f77b4", 1.3);
const EXPECTED: Stroke = line("#2ca02c", 1.6);
const UPPER: Stroke = Stroke {
    dashed: true,
    ..line("#d62728", 1.6)
};

const fn line(color: &'static str, width: f64) -> Stroke {
    Stroke {
        color,
        width,
        dashed: false,
    }
}

/// The chart as an SVG document of `width` × `height` pixels.
pub(crate) fn to_svg(chart: &Chart<'_>, size: (u32, u32)) -> String {
    let scale = text_scale(size);
    let canvas = (f64::from(size.0) / scale, f64::from(size.1) / scale);
    let mut svg = Svg::new(size, scale);
    let top = head::draw(&mut svg, chart, canvas.0);
    let area = Area::new(chart, canvas, top, scale);
    area.draw_frame(&mut svg);
    area.draw_values(&mut svg, chart.points);
    area.draw_level(&mut svg, chart.expected, EXPECTED);
    if chart.upper.is_finite() {
        area.draw_level(&mut svg, chart.upper, UPPER);
    }
    svg.finish()
}

/// Larger pictures have larger text and lines, though not in proportion: there is more to see in them, too.
fn text_scale((width, height): (u32, u32)) -> f64 {
    let ratio = (f64::from(width) / 800.0).min(f64::from(height) / 400.0);
    ratio.sqrt().clamp(0.8, 2.5)
}
