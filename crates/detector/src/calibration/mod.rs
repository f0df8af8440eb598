//! P-values: how often normal points lie as far away as this one. All detectors speak this
//! language.
//!
//! The scores of the training points, their distances from the expected value, give the rank of a
//! new one: `(1 + #{≥})/(n + 1)` (conformal prediction; Vovk et al., 2005). A model holds it as a
//! few quantiles. Beyond the largest few per cent a fitted [`Tail`] continues it, so that rates far
//! below 1/n have a meaning too.

mod extremal_index;
pub(crate) mod log_bins;
pub(crate) mod tail;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use tail::{Tail, TailStart};

use crate::series::scale;

/// The distribution of the scores of normal points. It is part of every model in memory, so it is
/// small.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Calibration {
    /// A power of two near the largest score. All other scores here are in this unit, so that none
    /// overflows or vanishes.
    unit: f64,
    /// The smallest limit; over 0.
    floor: f64,
    /// The scores that [`SHARES`] of the points reach, ascending; within the tail, its start.
    knots: [f64; SHARES.len()],
    tail: Tail,
    /// The fraction of extreme points that start a cluster of such points, in (0, 1].
    #[serde(rename = "first")]
    extremal_index: f64,
}

/// The fractions of points that the knots stand for, descending.
const SHARES: [f64; 15] = [
    1.0, 0.98, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.25, 0.2, 0.15, 0.1, 0.07,
];

/// The fraction of the scores that makes the tail, and the smallest and largest number of them.
/// They are never more than half of all.
const TAIL_PART: f64 = 0.05;
const TAIL_LEAST: usize = 25;
const TAIL_MOST: usize = 500;

/// An excess of the tail this many times as large as the median one is an absurd reading.
const ABSURD: f64 = 100.0;

/// The fraction of the series' scale below which differences are taken for rounding.
const RESOLUTION: f64 = 0.01;

/// A score, and the fraction of points that reach it.
type Knot = (f64, f64);

/// A p-value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct PValue {
    /// The p-value; over 0, at most 1.
    pub(crate) p: f64,
    /// Its natural logarithm, which is exact even where the p-value is too small for a number: 0 or
    /// less, and finite.
    pub(crate) ln: f64,
}

impl PValue {
    fn of_ln(ln: f64) -> Self {
        Self {
            p: ln.exp().max(f64::MIN_POSITIVE),
            ln,
        }
    }
}

impl Calibration {
    /// Learns from the `scores` of normal points in the order of time; at least one, all finite.
    /// `scale` is the scale of the series. A hundredth of it is the smallest limit, for scores
    /// without a spread.
    pub(crate) fn fit(scores: &[f64], scale: f64) -> Self {
        Self::fit_overlapping(scores, scale, 1)
    }

    /// As [`Self::fit`] for the scores of windows that overlap: only one score in `overlap` is
    /// independent of those before.
    pub(crate) fn fit_overlapping(scores: &[f64], scale: f64, overlap: usize) -> Self {
        let scores = &without_absurd(scores, scale * RESOLUTION)[..];
        let largest = scores.iter().fold(0.0_f64, |max, s| max.max(s.abs()));
        let unit = scale::power_of_two_near(largest.max(scale * RESOLUTION));
        let mut sorted: Vec<f64> = scores.iter().map(|score| score / unit).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        let floor = (RESOLUTION * (scale / unit)).clamp(f64::EPSILON, 1.0);
        spread_ties(&mut sorted, floor);
        let index = |far: usize| {
            let far = sorted[sorted.len() - 1 - far.min(sorted.len() - 1)];
            extremal_index::extremal_index(scores.iter().map(|score| score / unit), far)
        };
        let n = sorted.len();
        let k = tail_length(n, overlap);
        // Scores in a cluster repeat each other.
        let independent = index(k).min(1.0 / overlap as f64);
        let tail = tail_of(&sorted, k, independent, floor);
        let knot = |share: f64| {
            if share > tail.exceedance_rate {
                reached_by(share, &sorted).min(tail.threshold)
            } else {
                tail.threshold
            }
        };
        Self {
            unit,
            floor,
            knots: SHARES.map(knot),
            extremal_index: index(extremal_index::exceedances(n)),
            tail,
        }
    }

    /// The p-value of `score`.
    pub(crate) fn p_value(&self, score: f64) -> PValue {
        let score = (score / self.unit).clamp(-f64::MAX, f64::MAX);
        if score >= self.tail.threshold {
            return PValue::of_ln(self.tail.ln_share(score));
        }
        let next = self.knots.partition_point(|knot| *knot <= score);
        let Some((left, right)) = self.around(next) else {
            return PValue { p: 1.0, ln: 0.0 };
        };
        let part = (score - left.0) / (right.0 - left.0);
        let p = left.1 + part * (right.1 - left.1);
        PValue { p, ln: p.ln() }
    }

    /// The natural logarithm of the p-value of `score`.
    pub(crate) fn ln_p(&self, score: f64) -> f64 {
        self.p_value(score).ln
    }

