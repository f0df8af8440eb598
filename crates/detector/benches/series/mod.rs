//! The series that costs are measured on, here and in `benchmark/cost`.

use contract::Point;

/// `n` points five minutes apart: a day, and noise that does not repeat.
pub(crate) fn series(n: usize) -> Vec<Point> {
    let mut state = 1_u64;
    let mut noise = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f64 / (1_u64 << 24) as f64 - 0.5
    };
    let value = |i: usize| (i as f64 * std::f64::consts::TAU / 288.0).sin() + noise();
    (0..)
        .zip((0..n).map(value))
        .map(|(i, value)| Point {
            timestamp: 1_700_000_000 + 300 * i,
            value,
        })
        .collect()
}
