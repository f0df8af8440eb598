//! Stored models: what is accepted judges with finite numbers, and reads the same once it is
//! written again. Checksums are not compared here.
#![no_main]

use contract::{JudgeOptions, Point};
use detector::StoredModel;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let Ok(model) = StoredModel::from_json(text) else {
        return;
    };
    let written = model.to_json();
    let again = StoredModel::from_json(&written).expect("what was accepted once");
    assert_eq!(again.to_json(), written);
    let StoredModel::Univariate(model) = model else {
        return;
    };
    let point = |timestamp, value| Point { timestamp, value };
    let judge = JudgeOptions::default();
    let context: Vec<_> = (0..24_u8).map(|n| point(i64::from(n) * 60, f64::from(n % 5))).collect();
    for (timestamp, value) in [(1440, 3.0), (i64::MAX, f64::MAX), (i64::MIN, -1e-310)] {
        for context in [&[][..], &context] {
            let verdict = model.score(context, point(timestamp, value), &judge);
            assert!((0.0..=1.0).contains(&verdict.p_value), "{verdict:?}");
        }
    }
});
