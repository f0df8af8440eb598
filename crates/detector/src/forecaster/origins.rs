//! Places in the training points at which the replay is stopped: what was known there, and how far
//! forecasts from there on were off.

use super::{
    Training,
    recursion::{Fast, Fixed, Slow},
    seasons::{LEVEL, LINES},
};
use crate::series::quantile::select_quantile;

/// The number of places of the training points at which the replay is stopped.
pub(super) const ORIGINS: usize = 16;
/// A line other than the level must be better by this factor if no period was found, and so must a
/// level other than the median.
const MARGIN: f64 = 1.3;
/// The least share of points at which a line must be known.
const KNOWN: f64 = 0.3;
/// The largest number of points that are judged from an origin, and of those whose median is a
/// level.
const ROWS: usize = 2_048;
const MEDIAN_OF: usize = 8_192;

/// The kinds of levels: the median of all points, of the last cycle, and the level that follows.
const LEVELS: usize = 3;

/// The points after an origin, as the forecaster knew them there.
pub(super) struct Origin {
    /// The levels of each line: that kind of level, that line.
    pub(super) levels: [[f64; LINES]; LEVELS],
    /// The indices of the points.
    pub(super) rows: Vec<usize>,
    /// The lines at each of them; NaN where not known.
    lines: Vec<[f64; LINES]>,
    /// The slot of the last point before.
    slot: i64,
    /// The slow volatility of the forecast by the last points.
    pub(super) volatility: f64,
}

/// An error of a frozen forecast in training.
pub(super) struct Row {
    pub(super) slot: i64,
    pub(super) mean: f64,
    pub(super) error: f64,
    /// The number of slots from the last point before the origin.
    pub(super) distance: i64,
    /// The index of the point.
    pub(super) index: usize,
}

impl Origin {
    /// The state of knowledge before point number `at`.
    pub(super) fn new(
        training: &Training<'_>,
        fixed: &Fixed,
        slow: &Slow,
        fast: &Fast,
        at: usize,
    ) -> Self {
        let lines_at = |i: usize| {
            let lines = slow.seasons.lines(&fixed.periods.place(training.slots[i]));
            let mut known = [f64::NAN; LINES];
            for (line, known) in known.iter_mut().enumerate() {
                let offset = if line == LEVEL { 0.0 } else { fixed.location };
                *known = lines[line].map_or(f64::NAN, |center| center + offset);
            }
            known
        };
        let stride = at.div_ceil(MEDIAN_OF).max(1);
        let before: Vec<usize> = (0..at).rev().step_by(stride).collect();
        let lines_before: Vec<[f64; LINES]> = before.iter().map(|i| lines_at(*i)).collect();
        let mut levels = [[0.0; LINES]; LEVELS];
        let cycle = fixed.periods.cycle().min(at);
        let mut rest = Vec::new();
        for line in (0..LINES).filter(|line| fixed.periods.has(*line)) {
            rest.clear();
            let known = before.iter().zip(&lines_before);
            rest.extend(
                known.filter_map(|(i, lines)| known_rest(training.values[*i], lines[line])),
            );
            if rest.is_empty() {
                continue;
            }
            levels[0][line] = select_quantile(&mut rest, 0.5);
            let whole = |i: usize| known_rest(training.values[i], lines_at(i)[line]);
            if cycle < at || stride > 1 {
                let mut last: Vec<f64> = last_known(at, whole).take(cycle).collect();
                levels[1][line] = select_quantile(&mut last, 0.5);
            } else {
                levels[1][line] = levels[0][line];
            }
            levels[2][line] = fast.level(line);
        }
        let end = (2 * at).min(training.values.len());
        let stride = (end - at).div_ceil(ROWS).max(1);
        let rows: Vec<usize> = (at..end).step_by(stride).collect();
        Self {
            levels,
            lines: rows.iter().map(|i| lines_at(*i)).collect(),
            rows,
            slot: training.slots[at.saturating_sub(1)],
            volatility: fast.volatility(),
        }
    }

    fn forecast(&self, row: usize, choice: (usize, usize)) -> f64 {
        let (line, level) = choice;
        let center = self.lines[row][line];
        if center.is_nan() {
            self.levels[level][LEVEL]
        } else {
            center + self.levels[level][line]
        }
    }
}

fn known_rest(value: f64, center: f64) -> Option<f64> {
    (!center.is_nan()).then_some(value - center)
}

/// The known ones of the points before `at`, the newest first.
fn last_known(at: usize, known: impl Fn(usize) -> Option<f64>) -> impl Iterator<Item = f64> {
    (0..at).rev().filter_map(known)
}

/// The line and the level whose forecasts had the smallest mean error.
pub(super) fn choose(training: &Training<'_>, fixed: &Fixed, origins: &[Origin]) -> (usize, usize) {
    let rows: usize = origins.iter().map(|origin| origin.rows.len()).sum();
    let mut best = (f64::INFINITY, (LEVEL, 0));
    for line in (0..LINES).filter(|line| fixed.periods.has(*line)) {
        let known = origins.iter().flat_map(|origin| &origin.lines);
        let known = known.filter(|lines| !lines[line].is_nan()).count();
        if line != LEVEL && (known as f64) < KNOWN * rows as f64 {
            continue;
        }
        for level in 0..LEVELS {
            let errors = origins.iter().flat_map(|origin| {
                let error = move |(row, i): (usize, &usize)| {
                    (training.values[*i] - origin.forecast(row, (line, level))).abs()
                };
                origin.rows.iter().enumerate().map(error)
            });
            let of_level = if level > 0 { MARGIN } else { 1.0 };
            let unfounded = line != LEVEL && fixed.periods.found == 0;
            let of_line = if unfounded { MARGIN } else { 1.0 };
            let cost = errors.sum::<f64>() / rows as f64 * of_level * of_line;
            if cost < best.0 {
                best = (cost, (line, level));
            }
        }
    }
    best.1
}

/// The errors of the chosen forecasts, where the place of the line was seen.
pub(super) fn rows(
    training: &Training<'_>,
    origins: &[Origin],
    choice: (usize, usize),
) -> Vec<Row> {
    let mut all = Vec::new();
    for origin in origins {
        for (row, i) in origin.rows.iter().enumerate() {
            if origin.lines[row][choice.0].is_nan() {
                continue;
            }
            let mean = origin.forecast(row, choice);
            all.push(Row {
                slot: training.slots[*i],
                mean,
                error: training.values[*i] - mean,
                distance: training.slots[*i].saturating_sub(origin.slot),
                index: *i,
            });
        }
    }
    all
}
