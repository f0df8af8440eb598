//! Whole series, judged at once.

use super::noise;
use crate::decomposition::{RangeVerdict, Tolerance, changes, every_point, last_point};

const USUAL: Tolerance = Tolerance {
    sensitivity: 95.0,
    max_ratio: 0.25,
};

fn grid(values: impl IntoIterator<Item = f64>) -> Vec<Option<f64>> {
    values.into_iter().map(Some).collect()
}

/// A daily course of hourly values with noise.
fn days(n: usize) -> Vec<f64> {
    let noise: Vec<f64> = noise(12 * n).collect();
    let value = |i: usize| 100.0 + 20.0 * (i as f64 * std::f64::consts::TAU / 24.0).sin();
    let noise = noise
        .chunks(12)
        .map(|twelve| 2.0 * twelve.iter().sum::<f64>());
    (0..n)
        .zip(noise)
        .map(|(i, noise)| value(i) + noise)
        .collect()
}

fn anomalies(verdicts: &[Option<RangeVerdict>]) -> Vec<usize> {
    let places = verdicts.iter().enumerate();
    let odd = places.filter(|(_, verdict)| verdict.is_some_and(|v| v.deviation.is_some()));
    odd.map(|(place, _)| place).collect()
}

#[test]
fn points_are_judged_from_the_first_one_on() {
    let mut values = days(400);
    for place in [0, 3, 200, 399] {
        values[place] -= 60.0;
    }
    let (verdicts, period) = every_point(&grid(values), None, &USUAL);
    assert_eq!(period, Some(24));
    let found = anomalies(&verdicts);
    for place in [0, 3, 200, 399] {
        assert!(found.contains(&place), "{place} in {found:?}");
    }
    assert!(found.len() <= 8, "{found:?}");
}

#[test]
fn noise_has_about_as_many_anomalies_as_its_tails() {
    let (verdicts, _) = every_point(&grid(days(5000)), Some(24), &USUAL);
    // Beyond 3.9 standard deviations lies one of 10,000.
    let found = anomalies(&verdicts).len();
    assert!(found <= 5, "{found}");
}

#[test]
fn a_lower_sensitivity_never_gives_more_anomalies_and_widens_the_range() {
    let mut values = days(600);
    for i in 0..12 {
        values[40 * i + 7] += 8.0 * i as f64;
    }
    let of = |sensitivity: f64| {
        let tolerance = Tolerance {
            sensitivity,
            max_ratio: 0.5,
        };
        every_point(&grid(values.clone()), None, &tolerance).0
    };
    let (mut found, mut width) = (anomalies(&of(99.0)), of(99.0)[0].unwrap().upper);
    assert!(found.len() > 5);
    for sensitivity in [95.0, 85.0, 50.0, 10.0, 0.0] {
        let verdicts = of(sensitivity);
        let fewer = anomalies(&verdicts);
        assert!(
            fewer.iter().all(|place| found.contains(place)),
            "{sensitivity}"
        );
        assert!(verdicts[0].unwrap().upper > width);
        (found, width) = (fewer, verdicts[0].unwrap().upper);
    }
}

#[test]
fn the_worst_are_kept_and_the_range_says_what_the_verdict_says() {
    let mut values = days(200);
    for i in 0..20 {
        values[9 * i + i * i % 7] += 50.0 + i as f64;
    }
    let tolerance = Tolerance {
        max_ratio: 0.05,
        ..USUAL
    };
    let (verdicts, _) = every_point(&grid(values.clone()), None, &tolerance);
    let found = anomalies(&verdicts);
    assert_eq!(found.len(), 10, "{found:?}");
    assert!(
        found.iter().filter(|place| **place >= 90).count() >= 8,
        "{found:?}"
    );
    for (value, verdict) in values.iter().zip(verdicts) {
        let v = verdict.unwrap();
        let is_outside = *value > v.expected + v.upper || *value < v.expected - v.lower;
        assert_eq!(is_outside, v.deviation.is_some());
        assert_eq!(v.severity() > 0.0, is_outside);
        assert!(v.upper >= 0.0 && v.lower >= 0.0);
    }
}

