//! No verdict of a session contradicts itself.

use contract::{Direction, Severity};
use proptest::prelude::*;

use super::*;
use crate::{DEFAULT_RATE, Judged, Verdict};

/// The five invariants of a row of a session, for a model that was asked for `rate`.
fn check(judged: &Judged, value: f64, rate: f64, by_rate: bool) -> Result<(), TestCaseError> {
    let Verdict {
        anomaly, p_value, ..
    } = judged.verdict;
    let verdict = &judged.verdict;
    let outside = verdict.upper.is_some_and(|upper| value > upper)
        || verdict.lower.is_some_and(|lower| value < lower);
    if by_rate {
        prop_assert_eq!(anomaly, p_value <= rate, "{:?}", judged);
    }
    prop_assert!(anomaly || !outside, "outside, and none: {judged:?}");
    prop_assert!(!anomaly || outside || judged.alarm, "inside: {judged:?}");
    prop_assert!(anomaly || !judged.alarm, "an alarm, and none: {judged:?}");
    prop_assert_eq!(anomaly, verdict.severity != Severity::None, "{:?}", judged);
    let side = match verdict.direction {
        Direction::None => !anomaly,
        Direction::Pattern => judged.alarm && !outside,
        Direction::Above => outside && verdict.upper.is_some_and(|upper| value > upper),
        Direction::Below => outside && verdict.lower.is_some_and(|lower| value < lower),
    };
    prop_assert!(side, "{judged:?}");
    prop_assert_eq!(judged.alarm, judged.ratio >= 1.0);
    Ok(())
}

/// Judges all of `points` after the first `train`.
fn check_all(
    name: DetectorName,
    points: &[Point],
    train: usize,
    rate: Option<f64>,
) -> Result<(), TestCaseError> {
    let options = FitOptions {
        false_alarm_rate: rate,
        ..FitOptions::default()
    };
    let Ok(fitted) = Model::fit(&points[..train], &options, name) else {
        return Ok(()); // Constant.
    };
    let mut session = fitted.model.session(&PLAIN);
    // The recorded rule decides for `sigma` where nobody asked for a rate.
    let by_rate = rate.is_some() || name != DetectorName::Sigma;
    for point in &points[train..] {
        let judged = session.update(*point);
        check(&judged, point.value, rate.unwrap_or(DEFAULT_RATE), by_rate)?;
    }
    Ok(())
}

/// A series with a season, a shift of the level, a spike, an outage and a gap, as far as asked for.
fn eventful(kind: u32, height: f64, n: usize) -> Vec<Point> {
    let mut points = daily(n);
    let third = n / 3;
    for (i, point) in points.iter_mut().enumerate() {
        let noise = point.value;
        point.value = match kind % 4 {
            0 => noise,
            1 => (noise - 8.0).round(),
            2 => (noise / 2.0).exp(),
            _ => noise + i as f64 / 200.0,
        };
        if i >= 2 * third && kind & 4 != 0 {
            point.value += height;
        }
        if (third..third + 20).contains(&i) && kind & 8 != 0 {
            point.value = 0.0;
        }
        if i > third + 50 && kind & 16 != 0 {
            point.timestamp += 300 * 70;
        }
        if i % 197 == 0 && kind & 32 != 0 {
            point.value += height;
        }
    }
    points
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn no_row_of_a_session_contradicts_itself(
        name in detector(),
        kind in 0_u32..64,
        height in -40.0..40.0_f64,
        rate in prop::option::of(prop::sample::select(vec![0.05, 0.01, 1e-3, 1e-4])),
        train in 12_usize..500,
    ) {
        check_all(name, &eventful(kind, height, 1_200), train, rate)?;
    }
}

/// The column `value` of a file.
fn values_in(text: &str) -> Vec<f64> {
    let mut lines = text.lines();
    let head = lines.next().unwrap_or_default();
    let column = head
        .split(',')
        .position(|name| name == "value")
        .unwrap_or(1);
    lines
        .filter_map(|line| line.split(',').nth(column)?.parse().ok())
        .collect()
}

mod labelled_series {
    use std::path::PathBuf;

    use super::*;

    #[test]
    #[ignore = "needs TEST_LABELLED_SERIES: a folder with series"]
    #[expect(
        clippy::disallowed_methods,
        reason = "where published data lies is told to this test alone"
    )]
    fn no_row_of_them_contradicts_itself() {
        let mut folders = vec![PathBuf::from(
            std::env::var("TEST_LABELLED_SERIES").unwrap(),
        )];
        let mut files = 0;
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|kind| kind == "csv") {
                    files += 1;
                    let points = points(&values_in(&std::fs::read_to_string(&path).unwrap()));
                    let train = (points.len() * 3 / 20).min(750);
                    for rate in [None, Some(0.01)] {
                        let checked = check_all(DetectorName::Auto, &points, train, rate);
                        checked.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                    }
                }
            }
        }
        assert!(files > 0, "no series in the folder");
    }
}
