//! Calling a service over HTTP/1.1.

use std::{future::Future, ops::RangeInclusive, sync::Arc, time::Duration};

use axum::{body::Body, response::Response};
use bytes::Bytes;
use contract::Revision;
use http::StatusCode;
use http_server::FastRequest;
use tokio::time::timeout;

use super::{
    Call, Error, Payload,
    body::ReplyBody,
    connection::{Connection, Reply},
    decode::Decoder,
    lane::{Answer, Failure, Outcome},
    metrics::Metrics,
    origin::Origins,
    pool::{Pool, Want},
    request::{BodyLength, RequestHead, write_fast},
    response::ReplyHead,
    upload::Upload,
};

/// How long the body of a request in a line is, in bytes. What is longer takes longer to read than others should wait, and who sends
/// nothing asks for nothing that is in memory.
const LINED: RangeInclusive<usize> = 1..=4 * 1024;

/// What became of a request on a lane, where that is no plain reply.
pub struct Tried {
    backend: usize,
    outcome: Outcome,
}

/// A service behind one or more backends.
#[derive(Clone)]
pub(super) struct Http(Arc<Pool>);

impl Http {
    pub(super) fn new(origins: Origins, metrics: Metrics) -> Self {
        Self(Arc::new(Pool::new(origins, metrics)))
    }

    /// Sends `call` to a backend and returns what it answered.
    ///
    /// # Errors
    /// When there is no whole reply.
    pub(super) async fn call(&self, call: Call) -> Result<Response, Error> {
        let (head, patience) = (call.head, call.patience);
        match call.payload {
            Payload::Whole(body) if call.in_line && LINED.contains(&body.len()) => {
                self.ask_in_line(&head, &body, patience).await
            }
            Payload::Whole(body) => self.ask(None, &head, &body, patience).await,
            Payload::Streamed(upload) => self.ask_streaming(&head, upload, patience).await,
        }
    }

    /// Asks on a lane, and another way what that does not answer.
    async fn ask_in_line(
        &self,
        head: &RequestHead,
        body: &Bytes,
        patience: Duration,
    ) -> Result<Response, Error> {
        let joined = self.join(patience, |authority, out| {
            let length = BodyLength::Known(body.len() as u64);
            head.write_only_if_cached(authority, length, out);
            out.extend_from_slice(body);
        });
        let Some((backend, answer)) = joined else {
            return self.ask(None, head, body, patience).await;
        };
        let outcome = answer.await;
        self.settle(Tried { backend, outcome }, head, body, patience)
            .await
    }

    /// Puts a request of the fast path on a lane. `None`: it has to go the ordinary way.
    pub(super) fn ask_fast(
        &self,
        request: &FastRequest<'_>,
        min_revision: Option<Revision>,
        patience: Duration,
    ) -> Option<impl Future<Output = Result<Bytes, Tried>> + Send + use<>> {
        if !LINED.contains(&request.body.len()) {
            return None;
        }
        let (backend, answer) = self.join(patience, |authority, out| {
            write_fast(request, min_revision, authority, out);
        })?;
        Some(async move {
            match answer.await {
                Ok(reply) if reply.head.is_plain() => Ok(reply.whole.unwrap_or_default()),
                outcome => Err(Tried { backend, outcome }),
            }
        })
    }

