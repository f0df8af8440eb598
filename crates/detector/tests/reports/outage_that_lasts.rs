//! Three hours of nothing, and nobody was paged: an outage is said for as long as it lasts.
//! Public reports: CDCgov/prime-simplereport#2807, BasedHardware/omi#9553.

use contract::Point;

use crate::support::{
    DAY, HOUR, MINUTE, MONDAY, Noise, SEEDS, alone, batch, every, fit, flagged_in, online, row_at,
    set, with_context,
};

const STEP: i64 = 5 * MINUTE;
const TRAIN: usize = 7 * 288;

/// Requests a minute with a course of the day and noise of 15 %.
fn requests(seed: u64) -> Vec<Point> {
    let mut noise = Noise::new(seed);
    let value = |i: i64| {
        let angle = (i * STEP % DAY) as f64 / DAY as f64 * std::f64::consts::TAU;
        let mean = 300.0 - 100.0 * angle.cos();
        (mean * (1.0 + 0.15 * noise.normal())).max(1.0).round()
    };
    every(STEP, (0..14 * DAY / STEP).map(value))
}

/// With nothing from eight in the morning of day 10 on; the first row of it.
fn with_outage(points: usize, seed: u64) -> (Vec<Point>, usize) {
    let mut all = requests(seed);
    let first = row_at(&all, MONDAY + 10 * DAY + 8 * HOUR);
    set(&mut all, first..first + points, 0.0);
    (all, first)
}

#[test]
fn each_point_of_it_is_an_anomaly_alone_and_with_context() {
    for seed in SEEDS {
        let (points, first) = with_outage(36, seed);
        let model = fit(&points[..TRAIN]);
        for i in [0, 1, 6, 18, 30] {
            let now = points[first + i];
            let without = alone(&model, now.timestamp, now.value);
            assert!(
                without.anomaly,
                "seed {seed}, point {i}: {}",
                without.reason
            );
            for context in [12, 60] {
                let verdict = with_context(&model, &points[first + i - context..=first + i]);
                assert!(
                    verdict.anomaly,
                    "seed {seed}, point {i}, context of {context}: {}",
                    verdict.reason
                );
            }
        }
    }
}

#[test]
fn a_batch_says_so_for_as_long_as_it_lasts() {
    for seed in SEEDS {
        let (points, first) = with_outage(36, seed);
        let verdicts = batch(&fit(&points[..TRAIN]), &points[TRAIN..]);
        let first = first - TRAIN;
        let said = flagged_in(&verdicts, first..first + 36);
        assert!(said >= 30, "seed {seed}: {said} of 36");
    }
}

#[test]
fn online_there_is_an_alarm_at_once_and_an_episode_to_the_end() {
    for seed in SEEDS {
        let (points, first) = with_outage(36, seed);
        let seen = online(&points, 864);
        assert!(
            !seen.alarms(first..first + 4).is_empty(),
            "seed {seed}: no alarm"
        );
        let episodes = seen.episodes_from(first..first + 36);
        let last = points[first + 33].timestamp;
        let reaches = episodes.iter().any(|e| e.end >= last);
        assert!(reaches, "seed {seed}: {episodes:?} end before {last}");
    }
}
