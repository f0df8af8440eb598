//! The lines of a chart, and the surfaces between them.
//!
//! Where more than two points share a column of pixels, a line would be a blot. There the values
//! are a pale envelope, from the smallest to the largest of each column, with a line through the
//! means.

use std::{iter, ops::Range};

use super::{
    Chart, Normal,
    clip::clipped,
    downsample::{self, Column},
    palette::{ABNORMAL, ABNORMAL_ENVELOPE, BAND, ENVELOPE, EXPECTED, LIMIT, VALUES},
    plot_area::PlotArea,
    svg::{Fill, Place, Stroke, Svg},
};

/// Up to this many points are marked by dots.
const MAX_DOTS: usize = 60;
/// The radius of these dots.
const DOT: f64 = 2.6;
/// More points than this in a column of pixels are drawn as an envelope.
pub(super) const MOST_IN_A_COLUMN: f64 = 2.0;
/// The expected line is smooth if it moves at most this fraction of what the values do.
const SMOOTH: f64 = 0.3;
/// Nothing is drawn between points that are farther apart than this fraction of the width, and than
/// this many points are on average.
const HOLE: (f64, f64) = (0.015, 20.0);

/// Shades what is normal. Where that has no end, the shade goes on to the edge of the plot, or to
/// zero if the values cannot be less.
pub(super) fn draw_band(svg: &Svg<'_>, chart: &Chart, area: &PlotArea) {
    let slice = |i: usize| {
        let Normal { lower, upper, .. } = chart.normal[i];
        let lower = area.height(lower.unwrap_or(f64::NEG_INFINITY));
        let upper = area.height(upper.unwrap_or(f64::INFINITY));
        (area.at(chart.points[i].timestamp), lower, upper)
    };
    let level = chart.level();
    for run in runs(chart, area, level, Normal::is_bounded) {
        let mut slices = match dense_columns(chart, area, &run) {
            Some(count) => downsample::band(run.map(slice), count),
            None => run.map(slice).collect(),
        };
        if level.is_some() {
            extend(&mut slices, |slice, at| (at, slice.1, slice.2));
        }
        let uppers: Vec<Place> = slices.iter().map(|s| (s.0, s.2)).collect();
        let lowers: Vec<Place> = slices.iter().map(|s| (s.0, s.1)).collect();
        let outline = uppers.iter().chain(lowers.iter().rev());
        let outline =
            outline.map(|&(at, height)| area.place((at, height.clamp(area.floor(), 1.0))));
        svg.polygon(outline, BAND);
        draw_clipped(svg, area, &uppers, LIMIT);
        draw_clipped(svg, area, &lowers, LIMIT);
    }
}

/// Draws the values, and what was expected.
pub(super) fn draw_lines(svg: &Svg<'_>, chart: &Chart, area: &PlotArea) {
    // A smooth line can be seen on top of the values, and would be hidden below them. One that
    // follows the values closely would hide them.
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
    let level = chart.level();
    for run in runs(chart, area, level, |normal| normal.expected.is_some()) {
        let mut line = match dense_columns(chart, area, &run) {
            Some(count) => {
                let columns = downsample::columns(run.map(vertex), count);
                through(&columns, downsample::means(&columns))
            }
            None => run.map(vertex).collect(),
        };
        if level.is_some() {
            extend(&mut line, |vertex, at| (at, vertex.1));
        }
        draw_clipped(svg, area, &line, EXPECTED);
    }
}

/// Draws the points: as a line, with dots where there are few points, or as an envelope.
fn draw_values(svg: &Svg<'_>, chart: &Chart, area: &PlotArea) {
    let vertex = |i: usize| {
        let point = chart.points[i];
        (area.at(point.timestamp), area.height(point.value))
    };
    let place = |i: usize| area.place(vertex(i));
    let mut abnormal = None;
    for run in pieces(chart, area, |_, _| true) {
        if let Some(count) = dense_columns(chart, area, &run) {
            let abnormal = abnormal.get_or_insert_with(|| abnormal_columns(chart, area, count));
            let columns = downsample::columns(run.map(vertex), count);
            draw_envelope(svg, area, &columns, abnormal);
            continue;
        }
        if run.len() == 1 {
            svg.dot(place(run.start), VALUES.width, VALUES.color);
        }
        svg.polyline(run.clone().map(place), VALUES);
        for episode in episodes_in(chart, &run) {
            svg.polyline(episode.map(place), ABNORMAL);
        }
    }
    if chart.points.len() <= MAX_DOTS {
        for i in 0..chart.points.len() {
            svg.dot(place(i), DOT, VALUES.color);
        }
    }
}

