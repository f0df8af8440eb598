//! Calls a service in this process.

use std::{
    io::Write,
    sync::{Arc, OnceLock},
};

use axum::{body::Body, response::Response};
use contract::Revision;
use http_server::{Fast, FastRequest, Handler};
use httparse::Header;

use crate::{Call, Error, FastOutcome, Payload, RequestHead};

/// A service whose handler is called as a function. It has to keep to its own timeouts.
#[derive(Clone)]
pub(super) struct Local(Handler);

impl Local {
    pub(super) fn new(handler: Handler) -> Self {
        Self(handler)
    }

    /// Hands `call` to the service and returns its reply.
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

    /// Lets the service's fast path answer `request`.
    pub(super) fn ask_fast(
        &self,
        request: &FastRequest<'_>,
        min_revision: Option<Revision>,
        reply: &mut Vec<u8>,
    ) -> FastOutcome {
        let Some(path) = self.0.fast_path() else {
            return FastOutcome::Fallthrough;
        };
        // Without an allocation: `r` and up to 20 digits.
        let mut newest = [0; 21];
        let header = min_revision.map(|revision| Header {
            name: contract::header::MIN_REVISION,
            value: written(&mut newest, revision),
        });
        // Headers of the client's own do not reach the service.
        let headers = header.as_slice();
        let request = FastRequest {
            headers,
            ..*request
        };
        match path.answer(&request, reply) {
            Fast::Replied => FastOutcome::Replied,
            // In this process the ordinary way waits for the same things.
            Fast::Fallthrough | Fast::Later(_) => FastOutcome::Fallthrough,
        }
    }
}

/// `revision` as text, written into `room`.
fn written(room: &mut [u8; 21], revision: Revision) -> &[u8] {
    let mut rest = &mut room[..];
    write!(rest, "{revision}").expect("has room for any");
    let left = rest.len();
    &room[..room.len() - left]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_any_revision() {
        let mut room = [0; 21];
        assert_eq!(written(&mut room, Revision(7)), b"r7");
        let most = written(&mut room, Revision(u64::MAX));
        assert_eq!(most, b"r18446744073709551615");
    }
}
