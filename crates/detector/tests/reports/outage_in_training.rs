//! The training has an outage of two hours; the season that is learned is the season.
//! Public reports: mabrek.github.io/blog/seasonal-decomposition, elastic/ml-cpp#87.

use contract::Point;

use crate::support::{
    DAY, HOUR, MINUTE, MONDAY, Noise, SEEDS, alone, batch, course, every, fit, flagged, online,
    row_at, set,
};

const STEP: i64 = 15 * MINUTE;
const TRAIN: usize = 28 * 96;

/// A clear day and a quieter weekend.
fn weekly(days: i64, seed: u64) -> Vec<Point> {
    let mut noise = Noise::new(seed);
    let value = |i: i64| {
        let quiet = if i * STEP / DAY % 7 >= 5 { 0.7 } else { 1.0 };
        course(MONDAY + i * STEP) * quiet * (1.0 + 0.06 * noise.normal())
    };
    every(STEP, (0..days * DAY / STEP).map(value))
}

/// With an outage of two hours from ten on, on this day of the training.
fn with_outage(day: i64, seed: u64) -> Vec<Point> {
    let mut points = weekly(49, seed);
    let first = row_at(&points, MONDAY + day * DAY + 10 * HOUR);
    set(&mut points, first..first + 8, 0.0);
    points
}

fn the_day_is_known(name: &str, train: &[Point]) {
    let model = fit(train);
    let at = MONDAY + 28 * DAY; // a Monday
    let (morning, night) = (at + 10 * HOUR + HOUR / 2, at + 3 * HOUR);
    let (low, high) = (alone(&model, morning, 0.0), alone(&model, night, 200.0));
    assert!(low.anomaly, "{name}: 0 at half past ten: {}", low.reason);
    assert!(high.anomaly, "{name}: 200 at three: {}", high.reason);
    let expected = low.expected.unwrap_or_default() / course(morning);
    assert!(
        (expected - 1.0).abs() < 0.2,
        "{name}: {expected} of what is right is expected"
    );
}

#[test]
fn after_a_clean_training_the_day_is_known() {
    for seed in SEEDS {
        the_day_is_known("clean", &weekly(28, seed));
    }
}

#[test]
fn an_outage_in_training_changes_nothing() {
    for seed in SEEDS {
        for day in [3, 16, 23] {
            let points = with_outage(day, seed);
            the_day_is_known(
                &format!("outage on day {day}, seed {seed}"),
                &points[..TRAIN],
            );
        }
    }
}

#[test]
fn ordinary_points_after_it_are_normal() {
    for seed in SEEDS {
        let points = with_outage(23, seed);
        let (train, rest) = points.split_at(TRAIN);
        let share = flagged(&batch(&fit(train), rest)).len() as f64 / rest.len() as f64;
        assert!(share <= 0.005, "seed {seed}: {share} are flagged");
        let alarms = online(&points, TRAIN).all_alarms();
        assert!(alarms.len() <= 1, "seed {seed}: {alarms:?}");
    }
}
