//! Calling a service over HTTP/1.1.

use std::{sync::Arc, time::Duration};

use axum::{body::Body, response::Response};
use bytes::Bytes;
use tokio::time::timeout;

use super::{
    Call, Error, Payload,
    body::ReplyBody,
    connection::{Connection, Reply},
    decode::Decoder,
    origin::Origins,
    pool::{Pool, Want},
    request::{BodyLength, RequestHead},
    upload::Upload,
};
use crate::metrics;

/// A service behind one or more backends.
#[derive(Clone)]
pub(super) struct Http(Arc<Pool>);

impl Http {
    pub(super) fn new(origins: Origins) -> Self {
        Self(Arc::new(Pool::new(origins)))
    }

    /// Sends `call` to a backend and returns what it answered.
    ///
    /// # Errors
    /// When there is no whole reply.
    pub(super) async fn call(&self, call: Call) -> Result<Response, Error> {
        let head = call.head;
        match call.payload {
            Payload::Whole(body) => self.ask(&head, &body, call.patience).await,
            Payload::Streamed(upload) => self.ask_streaming(&head, upload, call.patience).await,
        }
    }

    /// Asks a second time, on a new connection, if the first ended without an answer: its backend may have closed it for being
    /// idle, or be dying, so another backend is asked where there is one. Only calls that may happen twice come here.
    async fn ask(
        &self,
        head: &RequestHead,
        body: &Bytes,
        patience: Duration,
    ) -> Result<Response, Error> {
        let first = self.take(Want::Any).await?;
        let asked = first.backend;
        let may_go_better = first.is_reused() || self.0.has_others();
        match self.ask_on(first, head, body, patience).await {
            Err(Error::Gone(_)) if may_go_better => {
                metrics::RETRIES.inc();
                let second = self.0.take_elsewhere(asked).await;
                let second = second.map_err(Error::Unreachable)?;
                self.ask_on(second, head, body, patience).await
            }
            answer => answer,
        }
    }

    async fn ask_on(
        &self,
        mut connection: Connection,
        head: &RequestHead,
        body: &[u8],
        patience: Duration,
    ) -> Result<Response, Error> {
        let length = BodyLength::Known(body.len() as u64);
        head.write(self.0.authority(&connection), length, &mut connection.out);
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
        head.write(self.0.authority(&connection), length, &mut connection.out);
        let reply = connection.ask_streaming(&mut upload, patience).await?;
        Ok(self.answer(connection, reply, patience))
    }

    async fn take(&self, want: Want) -> Result<Connection, Error> {
        self.0.take(want).await.map_err(Error::Unreachable)
    }

    /// The reply for the client, and the connection back to the pool as soon as it is free.
    fn answer(&self, connection: Connection, reply: Reply, patience: Duration) -> Response {
        let head = reply.head;
        let body = match reply.whole {
            None => {
                let decoder = Decoder::new(head.framing);
                let keeps_alive = head.keeps_alive;
                let streamed = ReplyBody::new(connection, decoder, keeps_alive, &self.0, patience);
                Body::new(streamed)
            }
            Some(whole) => {
                if head.keeps_alive {
                    self.0.give_back(connection);
                }
                Body::from(whole)
            }
        };
        let mut response = Response::new(body);
        *response.status_mut() = head.status;
        *response.headers_mut() = head.headers;
        response
    }
}
