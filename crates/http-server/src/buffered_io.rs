//! The socket as hyper sees it: replies are buffered, so that those to pipelined requests are sent
//! together.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering::Relaxed},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use contract::header::REQUEST_ID;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::{io::AsyncWrite, time::Sleep};

use crate::{
    status::Status,
    stream::{ReadHalf, Stream, WriteHalf},
};

/// At most this many bytes of replies are buffered while hyper, or the fast path, can still go on.
pub(super) const WRITE_HIGH_WATER: usize = 32 * 1024;

/// The largest buffer that an idle connection keeps, in bytes.
const MAX_KEPT: usize = 8 * 1024;

/// A connection that holds back three things:
///
/// - the empty reply to a request that hyper cannot parse, because
///   [`protocol_error`](crate::protocol_error) has a better one;
/// - the end of the stream, which may have to wait for the client to read;
/// - replies, until [`WriteBuffer`] is told to send them, so that those to pipelined requests leave
///   together. (hyper's own `pipeline_flush` keeps a reply back while only part of the next request
///   has arrived.)
///
/// Writes are not vectored, so hyper copies head and body of a reply together.
pub(super) struct BufferedIo {
    io: TokioIo<ReadHalf>,
    write_buffer: WriteBuffer,
    status: Arc<Status>,
    /// Bytes that were received earlier and are read first.
    received: Bytes,
    /// Bytes that were received after those. While they are kept back, hyper reads nothing more.
    kept_back: Option<Bytes>,
}

/// Bytes to be sent on a connection. Cheap to clone; only one thread uses it.
#[derive(Clone)]
pub(super) struct WriteBuffer(Arc<Mutex<Unsent>>);

struct Unsent {
    stream: WriteHalf,
    bytes: Vec<u8>,
    /// The number of `bytes` that are sent.
    sent: usize,
    /// Writes since [`WriteBuffer::writes`] was last called.
    writes: usize,
    status: Arc<Status>,
    /// How long a client may accept nothing of a reply.
    timeout: Duration,
    stall: Option<Pin<Box<Sleep>>>,
}

impl BufferedIo {
    /// Reads `received` and then from the socket. With `kept_back`, even if empty, hyper reads no
    /// further than `received`.
    pub(super) fn new(
        read: ReadHalf,
        write_buffer: WriteBuffer,
        status: Arc<Status>,
        received: Bytes,
        kept_back: Option<Bytes>,
    ) -> Self {
        Self {
            io: TokioIo::new(read),
            write_buffer,
            status,
            received,
            kept_back,
        }
    }

    /// The reading half of the socket, and the bytes that hyper has not read.
    pub(super) fn into_parts(self) -> (ReadHalf, [Bytes; 2]) {
        let rest = [self.received, self.kept_back.unwrap_or_default()];
        (self.io.into_inner(), rest)
    }
}

impl WriteBuffer {
    /// An empty buffer for `stream`. A client that accepts nothing for `timeout` is given up.
    pub(super) fn new(stream: WriteHalf, status: Arc<Status>, timeout: Duration) -> Self {
        Self(Arc::new(Mutex::new(Unsent {
            stream,
            bytes: Vec::new(),
            sent: 0,
            writes: 0,
            status,
            timeout,
            stall: None,
        })))
    }

    /// The whole socket; `None` while this buffer has another clone.
    pub(super) fn reunite(self, read: ReadHalf) -> Option<Stream> {
        let unsent = Arc::into_inner(self.0)?.into_inner();
        let write = unsent.unwrap_or_else(PoisonError::into_inner).stream;
        Stream::reunite(read, write)
    }

    /// Lets `write` append bytes to be sent.
    pub(super) fn append<T>(&self, write: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        write(&mut self.lock().bytes)
    }

    /// The number of bytes that are not sent yet.
    pub(super) fn unsent(&self) -> usize {
        let unsent = self.lock();
        unsent.bytes.len() - unsent.sent
    }

    /// Sends everything in the buffer.
    ///
    /// # Errors
    /// Those of the socket; [`io::ErrorKind::TimedOut`] when the client reads nothing for too long.
    pub(super) fn poll_send(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.lock().poll_send(cx)
    }

    /// How many times hyper has written since the last call.
    pub(super) fn writes(&self) -> usize {
        std::mem::take(&mut self.lock().writes)
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
        if let WriteHalf::Tls(stream) = &mut self.stream {
            // What is encrypted may not be sent yet.
            let flushed = Pin::new(stream).poll_flush(cx).map_ok(|()| 1);
            ready!(self.watched(flushed, cx))?;
        }
        if self.sent > 0 {
            self.sent = 0;
            self.bytes.clear();
            self.bytes.shrink_to(MAX_KEPT);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.writes += 1;
        if self.bytes.len() + bytes.len() > WRITE_HIGH_WATER {
            ready!(self.poll_send(cx))?;
        }
        if bytes.len() > WRITE_HIGH_WATER {
            let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
            return self.watched(written, cx);
        }
        self.bytes.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    /// `written`, or a timeout if the client has accepted nothing for too long.
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
        let timeout = self.timeout;
        let stall = self
            .stall
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
        ready!(stall.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

/// Whether hyper wrote `reply` by itself. Our own replies always have an `x-request-id`.
fn is_automatic(reply: &[u8]) -> bool {
    reply.starts_with(b"HTTP/1.")
        && reply.get(8..10) == Some(b" 4")
        && !reply
            .windows(2 + REQUEST_ID.len())
            .take_while(|w| !w.starts_with(b"\r\n\r\n"))
            .any(|w| w.strip_prefix(b"\r\n") == Some(REQUEST_ID.as_bytes()))
}

impl Read for BufferedIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.received.is_empty() {
            let length = self.received.len().min(buf.remaining());
            buf.put_slice(&self.received.split_to(length));
            self.status.receives();
            return Poll::Ready(Ok(()));
        }
        if self.kept_back.is_some() {
            // No waker: the connection's task drops hyper once it has answered.
            return Poll::Pending;
        }
        ready!(Pin::new(&mut self.io).poll_read(cx, buf))?;
        self.status.receives();
        Poll::Ready(Ok(()))
    }
}

impl Write for BufferedIo {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if is_automatic(buf) {
            return Poll::Ready(Ok(buf.len()));
        }
        self.write_buffer.lock().poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
