//! A load that is low but for bursts of some minutes, in training and after it. In and after a burst
//! the range must not be many times as wide as any burst was high.
//! Seen on published series: ec2_cpu_utilization_fe7f93 and TravelTime_451 of the Numenta benchmark.

use contract::Point;

use crate::support::{MINUTE, Noise, SEEDS, alone, every, fit, online, with_context};

const TRAIN: usize = 600;

/// 3 with a spread of 0.3, and bursts of 3 to 10 points of about 65: one in each 100 to 300 points.
fn bursts(seed: u64) -> Vec<Point> {
    let mut noise = Noise::new(seed);
    let (mut next, mut end) = (60, 0);
    let values = (0..3_000).map(|i| {
        if i == next {
            end = i + 3 + noise.below(8);
            next = i + 100 + noise.below(200);
        }
        match i < end {
            true => 65.0 + 3.0 * noise.normal(),
            false => 3.0 + 0.3 * noise.normal(),
        }
    });
    every(5 * MINUTE, values.collect::<Vec<_>>())
}

/// The highest value that a person would still draw inside of the range.
const DRAWN: f64 = 330.0;

#[test]
fn no_range_is_many_times_as_high_as_a_burst() {
    for seed in SEEDS {
        let points = bursts(seed);
        let model = fit(&points[..TRAIN]);
        let seen = online(&points, TRAIN);
        for (i, point) in points.iter().enumerate().skip(TRAIN) {
            let near = with_context(&model, &points[i - 50..=i]);
            let ways = [
                ("online", seen.row(i).verdict),
                ("alone", alone(&model, point.timestamp, point.value)),
                ("context", near),
            ];
            for (way, verdict) in ways {
                let upper = verdict.upper.unwrap();
                assert!(upper < DRAWN, "seed {seed}, row {i}, {way}: {upper}");
            }
        }
    }
}
