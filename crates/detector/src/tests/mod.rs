//! Tests that hold for every detector.

mod agreement;
mod columns;
mod constants;
mod decomposition;
mod last;
mod rates;
mod sessions;
mod verdicts;

use contract::{DetectorName, FitOptions, JudgeOptions, Point};
use proptest::prelude::*;

use crate::{Model, Session, Unfit};

const PLAIN: JudgeOptions = JudgeOptions {
    false_alarm_rate: None,
    direction: None,
    min_deviation: None,
};

/// Noise that is the same every time, in [-0.5, 0.5).
fn noise(n: usize) -> impl Iterator<Item = f64> + Clone {
    let next = |state: &u64| {
        let state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        Some(state)
    };
    let states = std::iter::successors(Some(1_u64), next).skip(1).take(n);
    states.map(|state| (state >> 11) as f64 / (1_u64 << 53) as f64 - 0.5)
}

/// Noise on a sine with a period of 48 points, five minutes apart.
fn daily(n: usize) -> Vec<Point> {
    let wave = |i: usize| (i as f64 * std::f64::consts::TAU / 48.0).sin();
    (0..)
        .zip(noise(n))
        .map(|(i, noise)| Point {
            timestamp: 1_700_000_000 + 300 * i as i64,
            value: 10.0 + 2.0 * wave(i) + noise,
        })
        .collect()
}

fn points(values: &[f64]) -> Vec<Point> {
    (0..)
        .zip(values)
        .map(|(timestamp, &value)| Point { timestamp, value })
        .collect()
}

fn fit(name: DetectorName, values: &[f64]) -> Result<Model, Unfit> {
    Model::fit(&points(values), &FitOptions::default(), name).map(|fitted| fitted.model)
}

/// A session as a binary format has it.
fn to_bytes(session: &Session) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(session, &mut bytes).unwrap();
    bytes
}

fn from_bytes(bytes: &[u8]) -> Option<Session> {
    ciborium::from_reader(bytes).ok()
}

fn finite() -> impl Strategy<Value = f64> {
    prop::num::f64::ANY.prop_filter("finite", |v| v.is_finite())
}

fn detector() -> impl Strategy<Value = DetectorName> {
    prop::sample::select(DetectorName::ALL)
}

#[test]
fn nothing_is_learned_from_too_little() {
    for name in DetectorName::ALL {
        for values in [&[][..], &[1.0], &[1.0, 2.0]] {
            let (points, needed) = (values.len(), 3);
            assert_eq!(fit(*name, values), Err(Unfit::TooFew { points, needed }));
        }
        for values in [&[7.0; 3], &[0.0, -0.0, 0.0]] {
            let (points, value) = (3, values[0]);
            assert_eq!(fit(*name, values), Err(Unfit::Constant { points, value }));
        }
    }
    assert!(fit(DetectorName::Sigma, &[1.0, 1.0, 2.0]).is_ok());
}

proptest! {
    #[test]
    fn any_finite_points_give_a_model_that_survives_being_stored(
        name in detector(),
        values in prop::collection::vec(finite(), 3..50),
        value in finite(),
        timestamp in any::<i64>(),
    ) {
        prop_assume!(values.iter().any(|v| *v != values[0]));
        let model = fit(name, &values).unwrap();
        let again = Model::from_json(&model.to_json()).unwrap();
        prop_assert_eq!(&again, &model);
        let point = Point { timestamp, value };
        let verdict = model.score(&[], point, &PLAIN);
        prop_assert_eq!(again.score(&[], point, &PLAIN), verdict);
        prop_assert!((0.0..1.0).contains(&verdict.score));
        prop_assert!(verdict.p_value > 0.0 && verdict.p_value <= 1.0);
        prop_assert!([verdict.expected, verdict.lower, verdict.upper].iter().flatten().all(|v| v.is_finite()));
    }

    #[test]
    fn a_session_takes_anything_and_goes_on_as_it_was_stored(
        name in detector(),
        first in prop::collection::vec(finite(), 3..30),
        then in prop::collection::vec((any::<i64>(), finite()), 1..30),
        stored_after in 0..30_usize,
    ) {
        prop_assume!(first.iter().any(|v| *v != first[0]));
        let mut session = fit(name, &first).unwrap().session(&PLAIN);
        let mut restored = None;
        for (i, (timestamp, value)) in then.into_iter().enumerate() {
            if i == stored_after {
                let again = from_bytes(&to_bytes(&session)).unwrap();
                prop_assert_eq!(&again, &session);
                restored = Some(again);
            }
            let judged = session.update(Point { timestamp, value });
            prop_assert!((0.0..1.0).contains(&judged.verdict.score) && judged.ratio.is_finite());
            prop_assert_eq!(judged.alarm, judged.ratio >= 1.0);
            prop_assert!(judged.verdict.anomaly || !judged.alarm);
            if let Some(restored) = &mut restored {
                prop_assert_eq!(restored.update(Point { timestamp, value }), judged);
            }
        }
        if let Some(restored) = restored {
            prop_assert_eq!(restored, session);
        }
    }

    #[test]
    fn the_recorded_rule_scales_with_the_unit(values in prop::collection::vec(-1e6..1e6_f64, 3..50), probe in -1e7..1e7_f64, k in -300..300_i32) {
        prop_assume!(values.iter().any(|v| *v != values[0]));
        let unit = 2_f64.powi(k);
        let scaled: Vec<f64> = values.iter().map(|v| v * unit).collect();
        prop_assume!(scaled.iter().all(|v| v.is_normal()));
        let verdict = |values: &[f64], value| {
            let model = fit(DetectorName::Sigma, values).unwrap();
            model.score(&[], Point { timestamp: 0, value }, &PLAIN).anomaly
        };
        prop_assert_eq!(verdict(&values, probe), verdict(&scaled, probe * unit));
    }
}
