//! Points that were never scraped, or twice.
//! Public reports: sktime/sktime#4405, twitter/AnomalyDetection#45, twitter/AnomalyDetection#22.

use contract::Point;

use crate::support::{
    DAY, HOUR, MINUTE, MONDAY, Noise, SEEDS, alone, batch, course, daily, fit, flagged, online,
};

const STEP: i64 = 15 * MINUTE;
const TRAINING_DAYS: i64 = 20;

/// A clear day; this share of the points is missing.
fn missing(share: f64, seed: u64) -> Vec<Point> {
    let mut noise = Noise::new(seed + 100);
    let mut points = daily(STEP, 28, seed);
    points.retain(|_| noise.even() > share);
    points
}

/// This share of the points comes twice.
fn doubled(share: f64, seed: u64) -> Vec<Point> {
    let mut noise = Noise::new(seed + 100);
    let times = |p: Point| vec![p; if noise.even() < share { 2 } else { 1 }];
    daily(STEP, 28, seed).into_iter().flat_map(times).collect()
}

/// This share of the points comes up to two minutes late.
fn jittered(share: f64, seed: u64) -> Vec<Point> {
    let mut noise = Noise::new(seed + 100);
    let mut points = daily(STEP, 28, seed);
    for point in &mut points {
        if noise.even() < share {
            point.timestamp += noise.below(2 * MINUTE);
        }
    }
    points
}

/// The day is known: its values at the wrong hour are anomalies, and few others are.
fn the_day_is_known(name: &str, points: &[Point]) {
    let split = points.partition_point(|p| p.timestamp < MONDAY + TRAINING_DAYS * DAY);
    let (train, rest) = points.split_at(split);
    let model = fit(train);
    let next = MONDAY + 22 * DAY;
    let (noon, night) = (next + 11 * HOUR, next + 3 * HOUR);
    let (low, high) = (alone(&model, noon, 0.0), alone(&model, night, 200.0));
    assert!(low.anomaly, "{name}: 0 at eleven: {}", low.reason);
    assert!(high.anomaly, "{name}: 200 at three: {}", high.reason);
    let expected = low.expected.unwrap_or_default() / course(noon);
    assert!(
        (expected - 1.0).abs() < 0.25,
        "{name}: {expected} of what is right is expected"
    );
    let share = flagged(&batch(&model, rest)).len() as f64 / rest.len() as f64;
    assert!(
        share <= 0.01,
        "{name}: {share} of ordinary points are flagged"
    );
    let period = online(points, 750).period;
    assert_eq!(period, Some(96), "{name}: the period");
}

#[test]
fn with_a_few_points_missing_a_day_is_a_day() {
    for seed in SEEDS {
        for share in [0.01, 0.03, 0.1] {
            the_day_is_known(
                &format!("{share} missing, seed {seed}"),
                &missing(share, seed),
            );
        }
    }
}

#[test]
fn with_points_that_come_twice_a_day_is_a_day() {
    for seed in SEEDS {
        for share in [0.03, 0.1] {
            the_day_is_known(
                &format!("{share} doubled, seed {seed}"),
                &doubled(share, seed),
            );
        }
    }
}

#[test]
fn with_points_that_come_late_a_day_is_a_day() {
    for seed in SEEDS {
        the_day_is_known(&format!("jitter, seed {seed}"), &jittered(0.5, seed));
    }
}
