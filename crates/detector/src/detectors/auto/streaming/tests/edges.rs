//! The ends of what may come: constants, shifts, short prefixes, missing values, odd timestamps,
//! the largest numbers.

use contract::Point;
use proptest::prelude::*;

use super::{
    super::{Cause, MIN_POINTS, Output, Stream, StreamState, learn, observe},
    support::{alarms, fit, generated, noise, points, run, update_all},
};

#[test]
fn every_prefix_gives_the_same_outputs() {
    let all = generated();
    let (stream, outputs) = run(&all, 480);
    for end in [481, 500, 901, 1207] {
        let (_, shorter) = run(&all[..end], 480);
        assert_eq!(shorter, outputs[..end - 480], "{end}");
    }
    let (mut stream_before, _) = run(&all[..1000], 480);
    assert_eq!(update_all(&mut stream_before, &all[1000..]), outputs[520..]);
    assert_eq!(stream_before, stream);
}

#[test]
fn a_constant_series_is_silent_and_its_first_other_value_alarms_once() {
    let mut values = vec![50.0; 900];
    values[600] = 51.0;
    let (_, outputs) = run(&points(values), 480);
    assert!(outputs[..120].iter().all(|o| o.ratio < 1.0));
    let scaled = |o: &Output| o.ratio * 0.94;
    assert!(outputs[..120].iter().all(|o| scaled(o) < 0.81));
    let found = alarms(&outputs);
    assert!((120..126).contains(&found[0]), "{found:?}");
    let again: Vec<_> = found[1..]
        .iter()
        .filter(|&&i| !outputs[i].escalation)
        .collect();
    assert!(again.is_empty(), "{found:?}");
    assert_eq!(outputs[found[0]].direction, 1);
}

#[test]
fn falling_silent_is_one_episode() {
    let value = |i: usize| if i < 1000 { 10.0 + noise(i) } else { 10.0 };
    let (_, outputs) = run(&points((0..3000).map(value)), 600);
    let first = alarms(&outputs)
        .into_iter()
        .filter(|&i| !outputs[i].escalation);
    assert_eq!(first.filter(|&i| i >= 400).count(), 1);
    assert!(outputs[1500..].iter().all(|o| !o.alarm));
}

#[test]
fn a_trend_is_learned_along_the_way() {
    let value = |i: usize| i as f64 / 100.0 + noise(i);
    let (_, outputs) = run(&points((0..6000).map(value)), 750);
    let found = alarms(&outputs).len();
    assert!(found < 12, "{found} alarms");
}

#[test]
fn short_prefixes_have_few_parts_and_speak_late() {
    let value = |i: usize| noise(i);
    let series = points((0..400).map(value));
    assert!(Stream::fit(&series[..MIN_POINTS - 1]).is_none());
    for (n, order) in [(10, 1), (20, 2), (39, 3)] {
        let (stream, replay) = fit(&series, n);
        let params = stream.params();
        assert_eq!((params.cell(), params.order()), (1, order), "{n}");
        assert_eq!(
            (params.windows().count(), params.season()),
            (0, None),
            "{n}"
        );
        assert!(replay.shapes[0].is_empty() && replay.joint.len() == n);
    }
    assert!(fit(&series, 40).0.params().windows().count() == 3);
}

#[test]
fn what_is_not_finite_is_missing_and_changes_nothing() {
    let series = generated();
    let (mut with, outputs) = run(&series[..1000], 480);
    let mut without = with.clone();
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let timestamp = 1000;
        let output = with.update(Point { timestamp, value });
        assert_eq!(output.cause, Cause::Missing);
        assert_eq!(
            (output.score, output.ratio, output.alarm),
            (0.0, 0.0, false)
        );
    }
    let rest = &series[1000..];
    assert_eq!(update_all(&mut with, rest), update_all(&mut without, rest));
    let mut holes = series[..1000].to_vec();
    let missing = |timestamp| Point {
        timestamp,
        value: f64::NAN,
    };
    for at in [0, 100, 479, 500, 900] {
        holes.insert(at, missing(at as i64));
    }
    let (_, outputs_with_holes) = run(&holes, 483);
    let real = outputs_with_holes
        .iter()
        .filter(|o| o.cause != Cause::Missing);
    assert!(real.eq(&outputs), "the same fit, the same verdicts");
}

