//! One by one equals at once.

use contract::{DetectorName, FitOptions, PointStatus, Train};
use detector::{Judged, detect};

use super::*;

/// The verdicts of `detect` after `train` points. The last point is left out: there `detect` knows
/// that no other follows.
fn at_once(points: &[Point], train: usize, detector: DetectorName) -> Vec<Judged> {
    let fit = FitOptions {
        detector: Some(detector),
        ..FitOptions::default()
    };
    let train = Train::Points(train);
    let mut detection = detect(points, train, &fit, detector, None).unwrap();
    let rest = points[train.of(points.len())..].iter();
    rest.map(|point| detection.update(*point)).collect()
}

#[test]
fn after_the_warm_up_verdicts_are_those_of_detect() {
    for detector in DetectorName::ALL {
        let points = series(7, 900);
        let mut stream = stream(&options(*detector, 300));
        let mut findings = Findings::default();
        let mut observed = Vec::new();
        for (i, point) in points.iter().enumerate() {
            if i % 97 == 0 {
                stream = Stream::from_bytes(&stream.to_bytes()).unwrap();
            }
            observed.push(observe(&mut stream, *point, &mut findings));
        }
        let judged = |i: usize| observed[i].judged().expect("it is judged");
        let expected = at_once(&points, 300, *detector);
        for (i, expected) in expected.iter().enumerate() {
            let found = judged(300 + i);
            assert_eq!(judgement(found), judgement(expected), "{detector} {i}");
        }
        let alarms = expected.iter().any(|judged| judged.alarm);
        assert!(alarms || *detector == DetectorName::Ewma, "{detector}");
    }
}

#[test]
fn while_learning_verdicts_are_those_of_the_last_refit() {
    let points = series(3, 300);
    let detector = DetectorName::Auto;
    let mut stream = stream(&options(detector, 280));
    let mut findings = Findings::default();
    let observed: Vec<Observed> = points
        .iter()
        .map(|point| observe(&mut stream, *point, &mut findings))
        .collect();
    assert_eq!(observed[1].status, PointStatus::Learning);
    assert_eq!(observed[2].status, PointStatus::Judged);
    for (train, until) in [(3, 10), (10, 30), (30, 90), (90, 270), (270, 280)] {
        let expected = at_once(&points, train, detector);
        for (i, observed) in observed[train..until].iter().enumerate() {
            let found = observed.judged().unwrap();
            assert_eq!(judgement(found), judgement(&expected[i]), "{train} {i}");
        }
    }
    assert!(text(&observed[211]).contains(r#""learning":{"points":212,"of":280}"#));
    assert!(text(&observed[280]).contains(r#""learning":null"#));
}

#[test]
fn disorder_repetition_and_restarts_change_nothing() {
    let mut random = fastrand::Rng::with_seed(1);
    let points = series(5, 700);
    let options = StreamOptions {
        lateness: Some(600 * 20),
        ..options(DetectorName::Auto, 200)
    };
    let mut orderly = stream(&StreamOptions {
        lateness: None,
        ..options.clone()
    });
    let (mut expected, mut found) = (Findings::default(), Findings::default());
    for point in &points {
        observe(&mut orderly, *point, &mut expected);
    }
    let mut disorderly = stream(&options);
    for block in points.chunks(10) {
        let mut block = block.to_vec();
        random.shuffle(&mut block);
        for point in block {
            observe(&mut disorderly, point, &mut found);
            observe(&mut disorderly, point, &mut found);
            if random.f64() < 0.02 {
                disorderly = Stream::from_bytes(&disorderly.to_bytes()).unwrap();
            }
        }
    }
    // The last ones still wait.
    let known = |findings: &Findings| -> Vec<(i64, i64, String)> {
        let openings = findings
            .changes
            .iter()
            .filter(|finding| finding.event.is_some());
        let openings = openings.filter(|finding| !finding.context.is_empty());
        openings
            .map(|f| (f.anomaly.start, f.anomaly.peak, f.anomaly.reason.clone()))
            .collect()
    };
    assert!(!known(&expected).is_empty());
    assert_eq!(known(&found), known(&expected));
}

#[test]
fn bytes_bring_back_the_same_stream_at_every_point() {
    let points = series(11, 320);
    let mut stream = stream(&options(DetectorName::Auto, 300));
    let mut findings = Findings::default();
    for point in points {
        observe(&mut stream, point, &mut findings);
        if point.timestamp / 600 % 13 == 0 || stream.points() < 12 {
            let bytes = stream.to_bytes();
            let back = Stream::from_bytes(&bytes).unwrap();
            assert_eq!(back, stream);
            assert_eq!(back.to_bytes(), bytes);
        }
    }
    let mut bytes = stream.to_bytes();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    assert!(Stream::from_bytes(&bytes).is_err());
}
