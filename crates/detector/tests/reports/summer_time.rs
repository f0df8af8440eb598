//! The clocks change: what an office does comes an hour earlier in UTC.
//! Public reports: elastic/ml-cpp#2690, elastic/ml-cpp#2479, elastic/elasticsearch#107115.

use contract::Point;

use crate::support::{DAY, HOUR, MINUTE, Noise, SEEDS, default_train, every, online};

const STEP: i64 = 15 * MINUTE;
const CHANGE: usize = 28 * 96;

/// Quiet at night and at weekends, steep at eight and at six; from day 28 on an hour earlier.
fn office(seed: u64) -> Vec<Point> {
    let mut noise = Noise::new(seed);
    let value = |i: i64| {
        let shift = if i >= CHANGE as i64 { HOUR } else { 0 };
        let at = i * STEP + shift;
        let hour = (at % DAY) as f64 / HOUR as f64;
        let open = 1.0 / (1.0 + (-(hour - 8.0) * 6.0).exp()) / (1.0 + ((hour - 18.0) * 6.0).exp());
        let week = if at / DAY % 7 >= 5 { 0.05 } else { 1.0 };
        (5.0 + 95.0 * open * week) * (1.0 + 0.05 * noise.normal())
    };
    every(STEP, (0..49 * DAY / STEP).map(value))
}

#[test]
fn online_the_change_is_an_episode_or_two_and_then_normal() {
    for seed in SEEDS {
        let seen = online(&office(seed), default_train(&office(seed)));
        let first = seen.episodes_from(CHANGE..CHANGE + 672).len();
        assert!(
            first <= 2,
            "seed {seed}: {first} episodes in the first week"
        );
        let later = seen.episodes_from(CHANGE + 672..49 * 96).len();
        assert!(
            later <= 2,
            "seed {seed}: {later} episodes in the two weeks after"
        );
    }
}

#[test]
fn online_a_loss_in_the_second_week_is_found() {
    let found = |seed: &u64| {
        let mut points = office(*seed);
        let noon = CHANGE + 9 * 96 + 44;
        points[noon..noon + 4]
            .iter_mut()
            .for_each(|p| p.value *= 0.2);
        let seen = online(&points, default_train(&points));
        !seen.alarms(noon..noon + 16).is_empty()
    };
    let found = SEEDS.filter(found).count();
    assert!(found >= 3, "in {found} of 4 series");
}
