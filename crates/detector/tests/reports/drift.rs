//! A series that drifts, and events that come again: a spike is one where every level is new, and the
//! tenth as the first.
//! Public reports: aws/random-cut-forest-by-aws#359 and #411, numenta/nupic-legacy#3824.

use crate::support::{MINUTE, Noise, SEEDS, every, online, white};

/// A random walk with steps of standard deviation 1.
fn walk(points: usize, seed: u64) -> Vec<f64> {
    let mut noise = Noise::new(seed);
    let steps = std::iter::repeat_with(|| noise.normal()).take(points);
    steps
        .scan(0.0, |level, step| {
            *level += step;
            Some(*level)
        })
        .collect()
}

#[test]
fn online_most_spikes_on_a_random_walk_are_found() {
    let mut found = 0;
    for seed in SEEDS {
        for at in (2_000..5_000).step_by(611) {
            let mut values = walk(at + 13, seed);
            values[at] += 9.0;
            let seen = online(&every(MINUTE, values), 1_000);
            found += usize::from(!seen.alarms(at..at + 13).is_empty());
        }
    }
    assert!(found >= 14, "{found} of 20");
}

#[test]
fn online_the_tenth_spike_is_found_as_the_first() {
    let mut found = 0;
    for seed in SEEDS {
        let mut points = white(MINUTE, 8_000, 50.0, 2.0, seed);
        let places: Vec<usize> = (0..10).map(|k| 1_500 + 617 * k).collect();
        places.iter().for_each(|at| points[*at].value += 17.0);
        let seen = online(&points, 1_000);
        let is_found = |at: &&usize| !seen.alarms(**at..**at + 13).is_empty();
        found += places.iter().filter(is_found).count();
    }
    assert!(found >= 37, "{found} of 40");
}

#[test]
fn online_a_value_that_sticks_on_a_random_walk_is_found_and_ends() {
    for seed in SEEDS {
        let mut values = walk(4_000, seed);
        let stuck = values[3_000];
        values[3_001..3_060].fill(stuck);
        let seen = online(&every(MINUTE, values), 1_000);
        let alarms = seen.alarms(3_000..3_060);
        assert!(alarms.contains(&3_005), "seed {seed}: {alarms:?}");
        let reason = seen.row(3_005).verdict.reason.to_string();
        assert!(reason.contains("6 values are all"), "{reason}");
        assert!(alarms.len() <= 2, "seed {seed}: {alarms:?}");
    }
}
