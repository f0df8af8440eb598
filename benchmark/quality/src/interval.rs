//! The interval score: how narrow a normal range is, and how far values lie outside of it.
//!
//! `(upper − lower) + 2/q · ((lower − v)⁺ + (v − upper)⁺)` for a range that values should leave at
//! a rate of `q` (Gneiting and Raftery, 2007, <https://doi.org/10.1198/016214506000001437>). Less
//! is better.

use detector::Verdict;

/// The mean interval score of a run of rows, and how many lay outside.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct IntervalScore {
    sum: f64,
    rows: u64,
    outside: u64,
}

impl IntervalScore {
    /// Takes the range of a row and its value.
    pub(crate) fn note(&mut self, lower: f64, upper: f64, value: f64, rate: f64) {
        let beyond = (lower - value).max(0.0) + (value - upper).max(0.0);
        self.sum += upper - lower + 2.0 / rate * beyond;
        self.rows += 1;
        self.outside += u64::from(beyond > 0.0);
    }

    /// Takes the range of a verdict; a missing bound is infinite.
    pub(crate) fn note_verdict(&mut self, verdict: &Verdict, value: f64, rate: f64) {
        let lower = verdict.lower.unwrap_or(f64::NEG_INFINITY);
        let upper = verdict.upper.unwrap_or(f64::INFINITY);
        self.note(lower, upper, value, rate);
    }

    pub(crate) fn mean(&self) -> f64 {
        self.sum / self.rows as f64
    }

    /// The share of rows outside, in %.
    pub(crate) fn outside(&self) -> f64 {
        100.0 * self.outside as f64 / self.rows as f64
    }
}

/// The forecast of the last season: the value one period ago, and the range that held its errors
/// in the training.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SeasonalNaive {
    period: usize,
    /// The quantiles of the errors, below and above.
    bounds: (f64, f64),
}

impl SeasonalNaive {
    /// Of the training points; without a season, `period` is 1. The range is to be left at `rate`.
    pub(crate) fn new(training: &[f64], period: usize, rate: f64) -> Self {
        let pairs = training.iter().zip(&training[period..]);
        let mut errors: Vec<f64> = pairs.map(|(before, now)| now - before).collect();
        errors.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let rank = share * (errors.len() as f64 - 1.0);
            let (low, rest) = (rank as usize, rank.fract());
            let high = (low + 1).min(errors.len() - 1);
            errors[low] + rest * (errors[high] - errors[low])
        };
        Self {
            period,
            bounds: (at(rate / 2.0), at(1.0 - rate / 2.0)),
        }
    }

    /// The range at row `i` of `values`, of which it takes the row one period before.
    pub(crate) fn range(&self, values: &[f64], i: usize) -> (f64, f64) {
        let expected = values[i - self.period];
        (expected + self.bounds.0, expected + self.bounds.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_outside_costs_its_distance_times_two_over_the_rate() {
        let mut score = IntervalScore::default();
        score.note(1.0, 3.0, 2.0, 0.01);
        assert_eq!(score.mean(), 2.0);
        score.note(1.0, 3.0, 3.5, 0.01);
        score.note(1.0, 3.0, 0.5, 0.01);
        assert_eq!(score.mean(), 2.0 + 2.0 * 0.5 * 200.0 / 3.0);
        assert!((score.outside() - 200.0 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn the_forecast_of_the_last_season_is_exact_where_seasons_are_equal() {
        let values: Vec<f64> = (0..100).map(|i| f64::from(i % 7)).collect();
        let naive = SeasonalNaive::new(&values[..50], 7, 0.01);
        assert!((50..100).all(|i| naive.range(&values, i) == (values[i], values[i])));
        let naive = SeasonalNaive::new(&values[..50], 1, 0.01);
        let (lower, upper) = naive.range(&values, 50);
        assert_eq!((lower, upper), (values[49] - 6.0, values[49] + 1.0));
    }
}
