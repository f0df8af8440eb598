//! What a connection is doing, as its parts tell it: request body, reply body and socket. hyper owns those, and tells only
//! when all is over.

use std::{
    pin::Pin,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};

/// The state of one connection. All of it is used by one thread; atomics are what makes it `Send`.
#[derive(Debug, Default)]
pub(super) struct Status {
    /// Something of the last request's body is left to read.
    pub(super) unread: AtomicBool,
    /// Somebody has the last request's body, and may read it.
    pub(super) reading: AtomicBool,
    /// A request is being answered; set until hyper has taken the last of the reply.
    answering: AtomicBool,
    /// hyper has answered a request since it was given the connection.
    answered: AtomicBool,
    /// The client has to read before more of a reply can be sent.
    pub(super) blocked: AtomicBool,
    /// When the last reply ended, in nanoseconds after [`START`].
    replied: AtomicU64,
}

/// The time from which others here are counted.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

impl Status {
    /// Of a connection that begins now.
    pub(super) fn new() -> Self {
        let status = Self::default();
        status.ends_reply();
        status
    }

    /// The client has its reply, and it is its turn again.
    pub(super) fn ends_reply(&self) {
        let nanos = u64::try_from(START.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.replied.store(nanos, Relaxed);
    }

    /// Since when it has been the client's turn, if [it is](Self::is_waiting).
    pub(super) fn waiting_since(&self) -> Instant {
        *START + Duration::from_nanos(self.replied.load(Relaxed))
    }

    /// hyper is given the connection, which is between two requests.
    pub(super) fn begins_ordinary(&self) {
        self.answered.store(false, Relaxed);
        self.unread.store(false, Relaxed);
    }

    /// Whether hyper has answered all that it was asked, and at least one request, and nobody reads any more of one.
    pub(super) fn is_between_requests(&self) -> bool {
        self.answered.load(Relaxed) && self.is_waiting() && !self.reading.load(Relaxed)
    }

    /// Whether it is only the client that has something to do: begin a request, or go on with the head of one.
    pub(super) fn is_waiting(&self) -> bool {
        !self.answering.load(Relaxed) && !self.blocked.load(Relaxed)
    }
}

/// A request is being answered as long as this lives.
pub(super) struct Answering(Arc<Status>);

impl Answering {
    pub(super) fn begin(status: Arc<Status>) -> Self {
        status.answering.store(true, Relaxed);
        Self(status)
    }

    /// Lasts until hyper has no more use for `body`.
    pub(super) fn until_sent(self, body: Body) -> ReplyBody {
        ReplyBody {
            body,
            _answering: self,
        }
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.answering.store(false, Relaxed);
        self.0.answered.store(true, Relaxed);
        self.0.ends_reply();
    }
}

/// The body of a reply.
pub(super) struct ReplyBody {
    body: Body,
    _answering: Answering,
}

impl HttpBody for ReplyBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
