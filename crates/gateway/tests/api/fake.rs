//! A backend that does as the test says, byte by byte.

use std::{
    future::Future,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use anyhow::Context;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};

/// A backend; gone when dropped.
pub(crate) struct Fake {
    pub(crate) addr: SocketAddr,
    accepted: Arc<AtomicUsize>,
    received: Arc<Mutex<Vec<Received>>>,
    count: watch::Receiver<usize>,
    _accepting: JoinSet<()>,
}

/// A request, unchanged.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// The head, without the empty line at its end.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Received {
    pub(crate) fn line(&self) -> &str {
        self.head.lines().next().unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

/// One accepted connection.
pub(crate) struct Peer {
    pub(crate) stream: TcpStream,
    /// Counted from 0 in order of acceptance.
    pub(crate) number: usize,
    buffer: Vec<u8>,
    received: Arc<Mutex<Vec<Received>>>,
    count: watch::Sender<usize>,
}

impl Fake {
    /// A backend that runs `script` for each connection.
    pub(crate) async fn start<F, Fut>(script: F) -> anyhow::Result<Self>
    where
        F: Fn(Peer) -> Fut + Send + 'static,
        Fut: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let addr = listener.local_addr()?;
        let accepted = Arc::new(AtomicUsize::new(0));
        let received = Arc::new(Mutex::new(Vec::new()));
        let (count_sender, count) = watch::channel(0);
        let (accepts, requests) = (Arc::clone(&accepted), Arc::clone(&received));
        let mut accepting = JoinSet::new();
        accepting.spawn(async move {
            let mut peers = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                let peer = Peer {
                    stream,
                    number: accepts.fetch_add(1, Ordering::SeqCst),
                    buffer: Vec::new(),
                    received: Arc::clone(&requests),
                    count: count_sender.clone(),
                };
                peers.spawn(script(peer));
            }
        });
        Ok(Self {
            addr,
            accepted,
            received,
            count,
            _accepting: accepting,
        })
    }

    /// A backend that answers every request with 200 and `reply`.
    pub(crate) async fn answering(reply: &'static str) -> anyhow::Result<Self> {
        Self::start(move |mut peer| async move {
            while peer.request().await.is_some() {
                peer.answer(reply).await?;
            }
            Ok(())
        })
        .await
    }

    /// A backend that answers the first request with `bytes` and then closes the connection.
    pub(crate) async fn saying(bytes: impl Into<Vec<u8>>) -> anyhow::Result<Self> {
        let bytes = bytes.into();
        Self::start(move |mut peer| {
            let bytes = bytes.clone();
            async move {
                peer.request().await;
                peer.send(&bytes).await
            }
        })
        .await
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// How many connections were accepted.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    /// The requests so far.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().expect("no script panics").clone()
    }

    /// The last request.
    pub(crate) fn last(&self) -> Received {
        self.received().pop().expect("no request came")
    }

    /// Waits until this many requests came.
    pub(crate) async fn has_received(&self, number: usize) -> anyhow::Result<()> {
        let mut count = self.count.clone();
        count.wait_for(|count| *count >= number).await?;
        Ok(())
    }
}

impl Peer {
    /// The next request, as a whole; `None` when the connection ends before that.
    pub(crate) async fn request(&mut self) -> Option<Received> {
        let head = self.head().await?;
        let mut received = Received {
            head,
            body: Vec::new(),
        };
        if let Some(length) = received.header("content-length") {
            let length = length.parse().ok()?;
            received.body = self.take(length).await?;
        } else if received.header("transfer-encoding").is_some() {
            received.body = self.chunks().await?;
        }
        let mut log = self.received.lock().expect("no script panics");
        log.push(received.clone());
        self.count.send_modify(|count| *count += 1);
        Some(received)
    }

    /// The requests of this connection, until its backend has received `number` over all connections.
    pub(crate) async fn requests_until_all_received(
        &mut self,
        number: usize,
    ) -> anyhow::Result<Vec<Received>> {
        let mut count = self.count.subscribe();
        let mut requests = Vec::new();
        loop {
            tokio::select! {
                biased;
                all = count.wait_for(|count| *count >= number) => {
                    all?;
                    return Ok(requests);
                }
                request = self.request() => requests.push(request.context("connection ended")?),
            }
        }
    }

    /// The head of the next request.
    pub(crate) async fn head(&mut self) -> Option<String> {
        let head = self.until(b"\r\n\r\n").await?;
        String::from_utf8(head).ok()
    }

    /// Exactly `length` bytes.
    pub(crate) async fn take(&mut self, length: usize) -> Option<Vec<u8>> {
        while self.buffer.len() < length {
            self.more().await?;
        }
        Some(self.buffer.drain(..length).collect())
    }

    async fn chunks(&mut self) -> Option<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let size = String::from_utf8(self.until(b"\r\n").await?).ok()?;
            let size = usize::from_str_radix(&size, 16).ok()?;
            body.extend(self.take(size).await?);
            if self.take(2).await? != b"\r\n" {
                return None;
            }
            if size == 0 {
                return Some(body);
            }
        }
    }

    /// The text before `end`, which is left out.
    /// The bytes before `end`, which is dropped.
    pub(crate) async fn until(&mut self, end: &[u8]) -> Option<Vec<u8>> {
        loop {
            let found = self.buffer.windows(end.len()).position(|w| w == end);
            if let Some(at) = found {
                let before = self.buffer.drain(..at).collect();
                self.buffer.drain(..end.len());
                return Some(before);
            }
            self.more().await?;
        }
    }

    async fn more(&mut self) -> Option<()> {
        let read = self.stream.read_buf(&mut self.buffer).await.ok()?;
        (read > 0).then_some(())
    }

    /// Waits until the gateway closes the connection, and returns what came before that.
    pub(crate) async fn until_closed(&mut self) -> Vec<u8> {
        while self.more().await.is_some() {}
        std::mem::take(&mut self.buffer)
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) -> anyhow::Result<()> {
        self.stream.write_all(bytes.as_ref()).await?;
        Ok(())
    }

    /// Sends a whole reply.
    pub(crate) async fn answer(&mut self, body: &str) -> anyhow::Result<()> {
        self.send(reply("200 OK", "", body)).await
    }

    /// Closes the connection with a reset.
    pub(crate) fn reset(self) -> anyhow::Result<()> {
        self.stream.set_zero_linger()?;
        Ok(())
    }
}

/// A reply with a length; each of `lines` ends with a line end.
pub(crate) fn reply(status: &str, lines: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n{lines}\r\n{body}"
    )
}
