//! Replies that are no success.

use std::{borrow::Cow, time::Duration};

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use contract::{Fault, Problem};
use http::{HeaderName, HeaderValue, StatusCode, header};

/// `Retry-After` in milliseconds.
const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");

/// A problem to answer with: RFC 9457 `application/problem+json` (see [`contract::Problem`]).
///
/// As a response it has no body yet: the [`Problem`] lies in the response's extensions until
/// [`with_context`](crate::with_context), or the server, writes it out with the request's id in it. So a reply of a
/// service that is called in process can be passed on as it is.
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
    pub retry_after: Option<Duration>,
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

    /// The same, worth trying again after `delay`.
    #[must_use]
    pub fn retry_after(self, delay: Duration) -> Self {
        Self {
            retry_after: Some(delay),
            ..self
        }
    }

    /// The same, with the places where the request is wrong.
    #[must_use]
    pub fn errors(self, errors: Vec<String>) -> Self {
        Self { errors, ..self }
    }

    /// 500: the request made us panic, or something else happened that must not.
    pub fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal_error",
            "Internal server error",
        )
    }

    /// The problem to answer with when only the status is known.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        let (code, detail) = match status {
            StatusCode::NOT_FOUND => ("not_found", "No such route"),
            StatusCode::METHOD_NOT_ALLOWED => (
                "method_not_allowed",
                "The route does not answer this method; see Allow",
            ),
            StatusCode::SERVICE_UNAVAILABLE => ("unavailable", "The service is not available"),
            _ if status.is_server_error() => ("internal_error", "Internal server error"),
            _ => ("bad_request", "The request is malformed"),
        };
        Self::new(status, code, detail)
    }

    /// What crosses the wire, without a request id.
    pub(crate) fn into_problem(self) -> Problem {
        let faults = self.errors.into_iter().map(|detail| Fault { detail });
        Problem {
            kind: "about:blank".into(),
            title: self.status.canonical_reason().unwrap_or("Error").into(),
            status: self.status.as_u16(),
            detail: self.detail,
            code: self.code.into(),
            request_id: None,
            errors: faults.collect(),
        }
    }
}

impl IntoResponse for ProblemReply {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static(Problem::CONTENT_TYPE),
        );
        if let Some(delay) = self.retry_after {
            let millis = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
            headers.insert(header::RETRY_AFTER, millis.div_ceil(1000).into());
            headers.insert(RETRY_AFTER_MS, millis.into());
        }
        if matches!(
            self.status,
            StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_TIMEOUT
        ) {
            // The rest of the body is not read, so nothing can follow it on this connection.
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response.extensions_mut().insert(self.into_problem());
        response
    }
}

/// For `Router::fallback`: 404 as a problem.
pub async fn not_found() -> ProblemReply {
    ProblemReply::of_status(StatusCode::NOT_FOUND)
}

/// For `Router::method_not_allowed_fallback`: 405 as a problem. axum adds `Allow`.
pub async fn method_not_allowed() -> ProblemReply {
    ProblemReply::of_status(StatusCode::METHOD_NOT_ALLOWED)
}
