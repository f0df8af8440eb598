//! Serving a connection on the fast path, for as long as its requests are simple.

use std::{
    cell::RefCell,
    future::poll_fn,
    io, mem,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, ReadBuf},
    net::tcp::OwnedReadHalf,
};
use tokio_util::sync::CancellationToken;

use super::{FastPath, Instead, Later, RequestId, Step, Waiting, reply, request::MAX_BYTES};
use crate::{
    lateness::Lateness,
    status::Status,
    wire::{HELD, Outbox},
};

/// As much is read at once, into memory that the connections of a thread share.
const READ: usize = 32 * 1024;

/// Who has not sent all of a request after so many pieces is left to hyper, which has patience with that.
const MAX_PIECES: u32 = 4;

/// The largest buffers that an idle connection keeps.
const MAX_KEPT: usize = MAX_BYTES;

thread_local! {
    static RECEIVED: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ].into());
}

/// A connection on the fast path.
pub(crate) struct Serving<'a> {
    pub(crate) path: &'a FastPath,
    pub(crate) read: &'a mut OwnedReadHalf,
    pub(crate) outbox: &'a Outbox,
    pub(crate) status: &'a Status,
    pub(crate) lateness: &'a mut Lateness,
    /// What was received and is not answered.
    pub(crate) input: Vec<u8>,
}

/// How the fast path ends.
pub(crate) enum Served {
    /// The connection does.
    Ended(io::Result<()>),
    /// What comes next is not for it.
    Left(Left),
}

/// What is left to hyper.
#[derive(Default)]
pub(crate) struct Left {
    /// What was received.
    pub(crate) input: Vec<u8>,
    /// The length of the request that this begins with; `None` where nobody knows, or cares.
    pub(crate) length: Option<usize>,
    /// The id of that request, and what answers it, if the routes should not.
    pub(crate) instead: Option<(RequestId, Instead)>,
}

/// What a connection has to do next.
enum Next {
    /// Go on with what was received.
    Answer,
    /// Receive more.
    Receive,
    /// Have the client take some of its replies.
    Send,
    /// Wait for the reply to the request that the input begins with.
    Wait(Waiting),
    /// Have hyper answer the next request, of that length if it is known.
    Leave(Option<usize>),
    /// Send the last reply, and end.
    End,
}

