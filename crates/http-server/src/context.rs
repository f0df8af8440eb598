//! The identity of a request: its id and its trace.

use std::{
    convert::Infallible, future::Future, net::IpAddr, panic::AssertUnwindSafe, time::Instant,
};

use axum::{Router, body::Body, extract::Request, response::IntoResponse, response::Response};
use contract::{ENDPOINTS, Problem};
use futures_util::FutureExt;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use trace::{Kind, Span};

use crate::{Handler, ProblemReply, json};

/// The header that carries a request's id, in requests and replies.
pub const REQUEST_ID: HeaderName = HeaderName::from_static(contract::header::REQUEST_ID);
/// The header that carries a W3C trace context.
pub const TRACEPARENT: HeaderName = HeaderName::from_static(contract::header::TRACEPARENT);

/// The longest request id that is accepted from a client, in bytes.
pub(super) const MAX_ID_BYTES: usize = 128;

/// The identity of a request, as a request extension.
#[derive(Clone, Debug)]
pub struct RequestContext {
    /// The client's `x-request-id` (1–128 visible ASCII characters), or a new one.
    pub request_id: HeaderValue,
    /// The client's `traceparent`, if it is valid.
    pub traceparent: Option<HeaderValue>,
}

/// The address that a request came from, as a request extension: that of the client, or of the last
/// proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

impl RequestContext {
    /// The identity of a request with these `headers`.
    pub fn of(headers: &HeaderMap) -> Self {
        let given = headers.get(REQUEST_ID).filter(|id| is_id(id.as_bytes()));
        let trace = headers.get(TRACEPARENT);
        Self {
            request_id: given.cloned().unwrap_or_else(new_id),
            traceparent: trace.filter(|t| is_traceparent(t.as_bytes())).cloned(),
        }
    }

    /// The `traceparent`, for what the request causes.
    pub fn trace(&self) -> Option<String> {
        let trace = self.traceparent.as_ref()?.to_str();
        trace.ok().map(str::to_owned)
    }
}

/// Gives every request to `app` a [`RequestContext`], every reply its `x-request-id` (and every
/// problem its `request_id`), turns a panic into a 500, and logs each request at `debug`.
///
/// [`serve`](crate::serve) does this itself: this is for a router that is called without a server.
/// A request that already has a context passes through unchanged.
pub fn with_context(app: Router) -> Router {
    let app = Handler::from(app);
    Router::new().fallback_service(tower::service_fn(move |request: Request| {
        let app = app.clone();
        async move {
            let answer = async |request| app.answer(request).await;
            Ok::<_, Infallible>(respond(request, None, answer).await)
        }
    }))
}

/// Answers `request` by `handle`, in the context that it has or in a new one. `id`, if given, is
/// the id of the request whatever its headers say.
pub(super) async fn respond<F, Fut>(
    mut request: Request,
    id: Option<HeaderValue>,
    handle: F,
) -> Response
where
    F: FnOnce(Request) -> Fut,
    Fut: Future<Output = Response>,
{
    if request.extensions().get::<RequestContext>().is_some() {
        return handle(request).await;
    }
    let mut context = RequestContext::of(request.headers());
    if let Some(id) = id {
        context.request_id = id;
    }
    let id = context.request_id.clone();
    let mut span = begin_span(&request, &mut context);
    let access = tracing::enabled!(tracing::Level::DEBUG).then(|| Access::of(&request));
    request.extensions_mut().insert(context);
    // The closure is called inside the guarded future, so that a panic while routing is caught as
    // well.
    let guarded = AssertUnwindSafe(async { handle(request).await }).catch_unwind();
    let response = guarded.await.unwrap_or_else(|_| {
        tracing::error!(
            request_id = id.to_str().unwrap_or_default(),
            "request panicked"
        );
        ProblemReply::internal().into_response()
    });
    span.answered(response.status().as_u16());
    if let Some(access) = access {
        access.log(&response, &id);
    }
    finish(response, id)
}

