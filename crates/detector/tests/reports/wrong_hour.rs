//! A value that is usual at another hour.
//! Public reports: earthgecko/skyline#231, elementary-data/elementary#962.

use contract::Point;

use crate::support::{
    DAY, HOUR, MINUTE, MONDAY, Noise, SEEDS, batch, daily, default_train, every, fit, online,
    row_at, set,
};

#[test]
fn online_the_traffic_of_noon_at_three_at_night_and_of_night_at_noon_are_found() {
    for step in [15 * MINUTE, 30 * MINUTE] {
        for seed in SEEDS {
            let mut points = daily(step, 21, seed);
            let night = row_at(&points, MONDAY + 15 * DAY + 3 * HOUR);
            let noon = row_at(&points, MONDAY + 18 * DAY + 13 * HOUR);
            let hour = (HOUR / step) as usize;
            set(&mut points, night..night + hour, 215.0);
            set(&mut points, noon..noon + hour, 42.0);
            let seen = online(&points, default_train(&points));
            for (name, at) in [("at night", night), ("at noon", noon)] {
                assert!(
                    !seen.alarms(at..at + hour + 2).is_empty(),
                    "{name}, seed {seed}"
                );
            }
        }
    }
}

/// A job at six, up to five minutes early or late; on the twelfth day once more at half past
/// twelve.
fn with_wrong_job(seed: u64) -> (Vec<Point>, usize) {
    let mut noise = Noise::new(seed);
    let mut points = every(
        5 * MINUTE,
        (0..14 * 288).map(|_| 20.0 + 2.0 * noise.normal()),
    );
    for day in 0..14 {
        let at = (288 * day + 71 + noise.below(3)) as usize;
        points[at..at + 3]
            .iter_mut()
            .for_each(|p| p.value = 85.0 + noise.normal());
    }
    let wrong = 288 * 11 + 150;
    set(&mut points, wrong..wrong + 3, 85.0);
    (points, wrong)
}

#[test]
fn in_a_batch_the_job_at_half_past_twelve_is_odder_than_the_usual_ones() {
    for seed in SEEDS {
        let (points, wrong) = with_wrong_job(seed);
        let train = 7 * 288;
        let verdicts = batch(&fit(&points[..train]), &points[train..]);
        let p = |row: usize| verdicts[row - train].p_value;
        let usual = (train..wrong - 10)
            .filter(|i| points[*i].value > 70.0)
            .map(p);
        let least = usual.fold(1.0, f64::min);
        let mut of_job: Vec<f64> = (wrong..wrong + 3).map(p).collect();
        of_job.sort_by(f64::total_cmp);
        assert!(
            of_job[1] < least,
            "seed {seed}: {of_job:?}, the usual ones from {least}"
        );
    }
}

#[test]
fn online_the_job_at_half_past_twelve_is_found() {
    let found = |seed: &u64| {
        let (points, wrong) = with_wrong_job(*seed);
        let seen = online(&points, 864);
        let row = |i: usize| seen.row(i).verdict.anomaly;
        !seen.alarms(wrong..wrong + 12).is_empty() || (wrong..wrong + 3).any(row)
    };
    let found = (0..8).filter(found).count();
    assert!(found >= 6, "in {found} of 8 series");
}
