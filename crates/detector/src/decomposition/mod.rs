//! A whole series at once: every point is judged by what lies before it and after it.
//!
//! The series is split into a level, a season and a remainder by running medians, as STL does by
//! local regression (Cleveland and others, "STL: a seasonal-trend decomposition procedure based on
//! loess", 1990). Medians leave a spike out, and follow a step at once. Points are judged by their
//! remainder.
//!
//! A [`Session`](crate::Session) knows the past only, and so can say what is unusual as it comes.
//! This is for those who have all of a series, and want a verdict on each of its points, from the
//! first one on.

mod changes;
mod judge;
mod running;

pub use changes::{Change, changes};
pub use judge::{RangeVerdict, Tolerance, every_point, last_point};

use crate::series::{
    quantile::select_median,
    scale::{of_any, power_of_two_near},
    seasonality::{CYCLES, Found, Gridded},
};
use running::{forecast, running_median};

/// The fewest points on each side of one that its level is found from, and the most if there is no
/// season.
const HALF_WINDOW: (usize, usize) = (3, 60);

/// A series on a regular grid. A value is `None` where it is missing.
pub type Grid = [Option<f64>];

/// Level and season of a series, in a unit of about its largest value.
#[derive(Debug)]
struct Decomposition {
    /// The unit, a power of two.
    unit: f64,
    /// The values in units.
    values: Vec<Option<f64>>,
    /// The level in each place of the grid.
    level: Vec<f64>,
    season: Option<Season>,
    /// How many points on each side a level is found from.
    half: usize,
}

impl Decomposition {
    /// Splits a grid of at least one value, all finite. The season has `period` places if that is
    /// known; 1 stands for none. Otherwise it is looked for.
    fn of(grid: &Grid, period: Option<usize>) -> Self {
        let largest = grid.iter().flatten().fold(0.0_f64, |m, v| m.max(v.abs()));
        let unit = power_of_two_near(largest);
        let values: Vec<Option<f64>> = grid.iter().map(|v| v.map(|v| v / unit)).collect();
        let enough = |period: &usize| *period > 1 && CYCLES * period <= values.len();
        let period = match period {
            Some(period) => Some(period).filter(enough),
            None => found(&values).filter(enough),
        };
        let season = period.map(|period| Season::of(&values, period));
        let half = half_window(values.len(), period);
        let level = running_median(&without(&values, season.as_ref()), half);
        Self {
            unit,
            values,
            level,
            season,
            half,
        }
    }

    fn period(&self) -> Option<usize> {
        self.season.as_ref().map(|season| season.usual.len())
    }

    /// What is expected in a place of the grid, in units.
    fn expected(&self, place: usize) -> f64 {
        let season = self.season.as_ref();
        self.level[place] + season.map_or(0.0, |season| season.by_place[place])
    }

    /// The values without their season.
    fn deseasonalised(&self) -> Vec<Option<f64>> {
        without(&self.values, self.season.as_ref())
    }

    /// The smallest spread that counts as one: a small part of what the values spread over.
    fn least_spread(&self) -> f64 {
        let present: Vec<f64> = self.values.iter().flatten().copied().collect();
        0.02 * of_any(&present)
    }

    /// What is expected one place behind the grid, in units.
    fn next(&self) -> f64 {
        let values = self.deseasonalised();
        let tail = &values[values.len().saturating_sub(2 * self.half + 1)..];
        let season = self.season.as_ref().map_or(0.0, |season| {
            season.usual[values.len() % season.usual.len()]
        });
        forecast(tail) + season
    }
}

/// What the season adds to the level.
#[derive(Debug)]
struct Season {
    /// By place in the season.
    usual: Vec<f64>,
    /// By place of the grid, from the other cycles only: no point is expected because it is there.
    by_place: Vec<f64>,
}

impl Season {
    /// The medians of what is left of `values` without a level that has no season.
    fn of(values: &[Option<f64>], period: usize) -> Self {
        let half = period.div_ceil(2);
        let mut level = running_median(values, half);
        // Where the window is cut, the level would follow the season. It goes on as it usually changes
        // over the next season, so a step there does not count.
        let (first, last) = (half, level.len() - 1 - half);
        let apart = (period / 6).max(1);
        let slope = |from: usize| {
            let places = from..=from + period - apart;
            let changes = places.map(|i| (level[i + apart] - level[i]) / apart as f64);
            select_median(&mut changes.collect::<Vec<f64>>())
        };
        let (head, tail) = (slope(first), slope(last - period));
        for i in 1..=half {
            level[first - i] = level[first] - head * i as f64;
            level[last + i] = level[last] + tail * i as f64;
        }
        let rest = |place: usize| Some(values[place]? - level[place]);
        let mut places = vec![Vec::new(); period];
        for place in 0..values.len() {
            places[place % period].extend(rest(place));
        }
        for place in &mut places {
            place.sort_unstable_by(f64::total_cmp);
        }
        let by_place = (0..values.len()).map(|place| {
            let cycles = &places[place % period];
            median_of_others(cycles, rest(place)).unwrap_or(0.0)
        });
        Self {
            by_place: by_place.collect(),
            usual: places
                .iter()
                .map(|cycles| median_of_others(cycles, None).unwrap_or(0.0))
                .collect(),
        }
    }
}

/// The median of `sorted` values without one of them. `None` if no others are there.
fn median_of_others(sorted: &[f64], one: Option<f64>) -> Option<f64> {
    let left_out = one.map_or(sorted.len(), |one| {
        sorted.partition_point(|other| other.total_cmp(&one).is_lt())
    });
    let n = sorted.len() - usize::from(one.is_some());
    let other = |at: usize| sorted[at + usize::from(at >= left_out)];
    (n > 0).then(|| f64::midpoint(other((n - 1) / 2), other(n / 2)))
}

fn without(values: &[Option<f64>], season: Option<&Season>) -> Vec<Option<f64>> {
    let seasonal = |place: usize| season.map_or(0.0, |season| season.by_place[place]);
    let places = values.iter().enumerate();
    places
        .map(|(place, value)| value.map(|v| v - seasonal(place)))
        .collect()
}

/// The length of the season that the values have, if they have one. What changes more slowly than
/// the longest season is left out. A step hides a season from that; the differences of neighbours,
/// of which only one has the step, do not hide it.
fn found(values: &[Option<f64>]) -> Option<usize> {
    let slow = running_median(values, values.len().div_ceil(2 * CYCLES));
    let quick = values.iter().zip(slow).map(|(v, slow)| Some((*v)? - slow));
    let neighbours = values.iter().zip(values.iter().skip(1));
    let differences = neighbours.map(|(a, b)| Some((*b)? - (*a)?));
    period_of(quick).or_else(|| period_of(differences))
}

fn period_of(values: impl Iterator<Item = Option<f64>>) -> Option<usize> {
    let present = (0..)
        .zip(values)
        .filter_map(|(place, value)| Some((place, value?)));
    let (slots, present): (Vec<i64>, Vec<f64>) = present.unzip();
    if present.is_empty() {
        return None;
    }
    let median = select_median(&mut present.clone());
    let grid = Gridded::new(&slots, &present, median, of_any(&present));
    let longest = slots.last().map_or(0, |last| *last as usize / CYCLES);
    Found::of(&grid, None, longest).reported()
}

/// A level of a season is found from a season on each side, else from a tenth of the series.
fn half_window(points: usize, period: Option<usize>) -> usize {
    let (least, most) = HALF_WINDOW;
    match period {
        Some(period) => period.min(points / 4).max(period / 2),
        None => points / 10,
    }
    .clamp(least, most.max(period.unwrap_or(0)))
}
