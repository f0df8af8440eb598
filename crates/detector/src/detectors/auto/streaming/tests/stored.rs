//! Stored and restored: the same bits, at most 81 KiB, and nothing false is taken in.

use serde_json::Value;

use super::{
    super::Stream,
    support::{chance, fit, generated, points, run, update_all},
};

fn restored(stream: &Stream) -> Stream {
    serde_json::from_str(&serde_json::to_string(stream).unwrap()).unwrap()
}

#[test]
fn a_restored_detector_goes_on_as_if_nothing_had_happened() {
    let series = generated();
    let (fitted, _) = fit(&series, 480);
    assert_eq!(restored(&fitted), fitted);
    let (mut stream, _) = run(&series[..1210], 480);
    let mut again = restored(&stream);
    assert_eq!(again, stream);
    let rest = &series[1210..];
    assert_eq!(update_all(&mut again, rest), update_all(&mut stream, rest));
    assert_eq!(again, stream);
}

#[test]
fn the_state_is_at_most_81_kib() {
    // The longest season, then the longest window, each with full libraries.
    for (period, prefix) in [(2000, 8000), (480, 3000)] {
        let value = |i: usize| {
            let wave = (i as f64 * std::f64::consts::TAU / period as f64).sin();
            // Ever new blocks fill the libraries.
            let growth = if i < prefix {
                1.0
            } else {
                i as f64 / prefix as f64
            };
            wave + chance(i) * growth
        };
        let (stream, _) = run(&points((0..30_000).map(value)), prefix);
        let (params, kept) = (stream.params(), stream.memory().kept());
        assert_eq!(kept, [[600; 3], [450; 3], [225; 3], [112; 3]]);
        let found = params.season().unwrap();
        assert!(found.abs_diff(period) < 50 && params.windows().count() == 3);
        println!("season {found}: {} bytes", stream.memory_bytes());
        assert!(
            stream.memory_bytes() <= 81 * 1024,
            "{} bytes",
            stream.memory_bytes()
        );
    }
}

/// All places in `json` where a number or a text is.
fn leaves(json: &Value, path: &str, out: &mut Vec<String>) {
    let mut inner = |key: &str, value: &Value| leaves(value, &format!("{path}/{key}"), out);
    match json {
        Value::Object(map) => map.iter().for_each(|(key, value)| inner(key, value)),
        Value::Array(list) => (0..)
            .zip(list)
            .for_each(|(i, value): (u32, _)| inner(&i.to_string(), value)),
        _ => out.push(path.to_owned()),
    }
}

#[test]
fn whatever_was_changed_is_refused_or_does_no_harm() {
    let series = generated();
    let (stream, _) = run(&series[..1000], 480);
    let json = serde_json::to_value(&stream).unwrap();
    let mut paths = Vec::new();
    leaves(&json, "", &mut paths);
    assert!(paths.len() > 100);
    let others = [
        "0",
        "-1",
        "1",
        "7",
        "65535",
        "4294967295",
        "9007199254740993",
        "18446744073709551615",
        "-9223372036854775808",
        "1e300",
        "-1e300",
        "1e-300",
        "null",
        "true",
        "\"\"",
        "\"AAAA\"",
        "\"////////\"",
        "\"AAAAAAAA8H8=\"",
        "[]",
        "{}",
    ];
    let mut refused = 0;
    for path in &paths {
        for other in others {
            let mut changed = json.clone();
            *changed.pointer_mut(path).unwrap() = serde_json::from_str(other).unwrap();
            match serde_json::from_value::<Stream>(changed) {
                Ok(mut stream) => drop(update_all(&mut stream, &series[1000..1100])),
                Err(_) => refused += 1,
            }
        }
    }
    assert!(refused > paths.len() * others.len() / 2);
}

#[test]
fn members_that_are_missing_or_unknown_are_refused() {
    let (stream, _) = fit(&generated(), 480);
    let json = serde_json::to_value(&stream).unwrap();
    for part in ["fixed", "learned", "moving"] {
        let mut changed = json.clone();
        changed[part]["more"] = Value::from(1);
        assert!(serde_json::from_value::<Stream>(changed).is_err(), "{part}");
        let mut changed = json.clone();
        changed.as_object_mut().unwrap().remove(part);
        assert!(serde_json::from_value::<Stream>(changed).is_err(), "{part}");
    }
}
