//! Which points count, and what is said of the others.

use contract::{PointStatus, Transform};

use super::*;

fn plain(n: i64) -> (Stream, Findings) {
    let mut stream = stream(&options(DetectorName::Robust, 50));
    let mut findings = Findings::default();
    for i in 0..n {
        observe(&mut stream, point(60 * i), &mut findings);
    }
    (stream, findings)
}

fn point(timestamp: i64) -> Point {
    Point {
        timestamp,
        value: 10.0 + (timestamp % 7) as f64,
    }
}

#[test]
fn the_last_eight_points_again_get_their_verdicts_again() {
    let mut stream = stream(&options(DetectorName::Robust, 50));
    let mut findings = Findings::default();
    let first: Vec<String> = (0..100)
        .map(|i| text(&observe(&mut stream, point(60 * i), &mut findings)))
        .collect();
    let before = stream.clone();
    for i in 92..100 {
        let again = observe(&mut stream, point(60 * i), &mut findings);
        assert_eq!(again.status, PointStatus::Duplicate);
        let first = first[i as usize].replace("judged", "duplicate");
        assert_eq!(text(&again), first);
    }
    let late = observe(&mut stream, point(60 * 91), &mut findings);
    assert_eq!(late.status, PointStatus::Late);
    let conflict = Point {
        value: -1.0,
        ..point(60 * 99)
    };
    let refused = observe(&mut stream, conflict, &mut findings);
    assert_eq!(
        text(&refused),
        r#"{"status":"conflict","timestamp":5940,"value":-1.0,"last_timestamp":5940,"detail":"the point with this timestamp has another value"}"#
    );
    // Nothing was learned from any of them.
    let next = |mut stream: Stream| {
        text(&observe(
            &mut stream,
            point(6_000),
            &mut Findings::default(),
        ))
    };
    assert_eq!(next(stream.clone()), next(before));
    let counts = stream.reply(0, None).counts;
    assert_eq!((counts.judged, counts.duplicate), (98, 8));
    assert_eq!((counts.conflict, counts.late), (1, 1));
    assert_eq!(stream.reply(0, None).latest_by, Some(480));
}

#[test]
fn the_first_points_again_are_duplicates_without_a_verdict() {
    let (mut stream, mut findings) = plain(1);
    let again = observe(&mut stream, point(0), &mut findings);
    assert_eq!(
        text(&again),
        r#"{"status":"duplicate","timestamp":0,"value":10.0,"learning":{"points":1,"of":50}}"#
    );
}

#[test]
fn a_thousandfold_timestamp_does_not_lock_the_stream() {
    let (mut stream, mut findings) = plain(100);
    let far = point(1_700_000_000_000);
    assert_eq!(
        observe(&mut stream, far, &mut findings).status,
        PointStatus::Implausible
    );
    assert_eq!(
        observe(&mut stream, point(6_000), &mut findings).status,
        PointStatus::Judged
    );
    stream.restart(0, &Beginning::Nothing, false, &mut findings);
    assert_eq!(
        observe(&mut stream, far, &mut findings).status,
        PointStatus::Learning
    );
}

#[test]
fn a_clock_that_went_back_is_told_after_sixteen_points_and_closed_by_the_next_good_one() {
    let (mut stream, mut findings) = plain(100);
    findings.changes.clear();
    for i in 0..20 {
        observe(&mut stream, point(i), &mut findings);
    }
    assert_eq!(findings.changes.len(), 1);
    let opened = &findings.changes[0].anomaly;
    assert_eq!(opened.kind, contract::AnomalyKind::Clock);
    observe(&mut stream, point(6_000), &mut findings);
    assert_eq!(findings.changes.len(), 2);
    assert_eq!(
        findings.changes[1].event,
        Some(contract::AnomalyEventKind::Closed)
    );
}

#[test]
fn a_rewound_stream_takes_earlier_points() {
    let (mut stream, mut findings) = plain(100);
    stream.restart(0, &Beginning::Nothing, true, &mut findings);
    assert_eq!(
        observe(&mut stream, point(0), &mut findings).status,
        PointStatus::Learning
    );
    assert_eq!(
        observe(&mut stream, point(0), &mut findings).status,
        PointStatus::Duplicate
    );
    assert_eq!(stream.run(), 1);
}

#[test]
fn points_of_a_record_are_sorted_and_answered_in_their_order() {
    let mut stream = stream(&options(DetectorName::Robust, 50));
    let mut findings = Findings::default();
    let points = [point(120), point(0), point(60), point(0)];
    let observed = stream.observe(at(0), &points, &mut findings);
    let statuses: Vec<PointStatus> = observed.iter().map(|o| o.status).collect();
    use PointStatus::{Duplicate, Judged, Learning};
    assert_eq!(statuses, [Judged, Learning, Learning, Duplicate]);
    assert_eq!(observed[0].point.timestamp, 120);
}

#[test]
fn a_counter_is_judged_by_its_rate_and_begins_anew_when_it_falls() {
    let options = StreamOptions {
        transform: Some(Transform::Rate),
        ..options(DetectorName::Robust, 50)
    };
    let mut stream = stream(&options);
    let mut findings = Findings::default();
    let mut replies = Vec::new();
    for (timestamp, value) in [(0, 100.0), (10, 120.0), (20, 150.0), (30, 5.0), (40, 25.0)] {
        let observed = observe(&mut stream, Point { timestamp, value }, &mut findings);
        replies.push((observed.status, observed.reply().value));
    }
    use PointStatus::{Judged, Learning};
    assert_eq!(
        replies,
        [
            (Learning, 100.0),
            (Learning, 2.0),
            (Learning, 3.0),
            (Learning, 5.0),
            (Judged, 2.0)
        ]
    );
}
