//! A client that sends exactly what a test says: no path is normalised, no header added that was not asked for.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, ensure};
use contract::{FitReply, HealthReply, Point, PredictReply, Problem, Version};
use serde::de::DeserializeOwned;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{eventually, series};

/// Calls one gateway (or service), a new connection each time.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    addr: SocketAddr,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The body, with chunks put together.
    pub body: Vec<u8>,
}

/// Longer than any timeout of the platform: a call that takes this long hangs.
const PATIENCE: Duration = Duration::from_secs(90);

impl Client {
    /// A client of whatever listens at `addr`.
    pub fn new(addr: SocketAddr) -> Self {
        Self { addr }
    }

    /// Where it calls.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Sends `request` as it stands and reads one reply.
    ///
    /// # Errors
    /// When there is no reply that can be read.
    pub async fn raw(&self, request: &[u8]) -> anyhow::Result<Reply> {
        let exchange = async {
            let mut socket = TcpStream::connect(self.addr).await.context("connecting")?;
            exchange(&mut socket, request).await
        };
        tokio::time::timeout(PATIENCE, exchange)
            .await
            .context("no reply in time")?
    }

    /// Sends all of `POST path` but the last byte of `body`, once the platform has asked for the body: the request is admitted,
    /// and in flight until [`Begun::finish`].
    ///
    /// # Errors
    /// When it is not admitted.
    pub async fn begin(&self, path: &str, body: &str) -> anyhow::Result<Begun> {
        let expect = [("expect", "100-continue")];
        let mut request = self.request("POST", path, &expect, Some(body.as_bytes()));
        let mut body = request.split_off(request.len() - body.len());
        let rest = body.split_off(body.len() - 1);
        let begin = async {
            let mut socket = TcpStream::connect(self.addr).await.context("connecting")?;
            socket.write_all(&request).await?;
            let mut interim = [0; b"HTTP/1.1 100 Continue\r\n\r\n".len()];
            socket.read_exact(&mut interim).await?;
            let interim = String::from_utf8_lossy(&interim);
            ensure!(interim.starts_with("HTTP/1.1 100 "), "{interim}…");
            socket.write_all(&body).await?;
            Ok(Begun { socket, rest })
        };
        tokio::time::timeout(PATIENCE, begin)
            .await
            .context("no reply in time")?
    }

    /// Sends one request with `body`, if there is one, and its length.
    ///
    /// # Errors
    /// When there is no reply that can be read.
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> anyhow::Result<Reply> {
        self.raw(&self.request(method, path, headers, body)).await
    }

    fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> Vec<u8> {
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n",
            self.addr
        );
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(body) = body {
            request.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        request.push_str("\r\n");
        let mut request = request.into_bytes();
        request.extend_from_slice(body.unwrap_or_default());
        request
    }

    /// `GET path`.
    ///
    /// # Errors
    /// When there is no reply that can be read.
    pub async fn get(&self, path: &str) -> anyhow::Result<Reply> {
        self.send("GET", path, &[], None).await
    }

    /// `POST path` with `body`.
    ///
    /// # Errors
    /// When there is no reply that can be read.
    pub async fn post(&self, path: &str, body: &str) -> anyhow::Result<Reply> {
        self.send("POST", path, &[], Some(body.as_bytes())).await
    }

    /// Fits `series` (percent-encoded) on `points`.
    ///
    /// # Errors
    /// Anything but a 200.
    pub async fn fit(&self, series: &str, points: &[Point]) -> anyhow::Result<FitReply> {
        let body = series::body(points);
        self.post(&format!("/fit/{series}"), &body).await?.ok()
    }

