//! One connection, from its first byte to its last.

use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering::Relaxed},
    task::{Context, Poll},
    time::Duration,
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
    net::{TcpStream, tcp::OwnedReadHalf},
};
use tokio_util::sync::CancellationToken;

use crate::{
    body::RequestBody,
    context,
    fast::{self, Instead, Left, RequestId, Served},
    fault,
    handler::Handler,
    lateness::Lateness,
    limits::{MAX_HEAD_BYTES, MAX_HEADERS, MAX_URI_BYTES},
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
    ///
    /// The fast path has it first, if `app` has one, and again whenever hyper has answered what that left.
    pub(super) async fn serve(&self, stream: TcpStream, app: Handler, stop: CancellationToken) {
        let status = Arc::new(Status::new());
        let (mut read, write) = stream.into_split();
        let outbox = Outbox::new(write, Arc::clone(&status), self.patience);
        let mut lateness = Lateness::new(self.patience);
        // Only the ordinary way writes the access log.
        let is_logged = tracing::enabled!(tracing::Level::DEBUG);
        let fast_path = app.fast_path().filter(|_| !is_logged);
        let mut input = Vec::new();
        let (end, unparsed) = loop {
            let mut left = Left::default();
            if let Some(path) = fast_path {
                let serving = fast::Serving {
                    path,
                    read: &mut read,
                    outbox: &outbox,
                    status: &status,
                    lateness: &mut lateness,
                    input,
                };
                match serving.run(&stop).await {
                    Served::Left(what) => left = what,
                    Served::Ended(Ok(())) => break (End::Done(Ok(())), Vec::new()),
                    Served::Ended(Err(error)) => break (End::Broken(error), Vec::new()),
                }
            }
            let client = Client {
                read,
                outbox: &outbox,
                status: &status,
                lateness: &mut lateness,
                app: &app,
                stop: &stop,
            };
            let end;
            (end, read, input) = self.ordinary(client, left, fast_path.is_some()).await;
            if !matches!(end, End::Idle) {
                break (end, input);
            }
        };
        // Put together again in any case: dropped apart, its halves would be shut down one by one.
        let stream = outbox.reunite(read);
        if let Some(farewell) = farewell(&end, &status, &unparsed)
            && let Some(stream) = stream
        {
            self::end(stream, &farewell, &stop).await;
        }
    }

    /// Has hyper serve `client`, from what is `left` to it on; `returns`: until it is idle. Returns what is received and not read.
    async fn ordinary(
        &self,
        client: Client<'_>,
        left: Left,
        returns: bool,
    ) -> (End, OwnedReadHalf, Vec<u8>) {
        let Client {
            read,
            outbox,
            status,
            lateness,
            app,
            stop,
        } = client;
        let Left {
            mut input,
            length,
            instead,
        } = left;
        status.begins_ordinary();
        let kept_back = length.map(|length| input.split_off(length).into());
        let wire = Wire::new(read, outbox.clone(), input.into(), kept_back);
        let instead = Mutex::new(instead);
        let service = service_fn(|request| {
            let instead = instead
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
            answer(
                app.clone(),
                request,
                Arc::clone(status),
                self.patience,
                instead,
            )
        });
        let mut ordinary = Ordinary {
            connection: self.http.serve_connection(wire, service),
            outbox: outbox.clone(),
            ended: None,
            status,
            lateness,
            returns,
        };
        let end = ordinary.run(stop).await;
        let rest = ordinary.connection.into_parts();
        let (read, unread) = rest.io.into_parts();
        let unread = [&rest.read_buf, &unread[0], &unread[1]].map(|part| &**part);
        (end, read, unread.concat())
    }
}

/// What belongs to a connection, whoever serves it.
struct Client<'a> {
    read: OwnedReadHalf,
    outbox: &'a Outbox,
    status: &'a Arc<Status>,
    lateness: &'a mut Lateness,
    app: &'a Handler,
    stop: &'a CancellationToken,
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
    /// It does not: hyper has answered all that it was given.
    Idle,
}

