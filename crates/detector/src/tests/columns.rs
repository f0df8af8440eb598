//! Models of columns that belong together.

use contract::{DetectorName, Direction, FitOptions, Train};

use super::{daily, noise, points};
use crate::{
    BadModel, Column, JointVerdict, MultivariateModel, Row, StoredModel, Unfit, detect_columns,
};

/// Standard normal noise by the sum of twelve uniform values, the same for each seed.
fn normal(seed: usize, n: usize) -> Vec<f64> {
    let uniform: Vec<f64> = noise(12 * (n + 1_000 * seed)).skip(12_000 * seed).collect();
    uniform
        .chunks_exact(12)
        .map(|part| part.iter().sum())
        .collect()
}

/// Columns that share a part: each is √ρ times the common noise and √(1 − ρ) times its own, plus
/// ten times its number.
fn correlated(columns: usize, rows: usize, rho: f64, seed: usize) -> Vec<Vec<f64>> {
    let common = normal(100 * seed, rows);
    let mixed = |c: usize| {
        let own = normal(100 * seed + c + 1, rows);
        let both = common.iter().zip(own);
        both.map(|(a, b)| 10.0 * c as f64 + rho.sqrt() * a + (1.0 - rho).sqrt() * b)
            .collect()
    };
    (0..columns).map(mixed).collect()
}

fn columns(values: &[Vec<f64>]) -> Vec<Column> {
    let column = |(i, values): (usize, &Vec<f64>)| Column {
        name: format!("c{i}"),
        points: points(values),
    };
    values.iter().enumerate().map(column).collect()
}

fn fit(values: &[Vec<f64>], name: DetectorName) -> MultivariateModel {
    MultivariateModel::fit(&columns(values), &FitOptions::default(), name)
        .unwrap()
        .model
}

fn row(values: &[Vec<f64>], at: usize) -> Row {
    Row {
        timestamp: at as i64,
        values: values.iter().map(|column| column[at]).collect(),
    }
}

fn is_sound(verdict: &JointVerdict) {
    let sum: f64 = verdict.contributions.iter().sum();
    assert!((sum - 1.0).abs() < 1e-9, "{verdict:?}");
    assert!(
        verdict
            .contributions
            .iter()
            .all(|share| (0.0..=1.0).contains(share))
    );
    assert_eq!(verdict.anomaly, verdict.p_value <= 0.001, "{verdict:?}");
    assert_eq!(verdict.anomaly, verdict.direction != Direction::None);
}

#[test]
fn an_anomaly_only_in_the_relation_is_found_and_names_its_column() {
    for name in [
        DetectorName::Auto,
        DetectorName::Robust,
        DetectorName::Seasonal,
    ] {
        for count in [2, 3, 8] {
            let values = correlated(count, 800, 0.95, 1);
            let model = fit(&values, name);
            for context in [0, 60] {
                let context: Vec<Row> = (800 - context..800).map(|at| row(&values, at)).collect();
                // Each value has been seen; together they have not.
                let mut odd = Row {
                    timestamp: 800,
                    values: (0..count).map(|c| 10.0 * c as f64 + 1.2).collect(),
                };
                odd.values[1] = 10.0 - 1.2;
                let verdict = model.score(&context, &odd, None);
                let said = format!("{name}, {count} columns: {verdict:?}");
                is_sound(&verdict);
                assert!(
                    verdict.anomaly && verdict.direction == Direction::Pattern,
                    "{said}"
                );
                assert!(
                    verdict.columns.iter().all(|column| !column.anomaly),
                    "{said}"
                );
                if count > 2 {
                    let largest = verdict.contributions.iter().copied().fold(0.0, f64::max);
                    assert_eq!(verdict.contributions[1], largest, "{said}");
                }
                odd.values[1] = 10.0 + 1.2;
                let verdict = model.score(&context, &odd, None);
                assert!(!verdict.anomaly, "{name}: {verdict:?}");
            }
        }
    }
}

