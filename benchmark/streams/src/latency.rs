//! Times from when a request was due to its reply, and what is told of them.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// When request number `n` of `rate` a second is due.
pub(crate) fn due(start: Instant, n: u64, rate: f64) -> Instant {
    start + Duration::from_secs_f64(n as f64 / rate)
}

/// The result of a run: latencies in milliseconds, measured from when each request was due, so that
/// a reply that is late makes those behind it late too.
pub(crate) fn summary(mut latencies: Vec<Duration>, failed: u64, took: Duration) -> Value {
    latencies.sort_unstable();
    let at = |share: f64| {
        let last = latencies.len().saturating_sub(1);
        let index = (share * last as f64).round() as usize;
        latencies.get(index).map(|took| took.as_secs_f64() * 1e3)
    };
    json!({
        "requests": latencies.len(),
        "failed": failed,
        "seconds": took.as_secs_f64(),
        "per_second": latencies.len() as f64 / took.as_secs_f64(),
        "p50_ms": at(0.5),
        "p99_ms": at(0.99),
        "p999_ms": at(0.999),
    })
}
