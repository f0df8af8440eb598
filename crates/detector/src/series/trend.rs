//! Whether a series rises or falls on the whole.
//!
//! The test of Mann (1945) and Kendall (1975) on the medians of blocks of whole seasons: it asks
//! for no distribution, and the season and short-lived dependence cancel within a block.

use contract::Point;

use super::{quantile, scale};

/// The number of blocks, at least and at most.
const BLOCKS: (usize, usize) = (10, 40);
/// The points of a block, at least.
const MIN_BLOCK: usize = 7;
/// The standard score at which the order of the blocks counts as a trend: in noise less than one
/// series in a thousand reaches it.
const SCORE: f64 = 3.5;
/// The smallest change from the first block to the last, in scales of the values around their
/// blocks. Less than that hardly matters to a verdict.
const CHANGE: f64 = 1.0;

/// Whether `points`, in order of time, have a trend that matters. `period` is the length of their
/// season in points, if they have one. A random walk may count as a trend.
pub(crate) fn has_trend(points: &[Point], period: Option<u64>) -> bool {
    let period = period.map_or(1, |period| usize::try_from(period).unwrap_or(usize::MAX));
    let least = MIN_BLOCK.max(points.len().div_ceil(BLOCKS.1));
    let block = least.div_ceil(period).saturating_mul(period);
    if points.len() / block < BLOCKS.0 {
        return false;
    }
    // Halves, so that no difference overflows.
    let values = |block: &[Point]| -> Vec<f64> { block.iter().map(|p| p.value / 2.0).collect() };
    // The last block is whole: what is left over is the oldest.
    let whole = points.len() % block;
    let blocks = points[whole..].chunks_exact(block);
    let medians: Vec<f64> = blocks
        .clone()
        .map(|block| quantile::select_median(&mut values(block)))
        .collect();
    if score(&medians).abs() < SCORE {
        return false;
    }
    let around = blocks.zip(&medians);
    let residuals: Vec<f64> = around
        .flat_map(|(block, median)| values(block).into_iter().map(move |v| v - median))
        .collect();
    let change = slope(&medians).abs() * medians.len() as f64;
    change >= CHANGE * scale::of_any(&residuals)
}

/// The standard score of Mann and Kendall: how many more pairs rise than fall, against none.
fn score(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let pairs = pairs(values);
    let sign = |(a, b): (f64, f64)| f64::from(i8::from(b > a) - i8::from(b < a));
    let sum: f64 = pairs.map(sign).sum();
    let variance = n * (n - 1.0) * (2.0 * n + 5.0) / 18.0;
    (sum - sum.signum()) / variance.sqrt()
}

/// The median of the slopes between all pairs (Theil, 1950; Sen, 1968), per block.
fn slope(values: &[f64]) -> f64 {
    let mut slopes = Vec::with_capacity(values.len() * values.len() / 2);
    for (i, a) in values.iter().enumerate() {
        let later = values[i + 1..].iter().zip(1_u32..);
        slopes.extend(later.map(|(b, distance)| (b - a) / f64::from(distance)));
    }
    quantile::select_median(&mut slopes)
}

/// All pairs of an earlier and a later value.
fn pairs(values: &[f64]) -> impl Iterator<Item = (f64, f64)> + '_ {
    let later = |i: usize| values[i + 1..].iter();
    let with = move |(i, a): (usize, &f64)| {
        let a = *a;
        later(i).map(move |b| (a, *b))
    };
    values.iter().enumerate().flat_map(with)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same noise for the same seed, in [-0.5, 0.5).
    fn noise(seed: u64) -> impl Iterator<Item = f64> {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x1234_5678_9ABC_DEF1;
        std::iter::repeat_with(move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) as f64 / (1_u64 << 53) as f64 - 0.5
        })
    }

    fn points(values: impl Iterator<Item = f64>) -> Vec<Point> {
        (0..)
            .zip(values)
            .map(|(timestamp, value)| Point { timestamp, value })
            .collect()
    }

    #[test]
    fn noise_has_no_trend_whether_or_not_it_depends_on_itself() {
        let mut found = 0;
        for seed in 1..=1_000 {
            for n in [100, 300, 1_000] {
                let white = points(noise(seed).take(n));
                let mut last = 0.0;
                let depending = points(noise(seed).take(n).map(|e| {
                    last = 0.7 * last + e;
                    last
                }));
                let daily = points(
                    (0..n)
                        .zip(noise(seed))
                        .map(|(i, e)| 10.0 * (i as f64 * std::f64::consts::TAU / 24.0).sin() + e),
                );
                found += usize::from(has_trend(&white, None));
                found += usize::from(has_trend(&depending, None));
                found += usize::from(has_trend(&daily, Some(24)));
            }
        }
        assert!(found <= 90, "{found} of 9,000");
    }

    #[test]
    fn growth_is_a_trend_and_so_is_decay_with_or_without_a_season() {
        for seed in 1..=50 {
            for sign in [1.0, -1.0] {
                let growth = (0..200)
                    .zip(noise(seed))
                    .map(|(i, e)| sign * (0.02 * f64::from(i) + e));
                assert!(has_trend(&points(growth), None));
                let weekly = (0..140).zip(noise(seed)).map(|(i, e)| {
                    let weekend = if i % 7 > 4 { -80.0 } else { 0.0 };
                    sign * (300.0 + 2.0 * f64::from(i) + weekend + 20.0 * e)
                });
                assert!(has_trend(&points(weekly), Some(7)));
            }
        }
    }

    #[test]
    fn a_few_points_and_the_largest_values_have_no_trend() {
        assert!(!has_trend(&points((0..60).map(f64::from)), None));
        let largest = (0..200).map(|i| if i % 2 == 0 { f64::MAX } else { -f64::MAX });
        assert!(!has_trend(&points(largest), None));
        assert!(!has_trend(&points((0..200).map(|_| 7.0)), None));
        assert!(!has_trend(&points((0..200).map(f64::from)), Some(u64::MAX)));
    }
}
