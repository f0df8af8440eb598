//! The fast path: the busiest route of a service, answered from the bytes of the connection as they stand.
//!
//! hyper reads a request into a map of headers, a URI and a body, each with allocations of its own, and a reply is as much again:
//! several times the work of judging a point. So a request for this one route that is simple, and there whole, is looked at in
//! place and answered with bytes. All that is not quite that (a request cut in two, chunks, a body without length, another route,
//! a refusal) is left to hyper and the routes, as are the words for every fault: see [`Fast::Left`].

mod id;
mod reply;
mod request;
mod serve;

use std::{
    future::Future,
    mem::MaybeUninit,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
};

use axum::{extract::Request, response::Response};
use bytes::Bytes;

use crate::limits::MAX_HEADERS;

pub(super) use id::RequestId;
pub use request::FastRequest;
use request::{Look, look};
pub(super) use serve::{Left, Served, Serving};

/// What became of a request on the fast path.
pub enum Fast {
    /// The body of a reply was appended: 200, JSON.
    Replied,
    /// It comes later.
    Later(Pin<Box<dyn Future<Output = Later> + Send>>),
    /// The routes have to answer it, as if nobody had looked at it before.
    Left,
}

/// What [`Fast::Later`] comes to.
pub enum Later {
    /// The body of a reply: 200, JSON.
    Replied(Bytes),
    /// An ordinary reply is needed after all, and this gives it in place of the routes: it knows what was tried.
    Left(Instead),
}

/// Answers one request in place of the routes.
pub type Instead =
    Box<dyn FnOnce(Request) -> Pin<Box<dyn Future<Output = Response> + Send>> + Send>;

/// Answers requests to `POST` on one route: a prefix of the path, and one more segment. Cheap to clone.
#[derive(Clone)]
pub struct FastPath {
    prefix: &'static str,
    answer: Arc<Answer>,
}

type Answer = dyn Fn(&FastRequest<'_>, &mut Vec<u8>) -> Fast + Send + Sync;

impl FastPath {
    /// Has `answer` take every simple `POST` to `prefix` and one more segment. It must not wait, nor work for longer than some dozens of
    /// microseconds, and it must answer as the routes would.
    pub fn new<F>(prefix: &'static str, answer: F) -> Self
    where
        F: Fn(&FastRequest<'_>, &mut Vec<u8>) -> Fast + Send + Sync + 'static,
    {
        let answer = Arc::new(answer);
        Self { prefix, answer }
    }

    /// Answers `request`, which is one for this route; a body goes to `body`.
    pub fn answer(&self, request: &FastRequest<'_>, body: &mut Vec<u8>) -> Fast {
        (self.answer)(request, body)
    }

    /// Appends to `out` the replies to the requests that `input` begins with, as long as they are for this route and answered at once.
    /// Returns how many bytes those requests are: what a server makes of what it receives, without one.
    pub fn answer_all(&self, input: &[u8], out: &mut Vec<u8>) -> usize {
        let (mut used, mut body) = (0, Vec::new());
        while let Step::Answered(length) = self.step(&input[used..], false, &mut body, out) {
            used += length;
        }
        used
    }

    /// Answers the request that `input` begins with; the reply goes to `out`, by way of `body`. `closes`: it is the last on its
    /// connection.
    fn step(&self, input: &[u8], closes: bool, body: &mut Vec<u8>, out: &mut Vec<u8>) -> Step {
        let mut storage = [const { MaybeUninit::uninit() }; MAX_HEADERS];
        let found = match look(input, self.prefix, &mut storage) {
            Look::Whole(found) => found,
            Look::More => return Step::More,
            Look::Other => return Step::Left(None),
        };
        let (id, length) = (RequestId::of(found.given_id()), found.length);
        body.clear();
        let request = found.with_id(id.as_bytes());
        // A panic is the routes' to meet again, and to answer.
        let answer = AssertUnwindSafe(|| self.answer(&request, body));
        match catch_unwind(answer).unwrap_or(Fast::Left) {
            Fast::Replied => {
                reply::write(id.as_bytes(), body, closes, out);
                Step::Answered(length)
            }
            Fast::Later(reply) => Step::Later(Waiting { id, length, reply }),
            Fast::Left => Step::Left(Some(length)),
        }
    }
}

/// What became of the request at the start of some bytes.
enum Step {
    /// It was so many bytes long, and is answered.
    Answered(usize),
    /// Its reply comes later.
    Later(Waiting),
    /// It is for hyper, of that length if it is known.
    Left(Option<usize>),
    /// It is not there whole.
    More,
}

/// A request of which the reply comes later.
struct Waiting {
    id: RequestId,
    length: usize,
    reply: Pin<Box<dyn Future<Output = Later> + Send>>,
}
