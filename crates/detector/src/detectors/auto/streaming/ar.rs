//! Autoregression: the next standardised value as a weighted sum of the last few, fitted so that
//! outliers weigh little.

use super::constants::ORDER;
use crate::series::{linear::robust_weights, scale::winsorized};

/// Added to the diagonal of the normal equations, and the least usual error, in scales.
const RIDGE: f64 = 1.0;
const LEAST: f64 = 1e-9;

/// The weights of the last `order` (at most [`ORDER`]) values, oldest first, learned from `values`
/// (standardised and winsorized).
pub(super) fn fit(values: &[f64], order: usize) -> Vec<f64> {
    let row = |window: &[f64]| {
        let (past, next) = (&window[..order], window[order]);
        let input = |i: usize| past.get(i).copied().unwrap_or(0.0);
        (std::array::from_fn::<_, ORDER, _>(input), next)
    };
    let rows: Vec<_> = values.windows(order + 1).map(row).collect();
    robust_weights(&rows, order, RIDGE, LEAST)
}

/// The prediction from the last values, oldest first, as many as there are weights.
pub(super) fn predict(weights: &[f64], past: &[f64]) -> f64 {
    let products = weights.iter().zip(past).map(|(w, &z)| w * winsorized(z));
    products.sum()
}

/// Whether `weights` may have come from [`fit`].
pub(super) fn check(weights: &[f64]) -> Result<(), &'static str> {
    // A ridge of 1 keeps a fit far below that, and a prediction then stays finite.
    let sound = weights.len() <= ORDER && weights.iter().all(|w| w.abs() <= 1e6);
    sound.then_some(()).ok_or("autoregression")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_weights_of_a_process_come_back_in_spite_of_outliers() {
        let mut state = 1_u32;
        let mut values = vec![0.0, 0.0];
        for i in 2..5000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = 4.0 * (f64::from(state >> 8) / f64::from(1 << 24) - 0.5);
            values.push(0.5 * values[i - 1] - 0.3 * values[i - 2] + noise);
        }
        for i in (100..5000).step_by(500) {
            values[i] = 15.0;
        }
        let weights = fit(&values, 2);
        assert!((weights[1] - 0.5).abs() < 0.1, "{weights:?}");
        assert!((weights[0] + 0.3).abs() < 0.1, "{weights:?}");
        assert_eq!(check(&weights), Ok(()));
    }

    #[test]
    fn a_constant_is_predicted() {
        let weights = fit(&[2.0; 100], 8);
        assert!((predict(&weights, &[2.0; 8]) - 2.0).abs() < 0.01);
    }
}
