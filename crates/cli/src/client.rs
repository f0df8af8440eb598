//! The HTTP API, one method a route.

use std::{fmt, str::FromStr, thread, time::Duration};

use contract::{
    FitReply, FitRequest, HealthReply, Point, PredictReply, Problem, SeriesId, Version,
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;
use ureq::{Agent, Body, http::Response};

use crate::args::PlotFormat;

/// What need not be encoded in a path or a query: RFC 3986's unreserved characters.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const REPLY_TIMEOUT: Duration = Duration::from_secs(120);
const READY_TIMEOUT: Duration = Duration::from_secs(2);
const MAX_REPLY_BYTES: u64 = 256 * 1024 * 1024;
/// How often a request that was answered with 503 and a `Retry-After` is sent in all, if it may be sent again.
const ATTEMPTS: u32 = 5;
/// A server that wants to be left alone for longer is not waited for.
const MAX_PAUSE: Duration = Duration::from_secs(5);

/// The address of a platform: `http://host:port`, perhaps with a path before the routes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl(String);

/// A text that is no address of a platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUrl {
    /// It starts with `https://`.
    #[error("this client speaks http only; put a proxy in between for https")]
    Https,
    /// It is no URL, or one with a query.
    #[error("must look like http://localhost:8080")]
    Form,
}

impl FromStr for BaseUrl {
    type Err = InvalidUrl;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let full = match text.split_once("://") {
            Some(("http", _)) => text.to_owned(),
            Some(("https", _)) => return Err(InvalidUrl::Https),
            Some(_) => return Err(InvalidUrl::Form),
            None => format!("http://{text}"),
        };
        let url: ureq::http::Uri = full.parse().map_err(|_| InvalidUrl::Form)?;
        if url.host().is_none_or(str::is_empty) || url.query().is_some() {
            return Err(InvalidUrl::Form);
        }
        Ok(Self(full.trim_end_matches('/').to_owned()))
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why there is no reply to use.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No reply came.
    #[error("no answer from {url}: {source}")]
    Unreachable {
        /// The platform.
        url: BaseUrl,
        /// What happened instead.
        source: Box<ureq::Error>,
    },
    /// The platform said no.
    #[error("{}", refusal(.problem))]
    Refused {
        /// Why.
        problem: Box<Problem>,
        /// When it is worth another try, if ever.
        retry_after: Option<Duration>,
    },
    /// Something answered that is not the platform.
    #[error("{url} answered {status}, which is no reply of an anomaly detection platform: {start}")]
    Foreign {
        /// The platform's address.
        url: BaseUrl,
        /// The status of the reply.
        status: u16,
        /// How its body starts.
        start: String,
    },
}

/// The problem as text: the sentence, then each fault, then the words to search logs for.
fn refusal(problem: &Problem) -> String {
    let mut text = format!("{} ({})", problem.detail, problem.status);
    for fault in &problem.errors {
        text.push_str("\n  ");
        text.push_str(&fault.detail);
    }
    text.push_str("\n  code: ");
    text.push_str(&problem.code);
    if let Some(id) = &problem.request_id {
        text.push_str(", request: ");
        text.push_str(id);
    }
    text
}

/// A reply, read and as it came.
#[derive(Clone, Debug)]
pub(crate) struct Reply<T> {
    pub(crate) body: T,
    pub(crate) raw: String,
}

/// Which picture of a series.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PlotQuery {
    /// Of which version; the newest if none.
    pub(crate) version: Option<Version>,
    /// Width in pixels, if not the platform's default.
    pub(crate) width: Option<u32>,
    /// Height in pixels, if not the platform's default.
    pub(crate) height: Option<u32>,
    /// Kind of picture, if not the platform's default.
    pub(crate) format: Option<PlotFormat>,
}

/// A client of one platform, to be shared by threads. Connections are kept alive.
#[derive(Debug)]
pub(crate) struct Client {
    agent: Agent,
    url: BaseUrl,
}

