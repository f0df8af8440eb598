//! Draws all that lies in the plot, from the back to the front: the time that was fitted on,
//! episodes, grid, band, changes, lines, marks.

use super::{
    Chart, Mark, decimal,
    downsample::thin,
    font, lines,
    palette::{self, CHANGE, EPISODE, FITTED, FITTED_LABEL, FITTED_PLATE, WHITE, line},
    plot_area::PlotArea,
    svg::{Fill, Place, Stroke, Svg},
};

/// An episode is at least this wide.
const LEAST_WIDTH: f64 = 3.0;
/// Of marks nearer to each other than this, only one is drawn. The distance grows while more than
/// [`MAX_MARKS`] are left.
const NEAR: f64 = 3.0;
const MAX_MARKS: usize = 1_000;
/// Marks get smaller when there are more than this.
const MANY_MARKS: f64 = 60.0;
/// More lines than this are not dashed: each dash is a shape.
const MAX_DASHED: usize = 40;
/// The rim that sets a mark off against lines.
const RIM: f64 = 1.0;

/// Draws everything that lies in `area`, and its frame.
pub(super) fn draw(svg: &Svg<'_>, chart: &Chart, area: &PlotArea) {
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

/// Shades the time that was fitted on.
fn draw_fitted(svg: &Svg<'_>, chart: &Chart, area: &PlotArea) {
    let Some(fitted) = chart.fitted else { return };
    let end = area.at(fitted.until);
    draw_stretch(svg, area, (0.0, end), FITTED);
}

/// Says what that shade means, if there is room.
fn label_fitted(svg: &Svg<'_>, chart: &Chart, area: &PlotArea) {
    let Some(fitted) = chart.fitted else { return };
    let count = decimal::counted(fitted.points);
    let texts = [format!("fitted on {count} points"), "fitted on".to_owned()];
    let (left, top) = (area.left + 3.0, area.top + 3.0);
    let room = area.x(area.at(fitted.until)) - left - 6.0;
    let width = |text: &String| font::width(text, FITTED_LABEL.size);
    let Some(text) = texts.iter().find(|text| width(text) <= room) else {
        return;
    };
    // Without a plate, the lines behind would cross the text out.
    let corner = (left + width(text) + 5.0, top + 14.0);
    svg.rectangle((left, top), corner, FITTED_PLATE);
    svg.text((left + 2.5, top + 10.5), FITTED_LABEL, text);
}

/// Shades the whole height from one fraction of the width to another.
fn draw_stretch(svg: &Svg<'_>, area: &PlotArea, (from, to): Place, fill: Fill) {
    let (from, to) = (area.x(from), area.x(to));
    let more = ((LEAST_WIDTH - (to - from)) / 2.0).max(0.0);
    svg.rectangle((from - more, area.top), (to + more, area.bottom), fill);
}

fn draw_changes(svg: &Svg<'_>, chart: &Chart, area: &PlotArea) {
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

/// Draws anomalies: a dot where the value is not normal, a ring where only the shape is not. Of
/// those that would cover each other, the most severe is drawn.
fn draw_marks(svg: &Svg<'_>, chart: &Chart, area: &PlotArea) {
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
    // Many large marks would hide the line.
    let size = (MANY_MARKS / kept.len() as f64).sqrt().clamp(0.5, 1.0);
    for (place, mark) in kept {
        draw_mark(svg, place, mark, size);
    }
}

fn draw_mark(svg: &Svg<'_>, place: Place, mark: &Mark, size: f64) {
    let (color, radius) = palette::mark(mark.severity);
    let radius = radius * size;
    svg.dot(place, radius + RIM * size, WHITE);
    if mark.within {
        svg.ring(place, radius - 0.4, line(color, 1.3));
    } else {
        svg.dot(place, radius, color);
    }
}
