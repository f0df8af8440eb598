//! The fast path: the busiest route of a service, answered straight from the bytes of the
//! connection.
//!
//! hyper reads a request into a map of headers, a URI and a body, and allocates for each. A reply
//! costs as much again. Together that is several times the work of judging a point. So a simple
//! request for this one route that has arrived whole is parsed in place and answered with bytes.
//!
//! Any other request falls through to hyper and the routes: one that is split across reads, has
//! chunks or no length, is for another route, or has to be refused. They also word every error. See
//! [`Fast::Fallthrough`].

mod id;
mod reply;
mod request;
mod serve;

use std::{
    future::Future,
    mem::MaybeUninit,
    net::IpAddr,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
};

use axum::{extract::Request, response::Response};
use bytes::Bytes;

use crate::{ServiceToken, limits::MAX_HEADERS};

pub(super) use id::RequestId;
pub use request::FastRequest;
use request::{Parsed, parse};
pub(super) use serve::{Fallthrough, Outcome, Serving};

/// The outcome of a request on the fast path.
pub enum Fast {
    /// The body of the reply was appended; the status is 200 and the type JSON.
    Replied,
    /// The reply is not ready yet.
    Later(Pin<Box<dyn Future<Output = Later> + Send>>),
    /// The routes have to answer the request, as if the fast path did not exist.
    Fallthrough,
}

/// The output of [`Fast::Later`].
pub enum Later {
    /// The body of the reply; the status is 200 and the type JSON.
    Replied(Bytes),
    /// The same, and the request is to be shown to the function: nobody has kept it.
    Noted(Bytes, Note),
    /// An ordinary reply is needed after all. The function gives it in place of the routes, because
    /// it knows what has been tried.
    Fallback(Fallback),
}

/// Is shown one request.
pub type Note = Box<dyn FnOnce(&FastRequest<'_>) + Send>;

/// Answers one request in place of the routes.
pub type Fallback =
    Box<dyn FnOnce(Request) -> Pin<Box<dyn Future<Output = Response> + Send>> + Send>;

/// Answers `POST` requests on one route, whose path is a prefix and one more segment. Cheap to
/// clone.
#[derive(Clone)]
pub struct FastPath {
    prefix: &'static str,
    answer: Arc<Answer>,
    /// The first lines of a reply.
    head: &'static [u8],
    /// What every request needs.
    token: Option<ServiceToken>,
}

type Answer = dyn Fn(&FastRequest<'_>, &mut Vec<u8>) -> Fast + Send + Sync;

impl FastPath {
    /// Lets `answer` handle every simple `POST` to `prefix` and one more segment.
    ///
    /// It must not block or work for longer than a few dozen microseconds, and it must answer as
    /// the routes would.
    pub fn new<F>(prefix: &'static str, answer: F) -> Self
    where
        F: Fn(&FastRequest<'_>, &mut Vec<u8>) -> Fast + Send + Sync + 'static,
    {
        let answer = Arc::new(answer);
        Self {
            prefix,
            answer,
            head: reply::HEAD,
            token: None,
        }
    }

    /// Adds headers to the replies that protect browsers.
    pub(super) fn public(self) -> Self {
        Self {
            head: reply::PUBLIC_HEAD,
            ..self
        }
    }

    /// Leaves requests without `token` to the routes.
    pub(super) fn demanding(self, token: Option<ServiceToken>) -> Self {
        Self { token, ..self }
    }

    /// Answers `request`, which must be for this route; the body of the reply is appended to
    /// `body`.
    pub fn answer(&self, request: &FastRequest<'_>, body: &mut Vec<u8>) -> Fast {
        (self.answer)(request, body)
    }

    /// Appends to `out` the replies to the requests at the start of `input`, up to the first that
    /// is for another route or cannot be answered at once. Returns the length of those requests.
    ///
    /// This is the work of the server without its sockets, for measuring.
    pub fn answer_all(&self, input: &[u8], out: &mut Vec<u8>) -> usize {
        let (mut used, mut body) = (0, Vec::new());
        while let Step::Answered(length) =
            self.step(&input[used..], None, KeepAlive::Yes, &mut body, out)
        {
            used += length;
        }
        used
    }

    /// Shows the request `id` at the start of `input`, which was recognised before, to `note`.
    fn show(&self, input: &[u8], id: RequestId, note: Note) {
        let mut storage = [const { MaybeUninit::uninit() }; MAX_HEADERS];
        if let Parsed::Whole(found) = parse(input, self.prefix, &mut storage) {
            note(&found.with_id(id.as_bytes(), None));
        }
    }

    /// Answers the request of `client` at the start of `input`. The reply goes to `out`, and `body` is scratch
    /// memory. `keep_alive` says whether the reply is the last on its connection.
    fn step(
        &self,
        input: &[u8],
        client: Option<IpAddr>,
        keep_alive: KeepAlive,
        body: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Step {
        let mut storage = [const { MaybeUninit::uninit() }; MAX_HEADERS];
        let found = match parse(input, self.prefix, &mut storage) {
            Parsed::Whole(found) => found,
            Parsed::Incomplete => return Step::Incomplete,
            Parsed::Other => return Step::Fallthrough(None),
        };
        if let Some(token) = &self.token
            && !token.admits(found.service_token())
        {
            return Step::Fallthrough(Some(found.length));
        }
        let (id, length) = (RequestId::of(found.given_id()), found.length);
        body.clear();
        let request = found.with_id(id.as_bytes(), client);
        // After a panic the routes try the request again; theirs becomes a 500.
        let answer = AssertUnwindSafe(|| self.answer(&request, body));
        match catch_unwind(answer).unwrap_or(Fast::Fallthrough) {
            Fast::Replied => {
                let closes = keep_alive.closes_after(length, input);
                reply::write(self.head, id.as_bytes(), body, closes, out);
                Step::Answered(length)
            }
            Fast::Later(reply) => Step::Later(Waiting { id, length, reply }),
            Fast::Fallthrough => Step::Fallthrough(Some(length)),
        }
    }
}

/// Whether a connection goes on after a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KeepAlive {
    /// It does.
    Yes,
    /// It does if the client has sent more than this request: that is answered, too.
    IfMoreArrived,
    /// It does not.
    No,
}

impl KeepAlive {
    /// Whether the reply to the request in the first `length` bytes of `input` is the last.
    fn closes_after(self, length: usize, input: &[u8]) -> bool {
        match self {
            Self::Yes => false,
            Self::IfMoreArrived => length == input.len(),
            Self::No => true,
        }
    }
}

/// The outcome of the request at the start of some bytes.
enum Step {
    /// It had this many bytes and is answered.
    Answered(usize),
    /// Its reply is not ready yet.
    Later(Waiting),
    /// hyper has to answer it; its length, if known.
    Fallthrough(Option<usize>),
    /// It has not arrived whole.
    Incomplete,
}

/// A request whose reply is not ready yet.
struct Waiting {
    id: RequestId,
    length: usize,
    reply: Pin<Box<dyn Future<Output = Later> + Send>>,
}
