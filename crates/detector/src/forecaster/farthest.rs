//! How far values have come from what was expected, whatever the scale was.
//!
//! The scale follows the last points, and the distribution of errors in scales knows how far a burst
//! is from a quiet time. In the middle of a burst both are large, and the range would be many times
//! as wide as any error ever was. So a value that lies clearly beyond the largest error is
//! improbable, whatever the scale is.

use serde::{Deserialize, Serialize};

/// The largest error, which fades.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Farthest {
    /// In the unit of the values.
    error: f64,
    /// The number of errors that count.
    points: f64,
}

/// The number of errors after which one has faded to a third.
const MEMORY: f64 = 3_000.0;
/// The number of times as far as the largest error from which on a value is improbable.
const CLEARLY: f64 = 2.0;
/// The number of times as large as the largest so far that an error counts as, at most: an absurd
/// reading must not excuse what comes after it.
const GROWTH: f64 = 8.0;
/// P-values fall with this power of the error beyond.
const EXPONENT: i32 = 3;

impl Farthest {
    /// The largest of training errors.
    pub(super) fn of(errors: impl Iterator<Item = f64>) -> Self {
        let none = Self {
            error: 0.0,
            points: 0.0,
        };
        errors.fold(none, |largest, error| Self {
            error: largest.error.max(error.abs()),
            points: (largest.points + 1.0).min(MEMORY),
        })
    }

    /// Takes the next error.
    pub(super) fn learn(&mut self, error: f64) {
        let faded = self.error * (1.0 - 1.0 / MEMORY);
        self.error = faded.max(error.abs().min(GROWTH * self.error));
        self.points = (self.points + 1.0).min(MEMORY);
    }

    /// The same, with errors this many times as large.
    pub(super) fn times(self, factor: f64) -> Self {
        Self {
            error: self.error * factor,
            ..self
        }
    }

    /// The p-value of an error that is just clearly beyond.
    fn rare(&self) -> f64 {
        2.0 / (self.points + 1.0)
    }

    /// The largest p-value of an error.
    pub(super) fn most(&self, error: f64) -> f64 {
        let (border, size) = (CLEARLY * self.error, error.abs());
        if border <= 0.0 || size <= border {
            1.0
        } else {
            self.rare() * (border / size).powi(EXPONENT)
        }
    }

    /// The largest error whose p-value may be `rate`.
    pub(super) fn reach(&self, rate: f64) -> f64 {
        let (border, often) = (CLEARLY * self.error, self.rare() / rate);
        if border <= 0.0 {
            f64::INFINITY
        } else if often <= 1.0 {
            border
        } else {
            border * often.powf(1.0 / f64::from(EXPONENT))
        }
    }

    pub(super) fn is_sound(&self) -> bool {
        let numbers = [self.error, self.points];
        numbers.iter().all(|n| *n >= 0.0 && n.is_finite())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_lies_where_the_p_value_is_the_rate() {
        for points in [100, 5_000] {
            let farthest = Farthest::of((0..points).map(|i| if i == 50 { -7.0 } else { 0.5 }));
            for rate in [1e-2, 1e-3, 1e-5] {
                let reach = farthest.reach(rate);
                assert!(reach >= 14.0, "{points}, {rate}: {reach}");
                assert!(farthest.most(1.001 * reach) < rate, "{points}, {rate}");
                assert!(farthest.most(0.999 * reach) >= rate, "{points}, {rate}");
            }
        }
    }

    #[test]
    fn the_largest_error_fades_and_an_absurd_one_counts_as_a_few_times_as_large() {
        let mut farthest = Farthest::of([1.0, -2.0].into_iter());
        farthest.learn(1e200);
        assert_eq!(farthest.reach(1.0), 32.0);
        (0..6_000).for_each(|_| farthest.learn(0.0));
        let faded = farthest.reach(1.0) / 32.0;
        assert!((faded - (-2.0_f64).exp()).abs() < 1e-3, "{faded}");
    }

    #[test]
    fn without_an_error_nothing_is_far() {
        let none = Farthest::of(std::iter::empty());
        assert!(none.most(1e9) == 1.0 && none.reach(0.001) == f64::INFINITY);
    }
}
