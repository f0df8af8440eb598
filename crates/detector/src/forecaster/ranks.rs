//! The ranks of the training points: a value as far out as k of n training points has a p-value of
//! at least k/(n + 1), whatever a tail says.
//!
//! A run of far points in a row counts once, since an outage of twenty points happened once and a
//! nightly job of one point happened every night. Errors beyond the last bin are absurd readings
//! and count for nothing but themselves.

use serde::{Deserialize, Serialize};

use super::distribution::{BINS, Side, bin_of, edge};
use crate::bytes;

/// For each side, the number of runs whose largest error lies in a bin or beyond.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TrainingRanks {
    #[serde(with = "bytes::fixed")]
    above: Box<[f32; RANKED]>,
    #[serde(with = "bytes::fixed")]
    below: Box<[f32; RANKED]>,
    /// One more than the number of training points.
    all: f64,
}

/// Only the last bins have ranks, those of errors of two scales and more.
const RANKED: usize = 96;
const FIRST: usize = BINS - RANKED;
/// The exponent of the power law beyond the largest error: that of Student's t with three degrees
/// of freedom, heavier than most.
const EXPONENT: i32 = 3;
/// The number of bins by which errors may differ and count as equal.
const EQUAL: usize = 3;

/// Tells the runs of far errors apart.
#[derive(Clone, Debug, Default)]
pub(super) struct Runs {
    run: Option<Run>,
}

/// An error that counts once: a near one, or the largest of a run of far ones.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Run {
    pub(super) largest: f64,
    /// The number of errors.
    pub(super) length: u32,
}

impl TrainingRanks {
    fn empty() -> Self {
        Self {
            above: Box::new([0.0; RANKED]),
            below: Box::new([0.0; RANKED]),
            all: 1.0,
        }
    }

    fn runs(&self, side: Side) -> &[f32; RANKED] {
        match side {
            Side::Above => &self.above,
            Side::Below => &self.below,
        }
    }

    /// The least p-value of an error of this size. Errors that are smaller by a seventh count as
    /// equal, so that the next of a kind is not odd for being the largest so far.
    pub(super) fn p_value(&self, side: Side, size: f64) -> f64 {
        let rank = bin_of(size).saturating_sub(EQUAL).checked_sub(FIRST);
        rank.map_or(0.0, |rank| f64::from(self.runs(side)[rank]) / self.all)
    }

    /// The largest p-value of an error of this size: where it lies beyond the largest error of n
    /// training points, it is exceeded less often than once in n, and the less the farther out it
    /// is, as by a power law of this exponent.
    pub(super) fn most(&self, side: Side, size: f64) -> f64 {
        match self.largest(side) {
            Some(largest) if size > largest => 2.0 / self.all * (largest / size).powi(EXPONENT),
            _ => 1.0,
        }
    }

    /// The smallest size whose largest p-value is `rate`; infinite if there is none.
    pub(super) fn size_at_most(&self, side: Side, rate: f64) -> f64 {
        let often = 2.0 / (self.all * rate);
        match self.largest(side) {
            Some(largest) => largest * often.max(1.0).powf(1.0 / f64::from(EXPONENT)),
            None => f64::INFINITY,
        }
    }

    /// The size that counts as equal to the largest error of a side; `None` if none has a rank.
    fn largest(&self, side: Side) -> Option<f64> {
        let ranked = self.runs(side).partition_point(|runs| *runs > 0.0);
        (ranked > 0).then(|| edge(FIRST + EQUAL + ranked))
    }

    /// The largest size whose least p-value is `rate` or more; 0 if there is none.
    pub(super) fn size_at(&self, side: Side, rate: f64) -> f64 {
        let runs = self.runs(side);
        let least = rate * self.all;
        match runs.partition_point(|runs| f64::from(*runs) >= least) {
            0 => 0.0,
            rank => edge(FIRST + EQUAL + rank),
        }
    }

    pub(super) fn is_sound(&self) -> bool {
        let falls = |runs: &[f32; RANKED]| {
            runs.is_sorted_by(|a, b| a >= b) && runs[RANKED - 1] >= 0.0 && runs[0].is_finite()
        };
        falls(&self.above) && falls(&self.below) && self.all >= 1.0 && self.all.is_finite()
    }

