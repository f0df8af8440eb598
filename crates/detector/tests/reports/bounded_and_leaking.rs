//! A share that cannot exceed 100 %, a processor that is pinned, a memory that leaks.
//! Public reports: repost.aws QUHQNwmcX4TOmsGkLlKJEXzw, dotnet/machinelearning-samples#864.

use contract::Point;

use crate::support::{
    DAY, HOUR, MINUTE, MONDAY, Noise, SEEDS, alone, every, fit, online, set, white,
};

/// 99 to 100 %, and a fall to 70 at row 3,000.
fn balance(seed: u64) -> Vec<Point> {
    let mut noise = Noise::new(seed);
    let mut points = every(
        5 * MINUTE,
        (0..7_000).map(|_| 100.0 - 0.25 * noise.normal().abs().min(4.0)),
    );
    set(&mut points, 3_000..3_010, 70.0);
    points
}

#[test]
fn online_a_fall_of_a_share_is_found_without_an_echo() {
    for seed in SEEDS {
        let seen = online(&balance(seed), 1_500);
        assert!(!seen.alarms(3_000..3_010).is_empty(), "seed {seed}");
        let alarms = seen.all_alarms();
        assert!(alarms.len() <= 5, "seed {seed}: {alarms:?}");
        let uppers = (4_000..7_000).filter_map(|i| seen.row(i).verdict.upper);
        let highest = uppers.fold(0.0, f64::max);
        assert!(
            highest < 101.0,
            "seed {seed}: the range reaches {highest} %"
        );
    }
}

/// A processor with a course of the day between 30 and 70 %.
fn processor(days: i64, seed: u64) -> Vec<Point> {
    let mut noise = Noise::new(seed);
    let value = |i: i64| {
        let angle = (i * 300 % DAY) as f64 / DAY as f64 * std::f64::consts::TAU;
        50.0 - 20.0 * angle.cos() + 2.0 * noise.normal()
    };
    every(5 * MINUTE, (0..days * 288).map(value))
}

#[test]
fn a_processor_that_is_pinned_is_found() {
    for seed in SEEDS {
        let mut points = processor(12, seed);
        let trough = alone(&fit(&points[..2_016]), MONDAY + 8 * DAY + HOUR, 100.0);
        assert!(trough.anomaly, "seed {seed}: {}", trough.reason);
        set(&mut points, 2_880..2_880 + 144, 100.0);
        let seen = online(&points, 864);
        assert!(!seen.alarms(2_880..2_892).is_empty(), "seed {seed}");
    }
}

#[test]
fn online_a_leak_is_found_before_it_is_large() {
    for seed in SEEDS {
        let mut points = white(10 * MINUTE, 3_024, 500.0, 4.0, seed);
        for (i, point) in (0..).zip(&mut points[1_500..]) {
            point.value += 0.35 * f64::from(i);
        }
        let seen = online(&points, 600);
        assert!(!seen.alarms(1_500..1_714).is_empty(), "seed {seed}");
    }
}
