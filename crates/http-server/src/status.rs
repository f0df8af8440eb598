//! The state of a connection as its parts report it: request body, reply body and socket. hyper
//! owns these, and reports only the end.

use std::{
    net::IpAddr,
    pin::Pin,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};

/// The state of one connection. Only one thread uses it; the atomics make it `Send`.
#[derive(Debug)]
pub(super) struct Status {
    /// The address of the client.
    pub(super) client: IpAddr,
    /// The last request's body has not been read to its end.
    pub(super) unread: AtomicBool,
    /// A handler holds the last request's body and may read it.
    pub(super) reading: AtomicBool,
    /// How many requests are being answered: until hyper has taken the last of the reply. HTTP/1.1
    /// has one at a time.
    answering: AtomicUsize,
    /// hyper has answered a request since it was given the connection.
    answered: AtomicBool,
    /// How many replies wait for the client to take a piece, of HTTP/2.
    waiting: AtomicUsize,
    /// When a piece of a reply was last handed over or taken, in nanoseconds after [`START`].
    moved: AtomicU64,
    /// The client has to read before more of a reply can be sent.
    pub(super) blocked: AtomicBool,
    /// When the last reply ended, in nanoseconds after [`START`].
    replied: AtomicU64,
    /// When a head began to arrive, likewise. It counts if it is later than `replied`.
    head_began: AtomicU64,
}

/// The origin of the times in [`Status`].
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

impl Status {
    /// The state of a new connection from `client`.
    pub(super) fn new(client: IpAddr) -> Self {
        let status = Self {
            client,
            unread: AtomicBool::default(),
            reading: AtomicBool::default(),
            answering: AtomicUsize::default(),
            answered: AtomicBool::default(),
            waiting: AtomicUsize::default(),
            moved: AtomicU64::default(),
            blocked: AtomicBool::default(),
            replied: AtomicU64::default(),
            head_began: AtomicU64::default(),
        };
        status.ends_reply();
        // The first head is due from the start.
        status.begins_head();
        status
    }

    /// Notes that the client has its reply and may send the next request.
    pub(super) fn ends_reply(&self) {
        self.replied.store(nanos_now(), Relaxed);
    }

    /// Notes that a part of a head has arrived. Its later parts change nothing.
    pub(super) fn begins_head(&self) {
        let replied = self.replied.load(Relaxed);
        if self.head_began.load(Relaxed) <= replied {
            self.head_began.store(nanos_now().max(replied + 1), Relaxed);
        }
    }

    /// The time since which a head is arriving, if the client has begun one.
    pub(super) fn head_since(&self) -> Option<Instant> {
        let began = self.head_began.load(Relaxed);
        (began > self.replied.load(Relaxed)).then(|| *START + Duration::from_nanos(began))
    }

    /// When the client had its last reply.
    pub(super) fn replied_at(&self) -> Instant {
        *START + Duration::from_nanos(self.replied.load(Relaxed))
    }

    /// Notes that bytes were received for hyper. They belong to a head if no request is being
    /// answered and no body has an unread rest.
    pub(super) fn receives(&self) {
        if self.answering.load(Relaxed) == 0 && !self.unread.load(Relaxed) {
            self.begins_head();
        }
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

    /// Whether hyper has answered a request.
    pub(super) fn has_answered(&self) -> bool {
        self.answered.load(Relaxed)
    }

    /// Notes that a piece of a reply was handed over, and the reply has more.
    pub(super) fn hands_over(&self) {
        self.waiting.fetch_add(1, Relaxed);
        self.moved.store(nanos_now(), Relaxed);
    }

    /// Notes that the client has taken that piece, or the reply has ended.
    pub(super) fn took(&self) {
        self.waiting.fetch_sub(1, Relaxed);
        self.moved.store(nanos_now(), Relaxed);
    }

    /// Whether replies wait for the client, and it has taken nothing of any for `time`.
    pub(super) fn takes_nothing_for(&self, time: Duration) -> bool {
        let moved = *START + Duration::from_nanos(self.moved.load(Relaxed));
        self.waiting.load(Relaxed) > 0 && moved.elapsed() >= time
    }

    /// Whether the server waits for the client to begin a request, or to go on with the head of
    /// one.
    pub(super) fn is_waiting(&self) -> bool {
        self.answering.load(Relaxed) == 0 && !self.blocked.load(Relaxed)
    }
}

fn nanos_now() -> u64 {
    u64::try_from(START.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// Marks a request as being answered for as long as it lives.
pub(super) struct Answering(Arc<Status>);

impl Answering {
    pub(super) fn begin(status: Arc<Status>) -> Self {
        status.answering.fetch_add(1, Relaxed);
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
        self.0.answering.fetch_sub(1, Relaxed);
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
