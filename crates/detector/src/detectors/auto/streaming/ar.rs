//! Autoregression: the next standardised value as a weighted sum of the last few, fitted so that
//! outliers weigh little.

use super::constants::ORDER;
use crate::series::{linear::solve, quantile::select_median, scale::winsorized};

/// Rounds of reweighting.
const ROUNDS: usize = 3;
/// Added to the diagonal of the normal equations.
const LAMBDA: f64 = 1.0;

/// A square system, larger orders unused.
type Normal = [[f64; ORDER]; ORDER];

/// The weights of the last `order` (at most [`ORDER`]) values, oldest first, learned from `values`
/// (standardised and winsorized).
pub(super) fn fit(values: &[f64], order: usize) -> Vec<f64> {
    let mut weights = vec![1.0; values.len().saturating_sub(order)];
    let mut solution = vec![0.0; order];
    for _ in 0..ROUNDS {
        let (matrix, right) = normal_equations(values, order, &weights);
        solution = solve(matrix, right, order);
        let errors = values
            .windows(order + 1)
            .map(|window| window[order] - dot(&window[..order], &solution));
        let errors: Vec<f64> = errors.collect();
        let mut sizes: Vec<f64> = errors.iter().map(|e| e.abs()).collect();
        let deviation = 1.4826 * select_median(&mut sizes) + 1e-9;
        for (weight, error) in weights.iter_mut().zip(errors) {
            *weight = 1.0 / (1.0 + (error / (3.0 * deviation)).powi(2));
        }
    }
    solution
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

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn normal_equations(values: &[f64], order: usize, weights: &[f64]) -> (Normal, [f64; ORDER]) {
    let (mut matrix, mut right) = ([[0.0; ORDER]; ORDER], [0.0; ORDER]);
    for (window, weight) in values.windows(order + 1).zip(weights) {
        for (i, row) in matrix[..order].iter_mut().enumerate() {
            let weighted = weight * window[i];
            for (sum, value) in row.iter_mut().zip(&window[..order]) {
                *sum += weighted * value;
            }
            right[i] += weighted * window[order];
        }
    }
    for (i, row) in matrix.iter_mut().enumerate() {
        row[i] += LAMBDA;
    }
    (matrix, right)
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
