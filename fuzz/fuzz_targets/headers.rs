//! The head of a request: the fast path takes the same requests out of the bytes of a connection
//! however many have come, and gives each the id that it asked for or a new one.
#![no_main]

use std::sync::{Arc, Mutex};

use http_server::{Fast, FastPath};
use libfuzzer_sys::fuzz_target;

type Seen = Vec<(String, Vec<u8>)>;

fuzz_target!(|input: &[u8]| {
    let (length, seen) = taken(input);
    assert!(length <= input.len());
    // The requests that are there whole are the same without what follows them.
    assert_eq!(taken(&input[..length]), (length, seen));
});

/// The length of the requests at the start of `input` that the fast path takes, and what it says of them.
fn taken(input: &[u8]) -> (usize, Seen) {
    let seen = Arc::new(Mutex::new(Seen::new()));
    let noted = Arc::clone(&seen);
    let path = FastPath::new("/predict/", move |request, body| {
        assert!(request.target.starts_with("/predict/") && !request.segment.is_empty());
        let is_id = (1..=128).contains(&request.request_id.len());
        assert!(is_id && request.request_id.iter().all(u8::is_ascii_graphic));
        let trace = request.traceparent();
        assert!(trace.is_none_or(|trace| trace.len() >= 55));
        let mut noted = noted.lock().expect("no panic is caught");
        noted.push((request.segment.to_owned(), request.body.to_vec()));
        body.extend_from_slice(b"{}");
        Fast::Replied
    });
    let mut replies = Vec::new();
    let length = path.answer_all(input, &mut replies);
    let seen = std::mem::take(&mut *seen.lock().expect("no panic is caught"));
    let heads = replies.windows(9).filter(|w| w == b"HTTP/1.1 ").count();
    assert_eq!(heads, seen.len());
    (length, seen)
}
