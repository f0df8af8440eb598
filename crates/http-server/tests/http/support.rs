//! A served router and a client that says exactly what it is told to.

use std::{collections::HashMap, net::SocketAddr, time::Duration};

use anyhow::{Context, ensure};
use http_server::{Handler, Listener, ServerConfig, Tls, serve};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

/// Longer than anything here takes; a test that hangs fails instead.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const CONFIG: ServerConfig = ServerConfig {
    worker_threads: 2,
    max_connections: 100,
    header_timeout_seconds: 10,
    keep_alive_seconds: 75,
    shutdown_delay_seconds: 0,
};

pub(crate) struct Server {
    pub(crate) addr: SocketAddr,
    pub(crate) shutdown: CancellationToken,
    serving: JoinSet<anyhow::Result<()>>,
}

impl Server {
    pub(crate) fn start(app: impl Into<Handler> + Send + 'static) -> Self {
        Self::start_with(app, CONFIG)
    }

    pub(crate) fn start_with(
        app: impl Into<Handler> + Send + 'static,
        config: ServerConfig,
    ) -> Self {
        Self::start_over(None, app, config)
    }

    pub(crate) fn start_over(
        tls: Option<Tls>,
        app: impl Into<Handler> + Send + 'static,
        config: ServerConfig,
    ) -> Self {
        let any_port = ([127, 0, 0, 1], 0).into();
        let listener = Listener::bind(any_port).expect("a free port").with_tls(tls);
        let addr = listener.addr();
        let shutdown = CancellationToken::new();
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, app, config, shutdown.clone()));
        Self {
            addr,
            shutdown,
            serving,
        }
    }

    /// Stops the server; returns when it has ended.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        self.shutdown.cancel();
        self.ended().await
    }

    pub(crate) async fn ended(mut self) -> anyhow::Result<()> {
        let ended = timeout(PATIENCE, self.serving.join_next()).await;
        ended.context("hangs")?.context("was started")??
    }

    pub(crate) async fn connect(&self) -> Client {
        let connected = Client::connect(self.addr).await;
        connected.expect("the server listens")
    }

    /// Sends `request` on a connection of its own and reads one reply.
    pub(crate) async fn ask(&self, request: impl AsRef<[u8]>) -> anyhow::Result<Reply> {
        let mut client = self.connect().await;
        client.send(request).await?;
        client.reply().await
    }
}

pub(crate) struct Client<S = TcpStream> {
    pub(crate) stream: S,
    received: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Client {
    pub(crate) async fn connect(addr: SocketAddr) -> anyhow::Result<Self> {
        Ok(Self::over(TcpStream::connect(addr).await?))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub(crate) fn over(stream: S) -> Self {
        Self {
            stream,
            received: Vec::new(),
        }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) -> anyhow::Result<()> {
        Ok(self.stream.write_all(bytes.as_ref()).await?)
    }

    /// Sends until it is all sent or the server takes no more: what a client does that reads only afterwards.
    pub(crate) async fn send_what_goes(&mut self, bytes: &[u8]) {
        let sending = timeout(PATIENCE, self.stream.write_all(bytes)).await;
        let _ = sending.expect("the server neither reads nor closes");
    }

    /// Reads one reply, interim ones included.
    pub(crate) async fn reply(&mut self) -> anyhow::Result<Reply> {
        let end = loop {
            let end = self.received.windows(4).position(|w| w == b"\r\n\r\n");
            match end {
                Some(end) => break end,
                None => ensure!(self.more().await? > 0, "closed: {:?}", self.text()),
            }
        };
        let head = String::from_utf8(self.received.drain(..end + 4).collect())?;
        let mut lines = head.trim_end().split("\r\n");
        let status = lines
            .next()
            .and_then(|l| l.split(' ').nth(1))
            .context("no status")?;
        let headers: HashMap<_, _> = lines
            .filter_map(|l| l.split_once(": "))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let length = headers.get("content-length").map_or(Ok(0), |l| l.parse())?;
        while self.received.len() < length {
            ensure!(
                self.more().await? > 0,
                "closed in the body: {:?}",
                self.text()
            );
        }
        Ok(Reply {
            status: status.parse()?,
            headers,
            body: self.received.drain(..length).collect(),
        })
    }

    /// Whether the server ends the connection without saying more.
    pub(crate) async fn is_closed(&mut self) -> anyhow::Result<bool> {
        Ok(self.received.is_empty() && self.more().await? == 0)
    }

    async fn more(&mut self) -> anyhow::Result<usize> {
        let reading = self.stream.read_buf(&mut self.received);
        Ok(timeout(PATIENCE, reading).await.context("no answer")??)
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.received).into_owned()
    }
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    /// The problem of this reply, after checking that it is one in every respect.
    pub(crate) fn problem(&self) -> anyhow::Result<contract::Problem> {
        ensure!(
            self.header("content-type") == "application/problem+json",
            "no problem: {self:?}"
        );
        let problem: contract::Problem = serde_json::from_slice(&self.body)?;
        ensure!(problem.status == self.status, "{problem:?}");
        ensure!(!problem.detail.is_empty() && problem.kind == "about:blank");
        let id = problem.request_id.as_deref();
        ensure!(id == Some(self.header("x-request-id")), "{self:?}");
        Ok(problem)
    }
}
