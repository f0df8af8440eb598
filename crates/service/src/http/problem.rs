//! Replies that are no success.

use std::borrow::Cow;

use axum::response::{IntoResponse, Response};
use http::StatusCode;

/// A problem to answer with: RFC 9457 `application/problem+json` (see [`contract::Problem`]).
#[derive(Clone, Debug)]
pub struct ProblemReply {
    /// The status.
    pub status: StatusCode,
    /// A stable word for programs.
    pub code: &'static str,
    /// The sentence for people.
    pub detail: Cow<'static, str>,
    /// Where exactly the request is wrong.
    pub errors: Vec<String>,
    /// `Retry-After`, when trying again makes sense. Sent in whole seconds, rounded up, and exactly in `retry-after-ms`.
    pub retry_after: Option<std::time::Duration>,
}

/// What handlers return.
pub type Fallible<T> = Result<T, ProblemReply>;

impl ProblemReply {
    /// A problem with nothing but the three words every one has.
    pub fn new(
        status: StatusCode,
        code: &'static str,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
            errors: Vec::new(),
            retry_after: None,
        }
    }
}

impl IntoResponse for ProblemReply {
    fn into_response(self) -> Response {
        todo!()
    }
}

/// For `Router::fallback`: 404 as a problem.
pub async fn not_found() -> ProblemReply {
    todo!()
}

/// For `Router::method_not_allowed_fallback`: 405 as a problem. axum adds `Allow`.
pub async fn method_not_allowed() -> ProblemReply {
    todo!()
}