/// What is to be said to the client at the end; `None` when there is no one to say it to, or who has said enough.
fn farewell(end: &End, status: &Status, unparsed: &[u8]) -> Option<Vec<u8>> {
    let problem = match end {
        End::Done(Ok(())) | End::Stopped | End::Idle => {
            return status.unread.load(Relaxed).then(Vec::new);
        }
        End::Done(Err(error)) => fault::diagnose(error, unparsed),
        End::Broken(_) => None,
        End::Late => fault::late(unparsed),
    };
    match (problem, end) {
        (Some(problem), _) => {
            tracing::debug!(code = problem.code.as_str(), detail = %problem.detail, "connection refused");
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

/// A connection that hyper serves.
struct Ordinary<'a, S>
where
    S: HttpService<Incoming>,
{
    connection: Connection<Wire, S>,
    outbox: Outbox,
    /// Set when hyper is done, while the last of what it wrote is sent.
    ended: Option<hyper::Result<()>>,
    status: &'a Status,
    lateness: &'a mut Lateness,
    /// Whether it ends when it is idle.
    returns: bool,
}

impl<S> Ordinary<'_, S>
where
    S: HttpService<Incoming, ResBody = ReplyBody>,
    S::Error: Into<axum::BoxError>,
{
    /// Runs the connection to its end, or until it is idle if it `returns`; once `stop` is cancelled, to the end of the request in
    /// flight. Who has not sent all of a head by then has [`STOP_LINGER`] to do so.
    async fn run(&mut self, stop: &CancellationToken) -> End {
        tokio::select! {
            // The stop first: a reply that is ready by then says that it is the last.
            biased;
            () = stop.cancelled() => {}
            end = poll_fn(|cx| self.poll(cx)) => return end,
        }
        self.returns = false;
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
            // Else it was interrupted, and goes on when it is polled again.
            if self.poll_hyper(cx) < ROUND {
                break;
            }
        }
        match self.outbox.poll_send(cx) {
            Poll::Ready(Err(error)) => return Poll::Ready(End::Broken(error)),
            Poll::Ready(Ok(())) => {
                if let Some(outcome) = self.ended.take() {
                    return Poll::Ready(End::Done(outcome));
                }
                if self.is_idle() {
                    // Asked once more, hyper drops what nobody has read of a body, or ends because of that.
                    if self.poll_hyper(cx) == 0 && self.is_idle() {
                        return Poll::Ready(End::Idle);
                    }
                    cx.waker().wake_by_ref();
                }
            }
            Poll::Pending => {}
        }
        self.lateness.poll(self.status, cx).map(|()| End::Late)
    }

    /// Has hyper do what it can; how many times it has written.
    fn poll_hyper(&mut self, cx: &mut Context<'_>) -> usize {
        if self.ended.is_none()
            && let Poll::Ready(outcome) = Pin::new(&mut self.connection).poll(cx)
        {
            self.ended = Some(outcome);
        }
        self.outbox.writes()
    }

    fn is_idle(&self) -> bool {
        self.returns && self.ended.is_none() && self.status.is_between_requests()
    }
}

/// Answers one request: by `instead`, which also says what id it has, or by `app`.
async fn answer(
    app: Handler,
    request: Request<Incoming>,
    status: Arc<Status>,
    patience: Duration,
    instead: Option<(RequestId, Instead)>,
) -> Result<Response<ReplyBody>, Infallible> {
    let answering = Answering::begin(Arc::clone(&status));
    let request = request.map(|incoming| RequestBody::wrap(incoming, status, patience));
    let target = request.uri().path_and_query();
    let response = if target.is_some_and(|target| target.as_str().len() > MAX_URI_BYTES) {
        context::respond(request, None, async |_| {
            fault::uri_too_long().into_response()
        })
        .await
    } else if let Some((id, instead)) = instead {
        context::respond(request, Some(id.to_header()), instead).await
    } else {
        context::respond(request, None, async |request| app.answer(request).await).await
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
