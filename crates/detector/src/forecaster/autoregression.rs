//! The autoregression of a line: the next deviation from its level as a weighted sum of the last
//! ones, fitted so that outliers weigh little.

use super::{
    fit::Replayed,
    recursion::{ORDER, WARM, Weights},
};
use crate::series::{linear::robust_weights, quantile::select_median, scale::MAD_TO_STANDARD};

/// The fewest points of an autoregression in orders, and the size that deviations are clipped to,
/// in scales.
const FEWEST: usize = 4;
const CLIP: f64 = 8.0;
/// Added to the diagonal of the normal equations, and the least usual error, in scales.
const RIDGE: f64 = 2.0;
const LEAST: f64 = 1e-12;

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
    let scale = MAD_TO_STANDARD * select_median(&mut sizes) + 1e-12 * largest;
    if scale <= 0.0 {
        return Weights::default();
    }
    // In scales, so that no square overflows or vanishes.
    let clip = |x: f64| (x / scale).clamp(-CLIP, CLIP);
    for (past, now) in &mut rows {
        *past = past.map(clip);
        *now = clip(*now);
    }
    Weights(robust_weights(&rows, ORDER, RIDGE, LEAST))
}
