//! Requests and replies of the API, without its routes.

mod api_key;
mod error;
mod ndjson;
mod tls;
mod url;

use std::{
    fmt, thread,
    time::{Duration, Instant},
};

use contract::{Revision, header::RETRY_AFTER_MS};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;
use ureq::{
    Agent, AsSendBody, Body,
    http::{
        HeaderName, Method, Request, Response,
        header::{AUTHORIZATION, CONTENT_TYPE, ETAG, EXPECT},
    },
};

pub(crate) use self::tls::InvalidTlsFile;
use crate::args::TlsFiles;

pub(crate) use self::{
    api_key::ApiKeyHeader, error::ClientError, ndjson::NdjsonReader, url::BaseUrl,
};

/// Characters to encode in a path or a query: all but the unreserved ones of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const REPLY_TIMEOUT: Duration = Duration::from_secs(120);
const MAX_REPLY_BYTES: u64 = 256 * 1024 * 1024;
/// A body of at least this size, in bytes, is sent once the platform has agreed to take it.
const ASK_BEFORE: usize = 1024 * 1024;
/// A request that may be sent again is sent at most this often while the answer is 503 with a
/// `Retry-After`.
const ATTEMPTS: u32 = 5;
/// How long a call that may be made again is repeated while nothing answers.
const PATIENCE: Duration = Duration::from_secs(60);
/// The first wait for a platform that does not answer; each later one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The longest wait for a server that asks for one.
const MAX_PAUSE: Duration = Duration::from_secs(5);

/// A reply, both parsed and unchanged.
#[derive(Clone, Debug)]
pub(crate) struct Reply<T> {
    pub(crate) body: T,
    pub(crate) raw: String,
    /// The revision of the series, if the reply has one.
    pub(crate) revision: Option<Revision>,
}

impl<T> Reply<T> {
    /// The reply unchanged, without the line feed at its end.
    pub(crate) fn line(&self) -> &str {
        self.raw.trim_end()
    }
}

/// A request to the platform.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    method: Method,
    route: String,
    headers: Vec<(HeaderName, String)>,
    body: Option<&'a [u8]>,
    timeout: Timeout,
}

/// The longest wait for a reply.
#[derive(Clone, Copy, Debug)]
enum Timeout {
    /// [`REPLY_TIMEOUT`] until it begins, and again until it ends.
    Usual,
    /// This time in all.
    AtMost(Duration),
    /// [`REPLY_TIMEOUT`] until it begins, and then no limit, because the reader of the lines may be
    /// slow.
    ForLines,
}

impl<'a> Call<'a> {
    pub(crate) fn get(route: impl Into<String>) -> Self {
        Self::new(Method::GET, route)
    }

    pub(crate) fn delete(route: impl Into<String>) -> Self {
        Self::new(Method::DELETE, route)
    }

    pub(crate) fn post(route: impl Into<String>, body: &'a [u8]) -> Self {
        Self::new(Method::POST, route).sending(body)
    }

    pub(crate) fn put(route: impl Into<String>, body: &'a [u8]) -> Self {
        Self::new(Method::PUT, route).sending(body)
    }

    /// Adds this header, if there is a value for it.
    pub(crate) fn with(mut self, name: HeaderName, value: Option<String>) -> Self {
        self.headers.extend(value.map(|value| (name, value)));
        self
    }

    /// Prepares for a reply that is read by [`Http::lines`].
    pub(crate) fn for_lines(mut self) -> Self {
        self.timeout = Timeout::ForLines;
        self
    }

    /// Gives up after `limit`.
    pub(crate) fn within(mut self, limit: Duration) -> Self {
        self.timeout = Timeout::AtMost(limit);
        self
    }

    fn new(method: Method, route: impl Into<String>) -> Self {
        Self {
            method,
            route: route.into(),
            headers: Vec::new(),
            body: None,
            timeout: Timeout::Usual,
        }
    }

    fn sending(mut self, body: &'a [u8]) -> Self {
        self.body = Some(body);
        if !body.is_empty() {
            self.headers
                .push((CONTENT_TYPE, "application/json".to_owned()));
        }
        if body.len() >= ASK_BEFORE {
            self.headers.push((EXPECT, "100-continue".to_owned()));
        }
        self
    }
}