/// Begins the span of `request`, in the trace that it belongs to or in a new one, and puts it into
/// `context`, for what the request causes.
fn begin_span(request: &Request, context: &mut RequestContext) -> Span {
    if !trace::is_on() {
        return Span::default();
    }
    let parent = context.trace();
    let span = Span::start(Kind::Server, || span_name(request), parent.as_deref());
    if let Some(traceparent) = span.traceparent() {
        context.traceparent = HeaderValue::try_from(traceparent).ok();
    }
    span
}

/// The method and the path of the call, without the ids in it.
fn span_name(request: &Request) -> String {
    let path = request.uri().path();
    let mut calls = ENDPOINTS.iter().map(|endpoint| endpoint.path);
    let call = calls.find(|pattern| is_call(pattern, path));
    match call {
        Some(call) => format!("{} {call}", request.method()),
        None => request.method().to_string(),
    }
}

fn is_call(pattern: &str, path: &str) -> bool {
    let (mut expected, mut given) = (pattern.split('/'), path.split('/'));
    let mut pairs = std::iter::from_fn(|| match (expected.next(), given.next()) {
        (None, None) => None,
        pair => Some(pair),
    });
    pairs.all(|pair| match pair {
        (Some(expected), Some(given)) => expected.starts_with('{') || expected == given,
        _ => false,
    })
}

/// Adds `id` to `response`, and writes its problem into the body.
fn finish(mut response: Response, id: HeaderValue) -> Response {
    if response.status().is_client_error() || response.status().is_server_error() {
        write_problem(&mut response, &id);
    }
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

/// Writes the problem of `response` into its body. A failure without a problem (axum rejects in
/// plain text) gets one, so that clients never meet another form.
fn write_problem(response: &mut Response, id: &HeaderValue) {
    let mut problem = match response.extensions_mut().remove::<Problem>() {
        Some(problem) => problem,
        None if has_document(response.headers()) => return,
        None => ProblemReply::of_status(response.status()).into_problem(),
    };
    problem.request_id = id.to_str().ok().map(str::to_owned);
    let json = json::line(&problem);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, json.len().into());
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(Problem::CONTENT_TYPE),
    );
    *response.body_mut() = Body::from(json);
}

/// Whether a reply has a body for clients: anything but the plain text that axum writes by itself.
fn has_document(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| !kind.as_bytes().starts_with(b"text/plain"))
}

/// The access log's record of a request; made only when the log is on.
struct Access {
    method: Method,
    uri: Uri,
    started: Instant,
}

impl Access {
    fn of(request: &Request) -> Self {
        Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            started: Instant::now(),
        }
    }

    fn log(self, response: &Response, id: &HeaderValue) {
        tracing::debug!(
            method = %self.method,
            uri = %self.uri,
            status = response.status().as_u16(),
            elapsed_us = self.started.elapsed().as_micros() as u64,
            request_id = id.to_str().unwrap_or_default(),
            "request"
        );
    }
}

/// A new request id.
pub(super) fn new_id() -> HeaderValue {
    HeaderValue::from_bytes(&new_id_text()).expect("hexadecimal digits are visible ASCII")
}

/// 64 random bits in hexadecimal.
pub(super) fn new_id_text() -> [u8; 16] {
    let mut text = [0; 16];
    let random = fastrand::u64(..);
    for (i, digit) in text.iter_mut().enumerate() {
        *digit = b"0123456789abcdef"[(random >> (4 * i)) as usize & 15];
    }
    text
}

pub(super) fn is_id(id: &[u8]) -> bool {
    (1..=MAX_ID_BYTES).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic)
}

/// Whether `text` is version 00 of a W3C trace context: `00-<32 hex>-<16 hex>-<2 hex>` with ids
/// that are not all zero.
pub(super) fn is_traceparent(text: &[u8]) -> bool {
    let hex = |part: &[u8]| part.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let named = |part: &[u8]| hex(part) && part.iter().any(|b| *b != b'0');
    text.len() == 55
        && text.starts_with(b"00-")
        && (text[35], text[52]) == (b'-', b'-')
        && named(&text[3..35])
        && named(&text[36..52])
        && hex(&text[53..])
}
