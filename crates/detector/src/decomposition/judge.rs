//! Verdicts by the remainder.

use super::{Decomposition, Grid};
use crate::series::{
    quantile::{select_median, select_quantile},
    scale::MAD_TO_STANDARD,
};

/// The standard deviations of the remainder that are tolerated at the highest sensitivity, 99, and
/// how many more for each step below it.
const DEVIATIONS: (f64, f64) = (3.5, 0.1);

/// By how much more of a short series is tolerated, times its number of points: its spread is not
/// known well.
const SHORT: f64 = 6.0;

/// A quantile of distances, and the standard deviation in such distances.
const UPPER_QUARTILE: (f64, f64) = (0.75, 1.0 / 1.150_35);

/// The fewest remainders on a side that have a spread of their own.
const OWN_SPREAD: usize = 8;

/// What is tolerated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tolerance {
    /// From 0 to 99: the higher, the narrower the range of what is normal.
    pub sensitivity: f64,
    /// The largest share of the points that may be anomalies, from 0 to 1. Where there are more,
    /// those that lie farthest out are.
    pub max_ratio: f64,
}

/// The verdict on one point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RangeVerdict {
    /// The value less what is expected, if the point is an anomaly.
    pub deviation: Option<f64>,
    /// The expected value.
    pub expected: f64,
    /// How far above the expected value is normal, not negative. A point is an anomaly exactly if it
    /// lies beyond.
    pub upper: f64,
    /// How far below it is normal, not negative.
    pub lower: f64,
}

impl RangeVerdict {
    fn new(value: f64, expected: f64, upper: f64, lower: f64) -> Self {
        let is_outside = value > expected + upper || value < expected - lower;
        Self {
            deviation: is_outside.then_some(value - expected),
            expected,
            upper,
            lower,
        }
    }

    /// How far beyond the range the point lies, in `(0, 1)`; 0 if it is normal.
    pub fn severity(&self) -> f64 {
        let Some(remainder) = self.deviation else {
            return 0.0;
        };
        let margin = if remainder > 0.0 {
            self.upper
        } else {
            self.lower
        };
        (1.0 - margin / remainder.abs()).clamp(f64::MIN_POSITIVE, 1.0 - f64::EPSILON)
    }

    /// The same with a range that has the value in it.
    fn tolerated(self, value: f64) -> Self {
        let widened = (value - self.expected).abs() * (1.0 + 1e-9) + f64::MIN_POSITIVE;
        match value > self.expected {
            true => Self::new(value, self.expected, self.upper.max(widened), self.lower),
            false => Self::new(value, self.expected, self.upper, self.lower.max(widened)),
        }
    }
}

/// The verdict on every point of `grid`, in its order, and the period in places. At least one value;
/// all are finite. `period` is looked for if it is not known; 1 stands for none.
pub fn every_point(
    grid: &Grid,
    period: Option<usize>,
    tolerance: &Tolerance,
) -> (Vec<Option<RangeVerdict>>, Option<usize>) {
    let split = Decomposition::of(grid, period);
    let places = split.values.iter().enumerate();
    let remainders: Vec<f64> = places
        .filter_map(|(place, value)| Some((*value)? - split.expected(place)))
        .collect();
    let spread = Spread::of(&remainders, split.least_spread());
    let margins = spread.margins(tolerance.sensitivity, remainders.len(), split.unit);
    let judge = |(place, value): (usize, &Option<f64>)| {
        let expected = (split.expected(place) * split.unit).clamp(f64::MIN, f64::MAX);
        Some(RangeVerdict::new((*value)?, expected, margins.0, margins.1))
    };
    let mut verdicts: Vec<Option<RangeVerdict>> = grid.iter().enumerate().map(judge).collect();
    let most = (tolerance.max_ratio * remainders.len() as f64) as usize;
    keep_worst(&mut verdicts, grid, most);
    (verdicts, split.period())
}

