//! A metric moves to another level for good. It is said once, and then the new level is normal.
//! Public reports: enyineer/checkstack#246, DataDog/documentation#787.

use contract::Point;

use crate::support::{MINUTE, Online, online, white};

/// 200 with a spread of `spread`; from row 1,000 on 320 or 80.
fn moved(by: f64, spread: f64, seed: u64) -> Online {
    let mut points: Vec<Point> = white(MINUTE, 2_000, 200.0, spread, seed);
    points[1_000..].iter_mut().for_each(|p| p.value += by);
    online(&points, 300)
}

/// The numbers of episodes that begin after the change, in 8 series.
fn further_episodes() -> Vec<usize> {
    let further = |seed| moved(120.0, 8.0, seed).episodes_from(1_006..2_000).len();
    (0..8).map(further).collect()
}

#[test]
fn there_is_an_episode_and_at_most_one_further() {
    for seed in 0..8 {
        let seen = moved(120.0, 8.0, seed);
        assert!(!seen.episodes_from(1_000..1_006).is_empty(), "seed {seed}");
    }
    let further = further_episodes();
    assert!(
        further.iter().filter(|f| **f <= 1).count() >= 7,
        "{further:?}"
    );
}

#[test]
fn as_a_rule_there_is_no_further_episode() {
    let further = further_episodes();
    assert!(
        further.iter().filter(|f| **f == 0).count() >= 6,
        "{further:?}"
    );
}

#[test]
fn there_is_one_change_point_at_the_change() {
    for seed in 0..8 {
        let seen = moved(120.0, 8.0, seed);
        assert_eq!(seen.changes.len(), 1, "seed {seed}: {:?}", seen.changes);
        assert_eq!(
            seen.changes_in(995..1_010),
            1,
            "seed {seed}: {:?}",
            seen.changes
        );
    }
}

#[test]
fn the_new_level_is_soon_what_is_expected() {
    for (by, spread) in [(120.0, 8.0), (-120.0, 8.0), (30.0, 8.0)] {
        for seed in 0..8 {
            let seen = moved(by, spread, seed);
            let what = format!("{by:+}, seed {seed}");
            for rows in [1_100..1_500, 1_500..2_000] {
                let outside = seen.outside(rows.clone());
                let most = rows.len() / 50;
                assert!(
                    outside <= most,
                    "{what}: {outside} of {rows:?} outside of their band"
                );
                let p = |i: &usize| seen.row(*i).verdict.p_value < 0.001;
                let low = rows.clone().filter(p).count();
                assert!(low <= most, "{what}: {low} of {rows:?} have p below 0.001");
            }
            let expected = seen.row(1_999).verdict.expected.unwrap();
            let off = (expected - (200.0 + by)).abs();
            assert!(off < 2.0 * spread, "{what}: {expected} is expected");
        }
    }
}
