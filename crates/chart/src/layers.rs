//! What lies in the plot, from the back to the front: what was fitted on, episodes, grid, band, changes, lines, marks.

use contract::Severity;
use plotters::style::{RGBColor, text_anchor::HPos};

use super::{
    Chart, Mark,
    area::Area,
    decimal, font, lines,
    reduce::thin,
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
    lines::draw_band(svg, chart, area);
    draw_changes(svg, chart, area);
    lines::draw_lines(svg, chart, area);
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
