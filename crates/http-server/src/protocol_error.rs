//! Requests that are not valid HTTP or exceed its limits. hyper rejects them before any handler
//! runs, and answers without a body. Here they get a problem document like any other error.

use contract::{Problem, ProblemCode, header};

use crate::{
    ProblemReply, context, json,
    limits::{MAX_HEAD_BYTES, MAX_HEADERS, MAX_URI_BYTES},
};

/// The problem to report after hyper failed with `error`, with the bytes in `unparsed` received.
/// `None` when the client has just gone, or was idle.
pub(super) fn diagnose(error: &hyper::Error, unparsed: &[u8]) -> Option<ProblemReply> {
    if error.is_parse_too_large() {
        Some(too_large(unparsed))
    } else if error.is_parse() {
        Some(malformed(format!("Request is not valid HTTP/1.1: {error}")))
    } else if error.is_incomplete_message() && has_begun(unparsed) {
        Some(malformed("Request head broke off".to_owned()))
    } else {
        None
    }
}

/// The problem of a client that has sent only `unparsed` of a head in time. `None` when it was
/// idle.
pub(super) fn late(unparsed: &[u8]) -> Option<ProblemReply> {
    has_begun(unparsed).then(|| {
        ProblemReply::new(
            ProblemCode::RequestTimeout,
            "Request head did not arrive in time",
        )
    })
}

/// Whether a request has begun. Line ends between requests are allowed and do not count.
fn has_begun(unparsed: &[u8]) -> bool {
    !unparsed.trim_ascii().is_empty()
}

fn malformed(detail: String) -> ProblemReply {
    ProblemReply::new(ProblemCode::MalformedRequest, detail)
}

/// hyper only reports that the head is too large, or the length that it declares of the body. If the
/// request line does not end within its limit, the line is the reason.
fn too_large(unparsed: &[u8]) -> ProblemReply {
    let lines = unparsed.iter().filter(|byte| **byte == b'\n').count();
    if unparsed.len() < MAX_HEAD_BYTES && lines <= MAX_HEADERS {
        // A head that is too large would be among these bytes, because it stays unparsed.
        let detail = "Request body is declared to be longer than any may be";
        return ProblemReply::new(ProblemCode::BodyTooLarge, detail);
    }
    let line = unparsed.iter().position(|byte| *byte == b'\n');
    if line.is_none_or(|end| end > MAX_URI_BYTES) {
        return uri_too_long();
    }
    ProblemReply::new(
        ProblemCode::HeadersTooLarge,
        format!("Request head has more than {MAX_HEAD_BYTES} bytes or {MAX_HEADERS} fields"),
    )
}

/// 414: the request target is too long.
pub(super) fn uri_too_long() -> ProblemReply {
    ProblemReply::new(
        ProblemCode::UriTooLong,
        format!("Request target has more than {MAX_URI_BYTES} bytes"),
    )
}

/// 400: HTTP/1.1 asks for one valid `Host`.
pub(super) fn bad_host() -> ProblemReply {
    malformed("Request needs exactly one valid Host header".to_owned())
}

/// 400: the client speaks plain HTTP to a port for HTTPS.
pub(super) fn not_tls() -> ProblemReply {
    malformed("This port speaks HTTPS: the URL has to begin with https://".to_owned())
}

/// 401: the caller is not a service of the platform.
pub(super) fn no_token() -> ProblemReply {
    ProblemReply::new(
        ProblemCode::ServiceTokenRequired,
        "Only services of the platform are answered here",
    )
}

/// The whole reply, head and body, that reports `problem` and ends the connection.
pub(super) fn render(problem: ProblemReply) -> Vec<u8> {
    let id = context::new_id();
    let mut problem = problem.into_problem();
    problem.request_id = id.to_str().ok().map(str::to_owned);
    let body = json::line(&problem);
    let head = [
        format!("HTTP/1.1 {} {}", problem.status, problem.title),
        format!("content-type: {}", Problem::CONTENT_TYPE),
        "x-content-type-options: nosniff".to_owned(),
        format!("content-length: {}", body.len()),
        format!(
            "{}: {}",
            header::REQUEST_ID,
            id.to_str().unwrap_or_default()
        ),
        "connection: close".to_owned(),
    ];
    let mut reply = format!("{}\r\n\r\n", head.join("\r\n")).into_bytes();
    reply.extend_from_slice(&body);
    reply
}