#[test]
fn a_missing_point_takes_a_slot_where_points_are_counted() {
    // Two distances in turn, neither a multiple of the other: no grid.
    let series = generated();
    let uneven = |i: usize| Point {
        timestamp: (i / 2 * 240 + i % 2 * 100) as i64,
        ..series[i]
    };
    let series: Vec<Point> = (0..1000).map(uneven).collect();
    let (mut stream, _) = run(&series[..960], 480);
    assert_eq!(stream.params().clock().step(), None);
    let mut shifted = stream.clone();
    let missing = Point {
        value: f64::NAN,
        ..series[960]
    };
    let (_, outputs) = (shifted.update(missing), shifted.update(series[961]));
    let expected = update_all(&mut stream, &series[960..962])[1];
    assert_eq!(outputs.expected, expected.expected);
}

#[test]
fn duplicates_and_steps_back_are_taken_in_order_and_a_gap_keeps_the_season_only() {
    let series = generated();
    let stamp = |i: usize| series[i].timestamp;
    let (before, _) = run(&series[..800], 480);
    let at = |timestamp: i64| {
        before.clone().update(Point {
            timestamp,
            ..series[800]
        })
    };
    let (now, later) = (at(stamp(800)), at(stamp(800) + 48 * 1000));
    assert_eq!(
        (now.expected, now.direction),
        (later.expected, later.direction)
    );
    assert!(later.ratio < 1.0 && later.emitted == 0.0, "{later:?}");
    let (back, other) = (at(stamp(800) - 48), at(stamp(800) + 7));
    assert_eq!(now, back);
    assert!(other.expected != now.expected && other.rank != now.rank);
    let mut twice = before.clone();
    let outputs = update_all(&mut twice, &[series[800], series[800]]);
    assert_eq!(outputs[0], now);
}

#[test]
fn timestamps_in_any_unit_give_the_same_outputs() {
    let series = generated();
    let (_, outputs) = run(&series, 480);
    for unit in [1000, 1_000_000, 1_000_000_000] {
        let start = 1_700_000_000 * unit;
        let stamped = series.iter().map(|p| Point {
            timestamp: start + 60 * unit * p.timestamp,
            ..*p
        });
        let stamped: Vec<Point> = stamped.collect();
        assert_eq!(run(&stamped, 480).1, outputs);
    }
}

#[test]
fn the_largest_numbers_overflow_nothing() {
    let mut series = generated();
    for (i, value) in [
        (200, f64::MAX),
        (600, f64::MIN),
        (700, f64::MAX),
        (1300, 1e-310),
    ] {
        series[i].value = value;
    }
    series[800].timestamp = i64::MIN;
    series[801].timestamp = i64::MAX;
    let (stream, outputs) = run(&series, 480);
    assert!(outputs.iter().all(is_sound));
    assert!(
        outputs[120..126]
            .iter()
            .any(|o| o.alarm && o.direction == -1)
    );
    assert!(stream.memory_bytes() <= 65_536);
}

#[test]
fn a_frozen_run_learns_nothing_and_a_fresh_context_fills_by_and_by() {
    let series = generated();
    let (stream, _) = fit(&series, 480);
    let (params, memory) = (stream.params(), stream.memory());
    let mut state = StreamState::fresh(params, memory);
    let first = observe(params, memory, &mut state, series[480]);
    assert_eq!(first.full, [false; 3]);
    assert_eq!(
        (first.predictions.autoregression, first.predictions.local),
        (None, None)
    );
    assert!(first.predictions.season.is_some());
    let mut last = first;
    let mut alarms = 0;
    for &point in &series[481..880] {
        last = observe(params, memory, &mut state, point);
        alarms += u32::from(last.output.alarm);
    }
    assert!(alarms <= 1, "{alarms} alarms");
    assert_eq!((last.full, state.known()), ([true; 3], params.context()));
    // Shapes and predictions see the same as with all earlier points.
    let (mut whole, _) = run(&series[..880], 480);
    let (_, learned_more, context) = whole.parts();
    let next = observe(params, learned_more, context, series[880]);
    let fresh = observe(params, memory, &mut state, series[880]);
    assert_eq!(fresh.raw[..4], next.raw[..4]);
    assert_eq!(
        fresh.predictions.autoregression,
        next.predictions.autoregression
    );
    assert_eq!(fresh.predictions.local, next.predictions.local);
}