    /// Asks whether `value` is an anomaly of `series` (percent-encoded).
    ///
    /// # Errors
    /// Anything but a 200.
    pub async fn predict(&self, series: &str, value: f64) -> anyhow::Result<PredictReply> {
        let body = format!(r#"{{"timestamp":1693460000,"value":{value:?}}}"#);
        self.post(&format!("/predict/{series}"), &body).await?.ok()
    }

    /// The plot of a version of `series` (percent-encoded) as SVG, as soon as its points are stored.
    ///
    /// # Errors
    /// Anything but a 200, and but a 503 that says when to come again.
    pub async fn plot(&self, series: &str, version: Version) -> anyhow::Result<String> {
        let path = format!("/plot?series_id={series}&version={version}&format=svg");
        let reply = eventually("the points to be stored", || async {
            let reply = self.get(&path).await?;
            let pending = reply.status == 503 && reply.header("retry-after").is_some();
            ensure!(!pending, "{}", reply.text());
            Ok(reply)
        });
        let reply = reply.await?;
        ensure!(reply.status == 200, "{} {}", reply.status, reply.text());
        Ok(reply.text())
    }

    /// The health check.
    ///
    /// # Errors
    /// Anything but a 200.
    pub async fn health(&self) -> anyhow::Result<HealthReply> {
        self.get("/healthcheck").await?.ok()
    }
}

/// A request that has been sent but for its last byte.
pub struct Begun {
    socket: TcpStream,
    rest: Vec<u8>,
}

impl Begun {
    /// Sends the last byte and reads the reply.
    ///
    /// # Errors
    /// When there is no reply that can be read.
    pub async fn finish(mut self) -> anyhow::Result<Reply> {
        let exchange = exchange(&mut self.socket, &self.rest);
        tokio::time::timeout(PATIENCE, exchange)
            .await
            .context("no reply in time")?
    }
}

/// Sends `request` and reads one reply.
async fn exchange(socket: &mut TcpStream, request: &[u8]) -> anyhow::Result<Reply> {
    // A server may refuse early and stop reading: then what it said counts, not that it did.
    let sent = socket.write_all(request).await;
    let mut received = Vec::new();
    let read = read_reply(socket, &mut received).await;
    match (Reply::parse(&received), sent, read) {
        (Ok(reply), ..) => Ok(reply),
        (Err(error), Ok(()), Ok(())) => Err(error),
        (Err(_), sent, read) => Err(sent.and(read).expect_err("one of them failed").into()),
    }
}

/// Reads until the server closes, or the reply is complete by its own framing.
async fn read_reply(socket: &mut TcpStream, received: &mut Vec<u8>) -> std::io::Result<()> {
    while !Reply::is_complete(received) && socket.read_buf(received).await? > 0 {}
    Ok(())
}

impl Reply {
    /// The value of header `name` (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    }

    /// The body as `T`.
    ///
    /// # Errors
    /// When it is something else.
    pub fn json<T: DeserializeOwned>(&self) -> anyhow::Result<T> {
        serde_json::from_slice(&self.body)
            .with_context(|| format!("{} {:?}", self.status, self.text()))
    }

    /// The body of a success.
    ///
    /// # Errors
    /// When the status is not 200.
    pub fn ok<T: DeserializeOwned>(&self) -> anyhow::Result<T> {
        ensure!(self.status == 200, "{} {}", self.status, self.text());
        self.json()
    }

    /// The problem in the body, checked against status, content type and request id of the reply.
    ///
    /// # Errors
    /// When it is not a proper problem.
    pub fn problem(&self) -> anyhow::Result<Problem> {
        let problem: Problem = self.json()?;
        ensure!(
            self.header("content-type") == Some(Problem::CONTENT_TYPE),
            "content type {:?}",
            self.header("content-type")
        );
        ensure!(
            problem.status == self.status,
            "body says {}, reply {}",
            problem.status,
            self.status
        );
        ensure!(
            !problem.detail.is_empty() && !problem.code.is_empty() && !problem.title.is_empty(),
            "empty words in {problem:?}"
        );
        ensure!(
            problem.request_id.as_deref() == self.header("x-request-id"),
            "request id of {problem:?}"
        );
        Ok(problem)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn parse(received: &[u8]) -> anyhow::Result<Self> {
        let (mut reply, rest) = Self::head(received)
            .with_context(|| format!("no reply in {} bytes", received.len()))?;
        reply.body = match (
            reply.header("transfer-encoding"),
            reply.header("content-length"),
        ) {
            (Some("chunked"), _) => dechunk(rest).context("broken chunks")?,
            (_, Some(length)) => rest
                .get(..length.parse()?)
                .context("body cut short")?
                .to_vec(),
            _ => rest.to_vec(),
        };
        Ok(reply)
    }

    /// Whether `received` ends where its framing says; a reply that ends with the connection never is.
    fn is_complete(received: &[u8]) -> bool {
        let Some((reply, rest)) = Self::head(received) else {
            return false;
        };
        match (
            reply.header("transfer-encoding"),
            reply.header("content-length"),
        ) {
            (Some(_), _) => rest.ends_with(b"0\r\n\r\n"),
            (None, Some(length)) => length
                .parse()
                .is_ok_and(|length: usize| rest.len() >= length),
            (None, None) => false,
        }
    }

    fn head(received: &[u8]) -> Option<(Self, &[u8])> {
        let end = received.windows(4).position(|w| w == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&received[..end]);
        let mut lines = head.split("\r\n");
        let status: u16 = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        if (100..200).contains(&status) {
            return Self::head(&received[end + 4..]);
        }
        let headers = lines.filter_map(|line| line.split_once(':'));
        let headers = headers
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        Some((
            Self {
                status,
                headers,
                body: Vec::new(),
            },
            &received[end + 4..],
        ))
    }
}

fn dechunk(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = rest.windows(2).position(|w| w == b"\r\n")?;
        let size = usize::from_str_radix(
            std::str::from_utf8(&rest[..line]).ok()?.split(';').next()?,
            16,
        )
        .ok()?;
        rest = &rest[line + 2..];
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(..size)?);
        rest = rest.get(size + 2..)?;
    }
}
