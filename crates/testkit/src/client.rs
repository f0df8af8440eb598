//! A client that sends exactly what a test says: it normalises no path and adds no header.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, ensure};
use contract::{
    AliasInfo, FitOptions, FitReply, HealthReply, ImportReply, ModelInfo, ModelList, Point,
    PredictReply, SeriesDetail, Version,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{Reply, eventually, series};

/// Calls one gateway (or service), over a new connection each time.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    addr: SocketAddr,
}

/// Longer than any timeout of the platform: a call that takes this long hangs.
const TIMEOUT: Duration = Duration::from_secs(90);

impl Client {
    /// A client of the server at `addr`.
    pub fn new(addr: SocketAddr) -> Self {
        Self { addr }
    }

    /// The address that it calls.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Sends `request` unchanged and reads one reply.
    ///
    /// # Errors
    /// When no valid reply comes.
    pub async fn raw(&self, request: &[u8]) -> anyhow::Result<Reply> {
        let exchange = async {
            let mut socket = TcpStream::connect(self.addr).await.context("connecting")?;
            exchange(&mut socket, request).await
        };
        tokio::time::timeout(TIMEOUT, exchange)
            .await
            .context("no reply in time")?
    }

    /// Sends all of `POST path` except the last byte of `body`, once the platform has asked for the
    /// body, which is not empty. So the request is admitted, and in flight until [`Begun::finish`].
    ///
    /// # Errors
    /// When the request is not admitted.
    pub async fn begin(&self, path: &str, body: impl AsRef<[u8]>) -> anyhow::Result<Begun> {
        let body = body.as_ref();
        let expect = [("expect", "100-continue")];
        let mut request = self.request("POST", path, &expect, Some(body));
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
        tokio::time::timeout(TIMEOUT, begin)
            .await
            .context("no reply in time")?
    }

    /// Sends one request with `body`, if there is one, and its length.
    ///
    /// # Errors
    /// When no valid reply comes.
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
    /// When no valid reply comes.
    pub async fn get(&self, path: &str) -> anyhow::Result<Reply> {
        self.send("GET", path, &[], None).await
    }

    /// `POST path` with `body`.
    ///
    /// # Errors
    /// When no valid reply comes.
    pub async fn post(&self, path: &str, body: &str) -> anyhow::Result<Reply> {
        self.send("POST", path, &[], Some(body.as_bytes())).await
    }

