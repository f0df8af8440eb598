//! Bodies of requests: what is accepted is strict JSON, and reads the same once it is written again.
#![no_main]

use contract::{
    BatchRequest, DetectRequest, FitRequest, PredictRequest,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((kind, body)) = input.split_first() else {
        return;
    };
    let accepted = match kind % 7 {
        0 => PredictRequest::parse(body).is_ok(),
        1 => BatchRequest::parse(body).is_ok(),
        2 => match FitRequest::parse(body) {
            Ok(parsed) => {
                let written = serde_json::to_vec(&parsed.body).expect("numbers are JSON");
                let again = FitRequest::parse(&written).expect("what was accepted once");
                assert_eq!(again.body, parsed.body);
                true
            }
            Err(_) => false,
        },
        3 => DetectRequest::parse(body).is_ok(),
        4 => PredictRequest::parse_any(body).is_ok(),
        5 => BatchRequest::parse_any(body).is_ok(),
        _ => FitRequest::parse_any(body).is_ok(),
    };
    if accepted {
        // A byte order mark is skipped, as RFC 8259 allows.
        let text = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
        let strict = serde_json::from_slice::<serde_json::Value>(text);
        assert!(strict.is_ok(), "accepted, and no JSON: {strict:?}");
    }
});