    /// The score that is reached with probability `rate`, 0 < `rate` < 1: the inverse of
    /// [`Self::p_value`].
    pub(crate) fn limit(&self, rate: f64) -> f64 {
        let limit = if rate <= self.tail.exceedance_rate {
            self.tail.score(rate)
        } else {
            let next = SHARES.partition_point(|share| *share >= rate);
            self.around(next)
                .map_or(self.knots[0], |(left, right)| between(left, right, rate))
        };
        (limit.max(self.floor) * self.unit).min(f64::MAX)
    }

    /// The probability that a point starts a cluster with such a `score`: the p-value of an alarm,
    /// where a cluster raises one.
    pub(crate) fn p_value_of_alarm(&self, score: f64) -> PValue {
        let ln_p = self.ln_p(score);
        // At p = 1 all points are one cluster; the more extreme, the fewer follow one another.
        let starts_cluster = self.extremal_index + (1.0 - self.extremal_index) * ln_p.exp();
        PValue::of_ln(ln_p + starts_cluster.ln())
    }

    /// The score with which alarms come at `rate`: the inverse of [`Self::p_value_of_alarm`].
    pub(crate) fn limit_of_alarm(&self, rate: f64) -> f64 {
        let (a, b) = (1.0 - self.extremal_index, self.extremal_index);
        // The root of a·p² + b·p = rate, in the form that also works for a = 0.
        self.limit(2.0 * rate / (b + (b * b + 4.0 * a * rate).sqrt()))
    }

    /// The knots on both sides of a score, where `next` is the right one; `None` before the first.
    fn around(&self, next: usize) -> Option<(Knot, Knot)> {
        let left = next.checked_sub(1)?;
        let right = match SHARES.get(next) {
            Some(share) if *share > self.tail.exceedance_rate => (self.knots[next], *share),
            _ => (self.tail.threshold, self.tail.exceedance_rate),
        };
        Some(((self.knots[left], SHARES[left]), right))
    }

    /// Whether a fit could have given these numbers.
    pub(crate) fn is_sound(&self) -> bool {
        self.unit.is_normal()
            && self.unit > 0.0
            && self.floor > 0.0
            && self.floor <= 1.0
            && self.knots.iter().all(|knot| knot.is_finite())
            && self.knots.is_sorted()
            && self.knots[SHARES.len() - 1] <= self.tail.threshold
            && self.tail.is_sound()
            && self.extremal_index > 0.0
            && self.extremal_index <= 1.0
    }
}

/// The scores, of which absurd ones count as no larger than a million times the usual size, so that
/// the others keep their digits beside them. `least` is the smallest size that means something.
fn without_absurd(scores: &[f64], least: f64) -> Cow<'_, [f64]> {
    let mut sizes: Vec<f64> = scores.iter().map(|score| score.abs()).collect();
    let middle = sizes.len() / 2;
    let usual = sizes
        .select_nth_unstable_by(middle, f64::total_cmp)
        .1
        .max(least);
    let most = 1e6 * usual;
    if scores.iter().all(|score| score.abs() <= most) {
        return Cow::Borrowed(scores);
    }
    Cow::Owned(
        scores
            .iter()
            .map(|score| score.clamp(-most, most))
            .collect(),
    )
}

/// The score between two knots that a fraction `rate` of the points reaches, or more extreme.
fn between(left: Knot, right: Knot, rate: f64) -> f64 {
    let gap = right.0 - left.0;
    // Where the knots differ by rounding only, too many points reach the left one.
    if gap <= 4.0 * f64::EPSILON * right.0.abs() {
        return right.0;
    }
    left.0 + (left.1 - rate) / (left.1 - right.1) * gap
}

/// Spreads equal scores evenly over the gap to the next larger one. Each keeps its rank among those
/// at least as large, and the tail of rounded or counted values looks like a tail. The largest are
/// spread over the gap before them, or over `least` if that is wider.
fn spread_ties(sorted: &mut [f64], least: f64) {
    let mut begin = 0;
    let mut gap = least;
    while begin < sorted.len() {
        let value = sorted[begin];
        let ties = sorted[begin..].iter().take_while(|s| **s == value).count();
        let end = begin + ties;
        gap = match sorted.get(end) {
            Some(next) => next - value,
            None => gap.max(least),
        };
        for (i, score) in sorted[begin..end].iter_mut().enumerate() {
            *score = value + gap * (i as f64 / ties as f64);
        }
        begin = end;
    }
}

/// The number of `n` scores that make the tail, if one in `overlap` is independent; 0 if there are
/// too few.
fn tail_length(n: usize, overlap: usize) -> usize {
    let part = (n as f64 * TAIL_PART) as usize;
    part.clamp(TAIL_LEAST * overlap, TAIL_MOST.max(TAIL_LEAST * overlap))
        .min(n / 2)
}

