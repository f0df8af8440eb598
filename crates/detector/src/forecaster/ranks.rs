//! The ranks of the training points: a value as far out as k of n training points has a p-value of
//! at least k/(n + 1), whatever a tail says.
//!
//! A run of far points in a row counts once, since an outage of twenty points happened once and a
//! nightly job of one point happened every night. Errors beyond the last bin are absurd readings
//! and count for nothing but themselves.

use serde::{Deserialize, Serialize};

use super::{
    distribution::{BINS, Side, Size, bin_of, edge},
    seasons::Periods,
};
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
    /// The only places at which far errors came, above and below, where that is so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    only_above: Option<Only>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    only_below: Option<Only>,
    /// The size from which on errors are far.
    far: f64,
    /// The law beyond the largest error.
    #[serde(default)]
    law: Law,
}

/// How p-values fall beyond the largest training error: by a power law.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Law {
    /// As the tail of Student's t with three degrees of freedom, heavier than most, and only where an
    /// error has a rank. For forecasts by the last points: their scale follows the points, so that
    /// errors after a quiet time have heavy tails. With the other law their ranges missed 3 % more on
    /// the Numenta benchmark. Also for frozen forecasts of format 3.
    #[default]
    Heavy,
    /// As with five degrees, also where all errors are nearer than two scales. For frozen forecasts:
    /// with three a value had to be 2.6 times as far out as the largest of a hundred training errors
    /// to be as rare as one in a thousand. The value of a Saturday on a Thursday is not. For errors
    /// whose tail is heavier, p-values are half as large as they should be after a hundred points,
    /// and right after a thousand.
    Light,
}

impl Law {
    fn exponent(self) -> i32 {
        match self {
            Self::Heavy => 3,
            Self::Light => 5,
        }
    }
}

/// A place of a season, and the places next to it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Only {
    period: i64,
    place: i64,
    width: i64,
}

/// The ranks as they count at a slot.
#[derive(Clone, Copy, Debug)]
pub(super) struct RanksHere<'a> {
    ranks: &'a TrainingRanks,
    /// Whether far errors of a side may have come here.
    pub(super) may_be_far: [bool; 2],
}

/// Only the last bins have ranks, those of errors of two scales and more.
const RANKED: usize = 96;
const FIRST: usize = BINS - RANKED;
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
    /// The slot where it began.
    slot: i64,
    is_far: bool,
}

impl Default for TrainingRanks {
    fn default() -> Self {
        Self {
            above: Box::new([0.0; RANKED]),
            below: Box::new([0.0; RANKED]),
            all: 1.0,
            only_above: None,
            only_below: None,
            far: f64::MAX,
            law: Law::default(),
        }
    }
}

impl TrainingRanks {
    /// Ranks without any error.
    pub(super) fn none() -> Self {
        Self::default()
    }

    /// The ranks as they count in `slot`. Where far errors came at one place of the week or of the
    /// season only, they excuse none at another.
    pub(super) fn at(&self, slot: Option<i64>) -> RanksHere<'_> {
        let may_be =
            |only: Option<Only>| only.zip(slot).is_none_or(|(only, slot)| only.is_near(slot));
        RanksHere {
            ranks: self,
            may_be_far: [may_be(self.only_above), may_be(self.only_below)],
        }
    }

    /// The ranks where far errors may have come, or where they may not, on both sides.
    pub(super) fn where_far(&self, may_be_far: bool) -> RanksHere<'_> {
        RanksHere {
            ranks: self,
            may_be_far: [may_be_far; 2],
        }
    }

    fn runs(&self, side: Side) -> &[f32; RANKED] {
        match side {
            Side::Above => &self.above,
            Side::Below => &self.below,
        }
    }

    pub(super) fn is_sound(&self) -> bool {
        let falls = |runs: &[f32; RANKED]| {
            runs.is_sorted_by(|a, b| a >= b) && runs[RANKED - 1] >= 0.0 && runs[0].is_finite()
        };
        let only = [self.only_above, self.only_below];
        falls(&self.above)
            && falls(&self.below)
            && self.all >= 1.0
            && self.all.is_finite()
            && self.far > 0.0
            && only.iter().flatten().all(Only::is_sound)
    }

    pub(super) const HEAP_BYTES: usize = 2 * RANKED * size_of::<f32>();
}

