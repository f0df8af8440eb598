//! Sessions.

use contract::{Direction, Train};

use super::*;
use crate::{Detection, Judged, detect};

fn judge(points: &[Point], name: DetectorName, rate: Option<f64>) -> (Detection, Vec<Judged>) {
    let options = FitOptions {
        detector: Some(name),
        false_alarm_rate: rate,
        ..FitOptions::default()
    };
    let mut detection = detect(
        points,
        Train::Points(600),
        &options,
        DetectorName::Auto,
        None,
    )
    .unwrap();
    let judged = points[600..].iter().map(|p| detection.update(*p)).collect();
    (detection, judged)
}

/// A series whose level moves up by 6 at point 1,500.
fn shifted(n: usize) -> Vec<Point> {
    let mut points = daily(n);
    for point in &mut points[1_500..] {
        point.value += 6.0;
    }
    points
}

#[test]
fn a_spike_is_one_alarm_of_one_episode_at_the_point_where_it_is() {
    for name in DetectorName::ALL {
        for rate in [None, Some(1e-4)] {
            let mut points = daily(1_200);
            points[1_000].value += 30.0;
            let (detection, judged) = judge(&points, *name, rate);
            let alarms: Vec<&Judged> = judged.iter().filter(|j| j.alarm && !j.escalation).collect();
            let at_spike = alarms
                .iter()
                .filter(|j| j.peak_timestamp == points[1_000].timestamp);
            assert_eq!(at_spike.count(), 1, "{name} {rate:?}: {alarms:?}");
            let episodes = detection.episodes();
            assert_eq!(episodes.len(), alarms.len(), "{name}: {episodes:?}");
            let episode = episodes.iter().find(|e| e.peak == points[1_000].timestamp);
            let episode = episode.expect("the spike's");
            assert!(episode.ratio > 1.5 && episode.start - episode.peak <= 300 * 12);
            assert!(episode.end >= episode.start);
            let alarm = judged
                .iter()
                .find(|j| j.alarm && j.peak_timestamp == points[1_000].timestamp);
            let verdict = alarm.expect("an alarm").verdict;
            let reason = verdict.reason.to_string();
            assert!(reason.contains(" above the "), "{reason}");
            let at_spike = judged[400].verdict;
            assert!(at_spike.anomaly, "{name} {rate:?}: {at_spike:?}");
            assert_eq!(at_spike.direction, Direction::Above);
        }
    }
}

#[test]
fn a_level_that_moves_and_stays_is_a_change() {
    for name in [
        DetectorName::Auto,
        DetectorName::Seasonal,
        DetectorName::Ewma,
    ] {
        let points = shifted(2_000);
        let (detection, judged) = judge(&points, name, None);
        let changes = detection.change_points();
        let near = |change: &crate::ChangePoint| {
            let late = change.timestamp - points[1_500].timestamp;
            (0..=300 * 12).contains(&late) && (5.0..7.0).contains(&(change.to - change.from))
        };
        if name != DetectorName::Ewma {
            assert!(changes.iter().any(near), "{name}: {changes:?}");
        }
        let said = judged.iter().any(|j| {
            j.verdict
                .reason
                .to_string()
                .starts_with("level moved from ")
        });
        assert_eq!(said, !changes.is_empty(), "{name}");
    }
}

#[test]
fn the_last_point_of_a_series_has_its_alarm_at_once() {
    // Cells have four points here: one in four ends one anyway.
    for n in 1_500..1_504 {
        let mut points = daily(n);
        points[n - 1].value += 30.0;
        let options = FitOptions::default();
        let train = Train::Points(800);
        let detection = detect(&points, train, &options, DetectorName::Auto, None);
        let mut detection = detection.unwrap();
        for point in &points[800..n - 1] {
            detection.update(*point);
        }
        let mut goes_on = detection.clone();
        let last = points[n - 1];
        let judged = detection.update_last(last);
        assert!(judged.alarm && judged.verdict.direction == Direction::Above);
        assert_eq!(judged.peak_timestamp, last.timestamp);
        assert_eq!(detection.episodes().last().unwrap().peak, last.timestamp);
        // The same row as in a series that goes on, but for the alarm.
        let row = goes_on.update(last).verdict;
        assert!(row.anomaly && row.expected == judged.verdict.expected);
        assert_eq!(
            (row.lower, row.upper),
            (judged.verdict.lower, judged.verdict.upper)
        );
    }
}

#[test]
fn an_alarm_is_a_ratio_of_one_and_more() {
    for name in DetectorName::ALL {
        let (_, judged) = judge(&shifted(2_000), *name, Some(0.01));
        assert!(judged.iter().any(|j| j.alarm));
        assert!(judged.iter().all(|j| j.alarm == (j.ratio >= 1.0)));
        assert!(judged.iter().all(|j| j.alarm || !j.escalation));
        assert!(judged.iter().all(|j| j.verdict.anomaly || !j.alarm));
    }
}