#[test]
fn an_anomaly_of_one_column_is_found_among_many() {
    for count in [2, 16, 64] {
        let values = correlated(count, 1_000, 0.3, 2);
        let model = fit(&values, DetectorName::Robust);
        let mut odd = Row {
            timestamp: 1_000,
            values: (0..count).map(|c| 10.0 * c as f64).collect(),
        };
        odd.values[1] += 8.0;
        let verdict = model.score(&[], &odd, None);
        is_sound(&verdict);
        assert!(
            verdict.anomaly && verdict.direction == Direction::Above,
            "{count}: {verdict:?}"
        );
        assert!(verdict.contributions[1] > 0.5, "{count}: {verdict:?}");
        assert!(
            verdict.reason.starts_with("c1: 18 is"),
            "{}",
            verdict.reason
        );
    }
}

#[test]
fn false_alarms_come_about_as_often_as_asked_for() {
    for (name, count, rho) in [
        (DetectorName::Auto, 2, 0.9),
        (DetectorName::Robust, 8, 0.7),
        (DetectorName::Robust, 32, 0.4),
    ] {
        let (mut alone, mut following, mut judged) = ([0; 2], [0; 2], 0);
        for seed in 0..4 {
            let values = correlated(count, 5_000, rho, seed + 3);
            let first: Vec<Vec<f64>> = values.iter().map(|v| v[..1_000].to_vec()).collect();
            let model = fit(&first, name);
            let mut scorer = model.fixed_scorer(&[]);
            for at in 1_000..5_000 {
                let row = row(&values, at);
                judged += 1;
                for (i, rate) in [0.01, 0.001].into_iter().enumerate() {
                    alone[i] += usize::from(model.score(&[], &row, Some(rate)).anomaly);
                }
                let p = scorer.score(&row, None).p_value;
                following[0] += usize::from(p <= 0.01);
                following[1] += usize::from(p <= 0.001);
            }
        }
        let said = format!("{name}, {count}: {alone:?} {following:?} of {judged}");
        println!("{said}");
        for found in [alone, following] {
            assert!((80..=320).contains(&found[0]), "{said}");
            assert!(found[1] <= 48, "{said}");
        }
    }
}

#[test]
fn a_session_finds_the_broken_relation_and_little_else() {
    let mut values = correlated(4, 6_000, 0.9, 9);
    for (c, at) in [(2, 3_000), (1, 5_000)] {
        let middle = 10.0 * c as f64;
        for other in [0, 3] {
            values[other][at] = 10.0 * other as f64 + 1.5;
        }
        values[c][at] = middle - 1.5;
    }
    let name = DetectorName::Auto;
    let options = FitOptions::default();
    let mut detection =
        detect_columns(&columns(&values), Train::Points(1_000), &options, name).unwrap();
    let mut anomalies = Vec::new();
    for at in 1_000..6_000 {
        let judged = detection.update(&row(&values, at));
        is_sound(&judged.verdict);
        if judged.verdict.anomaly {
            anomalies.push(at);
        }
    }
    println!("{anomalies:?}");
    assert!(
        anomalies.contains(&3_000) && anomalies.contains(&5_000),
        "{anomalies:?}"
    );
    assert!(anomalies.len() <= 2 + 18, "{anomalies:?}");
    let alarms = detection.episodes().len();
    assert!((2..=anomalies.len()).contains(&alarms));
}

#[test]
fn a_session_of_columns_that_hardly_differ_raises_few_false_alarms() {
    let (mut anomalies, mut judged) = (0, 0);
    for seed in 0..5 {
        let part = |i: usize| noise(3_000 * (i + 1)).skip(3_000 * i);
        let load: Vec<f64> = part(10 * seed).collect();
        let column = |c: usize| {
            let own = part(10 * seed + c + 1);
            load.iter().zip(own).map(|(l, e)| 20.0 * l + e).collect()
        };
        let values: Vec<Vec<f64>> = (0..3).map(column).collect();
        let (table, options) = (columns(&values), FitOptions::default());
        let mut detection =
            detect_columns(&table, Train::Points(1_000), &options, DetectorName::Auto).unwrap();
        for at in 1_000..3_000 {
            judged += 1;
            anomalies += usize::from(detection.update(&row(&values, at)).verdict.anomaly);
        }
    }
    println!("{anomalies} of {judged}");
    assert!(anomalies <= 30, "{anomalies} of {judged}");
}