impl RanksHere<'_> {
    /// The number of runs of this rank or beyond that count here.
    fn runs_from(&self, side: Side, rank: usize) -> f64 {
        let runs = self.ranks.runs(side);
        let here = f64::from(runs[rank]);
        if self.may_be_far[side as usize] {
            return here;
        }
        let far = bin_of(self.ranks.far).saturating_sub(FIRST).min(RANKED - 1);
        if rank >= far {
            0.0
        } else {
            here - f64::from(runs[far])
        }
    }

    /// The least p-value of an error of this size. Errors that are smaller by a seventh count as
    /// equal, so that the next of a kind is not odd for being the largest so far.
    pub(super) fn p_value(&self, side: Side, size: Size) -> f64 {
        let rank = size.bin().saturating_sub(EQUAL).checked_sub(FIRST);
        rank.map_or(0.0, |rank| self.runs_from(side, rank) / self.ranks.all)
    }

    /// The largest p-value of an error of this size: where it lies beyond the largest error of n
    /// training points, it is exceeded less often than once in n, and the less the farther out it
    /// is, as by a power law of this exponent. `largest` is [`Self::largest`].
    pub(super) fn most(&self, largest: Option<f64>, size: f64) -> f64 {
        match largest {
            Some(largest) if size > largest => {
                2.0 / self.ranks.all * (largest / size).powi(self.ranks.law.exponent())
            }
            _ => 1.0,
        }
    }

    /// The smallest size whose largest p-value is `rate`; infinite without such a size.
    pub(super) fn size_at_most(&self, side: Side, rate: f64) -> f64 {
        let often = 2.0 / (self.ranks.all * rate);
        match self.largest(side) {
            Some(largest) => {
                largest
                    * often
                        .max(1.0)
                        .powf(1.0 / f64::from(self.ranks.law.exponent()))
            }
            None => f64::INFINITY,
        }
    }

    /// The size that counts as equal to the largest error of a side, or to which all errors are near;
    /// `None` before any error.
    pub(super) fn largest(&self, side: Side) -> Option<f64> {
        match self.first_rank(|rank| self.runs_from(side, rank) > 0.0) {
            0 if self.ranks.law == Law::Heavy || self.ranks.all <= 1.0 => None,
            0 => Some(edge(FIRST)),
            ranked => Some(edge(FIRST + EQUAL + ranked)),
        }
    }

    /// The largest size whose least p-value is `rate` or more; 0 without such a size.
    pub(super) fn size_at(&self, side: Side, rate: f64) -> f64 {
        let least = rate * self.ranks.all;
        match self.first_rank(|rank| self.runs_from(side, rank) >= least) {
            0 => 0.0,
            rank => edge(FIRST + EQUAL + rank),
        }
    }

    /// The first rank for which `holds` no longer does; it does for none after that.
    fn first_rank(&self, holds: impl Fn(usize) -> bool) -> usize {
        let (mut low, mut high) = (0, RANKED);
        while low < high {
            let middle = usize::midpoint(low, high);
            if holds(middle) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }
}

/// An error counts as far from this many times the size on where the tail begins.
pub(super) const FAR: f64 = 3.0;

