//! Requests that are no HTTP, or too much of it: hyper gives up on them before any handler, and answers without a body.
//! Here they get a problem like any other.

use contract::Problem;
use http::StatusCode;

use crate::http::{
    ProblemReply, context,
    server::{MAX_HEAD_BYTES, MAX_HEADERS, MAX_URI_BYTES},
};

/// The problem of a connection on which hyper failed with `error` while `unparsed` had been received; `None` when the
/// client is just gone, or was idle.
pub(super) fn diagnose(error: &hyper::Error, unparsed: &[u8]) -> Option<ProblemReply> {
    let (status, code, detail) = if error.is_timeout() || error.is_incomplete_message() {
        if unparsed.trim_ascii().is_empty() {
            return None; // line ends between requests are allowed
        }
        if error.is_timeout() {
            let detail = "Request head did not arrive in time".to_owned();
            (StatusCode::REQUEST_TIMEOUT, "request_timeout", detail)
        } else {
            let detail = "Request head broke off".to_owned();
            (StatusCode::BAD_REQUEST, "malformed_request", detail)
        }
    } else if error.is_parse_too_large() {
        too_large(unparsed)
    } else if error.is_parse() {
        let detail = format!("Request is not valid HTTP/1.1: {error}");
        (StatusCode::BAD_REQUEST, "malformed_request", detail)
    } else {
        return None;
    };
    Some(ProblemReply::new(status, code, detail))
}

/// hyper reports one size for the whole head. It is the request line's if that does not even end in time.
fn too_large(unparsed: &[u8]) -> (StatusCode, &'static str, String) {
    let line = unparsed.iter().position(|b| *b == b'\n');
    if line.is_none_or(|end| end > MAX_URI_BYTES) {
        return uri_too_long();
    }
    (
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        "headers_too_large",
        format!("Request head has more than {MAX_HEAD_BYTES} bytes or {MAX_HEADERS} fields"),
    )
}

/// 414.
pub(super) fn uri_too_long() -> (StatusCode, &'static str, String) {
    (
        StatusCode::URI_TOO_LONG,
        "uri_too_long",
        format!("Request target has more than {MAX_URI_BYTES} bytes"),
    )
}

/// The whole reply, head and body, that `problem` is on a connection that ends with it.
pub(super) fn render(problem: ProblemReply) -> Vec<u8> {
    let id = context::new_id();
    let mut problem = problem.into_problem();
    problem.request_id = id.to_str().ok().map(str::to_owned);
    let body = serde_json::to_string(&problem).expect("a problem is text and numbers only");
    format!(
        "HTTP/1.1 {} {}\r\ncontent-type: {}\r\ncontent-length: {}\r\nx-request-id: {}\r\nconnection: close\r\n\r\n{body}",
        problem.status,
        problem.title,
        Problem::CONTENT_TYPE,
        body.len(),
        problem.request_id.as_deref().unwrap_or_default(),
    )
    .into_bytes()
}
