//! Growth that goes on as it did is normal; a day of 60 % is not.
//! Public reports: twitter/AnomalyDetection#109 and #67, zillow/luminaire#129.

use contract::{FitOptions, Point};

use crate::support::{
    DAY, MINUTE, MONDAY, Noise, SEEDS, alone, batch, default_train, every, fit, fit_with, flagged,
    online,
};

/// Users a day: 1,000 and `slope` more each day, noise of 2 %.
fn growing(slope: f64, seed: u64) -> Vec<Point> {
    let mut noise = Noise::new(seed);
    let level = |day: i32| 1_000.0 + slope * f64::from(day);
    every(
        DAY,
        (0..200).map(|day| (level(day) * (1.0 + 0.02 * noise.normal())).round()),
    )
}

fn with_bad_day(slope: f64, seed: u64) -> Vec<Point> {
    let mut points = growing(slope, seed);
    points[160].value = (points[160].value * 0.6).round();
    points
}

#[test]
fn alone_growth_is_normal_and_a_fall_is_not_unless_the_fit_warns_of_a_trend() {
    for slope in [15.0, -3.0] {
        for seed in SEEDS {
            let (model, warnings) = fit_with(&growing(slope, seed)[..120], FitOptions::default());
            if warnings.iter().any(|w| w.to_string().contains("trend")) {
                continue;
            }
            let at = |day: i64, factor: f64| {
                let value = (1_000.0 + slope * day as f64) * factor;
                alone(&model, MONDAY + day * DAY, value)
            };
            for day in [125, 140, 160, 180, 199] {
                let verdict = at(day, 1.0);
                assert!(!verdict.anomaly, "{slope}, day {day}: {}", verdict.reason);
            }
            let low = at(121, 0.6);
            assert!(low.anomaly, "{slope}: {}", low.reason);
        }
    }
}

#[test]
fn a_batch_finds_the_bad_day_and_not_the_days_after_it() {
    for seed in SEEDS {
        let points = with_bad_day(15.0, seed);
        let rows = flagged(&batch(&fit(&points[..120]), &points[120..]));
        assert!(rows.contains(&40), "seed {seed}: {rows:?}");
        let after = rows.iter().filter(|i| (41..49).contains(*i)).count();
        assert!(after <= 1, "seed {seed}: {rows:?}");
    }
}

#[test]
fn online_the_bad_day_is_found_and_hardly_anything_else() {
    for seed in SEEDS {
        let seen = online(&with_bad_day(15.0, seed), 40);
        assert!(!seen.alarms(160..163).is_empty(), "seed {seed}");
        let alarms = seen.all_alarms();
        assert!(alarms.len() <= 4, "seed {seed}: {alarms:?}");
    }
}

/// A plain ramp with a little noise.
fn ramp(seed: u64) -> Vec<Point> {
    let mut noise = Noise::new(seed);
    every(
        MINUTE,
        (0..6_000).map(|i| f64::from(i) * 0.1 + 0.5 * noise.normal()),
    )
}

#[test]
fn online_eleven_points_far_below_a_ramp_are_found() {
    let mut points = ramp(0);
    for point in &mut points[4_899..4_910] {
        point.value -= 60.0;
    }
    let seen = online(&points, default_train(&points));
    assert!(!seen.alarms(4_899..4_905).is_empty());
    // One point in two thousand is that far out by chance.
    let before = seen.alarms(0..4_899);
    assert!(before.len() <= 2, "{before:?}");
}

#[test]
fn a_batch_of_a_ramp_that_goes_on_is_normal() {
    for seed in SEEDS {
        let points = ramp(seed);
        let rows = flagged(&batch(&fit(&points[..4_800]), &points[4_800..]));
        assert!(
            rows.len() <= 4,
            "seed {seed}: {} of 1,200: {:?}",
            rows.len(),
            &rows[..4]
        );
    }
}