impl Runs {
    /// The errors that count once the next one, `error` in `slot`, is known. It is far if its size
    /// is over `far`.
    pub(super) fn next(&mut self, error: f64, far: f64, slot: i64) -> impl Iterator<Item = Run> {
        let is_far = error.abs() > far;
        let alone = Run {
            largest: error,
            slot,
            is_far,
        };
        let ended = match &mut self.run {
            Some(run) if is_far && Side::of(run.largest) == Side::of(error) => {
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
#[derive(Clone, Debug, Default)]
pub(super) struct RankCounter {
    ranks: TrainingRanks,
    /// The slots of far runs, above and below.
    far: [Vec<i64>; 2],
    least: Option<f64>,
}

/// The number of far runs that show where they come, at least.
const SHOWN: usize = 3;

impl RankCounter {
    /// Counts a point.
    pub(super) fn count(&mut self) {
        self.ranks.all += 1.0;
    }

    /// Counts a run once.
    pub(super) fn add(&mut self, run: Run) {
        let (side, size) = (Side::of(run.largest), run.largest.abs());
        let bin = bin_of(size);
        if run.is_far {
            self.far[side as usize].push(run.slot);
            self.least = Some(self.least.map_or(size, |least| least.min(size)));
        }
        if (FIRST..BINS - 1).contains(&bin) {
            let counts = match side {
                Side::Above => &mut self.ranks.above,
                Side::Below => &mut self.ranks.below,
            };
            counts[bin - FIRST] += 1.0;
        }
    }

    /// The ranks of all that was counted.
    pub(super) fn into_ranks(mut self, periods: &Periods, law: Law) -> TrainingRanks {
        for counts in [&mut self.ranks.above, &mut self.ranks.below] {
            let mut beyond = 0.0;
            for count in counts.iter_mut().rev() {
                beyond += *count;
                *count = beyond;
            }
        }
        let [above, below] = &self.far;
        self.ranks.only_above = Only::of(above, periods);
        self.ranks.only_below = Only::of(below, periods);
        self.ranks.far = self.least.unwrap_or(f64::MAX);
        self.ranks.law = law;
        self.ranks
    }
}

impl Only {
    /// The one place of a week or a season at which all of `slots` lie, if there is one.
    fn of(slots: &[i64], periods: &Periods) -> Option<Self> {
        if slots.len() < SHOWN {
            return None;
        }
        let day = i64::from(periods.day_of_week);
        let season = i64::from(periods.long.max(periods.short));
        [7 * day, season].into_iter().find_map(|period| {
            // A twelfth of a day, or of the season.
            let width = if day > 0 { day } else { period } / 24;
            let place = slots[0].rem_euclid(period.max(1));
            let only = Self {
                period,
                place,
                width: width.max(1),
            };
            let season_is_whole = period > 0 && 4 * only.width < period;
            (season_is_whole && slots.iter().all(|slot| only.is_near(*slot))).then_some(only)
        })
    }

    fn is_near(&self, slot: i64) -> bool {
        let after = slot.saturating_sub(self.place).rem_euclid(self.period);
        after.min(self.period - after) <= self.width
    }

    fn is_sound(&self) -> bool {
        self.period > 0 && (0..self.period).contains(&self.place) && self.width > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranks(errors: impl IntoIterator<Item = f64>) -> TrainingRanks {
        let (mut counter, mut runs) = (RankCounter::default(), Runs::default());
        for (slot, error) in (0..).zip(errors) {
            counter.count();
            runs.next(error, 3.0, slot).for_each(|run| counter.add(run));
        }
        runs.end().into_iter().for_each(|run| counter.add(run));
        counter.into_ranks(&Periods::default(), Law::Light)
    }

    #[test]
    fn what_recurs_counts_each_time_and_what_lasts_counts_once() {
        // Ten points at 20 in a row, or one after each hundred.
        let lasting = ranks((0..1_000).map(|i| if (500..510).contains(&i) { 20.0 } else { 0.5 }));
        let recurring = ranks((0..1_000).map(|i| if i % 100 == 99 { 20.0 } else { 0.5 }));
        let p = |ranks: &TrainingRanks, size| ranks.at(None).p_value(Side::Above, Size::of(size));
        let most = |ranks: &TrainingRanks, size| {
            let ranks = ranks.at(None);
            ranks.most(ranks.largest(Side::Above), size)
        };
        assert!((p(&lasting, 20.0) - 1.0 / 1_001.0).abs() < 1e-9);
        assert!((p(&recurring, 20.0) - 10.0 / 1_001.0).abs() < 1e-9);
        assert!(p(&recurring, 22.0) > 0.009);
        assert_eq!(p(&recurring, 25.0), 0.0);
        assert!(most(&recurring, 20.0) == 1.0 && most(&recurring, 30.0) < 1e-3);
        assert!((recurring.at(None).size_at_most(Side::Above, 1e-4) / 42.0 - 1.0).abs() < 0.1);
        // None below has a rank, so all are nearer than two scales.
        assert!((recurring.at(None).size_at_most(Side::Below, 2e-3) / 2.0 - 1.0).abs() < 0.1);
        assert_eq!(TrainingRanks::none().at(None).largest(Side::Below), None);
        let below = recurring.at(None).p_value(Side::Below, Size::of(0.1));
        assert_eq!(below, 0.0);
        assert!(recurring.at(None).size_at(Side::Above, 0.001) > 20.0);
        assert!(recurring.at(None).size_at(Side::Above, 0.011) < 1.0);
    }

    #[test]
    fn absurd_readings_excuse_nothing() {
        let ranks = ranks((0..1_000).map(|i| if i % 100 == 99 { 1e9 } else { 0.5 }));
        let p = ranks.at(None).p_value(Side::Above, Size::of(20.0));
        assert_eq!(p, 0.0);
    }

    #[test]
    fn what_came_at_one_hour_only_excuses_nothing_at_another() {
        let periods = Periods {
            long: 96,
            day_of_week: 96,
            ..Periods::default()
        };
        let (mut counter, mut runs) = (RankCounter::default(), Runs::default());
        for slot in 0..1_920 {
            counter.count();
            let error = if slot % 96 == 24 { 20.0 } else { 0.5 };
            runs.next(error, 3.0, slot).for_each(|run| counter.add(run));
        }
        let ranks = counter.into_ranks(&periods, Law::Heavy);
        let p = |slot| ranks.at(Some(slot)).p_value(Side::Above, Size::of(20.0));
        assert!(p(96 * 30 + 25) > 0.01 && p(96 * 30 + 60) == 0.0);
    }
}
