//! The socket as hyper sees it.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering::Relaxed},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::{
    io::AsyncWrite,
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::Sleep,
};

use crate::status::Status;

/// As much of what hyper writes is held back until it has done all it can for now.
pub(super) const HELD: usize = 32 * 1024;

/// The largest buffer that an idle connection keeps.
const MAX_KEPT: usize = 8 * 1024;

/// A connection that holds back three things: the empty reply to a request that hyper cannot parse (we have a better one, see
/// [`fault`](super::fault)); the end of the stream (which may have to wait for the client to read); and replies, until [`Outbox`] is
/// told to send them, so that those to requests that came together leave together. (hyper's own way of doing that keeps a reply
/// back while a part of the next request is there.)
///
/// Writes are not vectored, so hyper copies head and body of a reply together.
pub(super) struct Wire {
    io: TokioIo<OwnedReadHalf>,
    outbox: Outbox,
    /// What was received before, and is to be read first.
    received: Bytes,
    /// What was received after that. While it is kept back, nothing more is read.
    kept_back: Option<Bytes>,
}

/// What is to be sent on a connection. Cheap to clone; one thread has it to itself.
#[derive(Clone)]
pub(super) struct Outbox(Arc<Mutex<Unsent>>);

struct Unsent {
    stream: OwnedWriteHalf,
    bytes: Vec<u8>,
    /// How many of them are sent.
    sent: usize,
    /// Since it was last asked for.
    replies: usize,
    status: Arc<Status>,
    /// The longest that a client may take none of a reply.
    patience: Duration,
    stall: Option<Pin<Box<Sleep>>>,
}

impl Wire {
    /// What comes on `read`, after `received`. If anything is `kept_back` from hyper, even nothing, there is no more to read for it.
    pub(super) fn new(
        read: OwnedReadHalf,
        outbox: Outbox,
        received: Bytes,
        kept_back: Option<Bytes>,
    ) -> Self {
        Self {
            io: TokioIo::new(read),
            outbox,
            received,
            kept_back,
        }
    }

    /// The socket's part, and what was received and not read.
    pub(super) fn into_parts(self) -> (OwnedReadHalf, [Bytes; 2]) {
        let rest = [self.received, self.kept_back.unwrap_or_default()];
        (self.io.into_inner(), rest)
    }
}

impl Outbox {
    /// What is to be sent on `stream`, to a client that may take none of it for at most `patience`.
    pub(super) fn new(stream: OwnedWriteHalf, status: Arc<Status>, patience: Duration) -> Self {
        Self(Arc::new(Mutex::new(Unsent {
            stream,
            bytes: Vec::new(),
            sent: 0,
            replies: 0,
            status,
            patience,
            stall: None,
        })))
    }

    /// The socket, together with its other half; `None` while there is another of this.
    pub(super) fn reunite(self, read: OwnedReadHalf) -> Option<TcpStream> {
        let unsent = Arc::into_inner(self.0)?.into_inner();
        let write = unsent.unwrap_or_else(PoisonError::into_inner).stream;
        read.reunite(write).ok()
    }

    /// Has `write` append what is to be sent.
    pub(super) fn append<T>(&self, write: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        write(&mut self.lock().bytes)
    }

    /// How many bytes are not sent.
    pub(super) fn unsent(&self) -> usize {
        let unsent = self.lock();
        unsent.bytes.len() - unsent.sent
    }

    /// Sends what hyper has written so far. It also gives up on a client that does not read.
    pub(super) fn poll_send(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.lock().poll_send(cx)
    }

    /// How many times hyper has written since the last call.
    pub(super) fn writes(&self) -> usize {
        std::mem::take(&mut self.lock().replies)
    }

    fn lock(&self) -> MutexGuard<'_, Unsent> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Unsent {
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.bytes.len() {
            let written = Pin::new(&mut self.stream).poll_write(cx, &self.bytes[self.sent..]);
            self.sent += ready!(self.watched(written, cx))?;
        }
        if self.sent > 0 {
            self.sent = 0;
            self.bytes.clear();
            self.bytes.shrink_to(MAX_KEPT);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.replies += 1;
        if self.bytes.len() + bytes.len() > HELD {
            ready!(self.poll_send(cx))?;
        }
        if bytes.len() > HELD {
            let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
            return self.watched(written, cx);
        }
        self.bytes.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    /// `written`, or the end of the patience with a client that takes nothing.
    fn watched(
        &mut self,
        written: Poll<io::Result<usize>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            if self.stall.take().is_some() {
                self.status.blocked.store(false, Relaxed);
            }
            return match written {
                Poll::Ready(Ok(0)) => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => written,
            };
        }
        self.status.blocked.store(true, Relaxed);
        let patience = self.patience;
        let stall = self
            .stall
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        ready!(stall.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

/// Whether `reply` is one that hyper wrote by itself. Replies of ours always have an `x-request-id`.
fn is_automatic(reply: &[u8]) -> bool {
    reply.starts_with(b"HTTP/1.")
        && reply.get(8..10) == Some(b" 4")
        && !reply
            .windows(14)
            .take_while(|w| !w.starts_with(b"\r\n\r\n"))
            .any(|w| w == b"\r\nx-request-id")
}

impl Read for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.received.is_empty() {
            let length = self.received.len().min(buf.remaining());
            buf.put_slice(&self.received.split_to(length));
            return Poll::Ready(Ok(()));
        }
        if self.kept_back.is_some() {
            // Nobody is woken for that: the connection's task takes hyper away once it has answered.
            return Poll::Pending;
        }
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl Write for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if is_automatic(buf) {
            return Poll::Ready(Ok(buf.len()));
        }
        self.outbox.lock().poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
