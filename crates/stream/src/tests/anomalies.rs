//! Anomalies are the episodes of the session, silences, and clocks.

use contract::{AnomalyEventKind, AnomalyKind, FitOptions, OpenStatus, PointStatus, Train};
use detector::detect;

use super::*;
use crate::{Timeline, TimelineState};

/// The anomalies as they are in the end, by the order in which they were opened.
fn rows(findings: &Findings) -> Vec<contract::Anomaly> {
    let mut rows: Vec<contract::Anomaly> = Vec::new();
    for finding in &findings.changes {
        match rows
            .iter_mut()
            .find(|row| row.anomaly_id == finding.anomaly.anomaly_id)
        {
            Some(row) => *row = finding.anomaly.clone(),
            None => rows.push(finding.anomaly.clone()),
        }
    }
    rows
}

#[test]
fn anomalies_are_the_episodes_of_detect() {
    let points = series(9, 1_500);
    let fit = FitOptions::default();
    let mut detection =
        detect(&points, Train::Points(300), &fit, DetectorName::Auto, None).unwrap();
    for point in &points[300..] {
        detection.update(*point);
    }
    let mut stream = stream(&options(DetectorName::Auto, 300));
    let mut findings = Findings::default();
    for point in &points {
        observe(&mut stream, *point, &mut findings);
    }
    let rows = rows(&findings);
    let found: Vec<_> = rows
        .iter()
        .filter(|row| row.kind == AnomalyKind::Value && !row.silenced)
        .map(|row| {
            (
                row.began,
                row.start,
                row.end,
                row.peak,
                row.value.unwrap(),
                row.alarms,
            )
        })
        .collect();
    let episodes = detection.episodes();
    let expected: Vec<_> = episodes
        .iter()
        .map(|e| (e.began, e.start, e.end, e.peak, e.value, e.alarms))
        .collect();
    assert!(expected.len() > 1);
    assert_eq!(found, expected);
    let changes: Vec<i64> = detection
        .change_points()
        .iter()
        .map(|c| c.timestamp)
        .collect();
    let levels = rows
        .iter()
        .filter(|row| row.kind == AnomalyKind::Level && !row.silenced);
    assert_eq!(levels.map(|row| row.start).collect::<Vec<_>>(), changes);
}

#[test]
fn an_anomaly_is_opened_once_and_closed_once_and_its_points_say_which_it_is() {
    let mut stream = stream(&options(DetectorName::Robust, 100));
    let mut findings = Findings::default();
    let mut random = fastrand::Rng::with_seed(2);
    let mut belongs = Vec::new();
    for i in 0..400 {
        let value = if (200..205).contains(&i) {
            90.0
        } else {
            random.f64()
        };
        let point = Point {
            timestamp: i,
            value,
        };
        let observed = observe(&mut stream, point, &mut findings);
        belongs.push(
            observed
                .reply()
                .verdict
                .and_then(|verdict| verdict.anomaly_id),
        );
    }
    let events = |event| {
        findings
            .changes
            .iter()
            .filter(|f| f.event == Some(event))
            .count()
    };
    assert_eq!(events(AnomalyEventKind::Opened), 1);
    assert_eq!(events(AnomalyEventKind::Closed), 1);
    let opened = &findings.changes[0];
    assert_eq!(opened.context.len(), 64);
    assert_eq!(opened.context.last().unwrap().timestamp, 200);
    let row = &rows(&findings)[0];
    assert_eq!(
        (row.start, row.end, row.status),
        (200, 204, OpenStatus::Closed)
    );
    assert_eq!(row.closed_at.unwrap().0, 1_000 * (204 + 16));
    assert_eq!(belongs[199], None);
    assert_eq!(belongs[200], Some(row.anomaly_id));
    assert_eq!(belongs[219], Some(row.anomaly_id));
    assert_eq!(belongs[220], None);
    assert!(!row.silenced && row.upper.is_some() && row.reason.contains("90 is"));
}

#[test]
fn what_is_found_while_learning_or_in_history_is_silenced() {
    for (quiet, until) in [(false, 60), (true, 300)] {
        let mut stream = stream(&options(DetectorName::Robust, 100));
        let mut findings = Findings::default();
        for i in 0..until {
            let value = if i == until - 10 {
                90.0
            } else {
                (i % 5) as f64
            };
            let arrival = Arrival { quiet, ..at(i) };
            stream.observe(
                arrival,
                &[Point {
                    timestamp: i,
                    value,
                }],
                &mut findings,
            );
        }
        assert!(rows(&findings).iter().all(|row| row.silenced), "{quiet}");
        assert!(!findings.changes.is_empty(), "{quiet}");
    }
}

#[test]
fn a_constant_is_judged_from_ten_points_on_and_silent_until_it_moves() {
    let mut stream = stream(&StreamOptions::default());
    let mut findings = Findings::default();
    for i in 0..900 {
        let observed = observe(
            &mut stream,
            Point {
                timestamp: i,
                value: 0.0,
            },
            &mut findings,
        );
        let expected = if i < 9 {
            PointStatus::Learning
        } else {
            PointStatus::Judged
        };
        assert_eq!(observed.status, expected, "{i}");
        assert!(!observed.judged().is_some_and(|judged| judged.alarm), "{i}");
    }
    let mut alarms = 0;
    for i in 900..910 {
        let moved = Point {
            timestamp: i,
            value: 1.0,
        };
        let observed = observe(&mut stream, moved, &mut findings);
        let judged = *observed.judged().unwrap();
        println!(
            "{i} {} {} {}",
            judged.verdict.anomaly, judged.alarm, judged.verdict.reason
        );
        assert!(i > 900 || judged.verdict.anomaly);
        alarms += usize::from(judged.alarm);
    }
    assert_eq!(alarms, 1);
}

#[test]
fn a_silent_series_is_missing_once_and_until_its_next_point() {
    let mut stream = stream(&options(DetectorName::Robust, 50));
    let mut findings = Findings::default();
    let mut timeline = Timeline::new(TimelineState::default());
    let mut at_ms = 1_000;
    for i in 0..100 {
        at_ms += 10_000;
        timeline.advance(at_ms);
        let watched_ms = timeline.state().watched_ms();
        let arrival = Arrival {
            at_ms,
            watched_ms,
            quiet: false,
        };
        stream.observe(
            arrival,
            &[Point {
                timestamp: i,
                value: (i % 3) as f64,
            }],
            &mut findings,
        );
        timeline.watch(stream.series(), stream.look());
    }
    findings.changes.clear();
    for tick in 1..20 {
        at_ms += 10_000;
        let due = timeline.advance(at_ms);
        assert_eq!(!due.is_empty(), tick == 6, "{tick}");
        if !due.is_empty() {
            let watched_ms = timeline.state().watched_ms();
            let arrival = Arrival {
                at_ms,
                watched_ms,
                quiet: false,
            };
            stream.look_for_silence(arrival, &mut findings);
            timeline.watch(stream.series(), stream.look());
        }
    }
    let [missing] = &findings.changes[..] else {
        panic!("{findings:?}")
    };
    assert_eq!(missing.anomaly.kind, AnomalyKind::Missing);
    assert_eq!(missing.anomaly.reason, "no point for 60 seconds");
    assert_eq!(missing.anomaly.start, 99);
    stream.observe(
        at(at_ms),
        &[Point {
            timestamp: 200,
            value: 1.0,
        }],
        &mut findings,
    );
    assert_eq!(findings.changes[1].event, Some(AnomalyEventKind::Closed));
    assert_eq!(findings.changes[1].anomaly.end, 200);
}
