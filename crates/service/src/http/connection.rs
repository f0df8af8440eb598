//! One connection, from its first byte to its last.

use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    io,
    pin::Pin,
    sync::{Arc, atomic::Ordering::Relaxed},
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use axum::response::IntoResponse;
use http::{Request, Response};
use hyper::{
    body::Incoming,
    server::conn::http1::{Builder, Connection},
    service::{HttpService, service_fn},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::Sleep,
};
use tokio_util::sync::CancellationToken;

use crate::http::{
    body::RequestBody,
    context, fault,
    handler::Handler,
    server::{MAX_HEAD_BYTES, MAX_HEADERS, MAX_URI_BYTES},
    status::{Answering, ReplyBody, Status},
    wire::{Outbox, Wire},
};

/// How much of a request that was refused half-way is read and dropped, so that the client gets to read why.
const MAX_LINGER_BYTES: u64 = 64 * 1024 * 1024;
/// How long that may take.
const MAX_LINGER: Duration = Duration::from_secs(5);
/// How long that, or the rest of a head, may take once the server stops.
const STOP_LINGER: Duration = Duration::from_millis(500);
/// The most that hyper buffers of a request, and so the size of the pieces in which big bodies come.
const READ_BUFFER_BYTES: usize = 256 * 1024;

/// How often hyper is asked to go on while requests that came together are left: it answers [`ROUND`] of them at a time.
const MAX_ROUNDS: usize = 8;
const ROUND: usize = 16;

/// How connections speak HTTP, all of them.
pub(super) struct Protocol {
    http: Builder,
    patience: Duration,
}

impl Protocol {
    /// `patience` is how long a client may be silent when it is its turn.
    pub(super) fn new(patience: Duration) -> Self {
        let mut http = Builder::new();
        // A client may end its side after the last request and still wants the reply.
        http.half_close(true)
            .max_headers(MAX_HEADERS)
            .max_header_size(MAX_HEAD_BYTES)
            .max_buf_size(READ_BUFFER_BYTES);
        Self { http, patience }
    }

    /// Serves `stream` until the client ends it, it breaks the rules, or `stop` is cancelled and it is idle.
    pub(super) async fn serve(&self, stream: TcpStream, app: Handler, stop: CancellationToken) {
        let status = Arc::new(Status::new());
        let patience = self.patience;
        let service = {
            let status = Arc::clone(&status);
            service_fn(move |request| answer(app.clone(), request, Arc::clone(&status), patience))
        };
        let wire = Wire::new(stream, Arc::clone(&status), patience);
        let mut serving = Serving {
            outbox: wire.outbox(),
            connection: self.http.serve_connection(wire, service),
            ended: None,
            status: &status,
            patience,
            timer: Box::pin(tokio::time::sleep(patience)),
        };
        let end = serving.run(&stop).await;
        let Serving {
            connection, outbox, ..
        } = serving;
        drop(outbox);
        let rest = connection.into_parts();
        // Put together again in any case: dropped apart, its halves would be shut down one by one.
        let stream = rest.io.into_inner();
        if let Some(farewell) = farewell(&end, &status, &rest.read_buf)
            && let Some(stream) = stream
        {
            self::end(stream, &farewell, &stop).await;
        }
    }
}

/// Why a connection ends.
enum End {
    /// hyper is done with it.
    Done(hyper::Result<()>),
    /// It cannot be sent to.
    Broken(io::Error),
    /// The client has sent no request in time.
    Late,
    /// The server stops, and it is the client's turn.
    Stopped,
}

/// What is to be said to the client at the end; `None` when there is no one to say it to, or who has said enough.
fn farewell(end: &End, status: &Status, unparsed: &[u8]) -> Option<Vec<u8>> {
    let problem = match end {
        End::Done(Ok(())) | End::Stopped => return status.unread.load(Relaxed).then(Vec::new),
        End::Done(Err(error)) => fault::diagnose(error, unparsed),
        End::Broken(_) => None,
        End::Late => fault::late(unparsed),
    };
    match (problem, end) {
        (Some(problem), _) => {
            tracing::debug!(code = problem.code, detail = %problem.detail, "connection refused");
            Some(fault::render(problem))
        }
        (None, End::Done(Err(error))) => {
            tracing::debug!(%error, "connection broke off");
            None
        }
        (None, End::Broken(error)) => {
            tracing::debug!(%error, "connection broke off");
            None
        }
        (None, _) => None,
    }
}

