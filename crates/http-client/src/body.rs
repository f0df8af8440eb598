//! The body of a long reply, streamed to the client as it arrives.

use std::{
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::time::{Sleep, sleep};

use crate::{
    Error,
    connection::Connection,
    decode::{Decoded, Decoder},
    pool::Pool,
};

/// The rest of a reply, with the connection that it arrives on.
pub(super) struct ReplyBody {
    /// `None` once the body is complete, or broken.
    connection: Option<Connection>,
    decoder: Decoder,
    /// Whether the connection can carry another request.
    keeps_alive: bool,
    /// The pool that gets it back then.
    pool: Arc<Pool>,
    /// How long the backend may be silent.
    timeout: Duration,
    /// Runs while the backend is silent.
    stall: Option<Pin<Box<Sleep>>>,
}

impl ReplyBody {
    pub(super) fn new(
        connection: Connection,
        decoder: Decoder,
        keeps_alive: bool,
        pool: &Arc<Pool>,
        timeout: Duration,
    ) -> Self {
        Self {
            connection: Some(connection),
            decoder,
            keeps_alive,
            pool: Arc::clone(pool),
            timeout,
            stall: None,
        }
    }

    /// Gives the connection back after the last byte of the body.
    fn finish(&mut self) {
        if let Some(connection) = self.connection.take()
            && self.keeps_alive
        {
            self.pool.give_back(connection);
        }
    }

    /// The next piece. After an error the caller drops the connection.
    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Error>> {
        loop {
            let Some(connection) = &mut self.connection else {
                return Poll::Ready(Ok(None));
            };
            match self.decoder.decode(&mut connection.input) {
                Err(bad) => return Poll::Ready(Err(Error::Bad(bad))),
                Ok(Decoded::Data(data)) => {
                    // The server does not poll again once it has the declared number of bytes.
                    if self.decoder.remaining() == Some(0) {
                        self.finish();
                    }
                    return Poll::Ready(Ok(Some(data)));
                }
                Ok(Decoded::End) => {
                    self.finish();
                    return Poll::Ready(Ok(None));
                }
                Ok(Decoded::More) => {}
            }
            // Nothing is lost when this future is dropped: it holds no bytes.
            if let Poll::Ready(received) = pin!(connection.receive_body()).poll(context) {
                self.stall = None;
                received?;
                continue;
            }
            let timeout = self.timeout;
            let stall = self.stall.get_or_insert_with(|| Box::pin(sleep(timeout)));
            ready!(stall.as_mut().poll(context));
            return Poll::Ready(Err(Error::Timeout(timeout)));
        }
    }
}

impl http_body::Body for ReplyBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let piece = ready!(self.poll_piece(context));
        if let Err(error) = &piece {
            self.connection = None;
            tracing::warn!(%error, "reply broke off while it was sent on");
        }
        Poll::Ready(piece.map(|data| data.map(Frame::data)).transpose())
    }

    fn is_end_stream(&self) -> bool {
        self.connection.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        (self.decoder.remaining()).map_or_else(SizeHint::new, SizeHint::with_exact)
    }
}