    /// `PUT path` with `headers` and `body`.
    ///
    /// # Errors
    /// When no valid reply comes.
    pub async fn put(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> anyhow::Result<Reply> {
        self.send("PUT", path, headers, Some(body.as_bytes())).await
    }

    /// `DELETE path` with `headers`.
    ///
    /// # Errors
    /// When no valid reply comes.
    pub async fn delete(&self, path: &str, headers: &[(&str, &str)]) -> anyhow::Result<Reply> {
        self.send("DELETE", path, headers, None).await
    }

    /// Fits `series` (percent-encoded) on `points`.
    ///
    /// # Errors
    /// Anything but a 200.
    pub async fn fit(&self, series: &str, points: &[Point]) -> anyhow::Result<FitReply> {
        self.fit_with(series, points, FitOptions::default()).await
    }

    /// Fits `series` (percent-encoded) on `points` with `options`.
    ///
    /// # Errors
    /// Anything but a 200.
    pub async fn fit_with(
        &self,
        series: &str,
        points: &[Point],
        options: FitOptions,
    ) -> anyhow::Result<FitReply> {
        let body = series::body_with(points, options);
        self.post(&format!("/fit/{series}"), &body).await?.ok()
    }

    /// Sets `alias` of `series` (percent-encoded) to `version`, a version or another alias.
    ///
    /// # Errors
    /// Anything but a 200.
    pub async fn set_alias(
        &self,
        series: &str,
        alias: &str,
        version: &str,
    ) -> anyhow::Result<AliasInfo> {
        let path = format!("/v1/series/{series}/aliases/{alias}");
        let body = format!(r#"{{"version":"{version}"}}"#);
        self.put(&path, &[], &body).await?.ok()
    }

    /// The description of `series` (percent-encoded).
    ///
    /// # Errors
    /// Anything but a 200.
    pub async fn series(&self, series: &str) -> anyhow::Result<SeriesDetail> {
        self.get(&format!("/v1/series/{series}")).await?.ok()
    }

    /// The models of `series` (percent-encoded), the newest first.
    ///
    /// # Errors
    /// Anything but a 200, and when the models do not fit one page.
    pub async fn models(&self, series: &str) -> anyhow::Result<Vec<ModelInfo>> {
        let path = format!("/v1/series/{series}/models?limit=1000");
        let list: ModelList = self.get(&path).await?.ok()?;
        ensure!(list.next.is_none(), "more than one page");
        Ok(list.models)
    }

    /// Model `version` of `series` (percent-encoded) as a file.
    ///
    /// # Errors
    /// Anything but a 200.
    pub async fn export(&self, series: &str, version: &str) -> anyhow::Result<Vec<u8>> {
        let path = format!("/v1/series/{series}/models/{version}/export");
        let reply = self.get(&path).await?;
        ensure!(reply.status == 200, "{} {}", reply.status, reply.text());
        Ok(reply.body)
    }

    /// Imports `file` as the next version of `series` (percent-encoded).
    ///
    /// # Errors
    /// Anything but a 201.
    pub async fn import(&self, series: &str, file: &[u8]) -> anyhow::Result<ImportReply> {
        let path = format!("/v1/series/{series}/models");
        let reply = self.send("POST", &path, &[], Some(file)).await?;
        ensure!(reply.status == 201, "{} {}", reply.status, reply.text());
        reply.json()
    }

    /// Asks whether `value` is an anomaly of `series` (percent-encoded).
    ///
    /// # Errors
    /// Anything but a 200.
    pub async fn predict(&self, series: &str, value: f64) -> anyhow::Result<PredictReply> {
        let body = format!(r#"{{"timestamp":1693460000,"value":{value:?}}}"#);
        self.post(&format!("/predict/{series}"), &body).await?.ok()
    }

    /// The plot of a version of `series` (percent-encoded) as SVG, as soon as its points are
    /// stored.
    ///
    /// # Errors
    /// Anything but a 200, or a 503 with `retry-after`.
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

/// A request whose last byte has not been sent.
pub struct Begun {
    socket: TcpStream,
    rest: Vec<u8>,
}

impl Begun {
    /// Sends the last byte and reads the reply.
    ///
    /// # Errors
    /// When no valid reply comes.
    pub async fn finish(mut self) -> anyhow::Result<Reply> {
        let exchange = exchange(&mut self.socket, &self.rest);
        tokio::time::timeout(TIMEOUT, exchange)
            .await
            .context("no reply in time")?
    }
}

/// Sends `request` and reads one reply.
async fn exchange(socket: &mut TcpStream, request: &[u8]) -> anyhow::Result<Reply> {
    // A server may refuse early and stop reading. Then its reply counts, not the failed write.
    let sent = socket.write_all(request).await;
    let mut received = Vec::new();
    let read = read_reply(socket, &mut received).await;
    match (Reply::parse(&received), sent, read) {
        (Ok(reply), ..) => Ok(reply),
        (Err(error), Ok(()), Ok(())) => Err(error),
        (Err(_), sent, read) => Err(sent.and(read).expect_err("one of them failed").into()),
    }
}

/// Reads until the server closes the connection or the reply is complete by its framing.
async fn read_reply(socket: &mut TcpStream, received: &mut Vec<u8>) -> std::io::Result<()> {
    while !Reply::is_complete(received) && socket.read_buf(received).await? > 0 {}
    Ok(())
}
