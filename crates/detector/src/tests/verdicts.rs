//! Verdicts of pure calls.

use contract::{Direction, Params, Severity, Sides};

use super::*;
use crate::{Band, Fitted, Verdict};

/// Asked for `rate`.
fn at(rate: f64) -> JudgeOptions {
    JudgeOptions {
        false_alarm_rate: Some(rate),
        ..PLAIN
    }
}

fn band(verdict: &Verdict) -> Band {
    Band {
        expected: verdict.expected.unwrap(),
        lower: verdict.lower,
        upper: verdict.upper,
    }
}

#[test]
fn a_known_season_is_all_that_auto_and_seasonal_need_to_judge_a_point_alone() {
    let points = daily(2_000);
    for name in [DetectorName::Auto, DetectorName::Seasonal] {
        let model = Model::fit(&points, &FitOptions::default(), name)
            .unwrap()
            .model;
        assert_eq!(
            (model.period(), model.period_time()),
            (Some(48), Some(48 * 300))
        );
        let crest = Point {
            timestamp: 1_700_000_000 + 300 * (48 * 100 + 12),
            value: 12.0,
        };
        let trough = Point {
            timestamp: crest.timestamp + 300 * 24,
            ..crest
        };
        let verdict = model.score(&[], crest, &PLAIN);
        assert!(!verdict.anomaly, "{name}: {verdict:?}");
        let verdict = model.score(&[], trough, &PLAIN);
        assert!(
            verdict.anomaly && verdict.direction == Direction::Above,
            "{name}: {verdict:?}"
        );
        assert!(verdict.severity > Severity::Low && verdict.p_value < 1e-4);
        let expected = verdict.expected.unwrap();
        assert!((7.5..8.5).contains(&expected), "{name}: {expected}");
    }
}

#[test]
fn auto_sees_values_that_do_not_follow_the_course_though_each_is_usual() {
    let mut points = daily(3_000);
    let model = Model::fit(&points[..2_000], &FitOptions::default(), DetectorName::Auto);
    let model = model.unwrap().model;
    // Half a period of silence at the level of the median.
    for point in &mut points[2_500..2_540] {
        point.value = 10.0;
    }
    let mut scorer = model.fixed_scorer(&points[2_000..2_400]);
    let verdicts: Vec<Verdict> = points[2_400..2_540]
        .iter()
        .map(|p| scorer.score(*p, &PLAIN))
        .collect();
    let before = verdicts[..100].iter().filter(|v| v.anomaly).count();
    assert!(before <= 2, "{before}");
    let silent = verdicts[100..].iter().filter(|v| v.anomaly).count();
    assert!(silent >= 30, "{silent}");
    // The same as with that context at once.
    let context = &points[2_000..2_539];
    assert_eq!(model.score(context, points[2_539], &PLAIN), verdicts[139]);
}

#[test]
fn what_is_not_asked_for_cannot_fire_and_has_no_bound() {
    let model = fit(DetectorName::Robust, &noise(500).collect::<Vec<_>>()).unwrap();
    let score = |value, judge: &JudgeOptions| {
        model.score(
            &[],
            Point {
                timestamp: 0,
                value,
            },
            judge,
        )
    };
    let above = JudgeOptions {
        direction: Some(Sides::Above),
        ..PLAIN
    };
    let verdict = score(-50.0, &above);
    assert!(!verdict.anomaly && verdict.lower.is_none() && verdict.upper.is_some());
    assert!(
        verdict.p_value < 1e-3,
        "the model knows better: {verdict:?}"
    );
    assert!(score(50.0, &above).anomaly);
    let far = JudgeOptions {
        min_deviation: Some(10.0),
        ..PLAIN
    };
    assert!(score(5.0, &PLAIN).anomaly && !score(5.0, &far).anomaly && score(10.5, &far).anomaly);
    assert!((score(0.0, &far).upper.unwrap() - 10.0).abs() < 0.2);
    let sigma = fit(DetectorName::Sigma, &noise(500).collect::<Vec<_>>()).unwrap();
    let below = JudgeOptions {
        direction: Some(Sides::Below),
        ..PLAIN
    };
    let band = sigma.band(0, &below);
    assert_eq!((band.lower, band.upper), (None, None));
}