/// Fits the tail of the `k` largest of ascending scores, of which a fraction of `first` is
/// independent.
fn tail_of(sorted: &[f64], k: usize, first: f64, floor: f64) -> Tail {
    let n = sorted.len();
    if k == 0 {
        let start = TailStart {
            threshold: sorted[0].min(0.0),
            exceedance_rate: 0.9,
        };
        return Tail::fit(start, &[sorted[0].max(0.0)], 1.0, floor);
    }
    let threshold = sorted[n - k - 1];
    let mut excesses: Vec<f64> = sorted[n - k..].iter().map(|s| s - threshold).collect();
    // An absurd reading says nothing of the others.
    let farthest = ABSURD * excesses[k / 2].max(floor);
    excesses.retain(|excess| *excess <= farthest);
    let start = TailStart {
        threshold,
        exceedance_rate: (k + 1) as f64 / (n + 1) as f64,
    };
    Tail::fit(start, &excesses, k as f64 * first, floor)
}

/// The score that a fraction `share` of `sorted` reaches: the inverse of the conformal rank,
/// interpolated between two scores.
fn reached_by(share: f64, sorted: &[f64]) -> f64 {
    let place = (1.0 - share) * (sorted.len() as f64 + 1.0);
    let below = (place as usize).min(sorted.len() - 1);
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + place.fract() * (sorted[above] - sorted[below])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The quantiles of an exponential distribution, which make the most even sample.
    fn even(n: usize) -> Vec<f64> {
        (0..n)
            .map(|i| -(1.0 - (i as f64 + 0.5) / n as f64).ln())
            .collect()
    }

    #[test]
    fn ranks_are_conformal_and_go_on_beyond_the_largest() {
        let calibration = Calibration::fit(&even(999), 1.0);
        for (share, farther) in [
            (0.9, 1.1),
            (0.5, 1.1),
            (0.1, 1.1),
            (0.01, 1.1),
            (1e-3, 1.5),
            (1e-4, 2.5_f64),
        ] {
            let found = calibration.ln_p(-f64::ln(share)).exp() / share;
            assert!((0.9..farther).contains(&found), "{share}: {found}");
        }
        assert_eq!(calibration.ln_p(0.0), 0.0);
        assert!(calibration.ln_p(f64::MAX).is_finite());
    }

    #[test]
    fn knots_that_differ_by_rounding_only_are_one() {
        let calibration = Calibration::fit(&[0.0, 0.0, 7.0, 0.0], 1.0);
        let p = calibration.ln_p(calibration.limit(0.779)).exp();
        assert!(p <= 0.779, "{p}");
    }

    #[test]
    fn equal_scores_count_as_at_least_as_large() {
        // Three in ten points are 1, the others 0.
        let scores: Vec<f64> = (0..1000).map(|i| f64::from(u8::from(i % 10 < 3))).collect();
        let calibration = Calibration::fit(&scores, 0.5);
        let p = |score| calibration.ln_p(score).exp();
        assert!((0.28..0.32).contains(&p(1.0)), "{}", p(1.0));
        assert!(p(5.0) < 1e-3 && p(0.0) > 0.9);
    }

    #[test]
    fn scores_without_a_spread_are_told_apart_by_the_scale_of_the_series() {
        let calibration = Calibration::fit(&[0.0; 100], 50.0);
        assert!(calibration.limit(1e-3) > 0.5 && calibration.limit(1e-3) < 10.0);
        let calibration = Calibration::fit(&[1e-16; 100], 1.0);
        assert!(calibration.limit(1e-3) > 0.01);
    }

    proptest! {
        #[test]
        fn limit_and_p_value_are_inverse_to_each_other(
            mut scores in prop::collection::vec(prop_oneof![0.0..1e3_f64, Just(0.0), Just(7.0)], 1..200),
            rate in 1e-9..0.95_f64,
            exponent in -1000..1000_i32,
        ) {
            let unit = 2_f64.powi(exponent);
            for score in &mut scores {
                *score *= unit;
            }
            let calibration = Calibration::fit(&scores, unit);
            prop_assert!(calibration.is_sound(), "{calibration:?}");
            let limit = calibration.limit(rate);
            let p = calibration.ln_p(limit).exp();
            prop_assert!(limit > 0.0);
            // Where no score was at all, limits may stand for several rates; the limit is never too
            // low.
            prop_assert!(p <= rate * 1.000_001, "{p}");
        }

        #[test]
        fn what_lies_farther_away_is_never_more_probable(
            scores in prop::collection::vec(-1e3..1e3_f64, 1..200),
            mut probes in prop::collection::vec(-2e3..2e3_f64, 2..20),
        ) {
            let calibration = Calibration::fit(&scores, 1.0);
            probes.sort_by(f64::total_cmp);
            let p: Vec<f64> = probes.iter().map(|probe| calibration.ln_p(*probe)).collect();
            prop_assert!(p.iter().all(|p| *p <= 0.0 && p.is_finite()), "{p:?}");
            prop_assert!(p.is_sorted_by(|a, b| a >= &(b - 1e-12)), "{p:?}");
        }
    }
}
