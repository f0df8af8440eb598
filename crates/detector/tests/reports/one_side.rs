//! Only one side counts, or only what is far enough.
//! Public reports: elastic/ml-cpp#2610, SeldonIO/alibi-detect#533, elementary-data/elementary#2177.

use contract::{FitOptions, JudgeOptions, Point, Sides};

use crate::support::{
    DAY, MINUTE, MONDAY, Noise, Online, SEEDS, batch, every, fit, fit_with, flagged, online_with,
    set, white,
};

/// A fall to 0 from row 1,500 to 1,529, and a spike at 2,400.
fn fall_and_spike(seed: u64) -> Vec<Point> {
    let mut points = white(MINUTE, 3_000, 100.0, 4.0, seed);
    set(&mut points, 1_500..1_530, 0.0);
    points[2_400].value = 180.0;
    points[2_401].value = 175.0;
    points
}

fn side(sides: Sides) -> FitOptions {
    FitOptions {
        direction: Some(sides),
        ..FitOptions::default()
    }
}

fn seen_on(sides: Sides, seed: u64) -> Online {
    online_with(&fall_and_spike(seed), 500, &side(sides), None)
}

#[test]
fn online_above_and_below_are_silent_about_the_other_side() {
    for seed in SEEDS {
        let above = seen_on(Sides::Above, seed);
        let fall = above.alarms(1_490..1_650);
        assert!(fall.is_empty(), "above, seed {seed}: {fall:?} in the fall");
        assert!(
            !above.alarms(2_400..2_410).is_empty(),
            "above, seed {seed}: the spike"
        );
        let below = seen_on(Sides::Below, seed);
        assert!(
            !below.alarms(1_500..1_506).is_empty(),
            "below, seed {seed}: the fall"
        );
        let spike = below.alarms(2_395..2_450);
        assert!(
            spike.is_empty(),
            "below, seed {seed}: {spike:?} at the spike"
        );
    }
}

#[test]
fn a_batch_above_has_the_spike_and_not_the_fall() {
    for seed in SEEDS {
        let points = fall_and_spike(seed);
        let (model, _) = fit_with(&points[..1_000], side(Sides::Above));
        let rows = flagged(&batch(&model, &points[1_000..]));
        assert!(rows.contains(&1_400), "seed {seed}: {rows:?}");
        assert!(
            !rows.iter().any(|i| (500..530).contains(i)),
            "seed {seed}: {rows:?}"
        );
    }
}

#[test]
fn what_is_nearer_than_the_least_deviation_is_no_anomaly() {
    for seed in SEEDS {
        let mut noise = Noise::new(seed);
        let share = |_| if noise.even() < 0.02 { 0.1 } else { 0.0 };
        let mut points = every(DAY, (0..400).map(share));
        let least = Some(2.0);
        let judge = JudgeOptions {
            min_deviation: least,
            ..JudgeOptions::default()
        };
        let model = fit(&points[..200]);
        for (value, expected) in [(0.5, false), (12.0, true)] {
            let timestamp = MONDAY + 300 * DAY;
            let verdict = model.score(&[], Point { timestamp, value }, &judge);
            assert_eq!(
                verdict.anomaly, expected,
                "{value}, seed {seed}: {}",
                verdict.reason
            );
        }
        points[310].value = 0.5;
        points[350].value = 12.0;
        let seen = online_with(&points, 90, &FitOptions::default(), least);
        assert!(
            seen.alarms(300..340).is_empty(),
            "seed {seed}: {:?}",
            seen.all_alarms()
        );
        assert!(
            !seen.alarms(350..353).is_empty(),
            "seed {seed}: nothing about 12"
        );
    }
}
