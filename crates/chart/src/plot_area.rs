//! The plot itself: its scales, grid and labels.

use plotters::style::{RGBColor, text_anchor::HPos};

use super::{
    Chart,
    axis::{Tick, ValueScale},
    font,
    palette::{FAINT_INK, FRAME, GRID, INK},
    svg::{Lettering, Place, Svg},
    time::{TimeScale, TimeTick},
};

const LABEL: Lettering = Lettering {
    size: 11.0,
    color: INK,
    anchor: HPos::Left,
};
/// From the plot to a label beside it.
const LABEL_GAP: f64 = 7.0;
/// The gap between two labels below the plot, at least.
const LABEL_SPACING: f64 = 22.0;
/// Height of a row of labels below the plot.
const LABEL_ROW: f64 = 15.0;
const MARGIN: f64 = 14.0;
/// From a label to the edge of the picture, at least.
const EDGE: f64 = 3.0;
/// Height that a value label needs to stand clear of its neighbours.
const VALUE_ROOM: f64 = 38.0;

/// The surface that a chart is drawn on.
#[derive(Clone, Copy)]
pub(super) struct Canvas {
    /// Width and height in units of the drawing.
    pub(super) width: f64,
    pub(super) height: f64,
    /// Pixels in a unit of the drawing.
    pub(super) scale: f64,
    /// Pixels of the picture in one at a scale of 1.
    pub(super) density: f64,
}

impl Canvas {
    /// Columns of pixels in `width`, at a scale of 1.
    pub(super) fn columns(&self, width: f64) -> f64 {
        width * self.scale / self.density
    }
}

/// Where the plot lies and how it maps points to places.
pub(super) struct PlotArea {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) right: f64,
    pub(super) bottom: f64,
    canvas: Canvas,
    /// The height below which nothing is drawn but points: that of zero where values cannot be
    /// less.
    floor: f64,
    times: TimeScale,
    values: ValueScale,
    time_ticks: Vec<TimeTick>,
    value_ticks: Vec<Tick>,
}

impl PlotArea {
    /// The plot of `chart` on `canvas`, below `top`.
    pub(super) fn new(chart: &Chart, times: TimeScale, canvas: Canvas, top: f64) -> Self {
        let values = value_scale(chart);
        let label_rows = if times.has_dates() { 2.0 } else { 1.0 };
        let bottom = canvas.height - MARGIN - label_rows * LABEL_ROW;
        let most = ((bottom - top) / VALUE_ROOM) as usize;
        let value_ticks = values.ticks(most.clamp(2, 9));
        let widths = value_ticks
            .iter()
            .map(|t| font::width(&t.label, LABEL.size));
        let left = MARGIN + widths.fold(0.0, f64::max) + LABEL_GAP;
        let right = canvas.width - MARGIN;
        let room = |text: &str| font::width(text, LABEL.size) / (right - left);
        let gap = LABEL_SPACING / (right - left);
        Self {
            left,
            top,
            right,
            bottom,
            canvas,
            floor: match chart.nonnegative {
                true => values.at(0.0).max(0.0),
                false => 0.0,
            },
            time_ticks: times.ticks(room, gap),
            times,
            values,
            value_ticks,
        }
    }

    /// Columns of pixels, at a scale of 1: a sharper picture is drawn in the same way.
    pub(super) fn columns(&self) -> usize {
        self.canvas.columns(self.right - self.left).max(1.0) as usize
    }

    /// The height below which no line and no surface is drawn, as a fraction of the plot's.
    pub(super) fn floor(&self) -> f64 {
        self.floor
    }

    /// Where `timestamp` lies on its axis, from 0 to 1.
    pub(super) fn at(&self, timestamp: i64) -> f64 {
        self.times.at(timestamp)
    }

    /// Where `value` lies on its axis; from 0 to 1 for values of points, anywhere for others.
    pub(super) fn height(&self, value: f64) -> f64 {
        self.values.at(value)
    }

    /// The place of two such fractions.
    pub(super) fn place(&self, (at, height): Place) -> Place {
        (self.x(at), self.y(height))
    }

    pub(super) fn x(&self, at: f64) -> f64 {
        self.left + at * (self.right - self.left)
    }

    fn y(&self, height: f64) -> f64 {
        self.bottom - height * (self.bottom - self.top)
    }

    /// The middle of the pixel at `position`, where a thin line is sharp.
    pub(super) fn sharp(&self, position: f64) -> f64 {
        ((position * self.canvas.scale).floor() + 0.5) / self.canvas.scale
    }

    /// Grid, labels and the lines at the left and bottom.
    pub(super) fn draw_frame(&self, svg: &Svg<'_>) {
        for tick in &self.value_ticks {
            let y = self.sharp(self.y(tick.at));
            svg.line((self.left, y), (self.right, y), GRID);
            let look = Lettering {
                anchor: HPos::Right,
                ..LABEL
            };
            let place = (self.left - LABEL_GAP, y + LABEL.size * 0.36);
            svg.text(place, look, &tick.label);
        }
        for tick in &self.time_ticks {
            let x = self.sharp(self.x(tick.at));
            svg.line((x, self.top), (x, self.bottom), GRID);
            svg.line((x, self.bottom), (x, self.bottom + 4.0), FRAME);
            let labels_begin = x - font::width(&tick.label, LABEL.size) / 2.0;
            self.draw_below(svg, (1.0, labels_begin), &tick.label, INK);
            self.draw_below(svg, (2.0, labels_begin), &tick.context, FAINT_INK);
        }
        let (x, y) = (self.sharp(self.left), self.sharp(self.bottom));
        svg.line((x, self.top), (x, y), FRAME);
        svg.line((x, y), (self.right, y), FRAME);
    }

    /// A text that begins at `x` in the `row`th row below the plot, moved so that it stays within
    /// the picture.
    fn draw_below(&self, svg: &Svg<'_>, (row, x): Place, text: &str, color: RGBColor) {
        let most = self.right + MARGIN - EDGE - font::width(text, LABEL.size);
        let y = self.bottom + row * LABEL_ROW + 2.0;
        let place = (x.min(most).max(EDGE), y);
        svg.text(place, Lettering { color, ..LABEL }, text);
    }
}

/// A scale for all points, and for what is normal as far as that does not press them flat: up to
/// half as much again above and below, and not below zero where values cannot be.
fn value_scale(chart: &Chart) -> ValueScale {
    let (low, high) = extent(chart.points.iter().map(|p| p.value));
    let span = high - low;
    let near = |value: f64| match span {
        0.0 => value,
        _ => value.max(low - span / 2.0).min(high + span / 2.0),
    };
    let normal = chart.normal.iter();
    let limits = normal.flat_map(|n| [n.expected, n.lower, n.upper]);
    let limits = limits.flatten().filter(|limit| limit.is_finite());
    let limits = limits.map(|limit| match chart.nonnegative {
        true => limit.max(0.0),
        false => limit,
    });
    let (low, high) = extent(limits.map(near).chain([low, high]));
    ValueScale::new(low, high)
}

fn extent(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = values.fold((f64::MAX, f64::MIN), |(low, high), value| {
        (low.min(value), high.max(value))
    });
    (low.min(high), high.max(low))
}
