//! False-alarm rates of single calls, and timestamps of the wrong unit.

use contract::{DetectorName, FitOptions, JudgeOptions, Point, TimeUnit};
use proptest::prelude::*;

use super::{PLAIN, daily, noise, points};
use crate::{DEFAULT_RATE, Model};

fn at_rate(rate: f64) -> JudgeOptions {
    JudgeOptions {
        false_alarm_rate: Some(rate),
        ..PLAIN
    }
}

/// The detectors without a rule of their own: that of `sigma` decides where no rate is named.
fn calibrated() -> impl Strategy<Value = DetectorName> {
    prop::sample::select(&[
        DetectorName::Auto,
        DetectorName::Robust,
        DetectorName::Seasonal,
        DetectorName::Ewma,
    ])
}

/// Series of several kinds, of ten points or more.
fn series() -> impl Strategy<Value = Vec<Point>> {
    let noisy = (10..400_usize, 0..500_usize)
        .prop_map(|(n, seed)| points(&noise(n + seed).skip(seed).collect::<Vec<f64>>()));
    let seasonal = (150..500_usize).prop_map(daily);
    let counts = prop::collection::vec(0..5_u8, 10..200).prop_filter_map("constant", |counts| {
        let values: Vec<f64> = counts.into_iter().map(f64::from).collect();
        let distinct = values.iter().any(|v| *v != values[0]);
        distinct.then(|| points(&values))
    });
    prop_oneof![noisy, seasonal, counts]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_higher_rate_never_gives_fewer_alarms_and_the_default_changes_nothing(
        name in calibrated(),
        series in series(),
        context in 0..60_usize,
        probes in prop::collection::vec(-8.0..8.0_f64, 8),
        mut rates in prop::collection::vec(1e-6..0.5_f64, 3),
    ) {
        let model = Model::fit(&series, &FitOptions::default(), name).unwrap().model;
        rates.push(DEFAULT_RATE);
        rates.sort_by(f64::total_cmp);
        let last = series[series.len() - 1];
        let step = last.timestamp - series[series.len() - 2].timestamp;
        let context = &series[series.len() - context.min(series.len())..];
        for value in probes {
            let point = Point { timestamp: last.timestamp + step, value: last.value + value };
            let plain = model.score(context, point, &PLAIN);
            prop_assert_eq!(plain, model.score(context, point, &at_rate(DEFAULT_RATE)));
            let flags = rates.iter().map(|rate| model.score(context, point, &at_rate(*rate)).anomaly);
            let flags: Vec<bool> = flags.collect();
            prop_assert!(flags.is_sorted(), "{name}: {rates:?} {flags:?}");
        }
    }
}

#[test]
fn the_smallest_rates_judge_as_the_smallest_p_value_does() {
    // Alternating values after a daily course: of an odd shape.
    let series = daily(600);
    let last = series[series.len() - 1].timestamp;
    let odd: Vec<Point> = (1..60)
        .map(|i| Point {
            timestamp: last + i * 3_600,
            value: if i % 2 == 0 { 0.0 } else { 40.0 },
        })
        .collect();
    for name in DetectorName::ALL {
        let options = FitOptions {
            false_alarm_rate: Some(5e-324),
            ..FitOptions::default()
        };
        let model = Model::fit(&series, &options, *name).unwrap().model;
        for rate in [5e-324, 1e-310] {
            for (at, point) in odd.iter().enumerate() {
                let judged = model.score(&odd[..at], *point, &at_rate(rate));
                let smallest = model.score(&odd[..at], *point, &at_rate(f64::MIN_POSITIVE));
                assert_eq!(judged, smallest, "{name} at {rate}");
                assert_eq!(judged, model.score(&odd[..at], *point, &PLAIN));
            }
        }
    }
}

#[test]
fn timestamps_of_another_unit_are_told_from_those_of_the_fit() {
    let model = |points: &[Point]| {
        let fitted = Model::fit(points, &FitOptions::default(), DetectorName::Auto);
        let json = fitted.unwrap().model.to_json();
        Model::from_json(&json).unwrap()
    };
    let seconds = model(&daily(100));
    assert_eq!(seconds.timestamp(1_719_208_800, None), Ok(1_719_208_800));
    // Counters have no unit.
    assert_eq!(seconds.timestamp(7, None), Ok(7));
    let refused = seconds.timestamp(1_719_208_800_000, None).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "timestamp 1719208800000 counts in milliseconds, but the model was fitted on seconds"
    );
    let counted = model(&points(&[1.0, 2.0, 3.0]));
    assert_eq!(
        counted.timestamp(1_719_208_800_000, None),
        Ok(1_719_208_800_000)
    );
    // Dates take the unit of the fit.
    let milliseconds = Some(TimeUnit::Milliseconds);
    assert_eq!(
        seconds.timestamp(1_719_208_800_000, milliseconds),
        Ok(1_719_208_800)
    );
    let said = |model: &Model| {
        let refused = model.timestamp(1_719_208_800_500, milliseconds);
        refused.unwrap_err().to_string()
    };
    assert!(said(&seconds).contains("is not a whole number of seconds"));
    assert!(said(&counted).contains("integers that are no dates"));
    // Dates before 1973 are as small as counters: only how they were sent tells.
    let mut early = Model::fit(
        &points(&[1.0, 2.0, 3.0]),
        &FitOptions::default(),
        DetectorName::Sigma,
    );
    early.as_mut().unwrap().model.set_unit(TimeUnit::Seconds);
    let early = Model::from_json(&early.unwrap().model.to_json()).unwrap();
    assert_eq!(early.timestamp(-5_000, milliseconds), Ok(-5));
}

#[test]
fn a_trend_is_warned_of_where_the_detector_does_not_follow() {
    let growing: Vec<f64> = (0..)
        .zip(noise(300))
        .map(|(i, noise)| 0.05 * f64::from(i) + noise)
        .collect();
    let level: Vec<f64> = noise(300).collect();
    for (values, name, warned) in [
        (&growing, DetectorName::Robust, true),
        (&growing, DetectorName::Ewma, false),
        (&level, DetectorName::Robust, false),
    ] {
        let fitted = Model::fit(&points(values), &FitOptions::default(), name).unwrap();
        let mut warnings = fitted.warnings.iter().map(ToString::to_string);
        assert_eq!(
            warnings.any(|w| w.contains("have a trend")),
            warned,
            "{name}"
        );
    }
}
