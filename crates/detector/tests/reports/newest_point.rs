//! The history is sent with the newest point at its end: is that one odd?
//! Public reports: SeldonIO/alibi-detect#153, linkedin/luminol#51, twitter/AnomalyDetection#75.

use crate::support::{MINUTE, default_train, online, white};

/// The number of `series` of `n` to `n + series - 1` points whose last point, twelve spreads off, is
/// an anomaly on its own row or what an episode is about.
fn found(n: usize, series: usize) -> usize {
    let is_found = |s: &usize| {
        let mut points = white(MINUTE, n + s, 50.0, 3.0, *s as u64);
        let last = points.len() - 1;
        points[last].value = 86.0;
        let seen = online(&points, default_train(&points));
        seen.row(last).verdict.anomaly || seen.episodes_about(last..last + 1) == 1
    };
    (0..series).filter(is_found).count()
}

#[test]
fn at_the_end_of_400_points_it_is() {
    assert_eq!(found(400, 8), 8);
}

#[test]
fn at_the_end_of_2_000_points_it_is() {
    assert_eq!(found(2_000, 8), 8);
}

#[test]
fn at_the_end_of_5_000_points_it_is() {
    assert_eq!(found(5_000, 8), 8);
}
