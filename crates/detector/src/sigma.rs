//! The recorded rule: an anomaly lies above the mean by more than three population standard deviations.

use contract::Point;
use serde::{Deserialize, Serialize};

use crate::{Normal, Verdict};

/// Mean and standard deviation of the training values. Sees values that are too high; blind to drops, seasons and drift.
///
/// The serialised form is part of the model format.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sigma {
    mean: f64,
    std: f64,
}

/// Standard deviations above the mean at which normal ends.
const LIMIT: f64 = 3.0;

impl Sigma {
    /// Learns mean and population standard deviation of `points` (at least one, all finite), in two passes.
    ///
    /// Values are scaled by a power of two first, which costs no precision, so that neither squares nor sums overflow or vanish.
    pub(crate) fn fit(points: &[Point]) -> Self {
        let largest = points.iter().fold(0.0_f64, |max, p| max.max(p.value.abs()));
        let unit = power_of_two_near(largest);
        let n = points.len() as f64;
        let mean = points.iter().map(|p| p.value / unit).sum::<f64>() / n;
        let squares = points.iter().map(|p| (p.value / unit - mean).powi(2));
        let variance = squares.sum::<f64>() / n;
        Self {
            mean: (mean * unit).clamp(-f64::MAX, f64::MAX),
            std: (variance.sqrt() * unit).min(f64::MAX),
        }
    }

    pub(crate) fn score(&self, point: Point) -> Verdict {
        Verdict {
            anomaly: point.value > self.normal().upper,
        }
    }

    pub(crate) fn normal(&self) -> Normal {
        Normal {
            expected: self.mean,
            upper: self.mean + LIMIT * self.std,
        }
    }

    pub(crate) fn is_finite(&self) -> bool {
        self.mean.is_finite() && self.std.is_finite() && self.std >= 0.0
    }
}

/// A power of two within a factor of two of `value`; 1 for zero and where that keeps squares in range anyway.
fn power_of_two_near(value: f64) -> f64 {
    if (1e-100..1e100).contains(&value) || value == 0.0 {
        return 1.0;
    }
    // Not log2().exp2(), which would not be exact. 2^-1022 and 2^1023 are the ends of what is normal.
    2_f64.powi((value.log2() as i32).clamp(-1022, 1023))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fit(values: &[f64]) -> Sigma {
        let points: Vec<Point> = values
            .iter()
            .map(|&value| Point {
                timestamp: 0,
                value,
            })
            .collect();
        Sigma::fit(&points)
    }

    fn anomalous(sigma: &Sigma, value: f64) -> bool {
        sigma
            .score(Point {
                timestamp: 0,
                value,
            })
            .anomaly
    }

    #[test]
    fn the_limit_itself_is_normal() {
        let sigma = fit(&[1.0, 1.0, 3.0, 3.0]);
        assert_eq!(
            sigma,
            Sigma {
                mean: 2.0,
                std: 1.0
            }
        );
        assert!(!anomalous(&sigma, 5.0));
        assert!(anomalous(&sigma, 5.0_f64.next_up()));
    }

    #[test]
    fn the_deviation_is_that_of_the_population() {
        let sigma = fit(&[1.0, 2.0, 3.0]);
        assert!(!anomalous(&sigma, 4.4494) && anomalous(&sigma, 4.4496));
    }

    #[test]
    fn the_largest_and_smallest_values_neither_overflow_nor_vanish() {
        let large = fit(&[f64::MAX, -f64::MAX, f64::MAX]);
        assert!(large.is_finite() && large.std > 1e307 && !anomalous(&large, f64::MAX));
        let small = fit(&[1e-320, 2e-320, 3e-320]);
        assert!(small.std > 0.0 && anomalous(&small, 9e-320) && !anomalous(&small, 3e-320));
    }
}
