//! The unit of the timestamps changes nothing.
//! Public reports: Marcnuth/AnomalyDetection#11, elastic/rally#79, arundo/adtk#112.

use contract::Point;

use crate::support::{MINUTE, SEEDS, daily, default_train, online, set};

#[test]
fn online_the_unit_of_the_timestamps_changes_no_verdict() {
    for seed in SEEDS {
        let mut points = daily(15 * MINUTE, 21, seed);
        set(&mut points, 1_500..1_504, 400.0);
        let of_unit = |unit: i64| {
            let scaled = |p: &Point| Point {
                timestamp: p.timestamp * unit,
                ..*p
            };
            let scaled: Vec<Point> = points.iter().map(scaled).collect();
            let seen = online(&scaled, default_train(&scaled));
            let rows = seen.rows.iter();
            let verdicts: Vec<_> = rows
                .map(|r| (r.verdict.anomaly, r.verdict.p_value, r.verdict.upper))
                .collect();
            (seen.all_alarms(), verdicts)
        };
        let (alarms, seconds) = of_unit(1);
        assert!(!alarms.is_empty(), "seed {seed}");
        for unit in [1_000, 1_000_000, 1_000_000_000] {
            let (of_others, verdicts) = of_unit(unit);
            assert_eq!(of_others, alarms, "{unit} units a second, seed {seed}");
            assert!(
                verdicts == seconds,
                "{unit} units a second, seed {seed}: verdicts differ"
            );
        }
    }
}
