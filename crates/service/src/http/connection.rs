//! One connection, from its first byte to its last.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    response::{IntoResponse, Response},
};
use http::Request;
use hyper::{
    body::Incoming,
    server::conn::http1::{Builder, Connection},
    service::{HttpService, service_fn},
};
use hyper_util::rt::TokioTimer;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_util::sync::CancellationToken;

use crate::http::{
    ProblemReply,
    body::RequestBody,
    context, fault,
    server::{MAX_HEAD_BYTES, MAX_HEADERS, MAX_URI_BYTES},
    wire::Wire,
};

/// How much of a request that was refused half-way is read and dropped, so that the client gets to read why.
const MAX_LINGER_BYTES: u64 = 64 * 1024 * 1024;
/// How long that may take.
const MAX_LINGER: Duration = Duration::from_secs(5);
/// The most that hyper buffers of a request, and so the size of the pieces in which big bodies come.
const READ_BUFFER_BYTES: usize = 256 * 1024;

/// How connections speak HTTP, all of them.
pub(super) fn protocol(header_timeout: Duration) -> Builder {
    let mut builder = Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        // A client may end its side after the last request and still wants the reply.
        .half_close(true)
        .max_headers(MAX_HEADERS)
        .max_header_size(MAX_HEAD_BYTES)
        .max_buf_size(READ_BUFFER_BYTES);
    builder
}

/// Serves `stream` until the client ends it, it breaks the rules, or `stop` is cancelled and it is idle.
pub(super) async fn serve_one(
    stream: TcpStream,
    app: Router,
    protocol: &Builder,
    stop: CancellationToken,
) {
    let unread = Arc::new(AtomicBool::new(false));
    let body_unread = Arc::clone(&unread);
    let service = service_fn(move |request| answer(app.clone(), request, Arc::clone(&body_unread)));
    let mut connection = protocol.serve_connection(Wire::new(stream), service);
    let outcome = drive(&mut connection, stop).await;
    let rest = connection.into_parts();
    let (stream, withheld) = rest.io.into_inner();
    let unread = unread.load(Ordering::Relaxed);
    match outcome {
        Ok(()) => {
            if unread {
                end(stream, &[]).await;
            }
        }
        Err(error) => match fault::diagnose(&error, &rest.read_buf) {
            Some(problem) if withheld || !error.is_parse() || !unread => {
                tracing::debug!(code = problem.code, detail = %problem.detail, "connection refused");
                end(stream, &fault::render(problem)).await;
            }
            _ => tracing::debug!(%error, "connection broke off"),
        },
    }
}

/// Runs `connection` to its end; once `stop` is cancelled, that is the end of the request in flight.
async fn drive<S>(
    connection: &mut Connection<Wire, S>,
    stop: CancellationToken,
) -> hyper::Result<()>
where
    S: HttpService<Incoming, ResBody = axum::body::Body>,
    S::Error: Into<axum::BoxError>,
{
    tokio::select! {
        biased;
        outcome = &mut *connection => return outcome,
        () = stop.cancelled() => {}
    }
    Pin::new(&mut *connection).graceful_shutdown();
    connection.await
}

/// Answers one request. This is the hot path of every service.
async fn answer(
    app: Router,
    request: Request<Incoming>,
    unread: Arc<AtomicBool>,
) -> Result<Response, Infallible> {
    let request = request.map(|incoming| RequestBody::wrap(incoming, &unread));
    let target = request.uri().path_and_query();
    if target.is_some_and(|target| target.as_str().len() > MAX_URI_BYTES) {
        let (status, code, detail) = fault::uri_too_long();
        let refuse = async |_| ProblemReply::new(status, code, detail).into_response();
        return Ok(context::respond(request, refuse).await);
    }
    Ok(context::respond(request, |request| context::call(app, request)).await)
}

/// Sends `reply`, ends our side, and reads on for a while: closing a socket with unread bytes resets the connection, and the
/// reset would overtake the reply.
async fn end(mut stream: TcpStream, reply: &[u8]) {
    let farewell = async {
        stream.write_all(reply).await?;
        stream.shutdown().await?;
        let mut rest = stream.take(MAX_LINGER_BYTES);
        tokio::io::copy(&mut rest, &mut tokio::io::sink()).await
    };
    // The client has been told, or it is gone; there is no one left to tell about a failure.
    let _ = tokio::time::timeout(MAX_LINGER, farewell).await;
}
