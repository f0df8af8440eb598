//! The collector was down for hours. A gap says nothing about the points after it.
//! Public reports: opensearch-project/anomaly-detection#1305, forum.opensearch.org/t/16535.

use contract::Point;

use crate::support::{
    DAY, HOUR, MINUTE, MONDAY, SEEDS, batch, daily, fit, flagged_in, online, row_at, with_context,
};

/// A clear day at this step, with a gap from noon of day 20 on; the row of the first point after
/// it.
fn with_gap(step: i64, hours: i64, seed: u64) -> (Vec<Point>, usize) {
    let mut points = daily(step, 28, seed);
    let noon = MONDAY + 20 * DAY + 12 * HOUR;
    points.retain(|p| !(noon..noon + hours * HOUR).contains(&p.timestamp));
    let after = row_at(&points, noon);
    (points, after)
}

const CASES: [(i64, i64); 4] = [
    (15 * MINUTE, 6),
    (15 * MINUTE, 7),
    (15 * MINUTE, 30),
    (HOUR, 9),
];

#[test]
fn a_batch_calls_nothing_odd_for_a_gap() {
    for (step, hours) in CASES {
        let day = (DAY / step) as usize;
        for seed in SEEDS {
            let (points, after) = with_gap(step, hours, seed);
            let train = 14 * day;
            let verdicts = batch(&fit(&points[..train]), &points[train..]);
            let flagged = flagged_in(&verdicts, after - train..after - train + day);
            let most = day.div_ceil(50);
            assert!(
                flagged <= most,
                "gap of {hours} h, seed {seed}: {flagged} of the {day} points after are flagged"
            );
        }
    }
}

#[test]
fn a_context_across_a_gap_is_no_reason_for_an_anomaly() {
    for seed in SEEDS {
        let (points, after) = with_gap(15 * MINUTE, 6, seed);
        let model = fit(&points[..14 * 96]);
        for later in [1, 8, 30] {
            let verdict = with_context(&model, &points[after - 100..after + later]);
            assert!(
                !verdict.anomaly,
                "seed {seed}, {later} after: {}",
                verdict.reason
            );
        }
    }
}

#[test]
fn online_a_gap_raises_no_alarm() {
    for (step, hours) in CASES {
        let day = (DAY / step) as usize;
        let alarms_of = |seed| {
            let (points, after) = with_gap(step, hours, seed);
            online(&points, 7 * day).alarms(after..after + day).len()
        };
        let alarms: usize = SEEDS.map(alarms_of).sum();
        assert!(alarms <= 1, "gap of {hours} h: {alarms} alarms in 4 series");
    }
}
