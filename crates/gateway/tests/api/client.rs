//! A client that sends what it is told to, well formed or not.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, ensure};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// No reply takes this long.
const PATIENCE: Duration = Duration::from_secs(20);

/// One connection to the gateway.
pub(crate) struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// A whole reply.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// Status and code of a problem, after a look at what every problem has.
    #[track_caller]
    pub(crate) fn problem(&self) -> (u16, String) {
        let json = self.json();
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{self:?}"
        );
        assert_eq!(json["status"], self.status, "{self:?}");
        assert_eq!(
            json["request_id"].as_str(),
            self.header("x-request-id"),
            "{self:?}"
        );
        assert!(json["detail"].is_string(), "{self:?}");
        let code = json["code"].as_str().unwrap_or_default();
        (self.status, code.to_owned())
    }
}

impl Client {
    pub(crate) async fn connect(addr: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(addr).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: Vec::new(),
        })
    }

    pub(crate) async fn get(&mut self, path: &str) -> anyhow::Result<Reply> {
        self.ask(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n"))
            .await
    }

    pub(crate) async fn post(&mut self, path: &str, body: &str) -> anyhow::Result<Reply> {
        self.post_with(path, "", body).await
    }

    /// A POST with further header lines, each with its line end.
    pub(crate) async fn post_with(
        &mut self,
        path: &str,
        lines: &str,
        body: &str,
    ) -> anyhow::Result<Reply> {
        self.request(&format!("POST {path}"), lines, body).await
    }

    /// A request for `line` (method and target) with further header lines, each with its line end.
    pub(crate) async fn request(
        &mut self,
        line: &str,
        lines: &str,
        body: &str,
    ) -> anyhow::Result<Reply> {
        let length = body.len();
        self.ask(format!(
            "{line} HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n{lines}\r\n{body}"
        ))
        .await
    }

    /// Sends `bytes` and reads one reply.
    pub(crate) async fn ask(&mut self, bytes: impl AsRef<[u8]>) -> anyhow::Result<Reply> {
        self.send(bytes).await?;
        self.reply().await
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) -> anyhow::Result<()> {
        self.stream.write_all(bytes.as_ref()).await?;
        Ok(())
    }

    /// Reads one reply as a whole, with the body that its head says it has.
    pub(crate) async fn reply(&mut self) -> anyhow::Result<Reply> {
        timeout(PATIENCE, self.read_reply(true)).await?
    }

    /// Reads one reply without a body, whatever its head says of one.
    pub(crate) async fn bare_reply(&mut self) -> anyhow::Result<Reply> {
        timeout(PATIENCE, self.read_reply(false)).await?
    }

    async fn read_reply(&mut self, has_body: bool) -> anyhow::Result<Reply> {
        let mut reply = self.head().await?;
        if !has_body || matches!(reply.status, 204 | 304) {
            return Ok(reply);
        }
        reply.body = match reply.header("content-length") {
            Some(length) => self.take(length.parse()?).await?,
            None => self.chunks().await?,
        };
        Ok(reply)
    }

    /// Reads the head of a reply; its body is left.
    pub(crate) async fn head(&mut self) -> anyhow::Result<Reply> {
        let head = String::from_utf8(self.until(b"\r\n\r\n").await?)?;
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1));
        let mut reply = Reply {
            status: status.context("no status")?.parse()?,
            headers: Vec::new(),
            body: Vec::new(),
        };
        for line in lines {
            let (name, value) = line.split_once(": ").context("no header")?;
            reply.headers.push((name.to_lowercase(), value.to_owned()));
        }
        Ok(reply)
    }

    /// Reads the chunks of a body that are left.
    pub(crate) async fn chunks(&mut self) -> anyhow::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let chunk = self.chunk().await?;
            if chunk.is_empty() {
                return Ok(body);
            }
            body.extend(chunk);
        }
    }

    /// Reads one chunk of a body; the last one is empty.
    pub(crate) async fn chunk(&mut self) -> anyhow::Result<Vec<u8>> {
        let size = String::from_utf8(self.until(b"\r\n").await?)?;
        let chunk = self.take(usize::from_str_radix(&size, 16)?).await?;
        ensure!(self.take(2).await? == b"\r\n", "chunk does not end");
        Ok(chunk)
    }

    /// Reads `length` bytes of a body and drops them.
    pub(crate) async fn skip(&mut self, length: usize) -> anyhow::Result<()> {
        self.take(length).await.map(drop)
    }

    async fn take(&mut self, length: usize) -> anyhow::Result<Vec<u8>> {
        while self.buffer.len() < length {
            self.more().await?;
        }
        Ok(self.buffer.drain(..length).collect())
    }

    async fn until(&mut self, end: &[u8]) -> anyhow::Result<Vec<u8>> {
        loop {
            let found = self.buffer.windows(end.len()).position(|w| w == end);
            if let Some(at) = found {
                let before = self.buffer.drain(..at).collect();
                self.buffer.drain(..end.len());
                return Ok(before);
            }
            self.more().await?;
        }
    }

    async fn more(&mut self) -> anyhow::Result<()> {
        let read = self.stream.read_buf(&mut self.buffer).await?;
        ensure!(read > 0, "connection ended after {:?}", self.buffer.len());
        Ok(())
    }
}
