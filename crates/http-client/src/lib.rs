//! Calls to a service: over HTTP/1.1, or within the process. Callers do not know which.

mod backend;
mod body;
mod connection;
mod decode;
mod http;
mod lane;
mod local;
mod metrics;
mod origin;
mod pool;
mod request;
mod response;
#[cfg(test)]
mod split_tests;
mod upload;

use std::{future::Future, io, pin::Pin, time::Duration};

use axum::response::Response;
use bytes::Bytes;
use contract::Revision;
use http_server::{FastRequest, Handler, ProblemReply};

pub use http::Tried;
pub use metrics::Metrics;
pub use origin::{InvalidOrigins, Origins};
pub use request::RequestHead;
pub use response::BadReply;
pub use upload::Upload;

/// A service that answers calls. Cheap to clone.
#[derive(Clone)]
pub struct Upstream(Way);

#[derive(Clone)]
enum Way {
    Http(http::Http),
    Local(local::Local),
}

/// What a service is asked.
pub struct Call {
    /// Method, path and headers.
    pub head: RequestHead,
    /// The body.
    pub payload: Payload,
    /// How long an answer may take once the service has the request, and how long either side may stall before that.
    pub patience: Duration,
    /// Whether it may share a connection with others, and so be held up by them.
    in_line: bool,
}

/// The body of a call.
pub enum Payload {
    /// All of it. Such a call may reach the service twice.
    Whole(Bytes),
    /// As it comes from the client. Such a call reaches the service at most once.
    Streamed(Upload),
}

/// What a service makes of a request on the fast path.
pub enum FastAnswer {
    /// It has appended the body of its reply.
    Replied,
    /// It gives the body later, or else tells what has been tried.
    Later(Pin<Box<dyn Future<Output = Result<Bytes, Tried>> + Send>>),
    /// It has to be asked the ordinary way.
    Left,
}

/// Why a call got no reply.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No backend accepts connections.
    #[error("no backend can be reached")]
    Unreachable(#[source] io::Error),
    /// The backend ended the connection and said nothing.
    #[error("connection ended before the reply")]
    Gone(#[source] io::Error),
    /// The backend ended the connection in the middle of its reply.
    #[error("connection ended within the reply")]
    Broke(#[source] io::Error),
    /// What the backend sent is no HTTP reply.
    #[error("reply is not understood")]
    Bad(#[source] BadReply),
    /// The backend kept still for this long.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The client did not send its body as it should.
    #[error("{}", .0.detail)]
    Client(ProblemReply),
}

impl Upstream {
    /// A service at `origins`, over HTTP/1.1. Connections are opened when they are needed; `metrics` counts them.
    pub fn http(origins: Origins, metrics: Metrics) -> Self {
        Self(Way::Http(http::Http::new(origins, metrics)))
    }

    /// A service in this process. `handler` is one without [`http_server::with_context`]: the request's context goes along.
    pub fn local(handler: impl Into<Handler>) -> Self {
        Self(Way::Local(local::Local::new(handler.into())))
    }

    /// Whether the service answers at all: any reply will do.
    ///
    /// # Errors
    /// Why it does not.
    pub async fn reach(&self, patience: Duration) -> Result<(), Error> {
        match &self.0 {
            Way::Local(_) => Ok(()),
            Way::Http(_) => {
                let head = RequestHead::get("/livez", None);
                self.call(Call::whole(head, Bytes::new(), patience))
                    .await
                    .map(drop)
            }
        }
    }

    /// Sends `call` and returns the reply, whatever its status.
    ///
    /// # Errors
    /// When there is none.
    pub async fn call(&self, call: Call) -> Result<Response, Error> {
        match &self.0 {
            Way::Http(http) => http.call(call).await,
            Way::Local(local) => local.call(call).await,
        }
    }

    /// Asks the service what `request` asks, as of `min_revision` or later. A body that is there at once goes to `reply`.
    pub fn ask_fast(
        &self,
        request: &FastRequest<'_>,
        min_revision: Option<Revision>,
        patience: Duration,
        reply: &mut Vec<u8>,
    ) -> FastAnswer {
        match &self.0 {
            Way::Http(http) => match http.ask_fast(request, min_revision, patience) {
                Some(answer) => FastAnswer::Later(Box::pin(answer)),
                None => FastAnswer::Left,
            },
            Way::Local(local) => local.ask_fast(request, min_revision, reply),
        }
    }

    /// As [`Self::call`], for what has been `tried` on the fast path.
    ///
    /// # Errors
    /// When there is no reply.
    pub async fn ask_after(&self, tried: Tried, call: Call) -> Result<Response, Error> {
        match &self.0 {
            Way::Http(http) => http.ask_after(tried, call).await,
            Way::Local(local) => local.call(call).await,
        }
    }
}

impl Call {
    /// A call that may reach the service twice.
    pub fn whole(head: RequestHead, body: Bytes, patience: Duration) -> Self {
        Self {
            head,
            payload: Payload::Whole(body),
            patience,
            in_line: false,
        }
    }

    /// The same call, in a line with others: for what the service nearly always has in memory, and says so if not
    /// (`cache-control: only-if-cached`).
    pub fn in_line(self) -> Self {
        Self {
            in_line: true,
            ..self
        }
    }

    /// A call that reaches the service at most once.
    pub fn streamed(head: RequestHead, upload: Upload, patience: Duration) -> Self {
        Self {
            head,
            payload: Payload::Streamed(upload),
            patience,
            in_line: false,
        }
    }
}
