//! What lies in the plot, from the back to the front: what was fitted on, episodes, grid, band, changes, lines, marks.

use contract::{Point, Severity};
use plotters::style::{RGBColor, text_anchor::HPos};

use super::{
    Chart, Mark, Normal,
    area::Area,
    clip::clipped,
    decimal, font,
    reduce::{reduce, reduce_band, thin},
    svg::{Fill, Lettering, Place, Stroke, Svg},
};

pub(super) const INK: RGBColor = RGBColor(0x26, 0x26, 0x26);
pub(super) const FAINT_INK: RGBColor = RGBColor(0x73, 0x73, 0x73);
pub(super) const VALUES: Stroke = line(RGBColor(0x1f, 0x77, 0xb4), 1.3);
pub(super) const EXPECTED: Stroke = line(RGBColor(0x2c, 0xa0, 0x2c), 1.6);
pub(super) const BAND: Fill = Fill {
    color: EXPECTED.color,
    opacity: 0.13,
};
pub(super) const LIMIT: Stroke = line(RGBColor(0xb4, 0xdb, 0xb4), 0.8);
pub(super) const CHANGE: Stroke = Stroke {
    dashed: true,
    ..line(RGBColor(0x7b, 0x3f, 0xb5), 1.4)
};
pub(super) const EPISODE: Fill = Fill {
    color: RGBColor(0xe0, 0x30, 0x30),
    opacity: 0.12,
};
const FITTED: Fill = Fill {
    color: RGBColor(0x40, 0x50, 0x70),
    opacity: 0.08,
};
const FITTED_PLATE: Fill = Fill {
    color: RGBColor(0xf0, 0xf1, 0xf4),
    opacity: 0.85,
};
const FITTED_LABEL: Lettering = Lettering {
    size: 10.5,
    color: FAINT_INK,
    anchor: HPos::Left,
};
/// An episode is at least so wide.
const LEAST_WIDTH: f64 = 3.0;
/// Up to this many points are marked by dots.
const MAX_DOTS: usize = 60;
/// Their radius.
const DOT: f64 = 2.6;
/// Marks nearer to each other than this are drawn as one, or than more where there are more than [`MAX_MARKS`].
const NEAR: f64 = 3.0;
const MAX_MARKS: usize = 1_000;
/// From here on they get smaller.
const MANY_MARKS: f64 = 100.0;
/// More lines than this are not dashed: each dash is a shape.
const MAX_DASHED: usize = 40;
/// The rim that sets a mark off against lines.
const RIM: f64 = 0.9;
const WHITE: RGBColor = RGBColor(0xff, 0xff, 0xff);

/// A line that is not dashed.
pub(super) const fn line(color: RGBColor, width: f64) -> Stroke {
    Stroke {
        color,
        width,
        dashed: false,
    }
}

/// Colour and radius of a mark.
pub(super) const fn look(severity: Severity) -> (RGBColor, f64) {
    match severity {
        Severity::None | Severity::Low => (RGBColor(0xf0, 0x6a, 0x5a), 2.4),
        Severity::Medium => (RGBColor(0xe0, 0x30, 0x30), 2.8),
        Severity::High => (RGBColor(0xc0, 0x10, 0x20), 3.2),
        Severity::Critical => (RGBColor(0x8b, 0x00, 0x18), 3.7),
    }
}

/// Draws everything that lies in `area`, and its frame.
pub(super) fn draw(svg: &Svg<'_>, chart: &Chart, area: &Area) {
    draw_fitted(svg, chart, area);
    for &(start, end) in &chart.episodes {
        draw_stretch(svg, area, (area.at(start), area.at(end)), EPISODE);
    }
    area.draw_frame(svg);
    draw_band(svg, chart, area);
    draw_changes(svg, chart, area);
    // A level stays in sight on top; a line that follows the values would hide them.
    if chart.level().is_some() {
        draw_values(svg, chart, area);
        draw_expected(svg, chart, area);
    } else {
        draw_expected(svg, chart, area);
        draw_values(svg, chart, area);
    }
    label_fitted(svg, chart, area);
    draw_marks(svg, chart, area);
}

/// Shades what was fitted on, and says so.
fn draw_fitted(svg: &Svg<'_>, chart: &Chart, area: &Area) {
    let Some(fitted) = chart.fitted else { return };
    let end = area.at(fitted.until);
    draw_stretch(svg, area, (0.0, end), FITTED);
}

/// Says what the shade means, where there is room.
fn label_fitted(svg: &Svg<'_>, chart: &Chart, area: &Area) {
    let Some(fitted) = chart.fitted else { return };
    let count = decimal::counted(fitted.points);
    let texts = [format!("fitted on {count} points"), "fitted on".to_owned()];
    let (left, top) = (area.left + 3.0, area.top + 3.0);
    let room = area.x(area.at(fitted.until)) - left - 6.0;
    let width = |text: &String| font::width(text, FITTED_LABEL.size);
    let Some(text) = texts.iter().find(|text| width(text) <= room) else {
        return;
    };
    // What lies behind would cross it out.
    let corner = (left + width(text) + 5.0, top + 14.0);
    svg.rectangle((left, top), corner, FITTED_PLATE);
    svg.text((left + 2.5, top + 10.5), FITTED_LABEL, text);
}

