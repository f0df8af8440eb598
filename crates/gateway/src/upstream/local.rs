//! Calling a service in this process.

use std::sync::{Arc, OnceLock};

use axum::{body::Body, response::Response};
use service::http::Handler;

use super::{Call, Error, Payload, RequestHead};

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
        let (request, context) = head.into_request(body);
        self.0.answer(request, context).await
    }
}
