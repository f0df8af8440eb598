//! One connection, from its first byte to its last.

use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    mem,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering::Relaxed},
    task::{Context, Poll},
    time::Duration,
};

use axum::response::IntoResponse;
use http::{
    HeaderValue, Request, Response,
    header::{CONNECTION, X_CONTENT_TYPE_OPTIONS},
};
use hyper::{
    body::Incoming,
    server::conn::http1::{Builder, Connection},
    service::{HttpService, service_fn},
};
use tokio::{
    io::{AsyncRead, ReadBuf},
    net::TcpStream,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::{
    body::RequestBody,
    buffered_io::{BufferedIo, WriteBuffer},
    context::{self, ClientAddress},
    fast::{self, Fallback, Fallthrough, Outcome, RequestId},
    final_response::{End, final_response, send_and_linger},
    handler::Handler,
    host::has_valid_host,
    http2::{self, Http2},
    limits::{MAX_HEAD_BYTES, MAX_HEADERS, MAX_URI_BYTES, STOP_LINGER},
    protocol_error,
    read_timeout::{ReadTimeout, Timeouts},
    server::Stopping,
    status::{Answering, ReplyBody, Status},
    stream::{ReadHalf, Stream},
    tls::{Accepted, Acceptor},
};

/// The most that hyper buffers of a request. Big bodies arrive in pieces of this size. Each
/// connection that waits for the rest of a body holds so much besides.
const READ_BUFFER_BYTES: usize = 32 * 1024;

const CLOSE: HeaderValue = HeaderValue::from_static("close");
/// Tells browsers to take a reply for nothing but what its type says.
const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");

/// How much is read of a connection before it is known which version of HTTP it speaks: usually the
/// first request.
const FIRST_BYTES: usize = 4 * 1024;

/// How often hyper is polled again while pipelined requests are left.
const MAX_ROUNDS: usize = 8;
/// How many pipelined requests hyper answers in one poll.
const ROUND: usize = 16;

/// How all connections speak HTTP.
pub(super) struct Protocol {
    http: Builder,
    timeouts: Timeouts,
    tls: Option<Acceptor>,
}

impl Protocol {
    pub(super) fn new(timeouts: Timeouts, tls: Option<Acceptor>) -> Self {
        let mut http = Builder::new();
        // A client may end its side after the last request and still wants the reply.
        http.half_close(true)
            .max_headers(MAX_HEADERS)
            .max_header_size(MAX_HEAD_BYTES)
            .max_buf_size(READ_BUFFER_BYTES);
        Self {
            http,
            timeouts,
            tls,
        }
    }

    /// Makes the TLS handshake on `stream`, if there is to be one. `None` if it failed, or the
    /// server stops; the client knows by then.
    pub(super) async fn open(&self, stream: TcpStream, stopping: &Stopping) -> Option<Stream> {
        let Some(tls) = &self.tls else {
            return Some(Stream::Plain(stream));
        };
        let accepted = tokio::select! {
            () = stopping.stop.cancelled() => return None,
            accepted = timeout(self.timeouts.silence, tls.accept(stream)) => accepted.ok()?,
        };
        match accepted {
            Ok(Accepted::Tls(stream)) => Some(Stream::Tls(stream)),
            Ok(Accepted::Plain(stream)) => {
                let reply = protocol_error::render(protocol_error::not_tls());
                send_and_linger(Stream::Plain(stream), &reply, &stopping.stop).await;
                None
            }
            Err(error) => {
                tracing::debug!(%error, "no TLS handshake");
                None
            }
        }
    }

    /// Serves `stream` until the client ends it or breaks the protocol, or the server stops and it is
    /// idle. While the server is draining, the next reply is the last.
    ///
    /// If `app` has a fast path, that serves the connection first. hyper answers the requests that
    /// fall through, and gives the connection back.
    pub(super) async fn serve(
        &self,
        stream: Stream,
        status: Arc<Status>,
        app: Handler,
        stopping: Stopping,
    ) {
        let speaks_http2 = stream.speaks_http2();
        let may_have_preface = app.is_public() && matches!(stream, Stream::Plain(_));
        let (mut read, write) = stream.into_split();
        let mut read_timeout = ReadTimeout::new(self.timeouts);
        let mut input = match may_have_preface {
            true => first_bytes(&mut read, &status, &mut read_timeout, &stopping).await,
            false => Vec::new(),
        };
        if speaks_http2 || http2::is_preface(&input) {
            let http2 = Http2::new(input, read, write);
            return http2.serve(self.timeouts, &status, &app, &stopping).await;
        }
        let write_buffer = WriteBuffer::new(write, Arc::clone(&status), self.timeouts.silence);
        // Only hyper's side writes the access log, and begins spans.
        let is_logged = tracing::enabled!(tracing::Level::DEBUG) || trace::is_on();
        let fast_path = app.fast_path().filter(|_| !is_logged);
        let (end, unparsed) = loop {
            let mut fallthrough = Fallthrough::default();
            if let Some(path) = fast_path {
                let serving = fast::Serving {
                    path,
                    read: &mut read,
                    write_buffer: &write_buffer,
                    status: &status,
                    read_timeout: &mut read_timeout,
                    input: mem::take(&mut input),
                };
                match serving.run(&stopping).await {
                    Outcome::Fallthrough(rest) => fallthrough = rest,
                    Outcome::Ended(ended) => {
                        let end = ended.map_or_else(End::Broken, |()| End::Done(Ok(())));
                        break (end, Vec::new());
                    }
                }
            } else {
                fallthrough.input = mem::take(&mut input);
            }
            let client = Client {
                read,
                write_buffer: &write_buffer,
                status: &status,
                read_timeout: &mut read_timeout,
                app: &app,
                stopping: &stopping,
            };
            let ordinary = self.ordinary(client, fallthrough, fast_path.is_some());
            let end;
            (end, read, input) = ordinary.await;
            if !matches!(end, End::Idle) {
                break (end, input);
            }
        };
        // Put together again in any case: halves that are dropped apart are shut down one by one.
        let Some(stream) = write_buffer.reunite(read) else {
            return;
        };
        match final_response(&end, &status, &unparsed) {
            Some(reply) => send_and_linger(stream, &reply, &stopping.stop).await,
            None => stream.close().await,
        }
    }

    /// Lets hyper serve `client`, beginning with the input of `fallthrough`. With `returns`, it
    /// ends when the connection is idle. Returns the input that hyper has not read.
    async fn ordinary(
        &self,
        client: Client<'_>,
        fallthrough: Fallthrough,
        returns: bool,
    ) -> (End, ReadHalf, Vec<u8>) {
        let Client {
            read,
            write_buffer,
            status,
            read_timeout,
            app,
            stopping,
        } = client;
        let Fallthrough {
            mut input,
            length,
            fallback,
        } = fallthrough;
        status.begins_ordinary();
        let kept_back = length.map(|length| input.split_off(length).into());
        let received = input.into();
        let io = BufferedIo::new(
            read,
            write_buffer.clone(),
            Arc::clone(status),
            received,
            kept_back,
        );
        let fallback = Mutex::new(fallback);
        let service = service_fn(|request| {
            let fallback = fallback
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
            let answer = answer(
                app.clone(),
                request,
                Arc::clone(status),
                self.timeouts.silence,
                fallback,
            );
            async move {
                let mut response = answer.await?;
                if stopping.draining.is_cancelled() {
                    response.headers_mut().insert(CONNECTION, CLOSE);
                    // The client may have sent further requests, and has to read this reply.
                    status.unread.store(true, Relaxed);
                }
                Ok::<_, Infallible>(response)
            }
        });
        let mut ordinary = Ordinary {
            connection: self.http.serve_connection(io, service),
            write_buffer: write_buffer.clone(),
            ended: None,
            status,
            read_timeout,
            returns,
        };
        let end = ordinary.run(&stopping.stop).await;
        let rest = ordinary.connection.into_parts();
        let (read, unread) = rest.io.into_parts();
        let unread = [&rest.read_buf, &unread[0], &unread[1]].map(|part| &**part);
        (end, read, unread.concat())
    }
}

/// What a client sends first; nothing if it ends its side or is late, or if the server is draining,
/// which whoever reads next notices as well.
async fn first_bytes(
    read: &mut ReadHalf,
    status: &Status,
    read_timeout: &mut ReadTimeout,
    stopping: &Stopping,
) -> Vec<u8> {
    let received = poll_fn(|cx| {
        let mut memory = [0; FIRST_BYTES];
        let mut received = ReadBuf::new(&mut memory);
        if Pin::new(&mut *read).poll_read(cx, &mut received).is_ready() {
            return Poll::Ready(received.filled().to_vec());
        }
        read_timeout.poll(status, cx).map(|()| Vec::new())
    });
    let received = stopping.draining.run_until_cancelled(received).await;
    received.unwrap_or_default()
}

/// The parts of a connection that the fast path and hyper share.
struct Client<'a> {
    read: ReadHalf,
    write_buffer: &'a WriteBuffer,
    status: &'a Arc<Status>,
    read_timeout: &'a mut ReadTimeout,
    app: &'a Handler,
    stopping: &'a Stopping,
}