/// Shades the whole height from one fraction of the width to another.
fn draw_stretch(svg: &Svg<'_>, area: &Area, (from, to): Place, fill: Fill) {
    let (from, to) = (area.x(from), area.x(to));
    let more = ((LEAST_WIDTH - (to - from)) / 2.0).max(0.0);
    svg.rectangle((from - more, area.top), (to + more, area.bottom), fill);
}

/// Shades what is normal. Where that has no end, the shade goes on to the edge of the plot.
fn draw_band(svg: &Svg<'_>, chart: &Chart, area: &Area) {
    let level = chart.level();
    for (points, normal) in runs(chart, Normal::is_bounded) {
        let slices = points.iter().zip(normal).map(|(point, normal)| {
            let lower = normal.lower.unwrap_or(f64::NEG_INFINITY);
            let upper = normal.upper.unwrap_or(f64::INFINITY);
            (
                area.at(point.timestamp),
                area.height(lower),
                area.height(upper),
            )
        });
        let mut slices = reduce_band(slices, area.columns());
        if level.is_some() {
            slices = extended(&slices, |slice, at| (at, slice.1, slice.2));
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

fn draw_expected(svg: &Svg<'_>, chart: &Chart, area: &Area) {
    let level = chart.level();
    for (points, normal) in runs(chart, |normal| normal.expected.is_some()) {
        let heights = normal
            .iter()
            .map(|n| n.expected.map_or(0.0, |e| area.height(e)));
        let line = points.iter().map(|p| area.at(p.timestamp)).zip(heights);
        let mut line = reduce(line, area.columns());
        if level.is_some() {
            line = extended(&line, |vertex, at| (at, vertex.1));
        }
        draw_clipped(svg, area, &line, EXPECTED);
    }
}

/// What is the same everywhere is drawn from side to side: `line` with a copy of its ends there.
fn extended<V: Copy>(line: &[V], moved: impl Fn(V, f64) -> V) -> Vec<V> {
    let (Some(&first), Some(&last)) = (line.first(), line.last()) else {
        return Vec::new();
    };
    let mut extended = vec![moved(first, 0.0)];
    extended.extend_from_slice(line);
    extended.push(moved(last, 1.0));
    extended
}

/// The stretches of points for which `is` holds, with what is normal at each.
fn runs(
    chart: &Chart,
    is: impl Fn(&Normal) -> bool + Copy,
) -> impl Iterator<Item = (&[Point], &[Normal])> {
    let mut start = 0;
    let runs = chart.normal.chunk_by(move |a, b| is(a) == is(b));
    let with_points = runs.map(move |normal| {
        let points = &chart.points[start..start + normal.len()];
        start += normal.len();
        (points, normal)
    });
    with_points.filter(move |(_, normal)| is(&normal[0]))
}

/// The parts of `line`, given in fractions, that lie in the plot.
fn draw_clipped(svg: &Svg<'_>, area: &Area, line: &[Place], stroke: Stroke) {
    for part in clipped(line) {
        svg.polyline(part.into_iter().map(|place| area.place(place)), stroke);
    }
}

fn draw_changes(svg: &Svg<'_>, chart: &Chart, area: &Area) {
    let mut places: Vec<f64> = chart
        .changes
        .iter()
        .map(|&change| area.sharp(area.x(area.at(change))))
        .collect();
    places.dedup();
    let stroke = Stroke {
        dashed: places.len() <= MAX_DASHED,
        ..CHANGE
    };
    for x in places {
        svg.line((x, area.bottom), (x, area.top), stroke);
    }
}

/// The line through the points; dots, too, where there are few.
fn draw_values(svg: &Svg<'_>, chart: &Chart, area: &Area) {
    let vertices = chart
        .points
        .iter()
        .map(|p| (area.at(p.timestamp), area.height(p.value)));
    let line = reduce(vertices.clone(), area.columns());
    svg.polyline(line.into_iter().map(|vertex| area.place(vertex)), VALUES);
    if chart.points.len() <= MAX_DOTS {
        for vertex in vertices {
            svg.dot(area.place(vertex), DOT, VALUES.color);
        }
    }
}

/// Anomalies: dots where the value is not normal, rings where only the shape is not; of those that would cover each other the
/// most severe.
fn draw_marks(svg: &Svg<'_>, chart: &Chart, area: &Area) {
    let marks = chart.marks.iter().map(|mark| {
        let vertex = (area.at(mark.point.timestamp), area.height(mark.point.value));
        (area.place(vertex), mark)
    });
    let mut near = NEAR;
    let mut kept = thin(marks, near, |mark| mark.severity);
    while kept.len() > MAX_MARKS {
        near *= 1.5;
        kept = thin(kept, near, |mark| mark.severity);
    }
    // Many would hide the line.
    let size = (MANY_MARKS / kept.len() as f64).sqrt().clamp(0.6, 1.0);
    for (place, mark) in kept {
        draw_mark(svg, place, mark, size);
    }
}

fn draw_mark(svg: &Svg<'_>, place: Place, mark: &Mark, size: f64) {
    let (color, radius) = look(mark.severity);
    let radius = radius * size;
    svg.dot(place, radius + RIM * size, WHITE);
    if mark.within {
        svg.ring(place, radius - 0.4, line(color, 1.3));
    } else {
        svg.dot(place, radius, color);
    }
}
