//! Calls to a service: over HTTP/1.1, or within the process. Callers do not know which.

mod backend;
mod body;
mod connection;
mod decode;
mod http;
mod local;
mod members;
mod metrics;
mod origin;
mod owners;
#[cfg(any(test, fuzzing))]
mod pieces;
mod pipelined;
mod pool;
mod request;
mod response;
#[cfg(test)]
mod split_tests;
#[cfg(test)]
mod testing;
mod upload;
mod watch;

use std::{future::Future, io, pin::Pin, time::Duration};

use ::http::StatusCode;
use axum::response::Response;
use bytes::Bytes;
use contract::Revision;
use http_server::{FastRequest, Handler, ProblemReply};

pub use http::PipelinedOutcome;
pub use metrics::Metrics;
pub use origin::{InvalidOrigins, Origins};
#[cfg(any(test, fuzzing))]
pub use pieces::read_in_pieces;
pub use request::RequestHead;
pub use response::BadReply;
pub use upload::Upload;

/// A service that answers calls. Cheap to clone.
#[derive(Clone)]
pub struct Upstream(Transport);

#[derive(Clone)]
enum Transport {
    Http(http::Http),
    Local(local::Local),
}

/// A request to a service.
pub struct Call {
    /// Method, path and headers.
    pub head: RequestHead,
    /// The body.
    pub payload: Payload,
    /// How long the reply may take once the service has the request, and how long either side may
    /// stall before that.
    pub timeout: Duration,
    /// Whether it may share a connection with others, and so wait behind them.
    pipelined: bool,
    /// The partition whose owner is asked; `None` if any backend can answer.
    partition: Option<i32>,
}

/// The body of a call.
pub enum Payload {
    /// The whole body. Such a call may reach the service twice.
    Whole(Bytes),
    /// The body as it arrives from the client. Such a call reaches the service at most once.
    Streamed(Upload),
}

/// The outcome of a request on the fast path.
pub enum FastOutcome {
    /// The body of the reply was appended.
    Replied,
    /// The body comes later, or the outcome so far for [`Upstream::ask_after`].
    Later(Pin<Box<dyn Future<Output = Result<Bytes, PipelinedOutcome>> + Send>>),
    /// The service has to be asked the ordinary way.
    Fallthrough,
}

/// Why a call got no reply.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No backend accepts connections.
    #[error("no backend can be reached")]
    Unreachable(#[source] io::Error),
    /// The backend ended the connection without a reply.
    #[error("connection ended before the reply")]
    Gone(#[source] io::Error),
    /// The backend ended the connection in the middle of its reply.
    #[error("connection ended within the reply")]
    Broke(#[source] io::Error),
    /// The backend sent something that is not a valid reply.
    #[error("reply is not understood")]
    Bad(#[source] BadReply),
    /// The backend does not keep up with the requests that it has.
    #[error("the service has too much to do")]
    Overloaded,
    /// The backend was silent for this long.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The backend does not know us by our token.
    #[error("SERVICE_TOKEN is not that of the service")]
    Unknown,
    /// The client did not send its body as it should.
    #[error("{}", .0.detail)]
    Client(ProblemReply),
}

impl Upstream {
    /// A service at `origins`, over HTTP/1.1. Connections are opened when they are needed, and
    /// counted in `metrics`.
    pub fn http(origins: Origins, metrics: Metrics) -> Self {
        Self(Transport::Http(http::Http::new(origins, metrics)))
    }

    /// A service in this process. `handler` must not be wrapped in [`http_server::with_context`]:
    /// it gets the context of the request.
    pub fn local(handler: impl Into<Handler>) -> Self {
        Self(Transport::Local(local::Local::new(handler.into())))
    }

    /// Asks every backend of the service for `path` with a request of our own: a `POST` of `body`, or
    /// a `GET` if that is empty. One in this process is asked once.
    pub async fn call_each(
        &self,
        path: &'static str,
        body: Bytes,
        timeout: Duration,
    ) -> Vec<Result<Response, Error>> {
        let head = match body.is_empty() {
            true => RequestHead::get(path, None),
            false => RequestHead::post(path),
        };
        match &self.0 {
            Transport::Local(local) => {
                vec![local.call(Call::whole(head, body, timeout)).await]
            }
            Transport::Http(http) => http.ask_each(&head, &body, timeout).await,
        }
    }

    /// Whether the service is in this process.
    pub fn is_local(&self) -> bool {
        matches!(self.0, Transport::Local(_))
    }

    /// Checks that the service answers us; any reply will do but that it does not know us.
    ///
    /// # Errors
    /// Why it does not.
    pub async fn reach(&self, timeout: Duration) -> Result<(), Error> {
        match &self.0 {
            Transport::Local(_) => Ok(()),
            Transport::Http(_) => {
                // Not its health, which it tells whoever asks.
                let head = RequestHead::get("/", None);
                let call = Call::whole(head, Bytes::new(), timeout);
                match self.call(call).await?.status() {
                    StatusCode::UNAUTHORIZED => Err(Error::Unknown),
                    _ => Ok(()),
                }
            }
        }
    }

    /// Sends `call` and returns the reply, whatever its status.
    ///
    /// # Errors
    /// When there is none.
    pub async fn call(&self, call: Call) -> Result<Response, Error> {
        match &self.0 {
            Transport::Http(http) => http.call(call).await,
            Transport::Local(local) => local.call(call).await,
        }
    }

    /// Passes `request` on, to be answered as of `min_revision` or later. A body that is ready at
    /// once is appended to `reply`.
    pub fn ask_fast(
        &self,
        request: &FastRequest<'_>,
        min_revision: Option<Revision>,
        timeout: Duration,
        reply: &mut Vec<u8>,
    ) -> FastOutcome {
        match &self.0 {
            Transport::Http(http) => match http.ask_fast(request, min_revision, timeout) {
                Some(answer) => FastOutcome::Later(Box::pin(answer)),
                None => FastOutcome::Fallthrough,
            },
            Transport::Local(local) => local.ask_fast(request, min_revision, reply),
        }
    }

    /// As [`Self::call`], after the fast path has had this `outcome`.
    ///
    /// # Errors
    /// When there is no reply.
    pub async fn ask_after(
        &self,
        outcome: PipelinedOutcome,
        call: Call,
    ) -> Result<Response, Error> {
        match &self.0 {
            Transport::Http(http) => http.ask_after(outcome, call).await,
            Transport::Local(local) => local.call(call).await,
        }
    }
}

impl Call {
    /// A call that may reach the service twice.
    pub fn whole(head: RequestHead, body: Bytes, timeout: Duration) -> Self {
        Self {
            head,
            payload: Payload::Whole(body),
            timeout,
            pipelined: false,
            partition: None,
        }
    }

    /// Lets the call share a connection with others. It carries `cache-control: only-if-cached`:
    /// the service should nearly always be able to answer it from memory.
    #[must_use]
    pub fn pipelined(self) -> Self {
        Self {
            pipelined: true,
            ..self
        }
    }

    /// Sends the call to the backend that owns `partition`: the one that does not answer 421. While
    /// no backend owns it, or the owner does not answer, another one is told to take the call all
    /// the same. Only calls with a whole body can be sent so.
    #[must_use]
    pub fn by_partition(self, partition: i32) -> Self {
        Self {
            partition: Some(partition),
            ..self
        }
    }

    /// A call that reaches the service at most once.
    pub fn streamed(head: RequestHead, upload: Upload, timeout: Duration) -> Self {
        Self {
            head,
            payload: Payload::Streamed(upload),
            timeout,
            pipelined: false,
            partition: None,
        }
    }
}