#[test]
fn parameters_and_rates_are_refused_by_name() {
    let refused = |name, param: &str, value| {
        let options = FitOptions {
            params: Params::from([(param.to_owned(), value)]),
            ..FitOptions::default()
        };
        let points = points(&[1.0, 2.0, 3.0]);
        Model::fit(&points, &options, name).unwrap_err().to_string()
    };
    assert_eq!(
        refused(DetectorName::Robust, "alpha", 1.0),
        "Parameter alpha is not known: there are contamination (from 0 to 0.4)"
    );
    assert_eq!(
        refused(DetectorName::Seasonal, "period", 7.5),
        "Parameter period is 7.5, which is not a whole number from 2 to 20000"
    );
    assert_eq!(
        refused(DetectorName::Auto, "x", f64::NAN),
        "Parameter x is not known: there are period (a whole number from 4 to 20000)"
    );
    assert!(refused(DetectorName::Ewma, "alpha", f64::NAN).contains("alpha is NaN"));
    let options = FitOptions {
        false_alarm_rate: Some(0.7),
        ..FitOptions::default()
    };
    let refused = Model::fit(&points(&[1.0, 2.0, 3.0]), &options, DetectorName::Sigma);
    assert_eq!(refused.unwrap_err(), Unfit::Rate(0.7));
    let options = FitOptions {
        timezone: "Europe/Berlin".parse().ok(),
        ..FitOptions::default()
    };
    let refused = Model::fit(&points(&[1.0, 2.0, 3.0]), &options, DetectorName::Robust);
    assert_eq!(
        refused.unwrap_err().to_string(),
        "timezone: robust does not know the time of day"
    );
    assert!(Model::fit(&points(&[1.0, 2.0, 3.0]), &options, DetectorName::Auto).is_ok());
}

#[test]
fn weak_training_points_are_said_to_be() {
    let mut points = daily(300);
    points.truncate(200);
    points.drain(50..60);
    points[20].timestamp = points[19].timestamp;
    for point in &mut points[140..] {
        point.value = 3.0;
    }
    let options = FitOptions {
        false_alarm_rate: Some(1e-5),
        ..FitOptions::default()
    };
    let Fitted { warnings, .. } = Model::fit(&points, &options, DetectorName::Robust).unwrap();
    let warnings: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "1 point has the timestamp of another",
            "there are 2 gaps, the longest of 55 minutes",
            "the last 50 points are all the same",
            "190 points say little about a false-alarm rate of 0.00001: limits are extrapolated",
        ]
    );
}

#[test]
fn a_model_of_sigma_takes_400_bytes_and_one_of_auto_80_kilobytes() {
    let points = daily(5_000);
    let bytes = |name| {
        Model::fit(&points, &FitOptions::default(), name)
            .unwrap()
            .model
            .memory_bytes()
    };
    assert!(
        bytes(DetectorName::Sigma) <= 400,
        "{}",
        bytes(DetectorName::Sigma)
    );
    assert!(
        bytes(DetectorName::Robust) <= 400,
        "{}",
        bytes(DetectorName::Robust)
    );
    assert!(
        bytes(DetectorName::Auto) <= 80 << 10,
        "{}",
        bytes(DetectorName::Auto)
    );
}