/// Leaves the `most` severest anomalies.
fn keep_worst(verdicts: &mut [Option<RangeVerdict>], grid: &Grid, most: usize) {
    let places = verdicts.iter().enumerate();
    let severities =
        places.filter_map(|(place, verdict)| Some((place, verdict.as_ref()?.severity())));
    let mut anomalies: Vec<(usize, f64)> = severities.filter(|(_, s)| *s > 0.0).collect();
    anomalies.sort_by(|a, b| b.1.total_cmp(&a.1));
    for (place, _) in anomalies.into_iter().skip(most) {
        if let (Some(verdict), Some(value)) = (&mut verdicts[place], grid[place]) {
            *verdict = verdict.tolerated(value);
        }
    }
}

/// The verdict on the last value of `grid` by those before it, and the period in places. The last
/// value is there, and at least one before it.
///
/// # Panics
/// When it is not.
pub fn last_point(
    grid: &Grid,
    period: Option<usize>,
    tolerance: &Tolerance,
) -> (RangeVerdict, Option<usize>) {
    let (last, before) = grid.split_last().expect("there is a last value");
    let value = last.expect("the last value is there");
    let split = Decomposition::of(before, period);
    // How far each value lies from what those before it would have said.
    let values = split.deseasonalised();
    let misses = (split.half..values.len()).filter_map(|place| {
        let from = place.saturating_sub(2 * split.half + 1);
        let window = &values[from..place];
        let known = window.iter().flatten().count() >= split.half;
        Some(values[place].filter(|_| known)? - super::forecast(window))
    });
    let misses: Vec<f64> = misses.collect();
    let spread = Spread::of(&misses, split.least_spread());
    let (upper, lower) = spread.margins(tolerance.sensitivity, misses.len(), split.unit);
    let expected = (split.next() * split.unit).clamp(f64::MIN, f64::MAX);
    let verdict = RangeVerdict::new(value, expected, upper, lower);
    let verdict = match tolerance.max_ratio > 0.0 {
        true => verdict,
        false => verdict.tolerated(value),
    };
    (verdict, split.period())
}

/// The robust standard deviations above and below.
struct Spread {
    above: f64,
    below: f64,
}

impl Spread {
    /// Of `remainders` in units, at least `least` each. A side that spreads less than half as much as
    /// both together counts as half of that.
    fn of(remainders: &[f64], least: f64) -> Self {
        let typical = |side: Vec<f64>| {
            let mut side = side;
            let enough = side.len() >= OWN_SPREAD;
            // The larger of two estimates: tails may be heavier than those of a normal distribution.
            enough.then(|| {
                let (q, to_standard) = UPPER_QUARTILE;
                let outer = to_standard * select_quantile(&mut side, q);
                outer.max(MAD_TO_STANDARD * select_median(&mut side))
            })
        };
        let both = typical(remainders.iter().map(|r| r.abs()).collect()).unwrap_or_else(|| {
            let sizes = remainders.iter().map(|r| r.abs());
            sizes.fold(0.0, f64::max)
        });
        let of = |sign: f64| {
            let side = remainders.iter().map(|r| r * sign).filter(|r| *r > 0.0);
            let own = typical(side.collect()).unwrap_or(both);
            own.max(both / 2.0).max(least)
        };
        Self {
            above: of(1.0),
            below: of(-1.0),
        }
    }

    /// The margins above and below at a sensitivity, of a spread that was found from so many `points`.
    fn margins(&self, sensitivity: f64, points: usize, unit: f64) -> (f64, f64) {
        let (most_sensitive, step) = DEVIATIONS;
        let deviations = most_sensitive + step * (99.0 - sensitivity.clamp(0.0, 99.0));
        let deviations = deviations * (1.0 + SHORT / points.max(1) as f64);
        let margin = |spread: f64| (deviations * spread * unit).clamp(0.0, f64::MAX);
        (margin(self.above), margin(self.below))
    }
}
