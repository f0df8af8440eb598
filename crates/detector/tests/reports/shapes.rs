//! Shapes that are found: more spread, less spread, a sensor that is stuck, two spikes, one value
//! of another kind.
//! Public reports: arundo/adtk#132 and #140, numenta/nupic-legacy#3824,
//! aws/random-cut-forest-by-aws#359 and #411.

use contract::Point;

use crate::support::{
    DAY, MINUTE, Noise, SEEDS, batch, default_train, every, fit, flagged, online, white,
};

/// Noise whose spread changes by `factor` at row 1,500.
fn with_other_spread(factor: f64, seed: u64) -> Vec<Point> {
    let mut points = white(MINUTE, 2_600, 100.0, 1.0, seed);
    for point in &mut points[1_500..] {
        point.value = 100.0 + factor * (point.value - 100.0);
    }
    points
}

#[test]
fn online_a_spread_that_grows_or_shrinks_is_found() {
    for seed in SEEDS {
        for (factor, within) in [(4.0, 60), (0.2, 120)] {
            let seen = online(&with_other_spread(factor, seed), 500);
            let alarms = seen.alarms(1_500..1_500 + within);
            assert!(!alarms.is_empty(), "spread times {factor}, seed {seed}");
        }
    }
}

#[test]
fn online_a_stuck_sensor_is_found() {
    for seed in SEEDS {
        let mut noise = Noise::new(seed);
        let value = |i: i64| {
            let angle = (i * 300 % DAY) as f64 / DAY as f64 * std::f64::consts::TAU;
            60.0 - 10.0 * angle.cos() + 1.5 * noise.normal()
        };
        let mut points = every(5 * MINUTE, (0..4_700).map(value));
        let stuck = points[4_499].value;
        points[4_500..4_560]
            .iter_mut()
            .for_each(|p| p.value = stuck);
        let seen = online(&points, 1_440);
        assert!(!seen.alarms(4_500..4_536).is_empty(), "seed {seed}");
    }
}

#[test]
fn in_a_batch_both_of_two_spikes_are_found_and_not_the_point_between() {
    for seed in SEEDS {
        let mut points = white(MINUTE, 1_200, 100.0, 1.0, seed);
        points[1_000].value = 112.0;
        points[1_002].value = 112.0;
        let rows = flagged(&batch(&fit(&points[..800]), &points[800..]));
        let has = |row: usize| rows.contains(&(row - 800));
        assert!(
            has(1_000) && has(1_002) && !has(1_001),
            "seed {seed}: {rows:?}"
        );
    }
}

#[test]
fn online_a_41_after_values_from_4_to_6_has_the_highest_score() {
    for seed in SEEDS {
        let mut noise = Noise::new(seed);
        let mut points = every(MINUTE, (0..200).map(|_| 4.0 + noise.below(3) as f64));
        points[150].value = 41.0;
        let seen = online(&points, default_train(&points));
        let row = seen.row(150).verdict;
        assert!(row.anomaly, "seed {seed}: {}", row.reason);
        let highest = seen
            .rows
            .iter()
            .map(|r| r.verdict.score)
            .fold(0.0, f64::max);
        assert_eq!(row.score, highest, "seed {seed}");
    }
}

#[test]
fn online_the_second_of_two_equal_anomalies_is_found_too() {
    for seed in SEEDS {
        let mut points = white(MINUTE, 3_000, 100.0, 1.0, seed);
        for start in [1_500, 2_300] {
            points[start..start + 30]
                .iter_mut()
                .for_each(|p| p.value -= 6.0);
        }
        let seen = online(&points, 750);
        for start in [1_500, 2_300] {
            assert!(
                !seen.alarms(start..start + 30).is_empty(),
                "at {start}, seed {seed}"
            );
        }
    }
}
