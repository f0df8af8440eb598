//! Calls a service over HTTP/1.1.

use std::{future::Future, ops::RangeInclusive, sync::Arc, time::Duration};

use axum::{body::Body, response::Response};
use bytes::Bytes;
use contract::Revision;
use http::StatusCode;
use http_server::FastRequest;
use tokio::time;

use crate::{
    Call, Error, Payload,
    backend::Backend,
    body::ReplyBody,
    connection::{Connection, Reply},
    decode::Decoder,
    metrics::Metrics,
    origin::Origins,
    pipelined::{Failure, NotJoined, PendingReply, PipelinedResult},
    pool::{Pick, Pool, Reuse},
    request::{BodyLength, RequestHead, write_fast},
    response::ReplyHead,
    upload::Upload,
};

/// The length of the body of a pipelined request, in bytes. A longer one takes longer to read than
/// others should wait, and a request without a body is not one that is answered from memory.
const PIPELINED_BODY: RangeInclusive<usize> = 1..=4 * 1024;

/// The outcome of a pipelined request that got no plain reply.
pub struct PipelinedOutcome {
    backend: Arc<Backend>,
    result: PipelinedResult,
}

/// A service behind one or more backends.
#[derive(Clone)]
pub(super) struct Http(pub(super) Arc<Pool>);

impl Http {
    pub(super) fn new(origins: Origins, metrics: Metrics) -> Self {
        Self(Arc::new(Pool::new(origins, metrics)))
    }

    /// Sends `call` to a backend and returns what it answered.
    ///
    /// # Errors
    /// When there is no whole reply.
    pub(super) async fn call(&self, call: Call) -> Result<Response, Error> {
        let (head, timeout) = (call.head, call.timeout);
        match call.payload {
            Payload::Whole(body) if let Some(partition) = call.partition => {
                self.ask_owner(partition, head, &body, timeout).await
            }
            Payload::Whole(body) if call.pipelined && PIPELINED_BODY.contains(&body.len()) => {
                self.ask_pipelined(&head, &body, timeout).await
            }
            Payload::Whole(body) => self.ask(Pick::LeastBusy, &head, &body, timeout).await,
            Payload::Streamed(upload) => self.ask_streaming(&head, upload, timeout).await,
        }
    }

    /// Asks on a pipelined connection, and on one of its own if that gives no reply.
    async fn ask_pipelined(
        &self,
        head: &RequestHead,
        body: &Bytes,
        timeout: Duration,
    ) -> Result<Response, Error> {
        let joined = self.join(timeout, |host, out| {
            let length = BodyLength::Known(body.len() as u64);
            head.write_only_if_cached(host, length, out);
            out.extend_from_slice(body);
        });
        let mut reply = match joined {
            Ok(reply) => reply,
            Err(NotJoined::Overloaded) => return Err(Error::Overloaded),
            Err(NotJoined::Closed) => {
                return self.ask(Pick::LeastBusy, head, body, timeout).await;
            }
        };
        let result = (&mut reply).await;
        let backend = Arc::clone(reply.backend());
        self.settle(PipelinedOutcome { backend, result }, head, body, timeout)
            .await
    }

    /// Adds a request of the fast path to a pipelined connection. `None` if it has to go the
    /// ordinary way.
    pub(super) fn ask_fast(
        &self,
        request: &FastRequest<'_>,
        min_revision: Option<Revision>,
        timeout: Duration,
    ) -> Option<impl Future<Output = Result<Bytes, PipelinedOutcome>> + Send + use<>> {
        if !PIPELINED_BODY.contains(&request.body.len()) {
            return None;
        }
        let joined = self.join(timeout, |host, out| {
            write_fast(request, min_revision, host, out);
        });
        let mut reply = joined.ok()?;
        Some(async move {
            match (&mut reply).await {
                Ok(reply) if reply.head.is_plain() => Ok(reply.whole.unwrap_or_default()),
                result => {
                    let backend = Arc::clone(reply.backend());
                    Err(PipelinedOutcome { backend, result })
                }
            }
        })
    }

