//! Calling a service in this process.

use std::sync::{Arc, OnceLock};

use axum::{body::Body, response::Response};
use contract::Revision;
use httparse::Header;
use service::http::{Fast, FastRequest, Handler};

use super::{Call, Error, FastAnswer, Payload, RequestHead};

/// A service whose handler is called as a function. It keeps to its own time limits.
#[derive(Clone)]
pub(super) struct Local(Handler);

impl Local {
    pub(super) fn new(handler: Handler) -> Self {
        Self(handler)
    }

    /// Hands `call` to the service and returns what it answered.
    ///
    /// # Errors
    /// [`Error::Client`] when the body turned out to be too large.
    pub(super) async fn call(&self, call: Call) -> Result<Response, Error> {
        match call.payload {
            Payload::Whole(body) => Ok(self.answer(call.head, Body::from(body)).await),
            Payload::Streamed(upload) => {
                let excess = Arc::new(OnceLock::new());
                let body = upload.into_body(Arc::clone(&excess));
                let response = self.answer(call.head, body).await;
                match excess.get() {
                    Some(problem) => Err(Error::Client(problem.clone())),
                    None => Ok(response),
                }
            }
        }
    }

    async fn answer(&self, head: RequestHead, body: Body) -> Response {
        self.0.answer(head.into_request(body)).await
    }

    /// Has the service's fast path answer `request`.
    pub(super) fn ask_fast(
        &self,
        request: &FastRequest<'_>,
        min_revision: Option<Revision>,
        reply: &mut Vec<u8>,
    ) -> FastAnswer {
        let Some(path) = self.0.fast_path() else {
            return FastAnswer::Left;
        };
        let newest = min_revision.map(|newest| newest.to_string());
        let header = newest.as_ref().map(|newest| Header {
            name: "x-min-revision",
            value: newest.as_bytes(),
        });
        // What the client says of revisions is not for the service.
        let headers = header.as_slice();
        let request = FastRequest {
            headers,
            ..*request
        };
        match path.answer(&request, reply) {
            Fast::Replied => FastAnswer::Replied,
            // A service in this process has nothing to wait for that it would not wait for on the ordinary way.
            Fast::Left | Fast::Later(_) => FastAnswer::Left,
        }
    }
}