#[test]
fn the_streaming_detector_makes_the_scores_and_alarms_of_auto() {
    let points = shifted(2_000);
    let (_, judged) = judge(&points, DetectorName::Auto, None);
    let (stream, _) = crate::streaming::Stream::fit(&points[..600]).unwrap();
    let mut stream = stream.rounded();
    for (point, judged) in points[600..].iter().zip(judged) {
        let output = stream.update(*point);
        assert_eq!(judged.verdict.score, output.score);
        // Values may raise its evidence.
        assert!(judged.alarm || !output.alarm, "{judged:?} {output:?}");
    }
}

#[test]
fn a_handful_of_points_becomes_a_stream_when_there_are_enough() {
    let points = daily(400);
    let model = Model::fit(&points[..5], &FitOptions::default(), DetectorName::Auto);
    let mut session = model.unwrap().model.session(&PLAIN);
    for point in &points[5..] {
        session.update(*point);
    }
    let again = from_bytes(&to_bytes(&session)).unwrap();
    assert_eq!(again, session);
    let far = Point {
        timestamp: points[399].timestamp + 300,
        value: -1e3,
    };
    let near = |i: i64| Point {
        timestamp: far.timestamp + 300 * i,
        value: 10.0,
    };
    let mut judged = vec![session.update(far)];
    judged.extend((1..5).map(|i| session.update(near(i))));
    assert!(judged.iter().any(|j| j.alarm), "a drop is seen too");
}

#[test]
fn a_session_stays_within_112_kilobytes_and_its_lists_within_bounds() {
    let mut points = daily(30_000);
    for (i, point) in points.iter_mut().enumerate() {
        if i % 300 == 299 {
            point.value += 100.0;
        }
    }
    for name in DetectorName::ALL {
        let model = Model::fit(&points[..800], &FitOptions::default(), *name)
            .unwrap()
            .model;
        let mut session = model.session(&PLAIN);
        for point in &points[800..] {
            session.update(*point);
        }
        assert!(
            session.memory_bytes() <= 112 << 10,
            "{name}: {}",
            session.memory_bytes()
        );
        assert!(session.episodes().len() <= 5 && session.change_points().len() <= 4);
    }
}

/// The largest session of `auto` with a season of about `period` points: memories full of blocks
/// that are ever new, and all lists.
fn largest(period: usize, prefix: usize) -> Session {
    let value = |(i, noise): (usize, f64)| {
        let wave = (i as f64 * std::f64::consts::TAU / period as f64).sin();
        let growth = (i as f64 / prefix as f64).max(1.0);
        let spike = match i % 300 {
            299 if i > prefix => 30.0 * growth,
            _ => 0.0,
        };
        wave + growth * noise + spike
    };
    let values: Vec<f64> = noise(prefix + 12_000).enumerate().map(value).collect();
    let points = points(&values);
    let (train, later) = points.split_at(prefix);
    let fitted = Model::fit(train, &FitOptions::default(), DetectorName::Auto);
    let model = fitted.unwrap().model;
    let season = model.period().unwrap() as usize;
    assert!(season.abs_diff(period) * 20 < period, "{season}");
    let mut session = model.session(&JudgeOptions {
        false_alarm_rate: Some(1e-3),
        ..PLAIN
    });
    for point in later {
        session.update(*point);
    }
    session
}

#[test]
fn the_largest_session_takes_112_kib_and_as_data_as_much() {
    // The longest season; and the longest window, with the season that it is of.
    for (period, prefix) in [(2_000, 8_000), (490, 3_000)] {
        let session = largest(period, prefix);
        let (memory, stored) = (session.memory_bytes(), to_bytes(&session).len());
        println!("season {period}: {memory} bytes in memory, {stored} as data");
        assert!(memory <= 112 << 10, "{memory} bytes");
        assert!(stored <= 112 << 10, "{stored} bytes");
    }
}

#[test]
fn stored_sessions_that_could_not_have_been_are_refused() {
    let (detection, _) = judge(&daily(700), DetectorName::Ewma, None);
    let bytes = to_bytes(&detection.session);
    for (from, to) in [("Ewma", "Sigm"), ("seen", "seem"), ("levels", "labels")] {
        let at = bytes.windows(from.len()).position(|w| w == from.as_bytes());
        let mut changed = bytes.clone();
        changed[at.unwrap()..][..to.len()].copy_from_slice(to.as_bytes());
        assert!(from_bytes(&changed).is_none(), "{from}");
    }
    assert!(from_bytes(&bytes[..bytes.len() - 1]).is_none());
}
