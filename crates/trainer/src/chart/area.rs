//! The plot itself: scales, grid, labels and lines.

use contract::Point;
use plotters::style::{RGBColor, text_anchor::HPos};

use super::{
    Chart, FAINT_INK, INK, VALUES,
    axis::{Tick, ValueScale},
    font,
    reduce::{Vertex, reduce},
    svg::{Lettering, Place, Stroke, Svg},
    time::{TimeScale, TimeTick},
};

const GRID: Stroke = super::line(RGBColor(0xe6, 0xe6, 0xe6), 1.0);
const FRAME: Stroke = super::line(RGBColor(0x8c, 0x8c, 0x8c), 1.0);
const LABEL: Lettering = Lettering {
    size: 11.0,
    color: INK,
    anchor: HPos::Left,
};
/// From the plot to a label beside it.
const LABEL_GAP: f64 = 7.0;
/// Height of a row of labels below the plot.
const LABEL_ROW: f64 = 15.0;
const MARGIN: f64 = 14.0;
/// From a label to the edge of the picture, at least.
const EDGE: f64 = 3.0;
/// Height that a value label needs to stand clear of its neighbours.
const VALUE_ROOM: f64 = 38.0;
/// Up to this many points are marked by dots.
const MAX_DOTS: usize = 60;
/// Their radius.
const DOT: f64 = 2.6;

/// Where the plot lies and how it maps points to places.
pub(super) struct Area {
    left: f64,
    top: f64,
    right: f64,
    bottom: f64,
    /// Pixels in a unit of the drawing.
    scale: f64,
    times: TimeScale,
    values: ValueScale,
    time_ticks: Vec<TimeTick>,
    value_ticks: Vec<Tick>,
}

impl Area {
    /// The plot of `chart` on a drawing of `width` × `height`, below `top`.
    pub(super) fn new(
        chart: &Chart<'_>,
        (width, height): (f64, f64),
        top: f64,
        scale: f64,
    ) -> Self {
        let times = time_scale(chart.points);
        let values = value_scale(chart);
        let label_rows = if times.has_dates() { 2.0 } else { 1.0 };
        let bottom = height - MARGIN - label_rows * LABEL_ROW;
        let most = ((bottom - top) / VALUE_ROOM) as usize;
        let value_ticks = values.ticks(most.clamp(2, 9));
        let widths = value_ticks
            .iter()
            .map(|t| font::width(&t.label, LABEL.size));
        let left = MARGIN + widths.fold(0.0, f64::max) + LABEL_GAP;
        let right = width - MARGIN;
        let room = |label: &str| (font::width(label, LABEL.size) + 22.0) / (right - left);
        Self {
            left,
            top,
            right,
            bottom,
            scale,
            time_ticks: times.ticks(room),
            times,
            values,
            value_ticks,
        }
    }

    fn x(&self, fraction: f64) -> f64 {
        self.left + fraction * (self.right - self.left)
    }

    fn y(&self, fraction: f64) -> f64 {
        self.bottom - fraction * (self.bottom - self.top)
    }

    fn place(&self, (at, value): Vertex) -> Place {
        (self.x(at), self.y(self.values.at(value)))
    }

    /// The middle of the pixel at `position`, where a thin line is sharp.
    fn sharp(&self, position: f64) -> f64 {
        ((position * self.scale).floor() + 0.5) / self.scale
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

    /// A text that begins at `x` in the `row`th row below the plot, moved so that it stays within the picture.
    fn draw_below(&self, svg: &Svg<'_>, (row, x): Place, text: &str, color: RGBColor) {
        let most = self.right + MARGIN - EDGE - font::width(text, LABEL.size);
        let y = self.bottom + row * LABEL_ROW + 2.0;
        let place = (x.min(most).max(EDGE), y);
        svg.text(place, Lettering { color, ..LABEL }, text);
    }

    /// The line through the points; dots, too, where there are few.
    pub(super) fn draw_values(&self, svg: &Svg<'_>, points: &[Point]) {
        let columns = ((self.right - self.left) * self.scale).max(1.0) as usize;
        let line = reduce(points, columns, |timestamp| self.times.at(timestamp));
        let places = line.into_iter().map(|vertex| self.place(vertex));
        svg.polyline(places, VALUES);
        if points.len() <= MAX_DOTS {
            for point in points {
                let vertex = (self.times.at(point.timestamp), point.value);
                svg.dot(self.place(vertex), DOT, VALUES.color);
            }
        }
    }

    /// A line at one value from side to side.
    pub(super) fn draw_level(&self, svg: &Svg<'_>, value: f64, stroke: Stroke) {
        let y = self.sharp(self.y(self.values.at(value)));
        svg.line((self.left, y), (self.right, y), stroke);
    }
}

fn time_scale(points: &[Point]) -> TimeScale {
    let timestamps = || points.iter().map(|p| p.timestamp);
    let first = timestamps().min().unwrap_or(0);
    TimeScale::new(first, timestamps().max().unwrap_or(first))
}

fn value_scale(chart: &Chart<'_>) -> ValueScale {
    let levels = [chart.expected, chart.upper];
    let drawn = chart.points.iter().map(|p| p.value).chain(levels);
    let (low, high) = drawn
        .filter(|value| value.is_finite())
        .fold((f64::MAX, f64::MIN), |(low, high), value| {
            (low.min(value), high.max(value))
        });
    ValueScale::new(low.min(high), high.max(low))
}
