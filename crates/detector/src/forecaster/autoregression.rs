//! The autoregression of a line: the next deviation from its level as a weighted sum of the last
//! ones, fitted so that outliers weigh little.

use super::{
    fit::Replayed,
    recursion::{ORDER, WARM, Weights},
};
use crate::series::{linear::solve, quantile::select_median};

/// The rounds of reweighting, the fewest points of an autoregression in orders, and the size that
/// deviations are clipped to, in scales.
const ROUNDS: usize = 3;
const FEWEST: usize = 4;
const CLIP: f64 = 8.0;

/// The weights of the last deviations of a line from its level: a ridge regression, reweighted so
/// that outliers weigh little; none from too few points.
pub(super) fn autoregression(line: usize, values: &[f64], replayed: &[Replayed]) -> Weights {
    let x: Vec<f64> = values
        .iter()
        .zip(replayed)
        .map(|(v, r)| v - r.lines[line])
        .collect();
    let mut rows: Vec<([f64; ORDER], f64)> = Vec::with_capacity(x.len());
    for t in (WARM as usize).max(ORDER)..x.len() {
        let level = replayed[t].levels[line];
        let past = std::array::from_fn(|i| x[t - 1 - i] - level);
        let now = x[t] - level;
        if now.is_finite() && past.iter().all(|p| p.is_finite()) {
            rows.push((past, now));
        }
    }
    if rows.len() < FEWEST * ORDER {
        return Weights::default();
    }
    let mut sizes: Vec<f64> = rows.iter().map(|(_, now)| now.abs()).collect();
    let largest = sizes.iter().copied().fold(0.0, f64::max);
    let scale = 1.4826 * select_median(&mut sizes) + 1e-12 * largest;
    if scale <= 0.0 {
        return Weights::default();
    }
    // In scales, so that no square overflows or vanishes.
    let clip = |x: f64| (x / scale).clamp(-CLIP, CLIP);
    for (past, now) in &mut rows {
        *past = past.map(clip);
        *now = clip(*now);
    }
    Weights(reweighted(&rows))
}

fn reweighted(rows: &[([f64; ORDER], f64)]) -> Vec<f64> {
    let mut trust = vec![1.0; rows.len()];
    let mut weights = Vec::new();
    for _ in 0..ROUNDS {
        let (mut matrix, mut right) = ([[0.0; ORDER]; ORDER], [0.0; ORDER]);
        for ((past, now), trust) in rows.iter().zip(&trust) {
            for i in 0..ORDER {
                let weighted = trust * past[i];
                for (sum, value) in matrix[i].iter_mut().zip(past) {
                    *sum += weighted * value;
                }
                right[i] += weighted * now;
            }
        }
        for (i, row) in matrix.iter_mut().enumerate() {
            row[i] += RIDGE;
        }
        weights = solve(matrix, right, ORDER);
        let error = |(past, now): &([f64; ORDER], f64)| {
            now - past.iter().zip(&weights).map(|(p, w)| p * w).sum::<f64>()
        };
        let errors: Vec<f64> = rows.iter().map(error).collect();
        let mut sizes: Vec<f64> = errors.iter().map(|e| e.abs()).collect();
        let usual = 3.0 * (1.4826 * select_median(&mut sizes) + 1e-12);
        for (trust, error) in trust.iter_mut().zip(errors) {
            *trust = 1.0 / (1.0 + (error / usual).powi(2));
        }
    }
    weights
}

/// Added to the diagonal of the normal equations, in squared scales.
const RIDGE: f64 = 2.0;
