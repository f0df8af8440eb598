//! The scale of a series: how far values usually lie from their median.
//!
//! The rule is the same for every detector: the larger of the normalised median absolute deviation
//! and a sixth of the range that holds 98 % of the values. The range keeps a nearly constant series
//! from having a scale near 0. It comes in two forms: [`of_sorted`] takes values of any size;
//! [`Scaling`] takes values within ±1e150 and is cheaper, since it need not sort. They round
//! differently (see [`quantile`]), and where both spreads are 0 the first falls back on deviations
//! from the median, the second on deviations from the mean. Stored models depend on both.

use serde::{Deserialize, Serialize};

use super::quantile::{self, select_median, select_quantile};

/// Makes a median absolute deviation as large as the standard deviation, for normally distributed
/// values.
const MAD_TO_STANDARD: f64 = 1.4826;
/// How many scales the range that holds 98 % of the values counts as.
const RANGE_IN_SCALES: f64 = 6.0;
/// The fraction of the median below which a spread is taken for rounding.
const ROUNDING: f64 = 1e-12;
/// The fraction of the median that is the scale of a constant series.
const OF_CONSTANT: f64 = 0.01;

/// Standardised values are clamped to ± this.
pub(crate) const STANDARD_LIMIT: f64 = 1000.0;
/// Winsorized values are clamped to ± this many scales: the input of autoregression and season.
pub(crate) const WINSOR_LIMIT: f64 = 20.0;

/// The first usable scale: the robust spread of `mad` and `range`, the `deviation`, one per cent of
/// the `median`. `None` if all are 0.
fn first_usable(mad: f64, range: f64, deviation: impl FnOnce() -> f64, median: f64) -> Option<f64> {
    let is_usable = |scale: &f64| *scale > ROUNDING * median.abs() && *scale > 0.0;
    let robust = (MAD_TO_STANDARD * mad).max(range / RANGE_IN_SCALES);
    Some(robust)
        .filter(is_usable)
        .or_else(|| Some(deviation()).filter(is_usable))
        .or_else(|| Some(OF_CONSTANT * median.abs()).filter(is_usable))
}

/// The scale of a series that always has this `value`: a hundredth of it, or 1 where that is 0.
pub(crate) fn of_constant(value: f64) -> f64 {
    let scale = OF_CONSTANT * value.abs();
    if scale > 0.0 { scale } else { 1.0 }
}

/// The scale of sorted values, at least one; finite, over 0.
pub(crate) fn of_sorted(sorted: &[f64]) -> f64 {
    // In halves, so that no difference overflows.
    let median = quantile::median(sorted) / 2.0;
    let mut deviations: Vec<f64> = sorted.iter().map(|v| (v / 2.0 - median).abs()).collect();
    deviations.sort_unstable_by(f64::total_cmp);
    let (q01, q99) = (
        quantile::quantile(sorted, 0.01),
        quantile::quantile(sorted, 0.99),
    );
    let deviation = || {
        let largest = deviations[deviations.len() - 1];
        root_mean_square(deviations.iter().copied(), largest)
    };
    let mad = quantile::median(&deviations);
    first_usable(mad, q99 / 2.0 - q01 / 2.0, deviation, median)
        .map_or(1.0, |half| half * 2.0)
        .clamp(f64::MIN_POSITIVE, f64::MAX)
}

/// The median and the scale of a prefix, both finite, the scale over 0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scaling {
    median: f64,
    scale: f64,
}

impl Scaling {
    /// Learns from `values`: at least one, all within ±1e150.
    pub(crate) fn fit(values: &[f64]) -> Self {
        let mut scratch = values.to_vec();
        let median = select_median(&mut scratch);
        let (q01, q99) = (
            select_quantile(&mut scratch, 0.01),
            select_quantile(&mut scratch, 0.99),
        );
        for (distance, value) in scratch.iter_mut().zip(values) {
            *distance = (value - median).abs();
        }
        let mad = select_median(&mut scratch);
        let scale = first_usable(mad, q99 - q01, || standard_deviation(values), median);
        Self {
            median,
            scale: scale.unwrap_or(1.0),
        }
    }

    /// The median of the prefix, in the unit of the values.
    pub fn median(&self) -> f64 {
        self.median
    }

