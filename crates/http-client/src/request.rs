//! The head of a request to a service. Of the client's headers only those that are named here are
//! passed on.

use std::io::Write as _;

use contract::{Revision, header};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Uri,
    header::{ACCEPT, CONTENT_TYPE, IF_MATCH, IF_NONE_MATCH},
    request::Parts,
};
use http_server::{FastRequest, REQUEST_ID, RequestContext, TRACEPARENT};

/// The client's headers that are passed on.
static FORWARDED: [HeaderName; 7] = [
    CONTENT_TYPE,
    ACCEPT,
    IF_MATCH,
    IF_NONE_MATCH,
    HeaderName::from_static(header::IDEMPOTENCY_KEY),
    HeaderName::from_static(contract::open_inference::JSON_LENGTH),
    // Of a client it can only make the platform stricter.
    HeaderName::from_static(header::FOREIGN_MODEL),
];

/// The oldest revision of the series that the reply may be of.
const MIN_REVISION: HeaderName = HeaderName::from_static(header::MIN_REVISION);

/// The beginnings of the series that a list may have.
const SERIES_PREFIXES: HeaderName = HeaderName::from_static(header::SERIES_PREFIXES);

/// Method, path and headers of a request.
pub struct RequestHead {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    forwarded: &'static [HeaderName],
    context: Option<RequestContext>,
    min_revision: Option<Revision>,
    series_prefixes: Option<HeaderValue>,
    for_any_owner: bool,
}

/// The body that follows a head.
#[derive(Clone, Copy, Debug)]
pub(super) enum BodyLength {
    /// This many bytes.
    Known(u64),
    /// It is sent in chunks.
    Unknown,
}

impl RequestHead {
    /// The client's request, in the context that is among its extensions, if any. `HEAD` becomes
    /// `GET`: the server leaves the body out of its own reply.
    pub fn of(parts: Parts) -> Self {
        let mut extensions = parts.extensions;
        Self {
            method: match parts.method {
                Method::HEAD => Method::GET,
                method => method,
            },
            uri: parts.uri,
            headers: parts.headers,
            forwarded: &FORWARDED,
            context: extensions.remove(),
            min_revision: None,
            series_prefixes: None,
            for_any_owner: false,
        }
    }

    /// A `GET` of the gateway's own, on behalf of a client's request if there is a `context`.
    pub fn get(path: &'static str, context: Option<RequestContext>) -> Self {
        Self {
            method: Method::GET,
            uri: Uri::from_static(path),
            headers: HeaderMap::new(),
            forwarded: &[],
            context,
            min_revision: None,
            series_prefixes: None,
            for_any_owner: false,
        }
    }

    /// A `GET` of the gateway's own, which is on behalf of no client.
    pub fn own(uri: Uri) -> Self {
        Self {
            uri,
            ..Self::get("/", None)
        }
    }

    /// A `POST` of the gateway's own, which is on behalf of no client.
    pub fn post(path: &'static str) -> Self {
        Self {
            method: Method::POST,
            ..Self::get(path, None)
        }
    }

    /// Passes none of the client's headers on, for a route that uses none.
    #[must_use]
    pub fn bare(mut self) -> Self {
        self.forwarded = &[];
        self
    }

    /// Asks for a reply as of `revision` or later.
    #[must_use]
    pub fn with_min_revision(mut self, revision: Option<Revision>) -> Self {
        self.min_revision = revision;
        self
    }

    /// Asks for a list of series that begin with one of these only.
    #[must_use]
    pub fn with_series_prefixes(mut self, prefixes: Option<HeaderValue>) -> Self {
        self.series_prefixes = prefixes;
        self
    }

    /// Has it taken by a backend that does not own the partition.
    #[must_use]
    pub(super) fn for_any_owner(mut self) -> Self {
        self.for_any_owner = true;
        self
    }

    /// Writes it for a connection to the backend whose `host` header has this value, with the
    /// header lines that follow it.
    pub(super) fn write(&self, host: &str, body: BodyLength, out: &mut Vec<u8>) {
        self.start(host, out);
        self.finish(body, out);
    }

    /// Writes it as a request to be answered from memory or not at all.
    pub(super) fn write_only_if_cached(&self, host: &str, body: BodyLength, out: &mut Vec<u8>) {
        self.start(host, out);
        out.extend_from_slice(b"cache-control: only-if-cached\r\n");
        self.finish(body, out);
    }

    /// Writes the request line and the client's headers.
    fn start(&self, host: &str, out: &mut Vec<u8>) {
        let path = self.uri.path_and_query().map_or("/", |path| path.as_str());
        for part in [
            self.method.as_str(),
            " ",
            path,
            " HTTP/1.1\r\nhost: ",
            host,
            "\r\n",
        ] {
            out.extend_from_slice(part.as_bytes());
        }
        self.each_header(|name, value| line(out, name, value));
    }

    /// Writes our own headers and the end of the head.
    fn finish(&self, body: BodyLength, out: &mut Vec<u8>) {
        if let Some(revision) = self.min_revision {
            put(out, format_args!("{MIN_REVISION}: {revision}\r\n"));
        }
        if self.for_any_owner {
            put(out, format_args!("{}: any\r\n", header::APPEND));
        }
        match body {
            BodyLength::Known(0) if self.method == Method::GET => {}
            BodyLength::Known(length) => put(out, format_args!("content-length: {length}\r\n")),
            BodyLength::Unknown => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        }
        out.extend_from_slice(b"\r\n");
    }