impl Client {
    /// A client that keeps up to `connections` open.
    pub(crate) fn new(url: &BaseUrl, connections: usize) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            // Platforms are reached directly, and a health check in a container must not depend on a proxy.
            .proxy(None)
            .user_agent(concat!("anomaly/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_recv_response(Some(REPLY_TIMEOUT))
            .timeout_recv_body(Some(REPLY_TIMEOUT))
            .max_idle_connections(connections)
            .max_idle_connections_per_host(connections)
            .build();
        Self {
            agent: config.new_agent(),
            url: url.clone(),
        }
    }

    /// Fits a new version of `series`. Sent once: another try could make another version.
    pub(crate) fn fit(
        &self,
        series: &SeriesId,
        points: &FitRequest,
    ) -> Result<Reply<FitReply>, ClientError> {
        let body = serde_json::to_vec(points).expect("integers and finite numbers are JSON");
        self.read(self.post("fit", series, &body)?)
    }

    /// Judges one point.
    pub(crate) fn predict(
        &self,
        series: &SeriesId,
        point: Point,
    ) -> Result<Reply<PredictReply>, ClientError> {
        let body = serde_json::to_vec(&point).expect("a point is JSON");
        persist(|| self.read(self.post("predict", series, &body)?))
    }

    /// Draws one version of `series`: the bytes of the picture.
    pub(crate) fn plot(&self, series: &SeriesId, query: PlotQuery) -> Result<Vec<u8>, ClientError> {
        let mut route = format!("/plot?series_id={}", encode(series));
        let pixels = |number: Option<u32>| number.map(|n| n.to_string());
        for (name, value) in [
            ("version", query.version.map(|v| v.to_string())),
            ("width", pixels(query.width)),
            ("height", pixels(query.height)),
            ("format", query.format.map(|f| f.name().to_owned())),
        ] {
            if let Some(value) = value {
                route.push_str(&format!("&{name}={value}"));
            }
        }
        persist(|| self.success(self.get(&route)?))
    }

    /// The figures of the platform.
    pub(crate) fn health(&self) -> Result<Reply<HealthReply>, ClientError> {
        self.read(self.get("/healthcheck")?)
    }

    /// Asks whether the service takes requests: the reply's body if it does.
    pub(crate) fn ready(&self) -> Result<String, ClientError> {
        let request = self.agent.get(format!("{}/readyz", self.url));
        let limited = request.config().timeout_global(Some(READY_TIMEOUT)).build();
        let reply = limited.call().map_err(|e| self.unreachable(e))?;
        let body = self.success(reply)?;
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    fn get(&self, route: &str) -> Result<Response<Body>, ClientError> {
        let reply = self.agent.get(format!("{}{route}", self.url)).call();
        reply.map_err(|e| self.unreachable(e))
    }

    fn post(
        &self,
        route: &str,
        series: &SeriesId,
        body: &[u8],
    ) -> Result<Response<Body>, ClientError> {
        let url = format!("{}/{route}/{}", self.url, encode(series));
        let request = self.agent.post(url).content_type("application/json");
        request.send(body).map_err(|e| self.unreachable(e))
    }

    fn read<T: DeserializeOwned>(&self, reply: Response<Body>) -> Result<Reply<T>, ClientError> {
        let status = reply.status().as_u16();
        let bytes = self.success(reply)?;
        let foreign = |bytes: &[u8]| self.foreign(status, bytes);
        let raw = String::from_utf8(bytes).map_err(|e| foreign(e.as_bytes()))?;
        match serde_json::from_str(&raw) {
            Ok(body) => Ok(Reply { body, raw }),
            Err(_) => Err(foreign(raw.as_bytes())),
        }
    }

    /// The body of a reply that is a success. Read to its end either way, so that the connection can be used again.
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
        let text = String::from_utf8_lossy(body);
        ClientError::Foreign {
            url: self.url.clone(),
            status,
            start: text.chars().take(200).collect(),
        }
    }
}

fn encode(series: &SeriesId) -> impl fmt::Display + '_ {
    utf8_percent_encode(series.as_str(), RESERVED)
}

/// When to come back: exactly in `retry-after-ms`, else in whole seconds.
fn retry_after(reply: &Response<Body>) -> Option<Duration> {
    let number = |name: &str| -> Option<u64> {
        reply
            .headers()
            .get(name)?
            .to_str()
            .ok()?
            .trim()
            .parse()
            .ok()
    };
    number("retry-after-ms")
        .map(Duration::from_millis)
        .or_else(|| number("retry-after").map(Duration::from_secs))
}

/// Makes a call that changes nothing, again if the server was too busy and said when to come back.
fn persist<T>(call: impl Fn() -> Result<T, ClientError>) -> Result<T, ClientError> {
    for _ in 1..ATTEMPTS {
        match call() {
            Err(ClientError::Refused {
                problem,
                retry_after: Some(pause),
            }) if problem.status == 503 && pause <= MAX_PAUSE => wait(pause),
            done => return done,
        }
    }
    call()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the server asked for this time, and there is no condition to wait for"
)]
fn wait(pause: Duration) {
    thread::sleep(pause);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_with_or_without_its_scheme() {
        for (text, url) in [
            ("http://localhost:8080", "http://localhost:8080"),
            ("localhost:8080/", "http://localhost:8080"),
            ("http://10.0.0.1/platform//", "http://10.0.0.1/platform"),
            ("[::1]:8080", "http://[::1]:8080"),
        ] {
            assert_eq!(text.parse(), Ok(BaseUrl(url.to_owned())));
        }
        assert_eq!("https://x".parse::<BaseUrl>(), Err(InvalidUrl::Https));
        for text in ["", "http://", "ftp://x", "http://a b", "http://x/?a=b"] {
            assert_eq!(text.parse::<BaseUrl>(), Err(InvalidUrl::Form), "{text}");
        }
    }

    #[test]
    fn ids_are_encoded_whole() {
        let series = SeriesId::new("a b?c#d%&é+x.y-z_~").unwrap();
        assert_eq!(
            encode(&series).to_string(),
            "a%20b%3Fc%23d%25%26%C3%A9%2Bx.y-z_~"
        );
    }
}
