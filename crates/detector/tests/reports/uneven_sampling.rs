//! Readings that come when they come, with a clear course of the day.
//! Public report: arundo/adtk#60.

use contract::{FitOptions, Point};

use crate::support::{
    DAY, HOUR, MINUTE, MONDAY, Noise, SEEDS, alone, batch, course, default_train, fit, fit_with,
    flagged, online, row_at, set,
};

/// 28 days, a reading after `least` to `least + spread` minutes.
fn uneven(least: i64, spread: i64, seed: u64) -> Vec<Point> {
    let mut noise = Noise::new(seed);
    let mut timestamp = MONDAY;
    let mut points = Vec::new();
    while timestamp < MONDAY + 28 * DAY {
        let value = course(timestamp) * (1.0 + 0.06 * noise.normal());
        points.push(Point { timestamp, value });
        timestamp += MINUTE * (least + noise.below(spread + 1));
    }
    points
}

#[test]
fn the_time_of_day_is_known_from_the_timestamps() {
    for seed in SEEDS {
        for (least, spread) in [(5, 20), (10, 40)] {
            let points = uneven(least, spread, seed);
            let (train, rest) = points.split_at(points.len() * 3 / 4);
            let model = fit(train);
            let next = MONDAY + 23 * DAY;
            let low = alone(&model, next + 11 * HOUR, 0.0);
            let high = alone(&model, next + 3 * HOUR, 200.0);
            assert!(low.anomaly, "seed {seed}: 0 at eleven: {}", low.reason);
            assert!(high.anomaly, "seed {seed}: 200 at three: {}", high.reason);
            let share = flagged(&batch(&model, rest)).len() as f64 / rest.len() as f64;
            assert!(
                share <= 0.01,
                "seed {seed}: {share} of ordinary points are flagged"
            );
        }
    }
}

#[test]
fn the_fit_says_that_the_timestamps_are_irregular() {
    for seed in SEEDS {
        let (_, warnings) = fit_with(&uneven(5, 20, seed), FitOptions::default());
        let said = warnings.iter().any(|w| w.to_string().contains("irregular"));
        assert!(said, "seed {seed}: {warnings:?}");
    }
}

#[test]
fn online_an_outage_is_found() {
    for seed in SEEDS {
        let mut points = uneven(5, 20, seed);
        let at = row_at(&points, MONDAY + 24 * DAY + 11 * HOUR);
        set(&mut points, at..at + 4, 0.0);
        let seen = online(&points, default_train(&points));
        assert!(!seen.alarms(at..at + 12).is_empty(), "seed {seed}");
    }
}
