//! One connection, from its first byte to its last.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use axum::response::IntoResponse;
use http::{Request, Response};
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
    body::RequestBody,
    context, fault,
    handler::Handler,
    server::{MAX_HEAD_BYTES, MAX_HEADERS, MAX_URI_BYTES},
    status::{Answering, ReplyBody, Status},
    wire::Wire,
};

/// How much of a request that was refused half-way is read and dropped, so that the client gets to read why.
const MAX_LINGER_BYTES: u64 = 64 * 1024 * 1024;
/// How long that may take.
const MAX_LINGER: Duration = Duration::from_secs(5);
/// How long that, or the rest of a head, may take once the server stops.
const STOP_LINGER: Duration = Duration::from_millis(500);
/// The most that hyper buffers of a request, and so the size of the pieces in which big bodies come.
const READ_BUFFER_BYTES: usize = 256 * 1024;

/// How connections speak HTTP, all of them.
pub(super) struct Protocol {
    http: Builder,
    patience: Duration,
}

impl Protocol {
    /// `patience` is how long a client may be silent when it is its turn.
    pub(super) fn new(patience: Duration) -> Self {
        let mut http = Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(patience)
            // A client may end its side after the last request and still wants the reply.
            .half_close(true)
            .max_headers(MAX_HEADERS)
            .max_header_size(MAX_HEAD_BYTES)
            .max_buf_size(READ_BUFFER_BYTES);
        Self { http, patience }
    }

    /// Serves `stream` until the client ends it, it breaks the rules, or `stop` is cancelled and it is idle.
    pub(super) async fn serve(&self, stream: TcpStream, app: Handler, stop: CancellationToken) {
        let status = Arc::new(Status::default());
        let patience = self.patience;
        let service = {
            let status = Arc::clone(&status);
            service_fn(move |request| answer(app.clone(), request, Arc::clone(&status), patience))
        };
        let wire = Wire::new(stream, Arc::clone(&status), patience);
        let mut connection = self.http.serve_connection(wire, service);
        let outcome = drive(&mut connection, &status, &stop).await;
        let rest = connection.into_parts();
        let farewell = match outcome {
            Ok(()) => status.unread.load(Relaxed).then(Vec::new),
            Err(error) => refusal(&error, &rest.read_buf),
        };
        if let Some(farewell) = farewell {
            end(rest.io.into_inner(), &farewell, &stop).await;
        }
    }
}

/// What to say to a client with whom hyper could not go on; `None` when there is no one to say it to.
fn refusal(error: &hyper::Error, unparsed: &[u8]) -> Option<Vec<u8>> {
    let Some(problem) = fault::diagnose(error, unparsed) else {
        tracing::debug!(%error, "connection broke off");
        return None;
    };
    tracing::debug!(code = problem.code, detail = %problem.detail, "connection refused");
    Some(fault::render(problem))
}

/// Runs `connection` to its end; once `stop` is cancelled, that is the end of the request in flight. Who has not sent all of
/// a head by then has [`STOP_LINGER`] to do so.
async fn drive<S>(
    connection: &mut Connection<Wire, S>,
    status: &Status,
    stop: &CancellationToken,
) -> hyper::Result<()>
where
    S: HttpService<Incoming, ResBody = ReplyBody>,
    S::Error: Into<axum::BoxError>,
{
    tokio::select! {
        biased;
        outcome = &mut *connection => return outcome,
        () = stop.cancelled() => {}
    }
    Pin::new(&mut *connection).graceful_shutdown();
    loop {
        tokio::select! {
            biased;
            outcome = &mut *connection => return outcome,
            () = tokio::time::sleep(STOP_LINGER) => {}
        }
        if status.is_waiting() {
            return Ok(());
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
        context::respond(request, async |_| fault::uri_too_long().into_response()).await
    } else {
        context::respond(request, async |request| app.answer(request).await).await
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