#[test]
fn learning_what_was_observed_is_updating() {
    let series = generated();
    let (mut one, _) = fit(&series, 480);
    let mut other = one.clone();
    for &point in &series[480..1300] {
        let (params, memory, state) = other.parts();
        let observation = observe(params, memory, state, point);
        learn(memory, &observation);
        assert_eq!(observation.output, one.update(point));
    }
    assert_eq!(one, other);
}

#[test]
fn the_prefix_comes_back_point_by_point() {
    let mut series = generated();
    series[10].value = f64::NAN;
    let (stream, replay) = fit(&series, 480);
    assert_eq!(stream.params().prefix(), 479);
    for column in replay.shapes.iter().chain(&replay.errors) {
        assert_eq!(column.len(), 479);
    }
    assert!(replay.errors[0][..8].iter().all(|e| e.is_nan()));
    assert!(replay.errors[0][8].is_finite() && replay.errors[2][0].is_nan());
    assert!(replay.joint.iter().zip(&replay.rank).all(|(j, r)| r >= j));
    assert!(replay.ratio.iter().all(|&r| r == 0.0));
    let longer = fit(&points((0..5000).map(noise)), 5000).1;
    assert!(longer.ratio.iter().any(|&r| r > 0.3));
}

/// Whether nothing in `output` is infinite or out of place.
fn is_sound(output: &Output) -> bool {
    let finite = [
        output.rank,
        output.ratio,
        output.expected,
        output.lower,
        output.upper,
    ];
    (0.0..=1.0).contains(&output.score)
        && finite.iter().all(|number| number.is_finite())
        && output.lower <= output.expected
        && output.expected <= output.upper
        && output.alarm == (output.emitted >= 1.0)
        && (!output.escalation || output.alarm)
}

fn any_value() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => -100.0..100.0_f64,
        2 => (-3..3_i32).prop_map(f64::from),
        1 => prop::num::f64::ANY,
        1 => prop::sample::select(vec![0.0, -0.0, f64::MAX, f64::MIN, f64::MIN_POSITIVE, 5e-324]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_points_in_any_order_are_judged(
        values in prop::collection::vec(any_value(), 10..300),
        stamps in prop::collection::vec(any::<i64>(), 300),
        prefix in 10..200_usize,
    ) {
        let all: Vec<Point> = values.iter().zip(stamps).map(|(&value, timestamp)| Point { timestamp, value }).collect();
        let prefix = prefix.min(all.len());
        let fitted = Stream::fit(&all[..prefix]);
        let finite = all[..prefix].iter().filter(|p| p.value.is_finite()).count();
        prop_assert_eq!(fitted.is_some(), finite >= MIN_POINTS);
        if let Some((mut stream, _)) = fitted {
            for &point in &all[prefix..] {
                let output = stream.update(point);
                prop_assert!(is_sound(&output), "{:?}", output);
            }
            let json = serde_json::to_string(&stream).unwrap();
            prop_assert_eq!(serde_json::from_str::<Stream>(&json).unwrap(), stream);
        }
    }

    #[test]
    fn verdicts_do_not_depend_on_the_unit(k in -60..60_i32, negative in any::<bool>()) {
        let unit = if negative { -2_f64.powi(k) } else { 2_f64.powi(k) };
        let series = generated();
        let scaled: Vec<Point> = series.iter().map(|p| Point { value: p.value * unit, ..*p }).collect();
        let (_, plain) = run(&series[..1300], 480);
        let (_, scaled) = run(&scaled[..1300], 480);
        for (a, b) in plain.iter().zip(&scaled) {
            prop_assert!((a.score - b.score).abs() < 1e-6);
            prop_assert_eq!(a.alarm, b.alarm);
            prop_assert_eq!(if negative { -a.direction } else { a.direction }, b.direction);
        }
    }
}