/// A client of one platform, which several threads may use. Connections are kept alive.
#[derive(Debug)]
pub(crate) struct Http {
    agent: Agent,
    url: BaseUrl,
    key: Option<ApiKeyHeader>,
}

impl Http {
    /// Sends `key` with every request, and keeps up to `connections` open. Over TLS it uses `files`.
    pub(crate) fn new(
        url: &BaseUrl,
        key: Option<&ApiKeyHeader>,
        files: &TlsFiles,
        connections: usize,
    ) -> Result<Self, InvalidTlsFile> {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            // Platforms are reached directly, and a health check in a container must not depend on
            // a proxy.
            .proxy(None)
            .user_agent(concat!("anomaly/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_recv_response(Some(REPLY_TIMEOUT))
            .timeout_recv_body(Some(REPLY_TIMEOUT))
            .max_idle_connections(connections)
            .max_idle_connections_per_host(connections)
            .tls_config(tls::config(url, files)?)
            .build();
        Ok(Self {
            agent: config.new_agent(),
            url: url.clone(),
            key: key.cloned(),
        })
    }

    /// Makes `call` and reads the reply, if it is a success.
    pub(crate) fn json<T: DeserializeOwned>(
        &self,
        call: &Call<'_>,
    ) -> Result<Reply<T>, ClientError> {
        let reply = self.send(call)?;
        let status = reply.status().as_u16();
        let revision = revision(&reply);
        let bytes = self.success(reply)?;
        let foreign = |bytes: &[u8]| self.foreign(status, bytes);
        let raw = String::from_utf8(bytes).map_err(|e| foreign(e.as_bytes()))?;
        match serde_json::from_str(&raw) {
            Ok(body) => Ok(Reply {
                body,
                raw,
                revision,
            }),
            Err(_) => Err(foreign(raw.as_bytes())),
        }
    }

    /// Makes `call`; the bytes of the reply, if it is a success.
    pub(crate) fn bytes(&self, call: &Call<'_>) -> Result<Vec<u8>, ClientError> {
        self.success(self.send(call)?)
    }

    /// Makes `call`; the lines of the reply as they come, if it is a success.
    pub(crate) fn lines(&self, call: &Call<'_>) -> Result<NdjsonReader, ClientError> {
        let reply = self.send(call)?;
        if reply.status().is_success() {
            return Ok(NdjsonReader::new(reply, self.url.clone()));
        }
        let status = reply.status().as_u16();
        let said = self.success(reply)?;
        Err(self.foreign(status, &said))
    }

    fn send(&self, call: &Call<'_>) -> Result<Response<Body>, ClientError> {
        let mut request = Request::builder()
            .method(&call.method)
            .uri(format!("{}{}", self.url, call.route));
        if let Some(ApiKeyHeader(key)) = &self.key {
            request = request.header(AUTHORIZATION, key);
        }
        for (name, value) in &call.headers {
            request = request.header(name, value);
        }
        let sent = match call.body {
            Some(body) => self.run(request.body(body), call.timeout),
            None => self.run(request.body(()), call.timeout),
        };
        sent.map_err(|e| self.unreachable(e))
    }

    fn run(
        &self,
        request: Result<Request<impl AsSendBody>, ureq::http::Error>,
        timeout: Timeout,
    ) -> Result<Response<Body>, ureq::Error> {
        let request = self.agent.configure_request(request?);
        let request = match timeout {
            Timeout::Usual => request,
            Timeout::AtMost(limit) => request.timeout_global(Some(limit)),
            Timeout::ForLines => request.timeout_recv_body(None),
        };
        self.agent.run(request.build())
    }

    /// The body of a reply, if it is a success. It is read to its end in any case, so that the
    /// connection can be used again.
    fn success(&self, mut reply: Response<Body>) -> Result<Vec<u8>, ClientError> {
        let body = reply
            .body_mut()
            .with_config()
            .limit(MAX_REPLY_BYTES)
            .read_to_vec()
            .map_err(|e| self.unreachable(e))?;
        if reply.status().is_success() {
            return Ok(body);
        }
        match serde_json::from_slice(&body) {
            Ok(problem) => Err(ClientError::Refused {
                problem: Box::new(problem),
                retry_after: retry_after(&reply),
            }),
            Err(_) => Err(self.foreign(reply.status().as_u16(), &body)),
        }
    }

    fn unreachable(&self, source: ureq::Error) -> ClientError {
        ClientError::Unreachable {
            url: self.url.clone(),
            source: Box::new(source),
        }
    }

    fn foreign(&self, status: u16, body: &[u8]) -> ClientError {
        ClientError::foreign(&self.url, status, &String::from_utf8_lossy(body))
    }
}

/// `text` as one segment of a path, or one value of a query.
pub(crate) fn encode(text: &str) -> impl fmt::Display + '_ {
    utf8_percent_encode(text, RESERVED)
}

/// The value of header `name`, if it is text.
fn header<'a>(reply: &'a Response<Body>, name: &str) -> Option<&'a str> {
    reply.headers().get(name)?.to_str().ok()
}

