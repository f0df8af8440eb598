//! Error replies.

use std::{borrow::Cow, time::Duration};

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use contract::{BadJson, Fault, Problem, ProblemCode};
use http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header};

const RETRY_AFTER_MS: HeaderName = HeaderName::from_static(contract::header::RETRY_AFTER_MS);

/// A problem to answer with: RFC 9457 `application/problem+json` (see [`contract::Problem`]).
///
/// As a response it has no body yet: the [`Problem`] lies in the response's extensions until
/// [`with_context`](crate::with_context), or the server, writes it out with the request's id. So
/// the reply of a service that is called in process can be passed on unchanged.
#[derive(Clone, Debug)]
pub struct ProblemReply {
    /// The HTTP status: that of the code, but for refusals of the server that have no code of
    /// their own.
    pub status: StatusCode,
    /// The reason as a stable word for programs.
    pub code: ProblemCode,
    /// The reason as a sentence for people.
    pub detail: Cow<'static, str>,
    /// Where exactly the request is wrong.
    pub errors: Vec<String>,
    /// When to try again, if that can help. Sent in whole seconds, rounded up, as `retry-after`,
    /// and exactly as `retry-after-ms`.
    pub retry_after: Option<Duration>,
}

/// The result of a handler.
pub type Fallible<T> = Result<T, ProblemReply>;

impl ProblemReply {
    /// A problem with the status of `code`.
    pub fn new(code: ProblemCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status: StatusCode::from_u16(code.status())
                .expect("a test checks the status of every code"),
            code,
            detail: detail.into(),
            errors: Vec::new(),
            retry_after: None,
        }
    }

    /// Adds that the client may try again after `delay`.
    #[must_use]
    pub fn retry_after(self, delay: Duration) -> Self {
        Self {
            retry_after: Some(delay),
            ..self
        }
    }

    /// Adds the places where the request is wrong.
    #[must_use]
    pub fn errors(self, errors: Vec<String>) -> Self {
        Self { errors, ..self }
    }

    /// 503: as much as may be is in progress already.
    pub fn overloaded() -> Self {
        Self::new(ProblemCode::Overloaded, "Too much is in progress")
    }

    /// 400: the body is not what the route takes, and `fault` names the place.
    pub fn invalid_payload(fault: &BadJson) -> Self {
        let detail = format!("Invalid request payload: {fault}");
        Self::new(ProblemCode::InvalidPayload, detail).errors(vec![fault.to_string()])
    }

    /// 413: the body has more than `limit` bytes.
    pub fn body_too_large(limit: u64) -> Self {
        let detail = format!("Request body has more than {limit} bytes");
        Self::new(ProblemCode::BodyTooLarge, detail)
    }

    /// 500: a handler panicked, or something else happened that must not.
    pub fn internal() -> Self {
        Self::new(ProblemCode::InternalError, "Internal server error")
    }

    /// The problem to answer with when only the status is known.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        let (code, detail) = match status {
            StatusCode::NOT_FOUND => (ProblemCode::NotFound, "No such route"),
            StatusCode::METHOD_NOT_ALLOWED => (
                ProblemCode::MethodNotAllowed,
                "The route does not answer this method; see Allow",
            ),
            StatusCode::SERVICE_UNAVAILABLE => {
                (ProblemCode::Unavailable, "The service is not available")
            }
            _ if status.is_server_error() => {
                return Self {
                    status,
                    ..Self::internal()
                };
            }
            _ => (ProblemCode::BadRequest, "The request is malformed"),
        };
        Self {
            status,
            ..Self::new(code, detail)
        }
    }

    /// The body of the reply, without a request id.
    pub(crate) fn into_problem(self) -> Problem {
        let title = self.status.canonical_reason();
        let faults = self.errors.into_iter().map(|detail| Fault { detail });
        Problem {
            kind: "about:blank".into(),
            title: title.unwrap_or(self.code.title()).into(),
            status: self.status.as_u16(),
            detail: self.detail,
            code: self.code.as_str().into(),
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
        if self.code == ProblemCode::UnsupportedEncoding {
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        }
        if self.code == ProblemCode::Unauthorized {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(self.into_problem());
        response
    }
}

/// For `Router::fallback`: 404 as a problem. `OPTIONS *`, which asks about the server, gets 204.
pub async fn not_found(method: Method, uri: Uri) -> Response {
    match method == Method::OPTIONS && uri.path() == "*" {
        true => StatusCode::NO_CONTENT.into_response(),
        false => ProblemReply::of_status(StatusCode::NOT_FOUND).into_response(),
    }
}

/// For `Router::method_not_allowed_fallback`: 204 for `OPTIONS`, 405 as a problem for others. axum
/// adds `Allow`.
pub async fn method_not_allowed(method: Method) -> Response {
    match method {
        Method::OPTIONS => StatusCode::NO_CONTENT.into_response(),
        _ => ProblemReply::of_status(StatusCode::METHOD_NOT_ALLOWED).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_status_that_http_knows() {
        for code in ProblemCode::ALL {
            let problem = ProblemReply::new(*code, "x");
            assert_eq!(problem.status.canonical_reason(), Some(code.title()));
        }
    }
}
