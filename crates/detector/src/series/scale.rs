//! Location and scale of a series: median, and the larger of MAD and a sixth of the range that holds 98 %.

use serde::{Deserialize, Serialize};

use super::order;
use crate::detectors::auto::streaming::constants::{STANDARD_LIMIT, WINSOR_LIMIT};

/// Median and scale of the prefix, both finite, the scale over 0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scaling {
    median: f64,
    scale: f64,
}

impl Scaling {
    /// Learns from `values`: at least one, all within ±1e150.
    ///
    /// The quantiles keep nearly constant series from having a scale near 0.
    pub(crate) fn fit(values: &[f64]) -> Self {
        let mut sorted = values.to_vec();
        let median = order::median(&mut sorted);
        let (q01, q99) = (
            order::quantile(&mut sorted, 0.01),
            order::quantile(&mut sorted, 0.99),
        );
        for (distance, value) in sorted.iter_mut().zip(values) {
            *distance = (value - median).abs();
        }
        let mad = 1.4826 * order::median(&mut sorted);
        let mut scale = mad.max((q99 - q01) / 6.0);
        for other in [deviation(values), 0.01 * median.abs(), 1.0] {
            if scale > 1e-9 * median.abs() && scale > 0.0 {
                break;
            }
            scale = other;
        }
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

/// Clamps a standardised value to what autoregression and season see.
pub(crate) fn winsorized(standard: f64) -> f64 {
    standard.clamp(-WINSOR_LIMIT, WINSOR_LIMIT)
}

/// The standard deviation of the population.
fn deviation(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    // Scaled by the largest deviation, so that squares of large values do not overflow.
    let largest = values.iter().fold(0.0_f64, |m, v| m.max((v - mean).abs()));
    if largest == 0.0 {
        return 0.0;
    }
    let squares = values.iter().map(|v| ((v - mean) / largest).powi(2));
    largest * (squares.sum::<f64>() / n).sqrt()
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
}