/// A connection that hyper serves.
struct Ordinary<'a, S>
where
    S: HttpService<Incoming>,
{
    connection: Connection<BufferedIo, S>,
    write_buffer: WriteBuffer,
    /// Set when hyper has finished, while its last bytes are sent.
    ended: Option<hyper::Result<()>>,
    status: &'a Status,
    read_timeout: &'a mut ReadTimeout,
    /// Whether [`Self::run`] ends when the connection is idle.
    returns: bool,
}

impl<S> Ordinary<'_, S>
where
    S: HttpService<Incoming, ResBody = ReplyBody>,
    S::Error: Into<axum::BoxError>,
{
    /// Runs the connection to its end, or until it is idle if it `returns`. Once `stop` is
    /// cancelled, the request in flight is the last. A client in the middle of a head has
    /// [`STOP_LINGER`] for the rest.
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
            // With a full round behind it, hyper only paused, and goes on when polled again.
            if self.poll_hyper(cx) < ROUND {
                break;
            }
        }
        match self.write_buffer.poll_send(cx) {
            Poll::Ready(Err(error)) => return Poll::Ready(End::Broken(error)),
            Poll::Ready(Ok(())) => {
                if let Some(outcome) = self.ended.take() {
                    return Poll::Ready(End::Done(outcome));
                }
                if self.is_idle() {
                    // Polled once more, hyper drops the unread rest of a body, or ends because of
                    // it.
                    if self.poll_hyper(cx) == 0 && self.is_idle() {
                        return Poll::Ready(End::Idle);
                    }
                    cx.waker().wake_by_ref();
                }
            }
            Poll::Pending => {}
        }
        self.read_timeout.poll(self.status, cx).map(|()| End::Late)
    }

    /// Lets hyper do all it can now. Returns how many times it has written.
    fn poll_hyper(&mut self, cx: &mut Context<'_>) -> usize {
        if self.ended.is_none()
            && let Poll::Ready(outcome) = Pin::new(&mut self.connection).poll(cx)
        {
            self.ended = Some(outcome);
        }
        self.write_buffer.writes()
    }

    fn is_idle(&self) -> bool {
        self.returns && self.ended.is_none() && self.status.is_between_requests()
    }
}

