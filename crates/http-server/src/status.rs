//! The state of a connection as its parts report it: request body, reply body and socket. hyper
//! owns these, and reports only the end.

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

/// The state of one connection. Only one thread uses it; the atomics make it `Send`.
#[derive(Debug, Default)]
pub(super) struct Status {
    /// The last request's body has not been read to its end.
    pub(super) unread: AtomicBool,
    /// A handler holds the last request's body and may read it.
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

/// The origin of [`Status::replied`].
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

impl Status {
    /// The state of a new connection.
    pub(super) fn new() -> Self {
        let status = Self::default();
        status.ends_reply();
        status
    }

    /// Notes that the client has its reply and may send the next request.
    pub(super) fn ends_reply(&self) {
        let nanos = u64::try_from(START.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.replied.store(nanos, Relaxed);
    }

    /// The time since which the client has had to send something, if it [has to](Self::is_waiting).
    pub(super) fn waiting_since(&self) -> Instant {
        *START + Duration::from_nanos(self.replied.load(Relaxed))
    }

    /// Notes that hyper takes over the connection, between two requests.
    pub(super) fn begins_ordinary(&self) {
        self.answered.store(false, Relaxed);
        self.unread.store(false, Relaxed);
    }

    /// Whether hyper has answered at least one request, has none to answer, and nobody reads the
    /// body of one.
    pub(super) fn is_between_requests(&self) -> bool {
        self.answered.load(Relaxed) && self.is_waiting() && !self.reading.load(Relaxed)
    }

    /// Whether the server waits for the client to begin a request, or to go on with the head of
    /// one.
    pub(super) fn is_waiting(&self) -> bool {
        !self.answering.load(Relaxed) && !self.blocked.load(Relaxed)
    }
}

/// Marks a request as being answered for as long as it lives.
pub(super) struct Answering(Arc<Status>);

impl Answering {
    pub(super) fn begin(status: Arc<Status>) -> Self {
        status.answering.store(true, Relaxed);
        Self(status)
    }

    /// Lives until hyper drops `body`.
    pub(super) fn retain_until_sent(self, body: Body) -> ReplyBody {
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

/// The body of a reply, which keeps its [`Answering`] until it is sent.
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