    pub(super) const HEAP_BYTES: usize = 2 * RANKED * size_of::<f32>();
}

/// An error counts as far from this many times the size on where the tail begins.
pub(super) const FAR: f64 = 3.0;

impl Runs {
    /// The errors that count once the next one, `error`, is known. It is far if its size is over
    /// `far`.
    pub(super) fn next(&mut self, error: f64, far: f64) -> impl Iterator<Item = Run> {
        let is_far = error.abs() > far;
        let alone = Run {
            largest: error,
            length: 1,
        };
        let ended = match &mut self.run {
            Some(run) if is_far && Side::of(run.largest) == Side::of(error) => {
                run.length += 1;
                if error.abs() > run.largest.abs() {
                    run.largest = error;
                }
                return None.into_iter().chain(None);
            }
            run => run.take(),
        };
        self.run = is_far.then_some(alone);
        ended.into_iter().chain((!is_far).then_some(alone))
    }

    /// The run that is going on, which ends.
    pub(super) fn end(&mut self) -> Option<Run> {
        self.run.take()
    }
}

/// Errors on their way into ranks.
#[derive(Clone, Debug)]
pub(super) struct RankCounter {
    ranks: TrainingRanks,
    worth: f64,
}

impl RankCounter {
    /// Counts errors that are each worth this many points.
    pub(super) fn new(worth: f64) -> Self {
        Self {
            ranks: TrainingRanks::empty(),
            worth,
        }
    }

    /// Counts a point.
    pub(super) fn count(&mut self) {
        self.ranks.all += self.worth;
    }

    /// Counts a run once.
    pub(super) fn add(&mut self, run: Run) {
        let error = run.largest;
        let bin = bin_of(error.abs());
        if (FIRST..BINS - 1).contains(&bin) {
            let counts = match Side::of(error) {
                Side::Above => &mut self.ranks.above,
                Side::Below => &mut self.ranks.below,
            };
            counts[bin - FIRST] += self.worth as f32;
        }
    }

    /// The ranks of all that was counted.
    pub(super) fn into_ranks(mut self) -> TrainingRanks {
        for counts in [&mut self.ranks.above, &mut self.ranks.below] {
            let mut beyond = 0.0;
            for count in counts.iter_mut().rev() {
                beyond += *count;
                *count = beyond;
            }
        }
        self.ranks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranks(errors: impl IntoIterator<Item = f64>) -> TrainingRanks {
        let (mut counter, mut runs) = (RankCounter::new(1.0), Runs::default());
        for error in errors {
            counter.count();
            runs.next(error, 3.0).for_each(|run| counter.add(run));
        }
        runs.end().into_iter().for_each(|run| counter.add(run));
        counter.into_ranks()
    }

    #[test]
    fn what_recurs_counts_each_time_and_what_lasts_counts_once() {
        // Ten points at 20 in a row, or one after each hundred.
        let lasting = ranks((0..1_000).map(|i| if (500..510).contains(&i) { 20.0 } else { 0.5 }));
        let recurring = ranks((0..1_000).map(|i| if i % 100 == 99 { 20.0 } else { 0.5 }));
        let p = |ranks: &TrainingRanks, size| ranks.p_value(Side::Above, size);
        assert!((p(&lasting, 20.0) - 1.0 / 1_001.0).abs() < 1e-9);
        assert!((p(&recurring, 20.0) - 10.0 / 1_001.0).abs() < 1e-9);
        assert!(p(&recurring, 22.0) > 0.009);
        assert_eq!(p(&recurring, 25.0), 0.0);
        assert!(recurring.most(Side::Above, 20.0) == 1.0);
        assert!(recurring.most(Side::Above, 46.0) < 1e-3);
        assert!((recurring.size_at_most(Side::Above, 1e-4) / 62.0 - 1.0).abs() < 0.1);
        assert_eq!(recurring.p_value(Side::Below, 0.1), 0.0);
        assert!(recurring.size_at(Side::Above, 0.001) > 20.0);
        assert!(recurring.size_at(Side::Above, 0.011) < 1.0);
    }

    #[test]
    fn absurd_readings_excuse_nothing() {
        let ranks = ranks((0..1_000).map(|i| if i % 100 == 99 { 1e9 } else { 0.5 }));
        assert_eq!(ranks.p_value(Side::Above, 20.0), 0.0);
    }
}
