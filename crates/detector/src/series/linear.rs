//! Small systems of linear equations, and regressions.

use super::{quantile::select_median, scale::MAD_TO_STANDARD};

/// Rounds of reweighting.
const ROUNDS: usize = 3;
/// The size of an error that halves the weight of its row, in usual sizes.
const FAR: f64 = 3.0;

/// The weights of the first `order` inputs of each row that give its last number: a regression with
/// a `ridge`, reweighted so that outliers weigh little (the weights of Cauchy). The usual size of an
/// error is at least `least`. At least one row.
pub(crate) fn robust_weights<const N: usize>(
    rows: &[([f64; N], f64)],
    order: usize,
    ridge: f64,
    least: f64,
) -> Vec<f64> {
    let mut trust = vec![1.0; rows.len()];
    let mut weights = Vec::new();
    for _ in 0..ROUNDS {
        let (matrix, right) = normal_equations(rows, &trust, ridge);
        weights = solve(matrix, right, order);
        let error = |(inputs, output): &([f64; N], f64)| {
            output - inputs.iter().zip(&weights).map(|(x, w)| x * w).sum::<f64>()
        };
        let errors: Vec<f64> = rows.iter().map(error).collect();
        let mut sizes: Vec<f64> = errors.iter().map(|e| e.abs()).collect();
        let usual = MAD_TO_STANDARD * select_median(&mut sizes) + least;
        for (trust, error) in trust.iter_mut().zip(errors) {
            *trust = 1.0 / (1.0 + (error / (FAR * usual)).powi(2));
        }
    }
    weights
}

fn normal_equations<const N: usize>(
    rows: &[([f64; N], f64)],
    trust: &[f64],
    ridge: f64,
) -> ([[f64; N]; N], [f64; N]) {
    let (mut matrix, mut right) = ([[0.0; N]; N], [0.0; N]);
    for ((inputs, output), trust) in rows.iter().zip(trust) {
        for i in 0..N {
            let weighted = trust * inputs[i];
            for (sum, input) in matrix[i].iter_mut().zip(inputs) {
                *sum += weighted * input;
            }
            right[i] += weighted * output;
        }
    }
    for (i, row) in matrix.iter_mut().enumerate() {
        row[i] += ridge;
    }
    (matrix, right)
}

/// Solves by elimination the first `order` of the equations. The matrix is symmetric and positive
/// definite, as normal equations with a ridge are, so no pivoting is needed.
fn solve<const N: usize>(mut matrix: [[f64; N]; N], mut right: [f64; N], order: usize) -> Vec<f64> {
    for column in 0..order {
        let pivot = matrix[column];
        for row in column + 1..order {
            let factor = matrix[row][column] / pivot[column];
            for (element, above) in matrix[row].iter_mut().zip(pivot) {
                *element -= factor * above;
            }
            right[row] -= factor * right[column];
        }
    }
    let mut solution = vec![0.0; order];
    for row in (0..order).rev() {
        let known = matrix[row][row + 1..order].iter().zip(&solution[row + 1..]);
        let known: f64 = known.map(|(a, b)| a * b).sum();
        solution[row] = (right[row] - known) / matrix[row][row];
    }
    solution
}