impl Serving<'_> {
    /// Answers requests until one comes that is not for the fast path. Once `stop` is cancelled, the reply that is waited for is
    /// the last.
    pub(crate) async fn run(mut self, stop: &CancellationToken) -> Served {
        let mut state = State {
            next: Next::Answer,
            body: Vec::new(),
            pieces: 0,
            closes: false,
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            served = poll_fn(|cx| self.poll(&mut state, cx)) => return served,
        }
        if !matches!(state.next, Next::Wait(_)) {
            return self.leave(None, None);
        }
        state.closes = true;
        poll_fn(|cx| self.poll(&mut state, cx)).await
    }

    fn poll(&mut self, state: &mut State, cx: &mut Context<'_>) -> Poll<Served> {
        loop {
            state.next = match &mut state.next {
                Next::Answer => {
                    let input = mem::take(&mut self.input);
                    let (used, next) = self.answer(&input, state);
                    self.input = input;
                    self.forget(used);
                    next
                }
                Next::Receive => {
                    let received = match ready!(self.outbox.poll_send(cx)) {
                        Ok(()) => self.receive(state, cx),
                        Err(error) => Poll::Ready(Err(error)),
                    };
                    match received {
                        Poll::Ready(Ok(Some(next))) => next,
                        Poll::Ready(Ok(None)) if self.input.is_empty() => Next::End,
                        // hyper has the words for a request that broke off, and for one that is late.
                        Poll::Ready(Ok(None)) => Next::Leave(None),
                        Poll::Ready(Err(error)) => return Poll::Ready(Served::Ended(Err(error))),
                        Poll::Pending => {
                            ready!(self.lateness.poll(self.status, cx));
                            Next::Leave(None)
                        }
                    }
                }
                Next::Send => match ready!(self.outbox.poll_send(cx)) {
                    Ok(()) => Next::Answer,
                    Err(error) => return Poll::Ready(Served::Ended(Err(error))),
                },
                Next::Wait(waiting) => {
                    let Poll::Ready(reply) = waiting.poll(cx) else {
                        // Earlier replies need not wait for this one.
                        return match self.outbox.poll_send(cx) {
                            Poll::Ready(Err(error)) => Poll::Ready(Served::Ended(Err(error))),
                            _ => Poll::Pending,
                        };
                    };
                    let (id, length) = (waiting.id, waiting.length);
                    match reply {
                        Some(Later::Replied(body)) => {
                            self.reply(id, &body, state.closes);
                            self.forget(length);
                            if state.closes {
                                Next::End
                            } else {
                                Next::Answer
                            }
                        }
                        Some(Later::Left(instead)) => {
                            return Poll::Ready(self.leave(Some(length), Some((id, instead))));
                        }
                        None => Next::Leave(Some(length)),
                    }
                }
                Next::Leave(length) => return Poll::Ready(self.leave(*length, None)),
                Next::End => return Poll::Ready(Served::Ended(ready!(self.outbox.poll_send(cx)))),
            };
        }
    }

    /// Receives, and answers as far as it can; `None` when the client has ended its side.
    fn receive(
        &mut self,
        state: &mut State,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Option<Next>>> {
        RECEIVED.with_borrow_mut(|memory| {
            let mut received = ReadBuf::new(memory);
            ready!(Pin::new(&mut *self.read).poll_read(cx, &mut received))?;
            let received = received.filled();
            if received.is_empty() {
                return Poll::Ready(Ok(None));
            }
            state.pieces += 1;
            if !self.input.is_empty() {
                self.input.extend_from_slice(received);
                return Poll::Ready(Ok(Some(Next::Answer)));
            }
            // The usual case: nothing is copied.
            let (used, next) = self.answer(received, state);
            self.input.extend_from_slice(&received[used..]);
            Poll::Ready(Ok(Some(next)))
        })
    }

    /// Answers the requests that `input` begins with; how many bytes they were, and what has to be done next.
    fn answer(&mut self, input: &[u8], state: &mut State) -> (usize, Next) {
        let mut used = 0;
        while self.outbox.unsent() <= HELD {
            let rest = &input[used..];
            let step = self
                .outbox
                .append(|out| self.path.step(rest, state.closes, &mut state.body, out));
            let next = match step {
                Step::Answered(length) => {
                    used += length;
                    state.pieces = 0;
                    self.status.ends_reply();
                    continue;
                }
                Step::Later(waiting) => Next::Wait(waiting),
                Step::More if state.pieces < MAX_PIECES => return (used, Next::Receive),
                Step::More => Next::Leave(None),
                Step::Left(length) => Next::Leave(length),
            };
            state.pieces = 0;
            return (used, next);
        }
        (used, Next::Send)
    }

    fn reply(&self, id: RequestId, body: &[u8], closes: bool) {
        self.outbox
            .append(|out| reply::write(id.as_bytes(), body, closes, out));
        self.status.ends_reply();
    }

    /// Drops the first `used` bytes of the input.
    fn forget(&mut self, used: usize) {
        self.input.drain(..used);
        self.input.shrink_to(MAX_KEPT);
    }

    fn leave(&mut self, length: Option<usize>, instead: Option<(RequestId, Instead)>) -> Served {
        Served::Left(Left {
            input: mem::take(&mut self.input),
            length,
            instead,
        })
    }
}

/// How far a connection is.
struct State {
    next: Next,
    /// For bodies of replies, one after the other.
    body: Vec<u8>,
    /// Pieces in which the next request has come so far.
    pieces: u32,
    /// Whether the next reply is the last.
    closes: bool,
}

impl Waiting {
    /// The reply; `Ready(None)` if there was a panic.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Later>> {
        let reply = AssertUnwindSafe(|| self.reply.as_mut().poll(cx));
        match catch_unwind(reply) {
            Ok(reply) => reply.map(Some),
            Err(_) => Poll::Ready(None),
        }
    }
}