#[test]
fn a_constant_has_no_anomalies_and_what_differs_from_it_is_one() {
    for value in [0.0, 7.0, -1e-300, 1e300] {
        let mut values = vec![value; 12];
        let found = anomalies(&every_point(&grid(values.clone()), None, &USUAL).0);
        assert!(found.is_empty(), "{found:?}");
        values[4] = if value == 0.0 { 1.0 } else { value * 1.5 };
        assert_eq!(
            anomalies(&every_point(&grid(values), None, &USUAL).0),
            [4],
            "{value}"
        );
    }
}

#[test]
fn a_new_level_is_no_anomaly_for_ever_and_an_outage_is_one() {
    let mut values = days(600);
    for value in &mut values[300..] {
        *value += 200.0;
    }
    for value in &mut values[450..455] {
        *value = 0.0;
    }
    let (verdicts, _) = every_point(&grid(values), None, &USUAL);
    let found = anomalies(&verdicts);
    assert!((450..455).all(|place| found.contains(&place)), "{found:?}");
    assert!(found.len() < 15, "{found:?}");
}

#[test]
fn the_last_point_is_judged_by_those_before_it() {
    let mut values = days(300);
    let (verdict, period) = last_point(&grid(values.clone()), None, &USUAL);
    assert_eq!((verdict.deviation, period), (None, Some(24)));
    values[299] += 40.0;
    let (verdict, _) = last_point(&grid(values), None, &USUAL);
    assert!(verdict.deviation.is_some_and(|by| by > 20.0));

    // A trend goes on.
    let trend = |n: usize| grid((0..n).map(|i| 5.0 * i as f64 + (i % 3) as f64));
    assert_eq!(last_point(&trend(40), None, &USUAL).0.deviation, None);
}

#[test]
fn gaps_are_passed_over() {
    let mut series = grid(days(600));
    for place in (20..590).step_by(15) {
        series[place] = None;
    }
    series[403] = Some(300.0);
    let (verdicts, period) = every_point(&series, None, &USUAL);
    assert_eq!(period, Some(24));
    assert!(anomalies(&verdicts).contains(&403));
    assert!(verdicts[20].is_none() && verdicts[21].is_some());
}

#[test]
fn a_step_is_a_change_and_a_spike_is_not() {
    let mut values = days(480);
    values[100] += 500.0;
    for value in &mut values[250..] {
        *value += 30.0;
    }
    let short = changes(&grid(values[200..300].iter().copied()), None, 5, 0.9).0;
    assert!(
        matches!(short[..], [change] if (49..=51).contains(&change.place)),
        "{short:?}"
    );
    let (found, period) = changes(&grid(values.clone()), None, 5, 0.9);
    assert_eq!(period, Some(24));
    let places: Vec<usize> = found.iter().map(|change| change.place).collect();
    assert!(matches!(places[..], [249..=251]), "{places:?}");
    assert!(found[0].confidence > 0.5 && found[0].confidence < 1.0);
    assert_eq!(changes(&grid(values), None, 5, 0.0).0, []);
}

#[test]
fn values_of_any_size_are_judged() {
    let mut values: Vec<f64> = (0..60)
        .map(|i| f64::MAX / 4.0 * (1.0 + 0.01 * (i % 5) as f64))
        .collect();
    values[30] = -f64::MAX;
    let (verdicts, _) = every_point(&grid(values), None, &USUAL);
    assert!(anomalies(&verdicts).contains(&30));
    for v in verdicts.into_iter().flatten() {
        assert!(v.expected.is_finite() && v.upper.is_finite() && v.lower.is_finite());
        assert!(v.severity().is_finite());
    }
}
