//! Errors rise for three hours and come back. Who is told of the rise is told of the return.
//! Public reports: discuss.elastic.co/t/166804, andrewm4894/anomstack#73.

use crate::support::{MINUTE, Online, online, white};

/// 50 with a spread of 3; 90 from row 1,500 on for `long` points.
fn there_and_back(long: usize, seed: u64) -> Online {
    let mut points = white(MINUTE, 3_000, 50.0, 3.0, seed);
    for point in &mut points[1_500..1_500 + long] {
        point.value += 40.0;
    }
    online(&points, 500)
}

#[test]
fn the_rise_is_one_episode_with_few_alarms() {
    for seed in 0..6 {
        let seen = there_and_back(180, seed);
        assert!(
            !seen.alarms(1_500..1_510).is_empty(),
            "seed {seed}: no alarm"
        );
        let episodes = seen.episodes_from(1_500..1_800);
        assert!(episodes.len() <= 2, "seed {seed}: {episodes:?}");
        let alarms = seen.alarms(1_500..1_800);
        assert!(alarms.len() <= 4, "seed {seed}: {alarms:?}");
    }
}

#[test]
fn a_rise_that_is_told_as_a_change_is_followed_by_the_return() {
    for long in [90, 180, 400] {
        for seed in 0..6 {
            let seen = there_and_back(long, seed);
            let end = 1_500 + long;
            let told = seen.changes_in(1_490..1_550) > 0;
            let back = seen.changes_in(end - 10..end + 60) > 0;
            assert!(
                !told || back,
                "{long} points, seed {seed}: {:?}",
                seen.changes
            );
        }
    }
}

#[test]
fn afterwards_the_old_level_is_expected() {
    for seed in 0..6 {
        let seen = there_and_back(180, seed);
        let expected = seen.row(2_100).verdict.expected.unwrap();
        assert!((expected - 50.0).abs() < 6.0, "seed {seed}: {expected}");
        let outside = seen.outside(2_100..3_000);
        assert!(
            outside <= 18,
            "seed {seed}: {outside} of 900 outside of their band"
        );
    }
}