    /// Gives `call`, which was `tried` on the fast path, its reply.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub(super) async fn ask_after(&self, tried: Tried, call: Call) -> Result<Response, Error> {
        match call.payload {
            Payload::Whole(body) => self.settle(tried, &call.head, &body, call.patience).await,
            Payload::Streamed(_) => unreachable!("the fast path takes whole bodies only"),
        }
    }

    /// The reply that a lane has given, or another way's where it has given none.
    async fn settle(
        &self,
        tried: Tried,
        head: &RequestHead,
        body: &Bytes,
        patience: Duration,
    ) -> Result<Response, Error> {
        let Tried { backend, outcome } = tried;
        match outcome {
            // It is not in memory there, but will be.
            Ok(reply) if reply.head.status == StatusCode::GATEWAY_TIMEOUT => {
                self.0.metrics.misses.inc();
                self.ask(Some(backend), head, body, patience).await
            }
            Ok(reply) => Ok(whole(reply.head, reply.whole.unwrap_or_default())),
            Err(Failure::Unsent) => self.ask(Some(backend + 1), head, body, patience).await,
            Err(Failure::Lost { stale, .. }) if stale || self.0.has_others() => {
                self.ask_again(backend, head, body, patience).await
            }
            Err(Failure::Lost { error, .. }) => Err(Error::Gone(error)),
            Err(Failure::Final(error)) => Err(error),
        }
    }

    /// Puts a request on the lane of a backend: `write` is told its host and port.
    fn join(
        &self,
        patience: Duration,
        write: impl FnOnce(&str, &mut Vec<u8>),
    ) -> Option<(usize, Answer)> {
        let lane = self.0.lane(patience)?;
        let authority = self.0.authority(lane.backend);
        let answer = lane.join(patience, |out| write(authority, out))?;
        Some((lane.backend, answer))
    }

    /// Asks the backend whose turn it is, or from `first` on. It asks a second time, on a new connection, if the first ended without
    /// an answer: its backend may have closed it for being idle, or be dying, so another backend is asked where there is one. Only
    /// calls that may happen twice come here.
    async fn ask(
        &self,
        first: Option<usize>,
        head: &RequestHead,
        body: &Bytes,
        patience: Duration,
    ) -> Result<Response, Error> {
        let first = match first {
            None => self.0.take(Want::Any).await,
            Some(backend) => self.0.take_from(backend, Want::Any).await,
        };
        let first = first.map_err(Error::Unreachable)?;
        let asked = first.backend;
        let may_go_better = first.is_reused() || self.0.has_others();
        match self.ask_on(first, head, body, patience).await {
            Err(Error::Gone(_)) if may_go_better => {
                self.ask_again(asked, head, body, patience).await
            }
            answer => answer,
        }
    }

    /// Asks once more what got no answer from the backend `asked`.
    async fn ask_again(
        &self,
        asked: usize,
        head: &RequestHead,
        body: &Bytes,
        patience: Duration,
    ) -> Result<Response, Error> {
        self.0.metrics.retries.inc();
        let second = self.0.take_elsewhere(asked).await;
        let second = second.map_err(Error::Unreachable)?;
        self.ask_on(second, head, body, patience).await
    }

    async fn ask_on(
        &self,
        mut connection: Connection,
        head: &RequestHead,
        body: &[u8],
        patience: Duration,
    ) -> Result<Response, Error> {
        let length = BodyLength::Known(body.len() as u64);
        head.write(
            self.0.authority(connection.backend),
            length,
            &mut connection.out,
        );
        let reply = timeout(patience, connection.ask(body))
            .await
            .map_err(|_| Error::Timeout(patience))??;
        Ok(self.answer(connection, reply, patience))
    }

    /// Sends a body that is there only once. It takes a connection that was used a moment ago, or a new one.
    async fn ask_streaming(
        &self,
        head: &RequestHead,
        mut upload: Upload,
        patience: Duration,
    ) -> Result<Response, Error> {
        let mut connection = self.take(Want::Lively).await?;
        let length = upload
            .declared()
            .map_or(BodyLength::Unknown, BodyLength::Known);
        head.write(
            self.0.authority(connection.backend),
            length,
            &mut connection.out,
        );
        let reply = connection.ask_streaming(&mut upload, patience).await?;
        Ok(self.answer(connection, reply, patience))
    }

    async fn take(&self, want: Want) -> Result<Connection, Error> {
        self.0.take(want).await.map_err(Error::Unreachable)
    }

    /// The reply for the client, and the connection back to the pool as soon as it is free.
    fn answer(&self, connection: Connection, reply: Reply, patience: Duration) -> Response {
        let head = reply.head;
        match reply.whole {
            None => {
                let decoder = Decoder::new(head.framing);
                let keeps_alive = head.keeps_alive;
                let body = ReplyBody::new(connection, decoder, keeps_alive, &self.0, patience);
                respond(head, Body::new(body))
            }
            Some(body) => {
                if head.keeps_alive {
                    self.0.give_back(connection);
                }
                whole(head, body)
            }
        }
    }
}

fn whole(head: ReplyHead, body: Bytes) -> Response {
    respond(head, Body::from(body))
}

fn respond(head: ReplyHead, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = head.status;
    *response.headers_mut() = head.into_headers();
    response
}