proptest! {
    #[test]
    fn the_verdict_turns_at_the_band_and_at_the_rate(
        name in detector(),
        seed in 0..1_000_usize,
        n in 3..400_usize,
        value in -3.0..3.0_f64,
        rate in 1e-6..0.4_f64,
    ) {
        let values: Vec<f64> = noise(n + seed).skip(seed).collect();
        let model = fit(name, &values).unwrap();
        let point = Point { timestamp: n as i64, value };
        let verdict = model.score(&[], point, &at(rate));
        prop_assert_eq!(verdict.anomaly, verdict.p_value <= rate, "{:?}", verdict);
        let Band { expected, lower, upper } = band(&verdict);
        let beyond = upper.is_some_and(|u| value > u) || lower.is_some_and(|l| value < l);
        prop_assert_eq!(verdict.anomaly, beyond, "{:?}", verdict);
        prop_assert_eq!(model.band(point.timestamp, &at(rate)), Band { expected, lower, upper });
        prop_assert_eq!(verdict.severity == Severity::None, !verdict.anomaly);
        prop_assert_eq!(verdict.direction == Direction::None, !verdict.anomaly);
        if let Some(upper) = upper {
            let at_limit = |value| model.score(&[], Point { value, ..point }, &at(rate)).anomaly;
            prop_assert!(!at_limit(upper) && at_limit(upper.next_up()));
        }
    }

    #[test]
    fn what_lies_farther_away_is_never_less_unusual(
        name in detector(),
        n in 3..300_usize,
        mut away in prop::collection::vec(0.0..100.0_f64, 2..10),
    ) {
        let model = fit(name, &noise(n).collect::<Vec<_>>()).unwrap();
        let expected = model.band(0, &PLAIN).expected;
        away.sort_by(f64::total_cmp);
        let verdict = |away: &f64| model.score(&[], Point { timestamp: 0, value: expected + away }, &PLAIN);
        let verdicts: Vec<Verdict> = away.iter().map(verdict).collect();
        prop_assert!(verdicts.is_sorted_by(|a, b| a.score <= b.score && a.p_value >= b.p_value));
        prop_assert!(verdicts.is_sorted_by(|a, b| a.anomaly <= b.anomaly && a.severity <= b.severity));
    }

    #[test]
    fn other_units_give_the_same_verdicts(
        name in detector(),
        n in 3..300_usize,
        probe in -5.0..5.0_f64,
        exponent in -60..60_i32,
    ) {
        let values: Vec<f64> = noise(n).collect();
        let unit = 2_f64.powi(exponent);
        let scaled: Vec<f64> = values.iter().map(|v| v * unit).collect();
        let score = |values: &[f64], value| {
            fit(name, values).unwrap().score(&[], Point { timestamp: 0, value }, &PLAIN)
        };
        let (plain, scaled) = (score(&values, probe), score(&scaled, probe * unit));
        prop_assert_eq!(plain.anomaly, scaled.anomaly);
        prop_assert!((plain.score - scaled.score).abs() < 1e-9, "{:?} {:?}", plain, scaled);
    }

    #[test]
    fn a_shift_of_all_values_shifts_what_is_expected(
        name in detector(),
        n in 3..300_usize,
        probe in -5.0..5.0_f64,
        shift in -1e3..1e3_f64,
    ) {
        let values: Vec<f64> = noise(n).collect();
        let shifted: Vec<f64> = values.iter().map(|v| v + shift).collect();
        let score = |values: &[f64], value| {
            fit(name, values).unwrap().score(&[], Point { timestamp: 0, value }, &PLAIN)
        };
        let (plain, moved) = (score(&values, probe), score(&shifted, probe + shift));
        // Of an even number of points two are equally far from the median, or not, as rounding has
        // it. So the ranks of the nearest points are not certain.
        let is_near = plain.p_value > 1.0 - 3.0 / (n + 1) as f64;
        // The first negative value is a new kind of value.
        let is_new = probe + shift < 0.0 && shifted.iter().all(|v| *v >= 0.0);
        let differ = (plain.score - moved.score).abs();
        prop_assert!(differ < 1e-3 || is_near || is_new, "{:?} {:?}", plain, moved);
        prop_assert!((plain.expected.unwrap() + shift - moved.expected.unwrap()).abs() < 1e-3);
    }
}
