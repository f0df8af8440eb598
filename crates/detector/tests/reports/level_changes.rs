//! Changes of the level are the few that a person would draw. Bursts are none once they are usual,
//! nor is the course of a day that training saw twice; each of several steps is one.
//! Seen on published series: Twitter_volume_AAPL (52 changes) and art_daily_jumpsdown (25) of the
//! Numenta benchmark.

use crate::support::{MINUTE, Noise, SEEDS, daily, every, online};

#[test]
fn bursts_that_come_and_go_are_no_changes() {
    for seed in SEEDS {
        let mut noise = Noise::new(seed);
        let (mut next, mut end, mut height, mut bursts) = (100, 0, 0.0, 0);
        let values: Vec<f64> = (0..8_000)
            .map(|i| {
                if i == next {
                    end = i + 30 + noise.below(30);
                    next = i + 150 + noise.below(250);
                    height = 20.0 + 20.0 * noise.even();
                    bursts += 1;
                }
                50.0 + 3.0 * noise.normal() + if i < end { height } else { 0.0 }
            })
            .collect();
        let seen = online(&every(5 * MINUTE, values), 750);
        let told = seen.changes.len();
        assert!(bursts > 20 && told <= 12, "seed {seed}: {told} of {bursts}");
    }
}

#[test]
fn each_step_of_a_stair_is_a_change() {
    for seed in SEEDS {
        let mut noise = Noise::new(seed);
        let level = |i: usize| 50.0 + 25.0 * (i.saturating_sub(200) / 700) as f64;
        let values: Vec<f64> = (0..4_000)
            .map(|i| level(i) + 3.0 * noise.normal())
            .collect();
        let seen = online(&every(MINUTE, values), 500);
        for step in (900..4_000).step_by(700) {
            let told = seen.changes_in(step - 5..step + 5);
            assert_eq!(told, 1, "seed {seed}, row {step}: {:?}", seen.changes);
        }
        assert_eq!(seen.changes.len(), 5, "seed {seed}: {:?}", seen.changes);
    }
}

#[test]
fn the_course_of_a_day_is_no_change_after_two_of_them() {
    for seed in SEEDS {
        let points = daily(5 * MINUTE, 14, seed);
        let seen = online(&points, 604);
        let told = seen.changes.len();
        assert!(told <= 2, "seed {seed}: {:?}", seen.changes);
    }
}