#[test]
fn sixty_four_columns_are_fitted_in_seconds_and_a_constant_one_does_no_harm() {
    let mut values = correlated(64, 1_000, 0.5, 20);
    values[5] = vec![7.0; 1_000];
    let started = std::time::Instant::now();
    let model = fit(&values, DetectorName::Auto);
    let took = started.elapsed();
    println!(
        "64 columns of 1,000 rows: {took:?}, {} bytes",
        model.memory_bytes()
    );
    assert!(took < std::time::Duration::from_secs(60), "{took:?}");
    let mut usual = row(&values, 500);
    usual.timestamp = 1_000;
    let verdict = model.score(&[], &usual, None);
    assert!(!verdict.anomaly, "{}", verdict.reason);
    usual.values[5] = 8.0;
    let verdict = model.score(&[], &usual, None);
    let largest = verdict.contributions.iter().copied().fold(0.0, f64::max);
    assert!(
        verdict.anomaly && verdict.contributions[5] == largest,
        "{:?}",
        verdict.contributions
    );
}

#[test]
fn each_column_keeps_its_own_season() {
    let day = daily(1_000);
    let values: Vec<f64> = day.iter().map(|p| p.value).collect();
    let noisy = |scale: f64, seed| {
        let own = normal(seed, 1_000).into_iter();
        values
            .iter()
            .zip(own)
            .map(|(v, e)| scale * v + 0.2 * e)
            .collect::<Vec<f64>>()
    };
    let (first, second) = (noisy(1.0, 1), noisy(-3.0, 2));
    let column = |name: &str, values: &[f64]| Column {
        name: name.to_owned(),
        points: day
            .iter()
            .zip(values)
            .map(|(p, &value)| contract::Point { value, ..*p })
            .collect(),
    };
    let table = [column("a", &first), column("b", &second)];
    let options = FitOptions::default();
    let fitted = MultivariateModel::fit(&table, &options, DetectorName::Auto).unwrap();
    assert!(
        fitted
            .model
            .models()
            .all(|model| model.period() == Some(48))
    );
    // The values of noon at midnight.
    let at = |i: usize| Row {
        timestamp: day[0].timestamp + 300 * 48 * 21,
        values: vec![first[i], second[i]],
    };
    assert!(!fitted.model.score(&[], &at(0), None).anomaly);
    assert!(fitted.model.score(&[], &at(12), None).anomaly);
}

#[test]
fn models_of_columns_survive_being_stored_and_are_told_from_others() {
    let model = fit(&correlated(3, 200, 0.8, 30), DetectorName::Auto);
    let json = model.to_json();
    let stored = StoredModel::from_json(&json).unwrap();
    assert_eq!(stored, StoredModel::from(model.clone()));
    assert_eq!((stored.points(), stored.stored_points()), (200, 600));
    assert!(matches!(
        crate::Model::from_json(&json),
        Err(BadModel::Unreadable(_))
    ));
    let changed = json.replacen("\"name\":\"c1\"", "\"name\":\"d1\"", 1);
    assert!(matches!(
        MultivariateModel::from_json(&changed),
        Err(BadModel::ChecksumMismatch)
    ));
    assert_eq!(
        fit(&correlated(3, 200, 0.8, 30), DetectorName::Auto),
        model,
        "deterministic"
    );
}

#[test]
fn too_few_rows_and_all_constant_columns_are_refused() {
    let refused = |values: &[Vec<f64>]| {
        let options = FitOptions::default();
        MultivariateModel::fit(&columns(values), &options, DetectorName::Auto).unwrap_err()
    };
    let (points, needed) = (9, 10);
    assert_eq!(
        refused(&correlated(2, 9, 0.5, 1)),
        Unfit::TooFew { points, needed }
    );
    let (points, value) = (20, 1.0);
    let constant = [vec![1.0; 20], vec![2.0; 20]];
    assert_eq!(refused(&constant), Unfit::Constant { points, value });
}