    /// The request for a service in this process. Of the extensions only the context is passed on:
    /// axum would take the path parameters of the gateway's route for its own.
    pub(super) fn into_request<B>(self, body: B) -> http::Request<B> {
        let mut request = http::Request::new(body);
        let headers = request.headers_mut();
        self.each_header(|name, value| {
            headers.append(name.clone(), value.clone());
        });
        if let Some(revision) = self.min_revision {
            let value = HeaderValue::try_from(revision.to_string());
            headers.insert(
                MIN_REVISION,
                value.expect("r and digits are a header value"),
            );
        }
        *request.method_mut() = self.method;
        *request.uri_mut() = self.uri;
        if let Some(context) = self.context {
            request.extensions_mut().insert(context);
        }
        request
    }

    fn each_header(&self, mut with: impl FnMut(&HeaderName, &HeaderValue)) {
        for name in self.forwarded {
            for value in self.headers.get_all(name) {
                with(name, value);
            }
        }
        if let Some(prefixes) = &self.series_prefixes {
            with(&SERIES_PREFIXES, prefixes);
        }
        if let Some(context) = &self.context {
            with(&REQUEST_ID, &context.request_id);
            if let Some(traceparent) = &context.traceparent {
                with(&TRACEPARENT, traceparent);
            }
        }
    }
}

/// Writes a request of the fast path, for a connection to the backend with these `host` lines, to
/// be answered from memory or not at all. It has only the headers that a prediction uses.
pub(super) fn write_fast(
    request: &FastRequest<'_>,
    min_revision: Option<Revision>,
    host: &str,
    out: &mut Vec<u8>,
) {
    for part in [
        b"POST ",
        request.target.as_bytes(),
        b" HTTP/1.1\r\nhost: ",
        host.as_bytes(),
        b"\r\ncache-control: only-if-cached\r\n",
        header::REQUEST_ID.as_bytes(),
        b": ",
        request.request_id,
    ] {
        out.extend_from_slice(part);
    }
    if let Some(traceparent) = request.traceparent() {
        for part in [b"\r\n", header::TRACEPARENT.as_bytes(), b": ", traceparent] {
            out.extend_from_slice(part);
        }
    }
    if let Some(revision) = min_revision {
        put(out, format_args!("\r\n{MIN_REVISION}: {revision}"));
    }
    put(
        out,
        format_args!("\r\ncontent-length: {}\r\n\r\n", request.body.len()),
    );
    out.extend_from_slice(request.body);
}

fn line(out: &mut Vec<u8>, name: &HeaderName, value: &HeaderValue) {
    for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
        out.extend_from_slice(part);
    }
}

fn put(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a Vec takes everything");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client_request() -> RequestHead {
        let request = http::Request::post("http://public/predict/a%2Bb%20%C3%A9?x=%2F&y")
            .header("content-type", "text/plain")
            .header("accept", "image/png")
            .header("accept", "*/*")
            .header("x-min-revision", "r9")
            .header("x-series-prefixes", "all")
            .header("x-request-id", "forged")
            .header("authorization", "secret")
            .header("connection", "x-evil")
            .header("transfer-encoding", "chunked")
            .header("content-length", "7")
            .header("host", "public")
            .extension(RequestContext {
                request_id: HeaderValue::from_static("id"),
                traceparent: Some(HeaderValue::from_static("00-trace")),
            })
            .body(())
            .unwrap();
        RequestHead::of(request.into_parts().0).with_min_revision(Some(Revision(3)))
    }

    #[test]
    fn only_the_headers_that_services_use_are_sent() {
        let mut out = Vec::new();
        client_request().write("backend:9000", BodyLength::Known(5), &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            concat!(
                "POST /predict/a%2Bb%20%C3%A9?x=%2F&y HTTP/1.1\r\nhost: backend:9000\r\n",
                "content-type: text/plain\r\naccept: image/png\r\naccept: */*\r\n",
                "x-request-id: id\r\ntraceparent: 00-trace\r\nx-min-revision: r3\r\ncontent-length: 5\r\n\r\n"
            )
        );
    }

    #[test]
    fn a_service_in_this_process_gets_the_same_headers() {
        let request = client_request().into_request(());
        let mut names: Vec<_> = request
            .headers()
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        names.sort();
        assert_eq!(
            names,
            [
                "accept: */*",
                "accept: image/png",
                "content-type: text/plain",
                "traceparent: 00-trace",
                "x-min-revision: r3",
                "x-request-id: id",
            ]
        );
        assert_eq!(
            request.uri().path_and_query().unwrap(),
            "/predict/a%2Bb%20%C3%A9?x=%2F&y"
        );
        assert_eq!(request.extensions().len(), 1);
        assert!(request.extensions().get::<RequestContext>().is_some());
    }

    #[test]
    fn a_body_of_unknown_length_is_announced_as_chunked_and_head_asks_as_get() {
        let request = http::Request::head("/plot").body(()).unwrap();
        let head = RequestHead::of(request.into_parts().0);
        let mut out = Vec::new();
        head.write("b", BodyLength::Known(0), &mut out);
        assert_eq!(out, b"GET /plot HTTP/1.1\r\nhost: b\r\n\r\n");
        out.clear();
        head.write("b", BodyLength::Unknown, &mut out);
        assert!(out.ends_with(b"transfer-encoding: chunked\r\n\r\n"));
    }
}