/// A connection being served.
struct Serving<'a, S>
where
    S: HttpService<Incoming>,
{
    connection: Connection<Wire, S>,
    outbox: Outbox,
    /// Set when hyper is done, while the last of what it wrote is sent.
    ended: Option<hyper::Result<()>>,
    status: &'a Status,
    patience: Duration,
    /// When to look whether the client is late. Not set anew for each request: that would cost more than to look in vain.
    timer: Pin<Box<Sleep>>,
}

impl<S> Serving<'_, S>
where
    S: HttpService<Incoming, ResBody = ReplyBody>,
    S::Error: Into<axum::BoxError>,
{
    /// Runs the connection to its end; once `stop` is cancelled, that is the end of the request in flight. Who has not sent all of
    /// a head by then has [`STOP_LINGER`] to do so.
    async fn run(&mut self, stop: &CancellationToken) -> End {
        tokio::select! {
            // The stop first: a reply that is ready by then says that it is the last.
            biased;
            () = stop.cancelled() => {}
            end = poll_fn(|cx| self.poll(cx)) => return end,
        }
        Pin::new(&mut self.connection).graceful_shutdown();
        loop {
            tokio::select! {
                biased;
                end = poll_fn(|cx| self.poll(cx)) => return end,
                () = tokio::time::sleep(STOP_LINGER) => {}
            }
            if self.status.is_waiting() {
                return End::Stopped;
            }
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        for _ in 0..MAX_ROUNDS {
            if self.ended.is_none()
                && let Poll::Ready(outcome) = Pin::new(&mut self.connection).poll(cx)
            {
                self.ended = Some(outcome);
            }
            // Else it was interrupted, and goes on when it is polled again.
            if self.outbox.writes() < ROUND {
                break;
            }
        }
        match self.outbox.poll_send(cx) {
            Poll::Ready(Err(error)) => return Poll::Ready(End::Broken(error)),
            Poll::Ready(Ok(())) => {
                if let Some(outcome) = self.ended.take() {
                    return Poll::Ready(End::Done(outcome));
                }
            }
            Poll::Pending => {}
        }
        self.poll_late(cx)
    }

    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        loop {
            ready!(self.timer.as_mut().poll(cx));
            let now = Instant::now();
            let late = match self.status.is_waiting() {
                true => self.status.waiting_since() + self.patience,
                false => now + self.patience,
            };
            if late <= now {
                return Poll::Ready(End::Late);
            }
            self.timer.as_mut().reset(late.into());
        }
    }
}

/// Answers one request. This is the hot path of every service.
async fn answer(
    app: Handler,
    request: Request<Incoming>,
    status: Arc<Status>,
    patience: Duration,
) -> Result<Response<ReplyBody>, Infallible> {
    let answering = Answering::begin(Arc::clone(&status));
    let request = request.map(|incoming| RequestBody::wrap(incoming, status, patience));
    let target = request.uri().path_and_query();
    let response = if target.is_some_and(|target| target.as_str().len() > MAX_URI_BYTES) {
        context::respond(request, async |_, _| fault::uri_too_long().into_response()).await
    } else {
        let answer = async |request, context| app.answer(request, context).await;
        context::respond(request, answer).await
    };
    Ok(response.map(|body| answering.until_sent(body)))
}

/// Sends `reply`, ends our side, and reads on for a while: closing a socket with unread bytes resets the connection, and the
/// reset would overtake the reply.
async fn end(mut stream: TcpStream, reply: &[u8], stop: &CancellationToken) {
    let farewell = async {
        stream.write_all(reply).await?;
        stream.shutdown().await?;
        let mut rest = stream.take(MAX_LINGER_BYTES);
        tokio::io::copy(&mut rest, &mut tokio::io::sink()).await
    };
    let stopped = async {
        stop.cancelled().await;
        tokio::time::sleep(STOP_LINGER).await;
    };
    tokio::select! {
        // The client has been told, or it is gone; there is no one left to tell about a failure.
        _ = farewell => {}
        () = tokio::time::sleep(MAX_LINGER) => {}
        () = stopped => {}
    }
}
