//! The lines of a chart, and the band between two of them.

use std::{iter, ops::Range};

use super::{
    Chart, Normal,
    clip::clipped,
    downsample::{Vertex, downsample, downsample_band},
    palette::{BAND, EXPECTED, LIMIT, VALUES},
    plot_area::PlotArea,
    svg::{Place, Stroke, Svg},
};

/// Up to this many points are marked by dots.
const MAX_DOTS: usize = 60;
/// Their radius.
const DOT: f64 = 2.6;
/// The expected line is smooth if it moves at most this part of what the values do.
const SMOOTH: f64 = 0.3;
/// Nothing is drawn between points that are farther apart than this part of the width, and than so many points are on average.
const HOLE: (f64, f64) = (0.015, 20.0);

/// Shades what is normal. Where that has no end, the shade goes on to the edge of the plot.
pub(super) fn draw_band(svg: &Svg<'_>, chart: &Chart, area: &PlotArea) {
    let slice = |i: usize| {
        let Normal { lower, upper, .. } = chart.normal[i];
        let lower = area.height(lower.unwrap_or(f64::NEG_INFINITY));
        let upper = area.height(upper.unwrap_or(f64::INFINITY));
        (area.at(chart.points[i].timestamp), lower, upper)
    };
    let (columns, level) = (columns(chart, area), chart.level());
    for run in runs(chart, area, level, Normal::is_bounded) {
        let mut slices = downsample_band(run.map(slice), columns);
        if level.is_some() {
            extend(&mut slices, |slice, at| (at, slice.1, slice.2));
        }
        let uppers: Vec<Place> = slices.iter().map(|s| (s.0, s.2)).collect();
        let lowers: Vec<Place> = slices.iter().map(|s| (s.0, s.1)).collect();
        let outline = uppers.iter().chain(lowers.iter().rev());
        let outline = outline.map(|&(at, height)| area.place((at, height.clamp(0.0, 1.0))));
        svg.polygon(outline, BAND);
        draw_clipped(svg, area, &uppers, LIMIT);
        draw_clipped(svg, area, &lowers, LIMIT);
    }
}

/// The values, and what was expected.
pub(super) fn draw_lines(svg: &Svg<'_>, chart: &Chart, area: &PlotArea) {
    // A smooth line is in sight on top of the values, and hidden below. One that follows them closely would hide them.
    if is_smooth(chart) {
        draw_values(svg, chart, area);
        draw_expected(svg, chart, area);
    } else {
        draw_expected(svg, chart, area);
        draw_values(svg, chart, area);
    }
}

fn draw_expected(svg: &Svg<'_>, chart: &Chart, area: &PlotArea) {
    let vertex = |i: usize| {
        let height = chart.normal[i].expected.map_or(0.0, |e| area.height(e));
        (area.at(chart.points[i].timestamp), height)
    };
    let (columns, level) = (columns(chart, area), chart.level());
    for run in runs(chart, area, level, |normal| normal.expected.is_some()) {
        let mut line = downsample(run.map(vertex), columns);
        if level.is_some() {
            extend(&mut line, |vertex, at| (at, vertex.1));
        }
        draw_clipped(svg, area, &line, EXPECTED);
    }
}

/// The line through the points; dots, too, where there are few, and for points alone.
fn draw_values(svg: &Svg<'_>, chart: &Chart, area: &PlotArea) {
    let place = |vertex: Vertex| area.place(vertex);
    let vertex = |i: usize| {
        let point = chart.points[i];
        (area.at(point.timestamp), area.height(point.value))
    };
    let columns = columns(chart, area);
    for run in pieces(chart, area, |_, _| true) {
        if run.len() == 1 {
            svg.dot(place(vertex(run.start)), VALUES.width, VALUES.color);
        }
        let line = downsample(run.map(vertex), columns);
        svg.polyline(line.into_iter().map(place), VALUES);
    }
    if chart.points.len() <= MAX_DOTS {
        for i in 0..chart.points.len() {
            svg.dot(place(vertex(i)), DOT, VALUES.color);
        }
    }
}

/// Whether what is expected goes up and down much less than the values do.
fn is_smooth(chart: &Chart) -> bool {
    let known = chart.points.iter().zip(&chart.normal);
    let mut known = known.filter_map(|(point, normal)| Some((point.value, normal.expected?)));
    let Some(mut last) = known.next() else {
        return true;
    };
    let mut moves = (0.0, 0.0);
    for next in known {
        moves.0 += (next.0 - last.0).abs();
        moves.1 += (next.1 - last.1).abs();
        last = next;
    }
    moves.1 <= SMOOTH * moves.0
}

/// The columns of pixels, if there are too many points to tell apart.
fn columns(chart: &Chart, area: &PlotArea) -> Option<usize> {
    let columns = area.columns();
    (chart.points.len() > 4 * columns).then_some(columns)
}

/// The stretches of points for which `is` holds. What is the same everywhere, the `level`, goes on through holes.
fn runs(
    chart: &Chart,
    area: &PlotArea,
    level: Option<Normal>,
    is: impl Fn(&Normal) -> bool,
) -> Vec<Range<usize>> {
    let known = |i: usize| chart.normal.get(i).is_some_and(&is);
    let mut runs = match level {
        Some(_) => iter::once(0..chart.points.len()).collect(),
        None => pieces(chart, area, |one, next| known(one) == known(next)),
    };
    runs.retain(|run| known(run.start));
    runs
}

/// Stretches of points without a hole among them, and with neighbours that are `alike`.
fn pieces(
    chart: &Chart,
    area: &PlotArea,
    alike: impl Fn(usize, usize) -> bool,
) -> Vec<Range<usize>> {
    let n = chart.points.len();
    let hole = HOLE.0.max(HOLE.1 / n as f64);
    let mut pieces = Vec::new();
    let mut start = 0;
    let mut last = f64::MAX;
    for i in 0..n {
        let at = area.at(chart.points[i].timestamp);
        if i > start && (at - last > hole || !alike(i - 1, i)) {
            pieces.push(start..i);
            start = i;
        }
        last = at;
    }
    pieces.push(start..n);
    pieces
}

/// Draws what is the same everywhere from side to side: copies the ends of `line` there.
fn extend<V: Copy>(line: &mut Vec<V>, moved: impl Fn(V, f64) -> V) {
    if let (Some(&first), Some(&last)) = (line.first(), line.last()) {
        line.insert(0, moved(first, 0.0));
        line.push(moved(last, 1.0));
    }
}

/// The parts of `line`, given in fractions, that lie in the plot.
fn draw_clipped(svg: &Svg<'_>, area: &PlotArea, line: &[Place], stroke: Stroke) {
    for part in clipped(line) {
        svg.polyline(part.into_iter().map(|place| area.place(place)), stroke);
    }
}
