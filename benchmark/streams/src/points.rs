//! The points: a daily wave of 144 with noise, the same at every run.

use contract::{Point, SeriesId};

/// Series number `n`.
pub(crate) fn series(n: u64) -> SeriesId {
    SeriesId::new(&format!("s{n:06}")).expect("letters and digits")
}

/// Point number `i` of series number `n`.
pub(crate) fn point(n: u64, i: u64) -> Point {
    let phase = (i + 7 * n) as f64 / 144.0 * std::f64::consts::TAU;
    let mut noise = (i << 20 | n).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    noise ^= noise >> 29;
    noise = noise.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let noise = (noise >> 40) as f64 / f64::from(1 << 24);
    let value = 100.0 + 20.0 * phase.sin() + 4.0 * noise;
    Point {
        timestamp: 1_600_000_000 + 600 * i as i64,
        value: (value * 100.0).round() / 100.0,
    }
}