/// Draws `columns` as a pale surface with a line through the means. Stretches of columns that are
/// `abnormal` stand out from the rest.
fn draw_envelope(svg: &Svg<'_>, area: &PlotArea, columns: &[Column], abnormal: &[bool]) {
    let is_abnormal = |column: &Column| abnormal.get(column.number) == Some(&true);
    draw_columns(svg, area, columns, ENVELOPE, VALUES);
    for stretch in columns.chunk_by(|one, next| is_abnormal(one) == is_abnormal(next)) {
        if is_abnormal(&stretch[0]) {
            draw_columns(svg, area, stretch, ABNORMAL_ENVELOPE, ABNORMAL);
        }
    }
}

/// Fills `columns` from low to high, and draws a line through their means.
fn draw_columns(svg: &Svg<'_>, area: &PlotArea, columns: &[Column], fill: Fill, stroke: Stroke) {
    let highs = through(columns, columns.iter().map(|column| column.high));
    let lows = through(columns, columns.iter().map(|column| column.low));
    let outline = highs.into_iter().chain(lows.into_iter().rev());
    svg.polygon(outline.map(|place| area.place(place)), fill);
    let line = through(columns, downsample::means(columns));
    svg.polyline(line.into_iter().map(|place| area.place(place)), stroke);
}

/// A line through `heights` in the middles of `columns`, from the left edge of the first to the
/// right edge of the last.
fn through(columns: &[Column], heights: impl IntoIterator<Item = f64>) -> Vec<Place> {
    let middle = |(column, height): (&Column, f64)| ((column.left + column.right) / 2.0, height);
    let mut line: Vec<Place> = columns.iter().zip(heights).map(middle).collect();
    if let (Some(first), Some(last)) = (columns.first(), columns.last()) {
        let (left, right) = (
            (first.left, line[0].1),
            (last.right, line[line.len() - 1].1),
        );
        line.insert(0, left);
        line.push(right);
    }
    line
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

/// The stretches of points for which `is` holds. A `level`, which is the same everywhere, goes on
/// through holes.
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

/// The number of columns of pixels, if more than two points of `run` share one on average.
fn dense_columns(chart: &Chart, area: &PlotArea, run: &Range<usize>) -> Option<usize> {
    let at = |i: usize| area.at(chart.points[i].timestamp);
    let count = area.columns();
    let covered = (at(run.end - 1) - at(run.start)) * count as f64;
    let is_dense = run.len() as f64 > MOST_IN_A_COLUMN * covered.max(1.0);
    (is_dense && run.len() > MAX_DOTS).then_some(count)
}

/// For each of `count` columns, whether it holds an anomaly or a stretch of an episode.
fn abnormal_columns(chart: &Chart, area: &PlotArea, count: usize) -> Vec<bool> {
    let column = |timestamp| ((area.at(timestamp) * count as f64) as usize).min(count - 1);
    let marks = chart.marks.iter().map(|mark| mark.point.timestamp);
    let episodes = chart.episodes.iter().copied();
    let mut abnormal = vec![false; count];
    for (start, end) in episodes.chain(marks.map(|timestamp| (timestamp, timestamp))) {
        abnormal[column(start)..=column(end)].fill(true);
    }
    abnormal
}

/// The points of `run` that belong to each episode; episodes of one point are left out.
fn episodes_in(chart: &Chart, run: &Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let points = &chart.points[run.clone()];
    let offset = run.start;
    let ranges = chart.episodes.iter().map(move |&(start, end)| {
        let first = points.partition_point(|p| p.timestamp < start);
        let last = points.partition_point(|p| p.timestamp <= end);
        offset + first..offset + last
    });
    ranges.filter(|range| range.len() > 1)
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
    for part in clipped(line, area.floor()) {
        svg.polyline(part.into_iter().map(|place| area.place(place)), stroke);
    }
}
