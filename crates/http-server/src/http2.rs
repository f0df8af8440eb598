//! Connections that speak HTTP/2: those that agreed on it within TLS, and those that begin with its
//! preface.

use std::{
    convert::Infallible,
    future::poll_fn,
    io::Cursor,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Uri};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::{server::conn::http2::Builder, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{
    io::{AsyncReadExt, join},
    time::{Interval, MissedTickBehavior, interval},
};

use crate::{
    connection::answer,
    handler::Handler,
    limits::{MAX_HEAD_BYTES, STOP_LINGER},
    read_timeout::{ReadTimeout, Timeouts},
    server::Stopping,
    status::{ReplyBody, Status},
    stream::{ReadHalf, WriteHalf},
};

/// What a client says first that speaks HTTP/2 without having asked.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The most requests of one connection that are answered at once.
const MAX_STREAMS: u32 = 100;
/// How much of one body, and of all bodies of a connection, may arrive before it is read, in bytes.
const STREAM_WINDOW: u32 = 128 * 1024;
const CONNECTION_WINDOW: u32 = 256 * 1024;
/// How much of a reply is handed over at once, in bytes. The rest stays with its body, and so in
/// the limits of the handler, until the client takes it.
const PIECE: usize = 16 * 1024;
/// The most that waits to be sent, in bytes.
const MAX_UNSENT: usize = 64 * 1024;
/// The most requests that were cancelled and are still remembered. A client that cancels more, and
/// faster, only wants to make work, and is disconnected.
const MAX_RESET: usize = 20;

/// Whether a connection whose first bytes are `received` speaks HTTP/2. No method of HTTP/1.1
/// begins as the preface does.
pub(super) fn is_preface(received: &[u8]) -> bool {
    let length = received.len().min(PREFACE.len());
    length > 3 && received[..length] == PREFACE[..length]
}

/// The two halves of a connection, and what was read of it already.
pub(super) struct Http2 {
    received: Vec<u8>,
    read: ReadHalf,
    write: WriteHalf,
}

impl Http2 {
    /// A connection of which `received` was read before.
    pub(super) fn new(received: Vec<u8>, read: ReadHalf, write: WriteHalf) -> Self {
        Self {
            received,
            read,
            write,
        }
    }

    /// Serves the connection until the client ends it or breaks the protocol, is idle or silent for
    /// too long, or the server stops.
    pub(super) async fn serve(
        self,
        timeouts: Timeouts,
        status: &Arc<Status>,
        app: &Handler,
        stopping: &Stopping,
    ) {
        let io = join(Cursor::new(self.received).chain(self.read), self.write);
        let service = service_fn(|request| {
            let answering = answer(
                app.clone(),
                without_authority(request),
                Arc::clone(status),
                timeouts.silence,
                None,
            );
            let status = Arc::clone(status);
            async move {
                let response = answering.await?;
                Ok::<_, Infallible>(response.map(|body| PiecewiseBody::new(body, status)))
            }
        });
        let mut connection =
            std::pin::pin!(builder(timeouts.silence).serve_connection(TokioIo::new(io), service));
        let mut silence = Silence::new(timeouts, status);
        let (mut draining, mut stops, mut ends) = (false, false, false);
        loop {
            let end = poll_fn(|cx| {
                // A new one that is draining has its first request coming.
                if !ends && (stops || draining && status.has_answered()) {
                    connection.as_mut().graceful_shutdown();
                    ends = true;
                }
                match connection.as_mut().poll(cx) {
                    Poll::Ready(end) => Poll::Ready(Some(end)),
                    Poll::Pending => silence.poll(cx).map(|()| None),
                }
            });
            tokio::select! {
                biased;
                () = stopping.draining.cancelled(), if !draining => draining = true,
                () = stopping.stop.cancelled(), if !stops => stops = true,
                end = end => {
                    if let Some(Err(error)) = end {
                        tracing::debug!(%error, "connection broke off");
                    }
                    return;
                }
                () = tokio::time::sleep(STOP_LINGER), if stops && status.is_waiting() => return,
            }
        }
    }
}

fn builder(silence: Duration) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(silence)
        .keep_alive_timeout(silence)
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEAD_BYTES as u32)
        .max_send_buf_size(MAX_UNSENT)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_pending_accept_reset_streams(MAX_RESET)
        .max_local_error_reset_streams(MAX_RESET);
    builder
}

/// `request` as it would be in HTTP/1.1: of its target only path and query are left.
fn without_authority<B>(mut request: Request<B>) -> Request<B> {
    if let Some(target) = request.uri().path_and_query() {
        *request.uri_mut() = Uri::from(target.clone());
    }
    request
}

/// Notices a client that sends no request, or takes nothing of its replies.
struct Silence<'a> {
    status: &'a Status,
    read_timeout: ReadTimeout,
    limit: Duration,
    looks: Interval,
}

impl<'a> Silence<'a> {
    fn new(timeouts: Timeouts, status: &'a Status) -> Self {
        let mut looks = interval(timeouts.silence);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            status,
            read_timeout: ReadTimeout::new(timeouts),
            limit: timeouts.silence,
            looks,
        }
    }

    /// Ready when it has been silent for too long; of replies it may have taken nothing for up to
    /// twice that time.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.looks.poll_tick(cx).is_ready() {
            if self.status.takes_nothing_for(self.limit) {
                return Poll::Ready(());
            }
        }
        self.read_timeout.poll(self.status, cx)
    }
}

/// The body of a reply in pieces, each taken from it once the client has room for more.
struct PiecewiseBody {
    body: ReplyBody,
    /// What was taken from the body and is not handed over.
    rest: Bytes,
    /// A piece was handed over, and the next one not asked for.
    waits: bool,
    status: Arc<Status>,
}

impl PiecewiseBody {
    fn new(body: ReplyBody, status: Arc<Status>) -> Self {
        Self {
            body,
            rest: Bytes::new(),
            waits: false,
            status,
        }
    }

    fn set_waiting(&mut self, waits: bool) {
        match (self.waits, waits) {
            (false, true) => self.status.hands_over(),
            (true, false) => self.status.took(),
            _ => {}
        }
        self.waits = waits;
    }
}

impl HttpBody for PiecewiseBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.set_waiting(false);
        if self.rest.is_empty() {
            match std::task::ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                end => return Poll::Ready(end),
            }
        }
        let length = self.rest.len().min(PIECE);
        let piece = self.rest.split_to(length);
        if !self.is_end_stream() {
            self.set_waiting(true);
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.rest.len() as u64;
        let body = self.body.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(body.lower() + rest);
        if let Some(upper) = body.upper() {
            hint.set_upper(upper + rest);
        }
        hint
    }
}

impl Drop for PiecewiseBody {
    fn drop(&mut self) {
        self.set_waiting(false);
    }
}
