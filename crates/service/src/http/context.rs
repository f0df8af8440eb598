//! Who asks: request id and trace of a request.

use axum::Router;

/// The identity of a request, as a request extension.
#[derive(Clone, Debug)]
pub struct RequestContext {
    /// `x-request-id`, as it came (1–128 visible ASCII characters) or new.
    pub request_id: http::HeaderValue,
    /// `traceparent`, if a valid one came.
    pub traceparent: Option<http::HeaderValue>,
}

/// Gives every request to `app` a [`RequestContext`], every reply its `x-request-id` (and every problem its `request_id`),
/// turns a panic into a 500, and logs each request at `debug`.
pub fn with_context(app: Router) -> Router {
    let _ = app;
    todo!()
}
