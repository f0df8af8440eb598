//! A job that runs every night, a little early or late, and ran in training too.
//! Public reports: netdata/netdata#12127, netdata/netdata#15971.

use contract::Point;

use crate::support::{
    DAY, HOUR, MINUTE, MONDAY, Noise, SEEDS, alone, batch, every, fit, flagged, online,
};

/// `step` apart, around 20; each day at six, up to `late` points early or late, `long` points at
/// 85.
fn nightly(step: i64, days: i64, late: i64, long: i64, seed: u64) -> Vec<Point> {
    let mut noise = Noise::new(seed);
    let mut points = every(
        step,
        (0..days * DAY / step).map(|_| 20.0 + 2.0 * noise.normal()),
    );
    for day in 0..days {
        let at = (day * DAY + 6 * HOUR) / step + noise.below(2 * late + 1) - late;
        for point in &mut points[at as usize..(at + long) as usize] {
            point.value = 85.0 + 2.0 * noise.normal();
        }
    }
    points
}

fn few_nights_are_flagged(step: i64, long: i64) {
    let (mut all, mut low) = (0, 0);
    for seed in SEEDS {
        let points = nightly(step, 14, 1, long, seed);
        let (train, rest) = points.split_at(points.len() / 2);
        let verdicts = batch(&fit(train), rest);
        all += flagged(&verdicts).len();
        let jobs = verdicts.iter().zip(rest).filter(|(_, p)| p.value > 70.0);
        low += jobs.filter(|(v, _)| v.p_value < 0.001).count();
    }
    let points = 4 * 7 * DAY / step;
    let most = (points as usize) / 500;
    assert!(
        all <= most,
        "{all} of {points} points are flagged, every {step} s"
    );
    assert!(
        low <= 8,
        "{low} points of jobs have a p-value below 0.001; by count it is 0.01"
    );
}

#[test]
fn the_job_of_each_night_is_normal() {
    few_nights_are_flagged(5 * MINUTE, 3);
}

#[test]
fn so_is_a_longer_job_in_quarters_of_an_hour() {
    few_nights_are_flagged(15 * MINUTE, 2);
}

#[test]
fn a_value_beyond_the_job_is_an_anomaly() {
    for seed in SEEDS {
        let model = fit(&nightly(5 * MINUTE, 7, 1, 3, seed));
        let verdict = alone(&model, MONDAY + 8 * DAY + 6 * HOUR, 200.0);
        assert!(verdict.anomaly, "seed {seed}: {}", verdict.reason);
    }
}

#[test]
fn online_the_job_raises_hardly_an_alarm() {
    for seed in SEEDS {
        let seen = online(&nightly(5 * MINUTE, 14, 1, 3, seed), 864);
        let alarms = seen.all_alarms();
        assert!(alarms.len() <= 4, "seed {seed}: {alarms:?}");
    }
}