    /// The scale of the prefix, in the unit of the values; over 0.
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// `value` in scales from the median, clamped to ±1000.
    pub fn standard(&self, value: f64) -> f64 {
        ((value - self.median) / self.scale).clamp(-STANDARD_LIMIT, STANDARD_LIMIT)
    }

    /// The value that lies `standard` scales from the median.
    pub fn value(&self, standard: f64) -> f64 {
        self.median + self.scale * standard
    }

    pub(crate) fn check(&self) -> Result<(), &'static str> {
        let sound = self.median.is_finite() && self.scale.is_finite() && self.scale > 0.0;
        sound.then_some(()).ok_or("scaling")
    }
}

/// Clamps a standardised value to ±[`WINSOR_LIMIT`].
pub(crate) fn winsorized(standard: f64) -> f64 {
    standard.clamp(-WINSOR_LIMIT, WINSOR_LIMIT)
}

/// The standard deviation of the population; 0 for a constant.
fn standard_deviation(values: &[f64]) -> f64 {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let deviations = values.iter().map(|v| v - mean);
    let largest = deviations.clone().fold(0.0_f64, |m, d| m.max(d.abs()));
    if largest == 0.0 {
        return 0.0;
    }
    root_mean_square(deviations, largest)
}

/// The root mean square, in units of the `largest` deviation, so that no square overflows.
fn root_mean_square(deviations: impl ExactSizeIterator<Item = f64>, largest: f64) -> f64 {
    let n = deviations.len() as f64;
    let squares = deviations.map(|d| (d / largest).powi(2));
    largest * (squares.sum::<f64>() / n).sqrt()
}

/// A power of two within a factor of two of `value`, which is not negative; 1 for zero. Dividing by
/// it costs no precision.
pub(crate) fn power_of_two_near(value: f64) -> f64 {
    if value == 0.0 {
        return 1.0;
    }
    // log2().exp2() would not be exact. 2^-1022 and 2^1023 are the smallest and the largest normal
    // powers.
    2_f64.powi((value.log2() as i32).clamp(-1022, 1023))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constant_series_has_a_scale_too() {
        assert_eq!(Scaling::fit(&[0.0; 10]).scale(), 1.0);
        assert_eq!(Scaling::fit(&[-50.0; 10]).scale(), 0.5);
        let huge = Scaling::fit(&[1e150; 10]);
        assert!((huge.scale() / 1e148 - 1.0).abs() < 1e-12);
    }

    #[test]
    fn small_differences_between_large_values_are_a_spread() {
        let values: Vec<f64> = (0..100).map(|i| 1.7e9 + f64::from(i % 7)).collect();
        let scale = Scaling::fit(&values).scale();
        assert!((1.0..4.0).contains(&scale), "{scale}");
        let mut sorted = values;
        sorted.sort_unstable_by(f64::total_cmp);
        assert!((1.0..4.0).contains(&of_sorted(&sorted)));
    }

    #[test]
    fn rounding_is_no_spread() {
        let values: Vec<f64> = (0..100)
            .map(|i| 50.0 * (1.0 + 2e-16 * f64::from(i % 3)))
            .collect();
        assert!((Scaling::fit(&values).scale() - 0.5).abs() < 1e-9);
    }

    #[test]
    fn a_few_other_values_in_a_constant_series_count() {
        let mut values = [5.0; 1000];
        values[500] = 6.0;
        let deviation = (0.001 - 0.000_001_f64).sqrt();
        assert!((Scaling::fit(&values).scale() - deviation).abs() < 1e-12);
    }

    #[test]
    fn far_values_are_clamped() {
        let scaling = Scaling::fit(&[1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(scaling.standard(1e150), 1000.0);
        assert_eq!(scaling.standard(-1e150), -1000.0);
        assert_eq!(scaling.standard(3.0), 0.0);
    }

    #[test]
    fn every_series_has_a_scale() {
        let close = |a: f64, b: f64| assert!((a / b - 1.0).abs() < 1e-9, "{a} {b}");
        close(of_sorted(&[1.0, 2.0, 3.0, 4.0, 5.0]), 1.4826);
        let mut nearly_constant = [5.0; 1000];
        nearly_constant[999] = 6.0;
        close(of_sorted(&nearly_constant), 1e-3_f64.sqrt());
        assert_eq!(of_sorted(&[5e-324, 1e-323, 1e-323]), f64::MIN_POSITIVE);
        assert!(of_sorted(&[-f64::MAX, 0.0, f64::MAX]) > 1e307);
    }
}
