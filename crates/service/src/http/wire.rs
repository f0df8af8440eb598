//! The socket as hyper sees it.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::{Arc, atomic::Ordering::Relaxed},
    task::{Context, Poll, ready},
    time::Duration,
};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::Sleep};

use crate::http::status::Status;

/// A connection that holds back two things hyper does by itself: the empty reply to a request that it cannot parse (we have
/// a better one, see [`fault`](super::fault)), and the end of the stream (which may have to wait for the client to read).
/// It also gives up on a client that does not read.
///
/// Writes are not vectored, so hyper copies head and body of a reply together: one buffer, one plain `write`.
pub(super) struct Wire {
    io: TokioIo<TcpStream>,
    status: Arc<Status>,
    /// The longest that a client may take none of a reply.
    patience: Duration,
    stall: Option<Pin<Box<Sleep>>>,
}

impl Wire {
    pub(super) fn new(stream: TcpStream, status: Arc<Status>, patience: Duration) -> Self {
        Self {
            io: TokioIo::new(stream),
            status,
            patience,
            stall: None,
        }
    }

    /// The socket.
    pub(super) fn into_inner(self) -> TcpStream {
        self.io.into_inner()
    }

    fn poll_stalled(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let patience = self.patience;
        let stall = self
            .stall
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        ready!(stall.as_mut().poll(cx));
        Poll::Ready(io::ErrorKind::TimedOut.into())
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
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl Write for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if is_automatic(buf) {
            return Poll::Ready(Ok(buf.len()));
        }
        match Pin::new(&mut self.io).poll_write(cx, buf) {
            Poll::Ready(written) => {
                if self.stall.take().is_some() {
                    self.status.blocked.store(false, Relaxed);
                }
                Poll::Ready(written)
            }
            Poll::Pending => {
                self.status.blocked.store(true, Relaxed);
                self.poll_stalled(cx).map(Err)
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
