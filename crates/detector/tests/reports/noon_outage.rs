//! Visits of a site, none at night; at noon it is down for half an hour. What comes after is normal.
//! Public report: grafana/grafana#6591.

use contract::Point;

use crate::support::{
    DAY, HOUR, MINUTE, MONDAY, Noise, SEEDS, alone, batch, default_train, every, fit, flagged,
    flagged_in, online, row_at, set, with_context,
};

/// Counts with a mean of none at night and a thousand at noon.
fn visits(step: i64, seed: u64) -> Vec<Point> {
    let mut noise = Noise::new(seed);
    let value = |i: i64| {
        let hour = (i * step % DAY) as f64 / HOUR as f64;
        let mean = 1_000.0 * (-((hour - 12.0) / 4.0).powi(2)).exp();
        (mean + mean.sqrt() * noise.normal() * 2.0).max(0.0).round()
    };
    every(step, (0..21 * DAY / step).map(value))
}

/// The series, the first row of its outage on the fourth day after the training, and the first row
/// after it.
fn with_outage(step: i64, seed: u64) -> (Vec<Point>, usize, usize) {
    let mut points = visits(step, seed);
    let noon = MONDAY + 17 * DAY + 12 * HOUR;
    let (first, end) = (row_at(&points, noon), row_at(&points, noon + HOUR / 2));
    set(&mut points, first..end, 0.0);
    (points, first, end)
}

#[test]
fn nothing_at_noon_is_an_anomaly_and_nothing_at_night_is_none() {
    for seed in SEEDS {
        let points = visits(5 * MINUTE, seed);
        let model = fit(&points[..14 * 288]);
        let next = MONDAY + 15 * DAY;
        let (noon, night) = (
            alone(&model, next + 12 * HOUR, 0.0),
            alone(&model, next, 0.0),
        );
        assert!(noon.anomaly, "seed {seed}: {}", noon.reason);
        assert!(!night.anomaly, "seed {seed}: {}", night.reason);
    }
}

fn after_an_outage_all_is_normal(step: i64) {
    let (day, train) = ((DAY / step) as usize, (14 * DAY / step) as usize);
    for seed in SEEDS {
        let (points, first, end) = with_outage(step, seed);
        let model = fit(&points[..train]);
        let verdicts = batch(&model, &points[train..]);
        let (first, end) = (first - train, end - train);
        let said = flagged_in(&verdicts, first..end);
        assert!(
            said + 1 >= end - first,
            "seed {seed}: {said} rows of the outage are flagged"
        );
        // The second point after it may still be unlike the ones before it.
        let after = flagged_in(&verdicts, end + 2..end + 2 + day);
        let most = day.div_ceil(100);
        assert!(
            after <= most,
            "seed {seed}: {after} of the {day} points after are flagged"
        );
    }
}

#[test]
fn a_batch_calls_the_outage_an_anomaly_and_not_what_follows() {
    after_an_outage_all_is_normal(5 * MINUTE);
}

#[test]
fn so_it_is_with_points_of_ten_minutes() {
    after_an_outage_all_is_normal(10 * MINUTE);
}

#[test]
fn three_hours_later_a_point_with_context_is_normal() {
    for seed in SEEDS {
        let (points, first, _) = with_outage(5 * MINUTE, seed);
        let model = fit(&points[..14 * 288]);
        let verdict = with_context(&model, &points[first - 278..first + 43]);
        assert!(!verdict.anomaly, "seed {seed}: {}", verdict.reason);
    }
}

#[test]
fn without_an_outage_hardly_a_point_is_flagged() {
    for seed in SEEDS {
        let points = visits(5 * MINUTE, seed);
        let (train, rest) = points.split_at(14 * 288);
        let share = flagged(&batch(&fit(train), rest)).len() as f64 / rest.len() as f64;
        assert!(share <= 0.005, "seed {seed}: {share}");
    }
}

#[test]
fn online_the_outage_is_found_at_once() {
    for seed in SEEDS {
        let (points, first, _) = with_outage(5 * MINUTE, seed);
        let seen = online(&points, default_train(&points));
        assert!(!seen.alarms(first..first + 7).is_empty(), "seed {seed}");
    }
}