/// Answers one request by `app`, or by the `fallback`, which also gives the id of the request.
pub(super) async fn answer(
    app: Handler,
    request: Request<Incoming>,
    status: Arc<Status>,
    timeout: Duration,
    fallback: Option<(RequestId, Fallback)>,
) -> Result<Response<ReplyBody>, Infallible> {
    let answering = Answering::begin(Arc::clone(&status));
    let client = ClientAddress(status.client);
    let mut request = request.map(|incoming| RequestBody::wrap(incoming, status, timeout));
    request.extensions_mut().insert(client);
    let target = request.uri().path_and_query();
    let is_public = app.is_public();
    let mut response = if !has_valid_host(&request) {
        context::respond(request, None, async |_| {
            let mut refusal = protocol_error::bad_host().into_response();
            refusal.headers_mut().insert(CONNECTION, CLOSE);
            refusal
        })
        .await
    } else if target.is_some_and(|target| target.as_str().len() > MAX_URI_BYTES) {
        context::respond(request, None, async |_| {
            protocol_error::uri_too_long().into_response()
        })
        .await
    } else if !app.admits(request.uri().path(), request.headers()) {
        context::respond(request, None, async |_| {
            protocol_error::no_token().into_response()
        })
        .await
    } else if let Some((id, fallback)) = fallback {
        context::respond(request, Some(id.to_header()), fallback).await
    } else {
        context::respond(request, None, async |request| app.answer(request).await).await
    };
    if is_public {
        response
            .headers_mut()
            .insert(X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    }
    Ok(response.map(|body| answering.retain_until_sent(body)))
}