    /// The reply to `call`, of which the fast path has had this `outcome`.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub(super) async fn ask_after(
        &self,
        outcome: PipelinedOutcome,
        call: Call,
    ) -> Result<Response, Error> {
        match call.payload {
            Payload::Whole(body) => self.settle(outcome, &call.head, &body, call.timeout).await,
            Payload::Streamed(_) => unreachable!("the fast path takes whole bodies only"),
        }
    }

    /// The reply of a pipelined connection, or of another connection if it gave none.
    async fn settle(
        &self,
        outcome: PipelinedOutcome,
        head: &RequestHead,
        body: &Bytes,
        timeout: Duration,
    ) -> Result<Response, Error> {
        let PipelinedOutcome { backend, result } = outcome;
        match result {
            // The service does not have it in memory, and is asked to load it.
            Ok(reply) if reply.head.status == StatusCode::GATEWAY_TIMEOUT => {
                self.0.metrics.misses.inc();
                self.ask(Pick::From(&backend), head, body, timeout).await
            }
            Ok(reply) => Ok(whole(reply.head, reply.whole.unwrap_or_default())),
            Err(Failure::Unsent) => self.ask(Pick::After(&backend), head, body, timeout).await,
            Err(Failure::Lost { stale, .. }) if stale || self.0.members.are_several() => {
                self.ask_again(&backend, head, body, timeout).await
            }
            Err(Failure::Final(Error::Timeout(_))) if self.0.members.are_several() => {
                self.0.members.note_hanging(&backend);
                self.ask_again(&backend, head, body, timeout).await
            }
            Err(Failure::Lost { error, .. }) => Err(Error::Gone(error)),
            Err(Failure::Final(error)) => Err(error),
        }
    }

    /// Adds a request to a pipelined connection; `write` gets host and port of its backend.
    fn join(
        &self,
        timeout: Duration,
        write: impl FnOnce(&str, &mut Vec<u8>),
    ) -> Result<PendingReply, NotJoined> {
        let (connection, timeout) = self.0.pipelined(timeout).ok_or(NotJoined::Closed)?;
        connection.join(timeout, |out| write(connection.backend.host_lines(), out))
    }

    /// Asks a backend. If its connection ends without a reply, asks once more on a new connection:
    /// the backend may have closed an idle connection, or be stopping, so another backend is asked
    /// if there is one. Only calls that may happen twice come here.
    pub(super) async fn ask(
        &self,
        pick: Pick<'_>,
        head: &RequestHead,
        body: &Bytes,
        timeout: Duration,
    ) -> Result<Response, Error> {
        let first = self.take(pick, Reuse::Any, None).await?;
        let asked = Arc::clone(&first.backend);
        let may_help = first.is_reused() || self.0.members.are_several();
        match self.ask_on(first, head, body, timeout).await {
            Err(Error::Gone(_)) if may_help => self.ask_again(&asked, head, body, timeout).await,
            reply => reply,
        }
    }

    /// Asks once more what the backend `asked` has not answered; it is asked only if no other
    /// accepts.
    async fn ask_again(
        &self,
        asked: &Arc<Backend>,
        head: &RequestHead,
        body: &Bytes,
        timeout: Duration,
    ) -> Result<Response, Error> {
        self.0.metrics.retries.inc();
        let second = self
            .take(Pick::After(asked), Reuse::Never, Some(asked))
            .await?;
        self.ask_on(second, head, body, timeout).await
    }

    pub(super) async fn ask_on(
        &self,
        mut connection: Connection,
        head: &RequestHead,
        body: &[u8],
        timeout: Duration,
    ) -> Result<Response, Error> {
        let length = BodyLength::Known(body.len() as u64);
        head.write(connection.backend.host_lines(), length, &mut connection.out);
        let reply = time::timeout(timeout, connection.ask(body))
            .await
            .map_err(|_| Error::Timeout(timeout))??;
        Ok(self.answer(connection, reply, timeout))
    }

    /// Sends a body that cannot be sent twice, on a new connection or one that was used a moment
    /// ago.
    async fn ask_streaming(
        &self,
        head: &RequestHead,
        mut upload: Upload,
        timeout: Duration,
    ) -> Result<Response, Error> {
        let mut connection = self.take(Pick::LeastBusy, Reuse::Recent, None).await?;
        let length = upload
            .declared()
            .map_or(BodyLength::Unknown, BodyLength::Known);
        head.write(connection.backend.host_lines(), length, &mut connection.out);
        let reply = connection.ask_streaming(&mut upload, timeout).await?;
        Ok(self.answer(connection, reply, timeout))
    }

    async fn take(
        &self,
        pick: Pick<'_>,
        reuse: Reuse,
        last: Option<&Arc<Backend>>,
    ) -> Result<Connection, Error> {
        let taken = self.0.take(pick, reuse, last).await;
        taken.map_err(Error::Unreachable)
    }

    /// A connection to `backend`.
    pub(super) async fn take_of(
        &self,
        backend: &Arc<Backend>,
        reuse: Reuse,
    ) -> Result<Connection, Error> {
        let taken = self.0.take_of(backend, reuse).await;
        taken.map_err(Error::Unreachable)
    }

    /// The reply for the client. The connection goes back to the pool as soon as it is free.
    fn answer(&self, connection: Connection, reply: Reply, timeout: Duration) -> Response {
        let head = reply.head;
        match reply.whole {
            None => {
                let decoder = Decoder::new(head.framing);
                let keeps_alive = head.keeps_alive;
                let body = ReplyBody::new(connection, decoder, keeps_alive, &self.0, timeout);
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
