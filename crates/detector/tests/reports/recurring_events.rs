//! Jobs of each week and each hour, and data of opening hours only.
//! Public reports: newrelic/docs-website#23397, netdata/netdata#15971,
//! opensearch-project/anomaly-detection#1108.

use contract::Point;

use crate::support::{
    DAY, HOUR, MINUTE, MONDAY, Noise, alone, batch, default_train, every, fit, flagged, online, set,
};

/// Half-hourly points with a course of the day; on Sundays at two a backup of three points.
fn with_backup(seed: u64) -> Vec<Point> {
    let mut noise = Noise::new(seed);
    let value = |i: i64| {
        let angle = (i * 1_800 % DAY) as f64 / DAY as f64 * std::f64::consts::TAU;
        let backup = i * 1_800 / DAY % 7 == 6 && (4..7).contains(&(i % 48));
        let level = if backup {
            95.0
        } else {
            40.0 - 10.0 * angle.cos()
        };
        level + 1.5 * noise.normal()
    };
    every(HOUR / 2, (0..70 * 48).map(value))
}

#[test]
fn online_a_weekly_backup_is_never_reported() {
    for seed in 0..3 {
        let points = with_backup(seed);
        let seen = online(&points, 1_008);
        let alarms = seen.all_alarms();
        let near = |i: &&usize| points[**i - 6..**i].iter().any(|p| p.value > 85.0);
        let of_backups = alarms.iter().filter(near).count();
        assert!(of_backups <= 1, "seed {seed}: {of_backups} of {alarms:?}");
        assert!(alarms.len() <= 4, "seed {seed}: {alarms:?}");
    }
}

#[test]
fn a_weekly_backup_is_normal_on_its_day_and_not_on_another() {
    for seed in 0..3 {
        let points = with_backup(seed);
        let (train, rest) = points.split_at(1_680);
        let model = fit(train);
        let share = flagged(&batch(&model, rest)).len() as f64 / rest.len() as f64;
        assert!(share <= 0.005, "seed {seed}: {share} of points are flagged");
        let at = |day: i64| alone(&model, MONDAY + day * DAY + 2 * HOUR, 95.0);
        let (sunday, wednesday) = (at(41), at(37));
        assert!(!sunday.anomaly, "seed {seed}: {}", sunday.reason);
        assert!(wednesday.anomaly, "seed {seed}: {}", wednesday.reason);
    }
}

#[test]
fn online_an_hourly_job_is_found_at_the_wrong_minute_only() {
    for seed in 0..3 {
        let mut noise = Noise::new(seed);
        let level = |i: usize| if i % 60 < 4 { 50.0 } else { 10.0 };
        let mut points = every(MINUTE, (0..4_320).map(|i| level(i) + 0.7 * noise.normal()));
        set(&mut points, 3_025..3_029, 50.0);
        let seen = online(&points, 600);
        let alarms = seen.all_alarms();
        assert!(
            !seen.alarms(3_025..3_032).is_empty(),
            "seed {seed}: {alarms:?}"
        );
        assert!(alarms.len() <= 3, "seed {seed}: {alarms:?}");
    }
}

#[test]
fn online_opening_and_closing_raise_hardly_an_alarm() {
    for seed in 0..3 {
        let mut noise = Noise::new(seed);
        let mut points = Vec::new();
        for day in 0..60 {
            for slot in 0..40 {
                let hour = slot as f64 / 4.0;
                points.push(Point {
                    timestamp: MONDAY + day * DAY + 8 * HOUR + slot * 15 * MINUTE,
                    value: 80.0 + 6.0 * hour * (10.0 - hour) / 5.0 + 4.0 * noise.normal(),
                });
            }
        }
        let alarms = online(&points, default_train(&points)).all_alarms();
        assert!(alarms.len() <= 4, "seed {seed}: {alarms:?}");
    }
}