/// The time until another try: `retry-after-ms` in milliseconds, or else `retry-after` in seconds.
fn retry_after(reply: &Response<Body>) -> Option<Duration> {
    let number = |name: &str| -> Option<u64> { header(reply, name)?.trim().parse().ok() };
    number(RETRY_AFTER_MS)
        .map(Duration::from_millis)
        .or_else(|| number("retry-after").map(Duration::from_secs))
}

/// The revision in the quotes of an ETag.
fn revision(reply: &Response<Body>) -> Option<Revision> {
    let tag = header(reply, ETAG.as_str())?;
    let inside = tag.trim().strip_prefix('"')?.strip_suffix('"')?;
    inside.parse().ok()
}

/// Makes a call that changes nothing. Repeats it if the server is too busy and says when to come
/// back.
pub(crate) fn retry<T>(call: impl Fn() -> Result<T, ClientError>) -> Result<T, ClientError> {
    for _ in 1..ATTEMPTS {
        match call() {
            Err(ClientError::Refused {
                problem,
                retry_after: Some(pause),
            }) if matches!(problem.status, 429 | 503) && pause <= MAX_PAUSE => wait(pause),
            done => return done,
        }
    }
    call()
}

/// Makes a call that may be made again whatever became of it: repeats it for a while if the
/// connection broke, nothing answers, the server is too busy, or the reply is not `settled`.
pub(crate) fn retry_unanswered<T>(
    call: impl Fn() -> Result<T, ClientError>,
    settled: impl Fn(&T) -> bool,
) -> Result<T, ClientError> {
    let began = Instant::now();
    retry_while(call, settled, |_, pause| {
        let is_patient = began.elapsed() < PATIENCE;
        if is_patient {
            wait(pause);
        }
        is_patient
    })
}

/// As [`retry_unanswered`], as long as `wait` says that another try is worth it, which it does once
/// the pause is over. It is told why the last try failed, if it did.
pub(crate) fn retry_while<T>(
    call: impl Fn() -> Result<T, ClientError>,
    settled: impl Fn(&T) -> bool,
    mut wait: impl FnMut(Option<&ClientError>, Duration) -> bool,
) -> Result<T, ClientError> {
    let mut pause = FIRST_PAUSE;
    loop {
        let done = call();
        let error = match &done {
            Ok(reply) if settled(reply) => return done,
            Err(error) if !error.may_pass() => return done,
            Ok(_) => None,
            Err(error) => Some(error),
        };
        let asked = error.and_then(ClientError::retry_after);
        if !wait(error, asked.unwrap_or(pause).min(MAX_PAUSE)) {
            return done;
        }
        pause = (pause * 2).min(MAX_PAUSE);
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the server asked for this time, or is away: there is no condition to wait for"
)]
fn wait(pause: Duration) {
    thread::sleep(pause);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_encoded_whole() {
        assert_eq!(
            encode("a b?c#d%&é+x.y-z_~").to_string(),
            "a%20b%3Fc%23d%25%26%C3%A9%2Bx.y-z_~"
        );
    }
}
