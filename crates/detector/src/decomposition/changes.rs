//! Where the level of a series changes for good.

use super::{Decomposition, Grid};
use crate::series::{quantile::select_median, scale::MAD_TO_STANDARD};

/// The fewest points before and after a change that its sizes are found from.
const LEAST_SIDE: usize = 5;

/// The noise that a change has to exceed at a threshold of 1, and how much more for each hundredth
/// below it.
const TIMES_NOISE: (f64, f64) = (3.0, 0.2);

/// A change of the level.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// The first place of the new level.
    pub place: usize,
    /// How much the change stands out, in `(0.5, 1)`.
    pub confidence: f64,
}

/// The changes of the level of `grid`, in its order, and the period in places. At least one value;
/// all are finite. A change lasts for at least `stable` points. `threshold` lies in `[0, 1]`: the
/// lower, the fewer changes.
pub fn changes(
    grid: &Grid,
    period: Option<usize>,
    stable: usize,
    threshold: f64,
) -> (Vec<Change>, Option<usize>) {
    let split = Decomposition::of(grid, period);
    let values = split.deseasonalised();
    let side = (2 * stable).max(LEAST_SIDE).min(values.len() / 3).max(1);
    let noise = noise(&values).max(split.least_spread());
    let (times, step) = TIMES_NOISE;
    let limit = times + step * 100.0 * (1.0 - threshold.clamp(0.0, 1.0));
    let size = |place: usize| {
        let (before, after) = (&values[place - side..place], &values[place..place + side]);
        match (median(before), median(after)) {
            (Some(before), Some(after)) => (after - before).abs() / noise,
            _ => 0.0,
        }
    };
    let last = (values.len() + 1).saturating_sub(side);
    let sizes: Vec<f64> = (side..last).map(size).collect();
    let mut found = Vec::new();
    for (i, size) in sizes.iter().enumerate() {
        let near = &sizes[i.saturating_sub(side)..(i + side + 1).min(sizes.len())];
        let is_peak = near.iter().all(|other| other <= size);
        let is_new = found.last().is_none_or(|change: &Change| i >= change.place);
        if *size > limit && is_peak && is_new {
            // Medians are as far apart some places off as well.
            let ties = (i..sizes.len()).take_while(|j| sizes[*j] >= 0.9 * size && *j < i + side);
            let from = i.saturating_sub(side / 2)..=ties.last().unwrap_or(i);
            let place = from
                .max_by(|a, b| {
                    let of = |j: usize| mean_difference(&values, j + side, side);
                    of(*a).total_cmp(&of(*b))
                })
                .unwrap_or(i)
                + side;
            let confidence = size / (size + limit);
            found.push(Change { place, confidence });
        }
    }
    (found, split.period())
}

fn median(values: &[Option<f64>]) -> Option<f64> {
    let mut present: Vec<f64> = values.iter().flatten().copied().collect();
    (!present.is_empty()).then(|| select_median(&mut present))
}

fn mean_difference(values: &[Option<f64>], place: usize, side: usize) -> f64 {
    let mean = |values: &[Option<f64>]| {
        let present = values.iter().flatten();
        let count = present.clone().count().max(1);
        present.sum::<f64>() / count as f64
    };
    (mean(&values[place..place + side]) - mean(&values[place - side..place])).abs()
}

/// The standard deviation of the noise, from the differences of neighbours, so that no change of the
/// level counts.
fn noise(values: &[Option<f64>]) -> f64 {
    let pairs = values.iter().zip(values.iter().skip(1));
    let differences = pairs.filter_map(|(a, b)| Some(((*b)? - (*a)?).abs()));
    let mut differences: Vec<f64> = differences.collect();
    match differences.is_empty() {
        true => 0.0,
        false => MAD_TO_STANDARD * select_median(&mut differences) / std::f64::consts::SQRT_2,
    }
}
