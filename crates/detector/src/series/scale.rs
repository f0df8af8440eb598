//! The scale of a series: how far values usually lie from their median.
//!
//! The rule is the same for every detector: the larger of the normalised median absolute deviation
//! and a sixth of a range that holds nearly all values. The range keeps a nearly constant series
//! from having a scale near 0.

use serde::{Deserialize, Serialize};

use super::quantile::{select_median, select_quantile};

/// Makes a median absolute deviation as large as the standard deviation, for normally distributed
/// values.
pub(crate) const MAD_TO_STANDARD: f64 = 1.4826;
/// How many scales the range of nearly all values counts as.
const RANGE_IN_SCALES: f64 = 6.0;
/// The share of the values on each side that lies outside that range.
const OUTER: f64 = 0.01;
/// The fraction of the median below which a spread is taken for rounding.
const ROUNDING: f64 = 1e-12;
/// The fraction of the median that is the scale of a constant series.
const OF_CONSTANT: f64 = 0.01;

/// Standardised values are clamped to ± this.
pub(crate) const STANDARD_LIMIT: f64 = 1000.0;
/// Winsorized values are clamped to ± this many scales: the input of autoregression and season.
pub(crate) const WINSOR_LIMIT: f64 = 20.0;

/// The median of `values` and their robust spread, which may be 0. Outliers move it little if they
/// are less than the share `outer` of the values on each side. At least one value, all within ±1e150.
pub(crate) fn median_and_spread(values: &[f64], outer: f64) -> (f64, f64) {
    let mut scratch = values.to_vec();
    let median = select_median(&mut scratch);
    let high = select_quantile(&mut scratch, 1.0 - outer);
    let range = high - select_quantile(&mut scratch, outer);
    for value in &mut scratch {
        *value = (*value - median).abs();
    }
    let deviation = MAD_TO_STANDARD * select_median(&mut scratch);
    (median, deviation.max(range / RANGE_IN_SCALES))
}

/// The scale of a series that always has this `value`: a hundredth of it, or 1 where that is 0.
pub(crate) fn of_constant(value: f64) -> f64 {
    let scale = OF_CONSTANT * value.abs();
    if scale > 0.0 { scale } else { 1.0 }
}

/// The scale of finite values of any size, at least one; finite, over 0.
pub(crate) fn of_any(values: &[f64]) -> f64 {
    let unit = power_of_two_near(values.iter().fold(0.0_f64, |most, v| most.max(v.abs())));
    let in_units: Vec<f64> = values.iter().map(|v| v / unit).collect();
    (Scaling::fit(&in_units).scale * unit).clamp(f64::MIN_POSITIVE, f64::MAX)
}

/// The median and the scale of a prefix, both finite, the scale over 0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scaling {
    median: f64,
    scale: f64,
}

impl Scaling {
    /// Learns from `values`: at least one, all within ±1e150. The scale is the first of the robust
    /// spread, the standard deviation, one per cent of the median, and 1 that is more than rounding.
    pub(crate) fn fit(values: &[f64]) -> Self {
        let (median, spread) = median_and_spread(values, OUTER);
        let is_usable = |scale: &f64| *scale > ROUNDING * median.abs() && *scale > 0.0;
        let scale = Some(spread)
            .filter(is_usable)
            .or_else(|| Some(standard_deviation(values)).filter(is_usable))
            .unwrap_or_else(|| of_constant(median));
        Self { median, scale }
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
    // In units of the largest deviation, so that no square overflows.
    let squares = deviations.map(|d| (d / largest).powi(2));
    largest * (squares.sum::<f64>() / values.len() as f64).sqrt()
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
        assert!((1.0..4.0).contains(&of_any(&values)));
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
    fn values_of_any_size_have_a_scale() {
        let close = |a: f64, b: f64| assert!((a / b - 1.0).abs() < 1e-9, "{a} {b}");
        for unit in [1e-300, 1.0, 1e300] {
            close(
                of_any(&[1.0, 5.0, 3.0, 4.0, 2.0].map(|v| v * unit)),
                1.4826 * unit,
            );
        }
        assert_eq!(of_any(&[0.0; 3]), 1.0);
        assert_eq!(of_any(&[5e-324, 1e-323, 1e-323]), f64::MIN_POSITIVE);
        assert!(of_any(&[-f64::MAX, 0.0, f64::MAX]) > 1e307);
    }
}
