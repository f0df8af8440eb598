//! The log of requests, by exception: those that failed for reasons of ours, and those that took
//! long. All others leave no line, and cost nothing more than the two comparisons.
//!
//! Texts of clients are fields that the log quotes and escapes.

use std::time::Duration;

use bytes::Bytes;
use contract::Endpoint;
use http::{HeaderValue, StatusCode, Uri};
use http_server::{FastRequest, Later, RequestContext};
use service::series::decode_series_text;

use crate::{access::Named, throttle::Throttle};

/// Every request may be slow at once, or fail: then some lines tell as much as all.
static LINES: Throttle = Throttle::new();

/// Which requests are exceptions.
pub(crate) struct Exceptional {
    slow: Duration,
}

impl Exceptional {
    /// Requests that take `slow_ms` milliseconds or more; 0: none is slow.
    pub(crate) fn new(slow_ms: u64) -> Self {
        let slow = match slow_ms {
            0 => Duration::MAX,
            milliseconds => Duration::from_millis(milliseconds),
        };
        Self { slow }
    }

    /// Whether a request that was answered with `status` after `took` is one.
    pub(crate) fn includes(&self, status: StatusCode, took: Duration) -> bool {
        took >= self.slow || status.is_server_error()
    }

    /// The reply `body` of the fast path to a request for `endpoint`, after `took`.
    pub(crate) fn replied(
        &self,
        endpoint: &'static Endpoint,
        body: Bytes,
        took: Duration,
    ) -> Later {
        if !self.includes(StatusCode::OK, took) {
            return Later::Replied(body);
        }
        Later::Noted(
            body,
            Box::new(move |request| {
                let series = decode_series_text(request.segment).unwrap_or_default();
                log_fast(endpoint, request, &series, took);
            }),
        )
    }
}

/// What the line about a request says of it.
pub(crate) struct Described {
    endpoint: &'static Endpoint,
    uri: Uri,
    id: Option<HeaderValue>,
}

impl Described {
    /// A request for `endpoint`. Cheap: nothing is copied.
    pub(crate) fn of(endpoint: &'static Endpoint, request: &axum::extract::Request) -> Self {
        let context = request.extensions().get::<RequestContext>();
        Self {
            endpoint,
            uri: request.uri().clone(),
            id: context.map(|context| context.request_id.clone()),
        }
    }

    /// Writes the line.
    pub(crate) fn log(&self, status: StatusCode, took: Duration) {
        let id = self.id.as_ref().map_or(&b""[..], HeaderValue::as_bytes);
        let series = Named::of(self.endpoint, &self.uri);
        log(self.endpoint, series.series(), id, (status, took));
    }
}

/// Writes the line about a request for `endpoint`, which names `series`, on the fast path.
pub(crate) fn log_fast(
    endpoint: &Endpoint,
    request: &FastRequest<'_>,
    series: &str,
    took: Duration,
) {
    log(
        endpoint,
        Some(series),
        request.request_id,
        (StatusCode::OK, took),
    );
}

#[cold]
fn log(
    endpoint: &Endpoint,
    series: Option<&str>,
    id: &[u8],
    (status, took): (StatusCode, Duration),
) {
    let Some(left_out) = LINES.pass() else {
        return;
    };
    let status = status.as_u16();
    tracing::info!(
        method = endpoint.method.as_str(),
        route = endpoint.path,
        series = series.unwrap_or("-"),
        status,
        duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        request_id = &*String::from_utf8_lossy(id),
        left_out,
        "{} request",
        if status < 500 { "slow" } else { "failed" },
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_or_takes_long_is_an_exception() {
        let (quick, slow) = (Duration::from_millis(999), Duration::from_secs(1));
        let usual = Exceptional::new(1_000);
        assert!(!usual.includes(StatusCode::OK, quick));
        assert!(usual.includes(StatusCode::OK, slow));
        assert!(!usual.includes(StatusCode::BAD_REQUEST, quick));
        assert!(usual.includes(StatusCode::BAD_GATEWAY, quick));
        let only_failures = Exceptional::new(0);
        assert!(!only_failures.includes(StatusCode::OK, slow));
        assert!(only_failures.includes(StatusCode::SERVICE_UNAVAILABLE, quick));
    }
}
