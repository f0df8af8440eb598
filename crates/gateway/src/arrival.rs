//! Request bodies before their requests have a permit. A request takes one only when its body is
//! there, or the start of a long one, so that a body that never comes keeps nobody out.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use http_server::{BodyFault, Fallible, ProblemReply, Start, read_charged, read_start};
use tokio::time::{Instant, Sleep, sleep};

use crate::limits::Crowding;

/// How often the rest of a long body is looked at, and how much has to have come since the last look
/// while others are refused for lack of a place: a megabyte a second.
const LOOK_EVERY: Duration = Duration::from_secs(3);
const MIN_BYTES_PER_LOOK: usize = 3 * 1024 * 1024;

/// A body up to this length, in bytes, is awaited whole; of a longer one so much has to be there.
const START: usize = 256 * 1024;

/// The most memory for bodies that are arriving, in bytes.
const MAX_ARRIVING: usize = 256 * 1024 * 1024;

/// When a client that was refused should try again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The memory of the bodies that are arriving.
#[derive(Default)]
pub(crate) struct Arrivals(Arc<AtomicUsize>);

/// What one body takes of it, until this is dropped.
pub(crate) struct Charge {
    all: Arc<AtomicUsize>,
    bytes: usize,
}

impl Arrivals {
    /// All of `body`, which may have `limit` bytes, and its charge.
    ///
    /// # Errors
    /// As [`http_server::read_body`]; 503 when too much is arriving.
    pub(crate) async fn whole(&self, body: Body, limit: usize) -> Fallible<(Bytes, Charge)> {
        let mut charge = self.charge();
        let body = read_charged(body, limit, |piece| charge.add(piece)).await?;
        Ok((body, charge))
    }

    /// `body`, which may have `limit` bytes, once it is there or has begun well. The rest of it has to come at
    /// [`MIN_BYTES_PER_LOOK`] while others are refused, which `crowding` knows.
    ///
    /// # Errors
    /// 408 or 400 as [`http_server::read_body`]; 503 when too much is arriving.
    pub(crate) async fn begun(
        &self,
        mut body: Body,
        limit: u64,
        crowding: Crowding,
    ) -> Fallible<Body> {
        let declared = body.size_hint();
        let enough = usize::try_from(limit).map_or(START, |limit| limit.min(START));
        let mut charge = self.charge();
        let start = read_start(&mut body, enough, |piece| charge.add(piece)).await?;
        Ok(match start {
            Start::Whole(bytes) => Body::from(bytes),
            Start::Part(first) => Body::new(Begun {
                first: Some(first),
                rest: body,
                declared,
                crowding,
                look: None,
                arrived: 0,
            }),
        })
    }

    fn charge(&self) -> Charge {
        Charge {
            all: Arc::clone(&self.0),
            bytes: 0,
        }
    }
}

impl Charge {
    fn add(&mut self, piece: &[u8]) -> Fallible<()> {
        self.bytes += piece.len();
        let before = self.all.fetch_add(piece.len(), Ordering::Relaxed);
        match before + piece.len() <= MAX_ARRIVING {
            true => Ok(()),
            false => Err(ProblemReply::overloaded().retry_after(RETRY_AFTER)),
        }
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.all.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// A body of which a part has been read.
struct Begun {
    first: Option<Bytes>,
    rest: Body,
    /// The size of all of it.
    declared: SizeHint,
    crowding: Crowding,
    /// When to look whether it comes too slowly; made by the first wait.
    look: Option<Pin<Box<Sleep>>>,
    /// Bytes that arrived since the last look.
    arrived: usize,
}

impl Begun {
    /// Ready when others want the place of this body and it comes too slowly.
    fn poll_gives_way(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            let look = self.look.get_or_insert_with(|| Box::pin(sleep(LOOK_EVERY)));
            ready!(look.as_mut().poll(context));
            if self.arrived < MIN_BYTES_PER_LOOK && self.crowding.within(LOOK_EVERY * 2) {
                return Poll::Ready(());
            }
            self.arrived = 0;
            look.as_mut().reset(Instant::now() + LOOK_EVERY);
        }
    }
}

impl HttpBody for Begun {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        let Poll::Ready(next) = Pin::new(&mut self.rest).poll_frame(context) else {
            ready!(self.poll_gives_way(context));
            return Poll::Ready(Some(Err(axum::Error::new(BodyFault::Stalled))));
        };
        if let Some(Ok(frame)) = &next {
            self.arrived += frame.data_ref().map_or(0, Bytes::len);
        }
        Poll::Ready(next)
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match self.first {
            Some(_) => self.declared,
            None => self.rest.size_hint(),
        }
    }
}
