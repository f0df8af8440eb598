//! Series whose training points all have one value.

use contract::{DetectorName, FitOptions, JudgeOptions, Point, Train};

use super::{PLAIN, points};
use crate::{Model, Unfit, detect};

const ALLOWED: FitOptions = FitOptions {
    detector: None,
    params: contract::Params::new(),
    false_alarm_rate: None,
    direction: None,
    allow_constant: true,
    timezone: None,
};

/// Constants, and for each a value that is clearly another one.
const CONSTANTS: [(f64, f64); 7] = [
    (0.0, 1.0),
    (1.0, 2.0),
    (-50.0, -47.0),
    (1e9, 1.001e9),
    (3e-7, 3.1e-7),
    (1e149, 1.1e149),
    (-1e-300, 0.0),
];

/// `value`, over and over, and a timestamp a minute after the one before.
fn constant(value: f64, n: usize) -> Vec<Point> {
    let timestamps = (0..n as i64).map(|i| 1_700_000_000 + 60 * i);
    timestamps
        .map(|timestamp| Point { timestamp, value })
        .collect()
}

fn next(points: &[Point], value: f64) -> Point {
    let timestamp = points[points.len() - 1].timestamp + 60;
    Point { timestamp, value }
}

#[test]
fn any_other_value_than_the_constant_is_an_anomaly() {
    let rated = JudgeOptions {
        false_alarm_rate: Some(0.001),
        ..PLAIN
    };
    for (value, other) in CONSTANTS {
        for n in [10, 40, 1_000] {
            let training = constant(value, n);
            for name in DetectorName::ALL {
                let model = Model::fit(&training, &ALLOWED, *name).unwrap().model;
                assert_eq!(Model::from_json(&model.to_json()).unwrap(), model);
                for context in [&[][..], &training[..8]] {
                    for judge in [PLAIN, rated] {
                        let said = format!("{name}, {n} times {value}: ");
                        let same = model.score(context, next(&training, value), &judge);
                        assert!(!same.anomaly && same.p_value > 0.5, "{said}{same:?}");
                        assert_eq!(same.expected, Some(value), "{said}");
                        let odd = model.score(context, next(&training, other), &judge);
                        assert!(odd.anomaly && odd.p_value <= 1e-3, "{said}{odd:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_session_on_a_constant_tells_the_first_other_value_and_nothing_else() {
    for (value, other) in CONSTANTS {
        for n in [10, 200] {
            for name in DetectorName::ALL {
                let mut series = constant(value, n + 300);
                series[n + 100].value = other;
                let mut detection = detect(
                    &series,
                    Train::Points(n),
                    &FitOptions::default(),
                    *name,
                    None,
                )
                .unwrap();
                for point in &series[n..] {
                    detection.update(*point);
                }
                let episodes = detection.episodes();
                let said = format!("{name}, {n} times {value}: {episodes:?}");
                assert_eq!(episodes.len(), 1, "{said}");
                assert_eq!(episodes[0].peak, series[n + 100].timestamp, "{said}");
            }
        }
    }
}

#[test]
fn constants_are_refused_unless_allowed_and_long_enough() {
    let refused = |value, n, options: &FitOptions| {
        let fitted = Model::fit(&constant(value, n), options, DetectorName::Auto);
        let why = fitted.unwrap_err();
        (why.code().as_str(), why.to_string(), why.errors())
    };
    let detail = "Insufficient or constant data".to_owned();
    let few = "2 points are fewer than 3".to_owned();
    assert_eq!(
        refused(4.5, 2, &ALLOWED),
        ("insufficient_data", detail.clone(), vec![few])
    );
    let all = "all 1000 values are 4.5: allow_constant fits them nevertheless".to_owned();
    assert_eq!(
        refused(4.5, 1_000, &FitOptions::default()),
        ("constant_data", detail.clone(), vec![all])
    );
    let short = "all 9 values are 0: a constant needs at least 10".to_owned();
    assert_eq!(
        refused(0.0, 9, &ALLOWED),
        ("constant_data", detail, vec![short])
    );
    let named = detect(
        &points(&[1.0; 9]),
        Train::Points(8),
        &FitOptions::default(),
        DetectorName::Auto,
        None,
    );
    let (points, value) = (8, 1.0);
    assert_eq!(named.unwrap_err(), Unfit::Constant { points, value });
}
