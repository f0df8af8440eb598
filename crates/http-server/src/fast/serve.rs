//! Serves a connection on the fast path for as long as its requests are simple.

use std::{
    cell::RefCell,
    future::poll_fn,
    io, mem,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::atomic::Ordering::Relaxed,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, ReadBuf};

use super::{
    Fallback, FastPath, KeepAlive, Later, RequestId, Step, Waiting, reply, request::MAX_BYTES,
};
use crate::{
    buffered_io::{WRITE_HIGH_WATER, WriteBuffer},
    read_timeout::ReadTimeout,
    server::Stopping,
    status::Status,
    stream::ReadHalf,
};

/// Bytes read at once, into memory that all connections of a thread share.
const READ: usize = 32 * 1024;

/// A client that has not sent a whole request after this many reads is left to hyper, which waits
/// for the rest.
const MAX_PIECES: u32 = 4;

/// The largest buffers that an idle connection keeps.
const MAX_KEPT: usize = MAX_BYTES;

thread_local! {
    static RECEIVED: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ].into());
}

/// A connection on the fast path.
pub(crate) struct Serving<'a> {
    pub(crate) path: &'a FastPath,
    pub(crate) read: &'a mut ReadHalf,
    pub(crate) write_buffer: &'a WriteBuffer,
    pub(crate) status: &'a Status,
    pub(crate) read_timeout: &'a mut ReadTimeout,
    /// Bytes that were received and are not answered yet.
    pub(crate) input: Vec<u8>,
}

/// How the fast path ends.
pub(crate) enum Outcome {
    /// The connection has ended.
    Ended(io::Result<()>),
    /// The next request is not for the fast path.
    Fallthrough(Fallthrough),
}

/// The part of a connection that hyper takes over.
#[derive(Default)]
pub(crate) struct Fallthrough {
    /// Bytes that were received and are not answered yet.
    pub(crate) input: Vec<u8>,
    /// The length of the request at the start of `input`, if it is known.
    pub(crate) length: Option<usize>,
    /// The id of that request and the function that answers it in place of the routes, if any.
    pub(crate) fallback: Option<(RequestId, Fallback)>,
}

/// The next step of a connection.
enum Next {
    /// Answer the requests that were received.
    Answer,
    /// Receive more.
    Receive,
    /// Wait until the client takes some of its replies.
    Send,
    /// Wait for the reply to the request at the start of the input.
    Wait(Waiting),
    /// Let hyper answer the next request; its length, if known.
    FallThrough(Option<usize>),
    /// Send the last reply and end the connection.
    End,
}

impl Serving<'_> {
    /// Answers requests until one comes that is not for the fast path. While the server is draining,
    /// the connection ends once all that has arrived is answered. Once the server stops, only a
    /// reply that is being waited for still comes.
    pub(crate) async fn run(mut self, stopping: &Stopping) -> Outcome {
        let mut state = State {
            next: Next::Answer,
            body: Vec::new(),
            pieces: 0,
            keep_alive: KeepAlive::Yes,
        };
        tokio::select! {
            biased;
            () = stopping.draining.cancelled() => {}
            outcome = poll_fn(|cx| self.poll(&mut state, cx)) => return outcome,
        }
        state.keep_alive = KeepAlive::IfMoreArrived;
        tokio::select! {
            biased;
            () = stopping.stop.cancelled() => {}
            outcome = poll_fn(|cx| self.poll(&mut state, cx)) => return outcome,
        }
        if !matches!(state.next, Next::Wait(_)) {
            return self.fall_through(None, None);
        }
        state.keep_alive = KeepAlive::No;
        poll_fn(|cx| self.poll(&mut state, cx)).await
    }

    fn poll(&mut self, state: &mut State, cx: &mut Context<'_>) -> Poll<Outcome> {
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
                    let received = match ready!(self.write_buffer.poll_send(cx)) {
                        Ok(()) => self.receive(state, cx),
                        Err(error) => Poll::Ready(Err(error)),
                    };
                    match received {
                        Poll::Ready(Ok(Some(next))) => next,
                        Poll::Ready(Ok(None)) if self.input.is_empty() => Next::End,
                        // hyper words the errors of a request that breaks off or is late.
                        Poll::Ready(Ok(None)) => Next::FallThrough(None),
                        Poll::Ready(Err(error)) => return Poll::Ready(Outcome::Ended(Err(error))),
                        Poll::Pending => {
                            ready!(self.read_timeout.poll(self.status, cx));
                            Next::FallThrough(None)
                        }
                    }
                }
                Next::Send => match ready!(self.write_buffer.poll_send(cx)) {
                    Ok(()) => Next::Answer,
                    Err(error) => return Poll::Ready(Outcome::Ended(Err(error))),
                },
                Next::Wait(waiting) => {
                    let Poll::Ready(reply) = waiting.poll(cx) else {
                        // Earlier replies need not wait for this one.
                        return match self.write_buffer.poll_send(cx) {
                            Poll::Ready(Err(error)) => Poll::Ready(Outcome::Ended(Err(error))),
                            _ => Poll::Pending,
                        };
                    };
                    let (id, length) = (waiting.id, waiting.length);
                    match reply {
                        Some(Later::Replied(body)) => {
                            self.replied(state.keep_alive, id, length, &body)
                        }
                        Some(Later::Noted(body, note)) => {
                            self.path.show(&self.input, id, note);
                            self.replied(state.keep_alive, id, length, &body)
                        }
                        Some(Later::Fallback(fallback)) => {
                            let fallback = Some((id, fallback));
                            return Poll::Ready(self.fall_through(Some(length), fallback));
                        }
                        None => Next::FallThrough(Some(length)),
                    }
                }
                Next::FallThrough(length) => return Poll::Ready(self.fall_through(*length, None)),
                Next::End => {
                    return Poll::Ready(Outcome::Ended(ready!(self.write_buffer.poll_send(cx))));
                }
            };
        }
    }

    /// Receives, and answers as many requests as it can. `None` when the client has ended its side.
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

    /// Answers the requests at the start of `input`. Returns their length and the next step.
    fn answer(&mut self, input: &[u8], state: &mut State) -> (usize, Next) {
        let mut used = 0;
        while self.write_buffer.unsent() <= WRITE_HIGH_WATER {
            let rest = &input[used..];
            let client = Some(self.status.client);
            let step = self.write_buffer.append(|out| {
                let (path, body) = (self.path, &mut state.body);
                path.step(rest, client, state.keep_alive, body, out)
            });
            let next = match step {
                Step::Answered(length) => {
                    used += length;
                    state.pieces = 0;
                    self.status.ends_reply();
                    if state.keep_alive.closes_after(length, rest) {
                        return (used, self.last());
                    }
                    continue;
                }
                Step::Later(waiting) => Next::Wait(waiting),
                Step::Incomplete if state.pieces < MAX_PIECES => {
                    if !rest.is_empty() {
                        self.status.begins_head();
                    }
                    return (used, Next::Receive);
                }
                Step::Incomplete => Next::FallThrough(None),
                Step::Fallthrough(length) => Next::FallThrough(length),
            };
            state.pieces = 0;
            return (used, next);
        }
        (used, Next::Send)
    }

    /// The step after the last reply. The client may have sent further requests, so the end of the
    /// connection has to wait until it has read that reply.
    fn last(&self) -> Next {
        self.status.unread.store(true, Relaxed);
        Next::End
    }

    /// Answers the request `id`, which is the first `length` bytes of the input.
    fn replied(
        &mut self,
        keep_alive: KeepAlive,
        id: RequestId,
        length: usize,
        body: &[u8],
    ) -> Next {
        let closes = keep_alive.closes_after(length, &self.input);
        self.write_buffer
            .append(|out| reply::write(self.path.head, id.as_bytes(), body, closes, out));
        self.status.ends_reply();
        self.forget(length);
        match closes {
            true => self.last(),
            false => Next::Answer,
        }
    }

    /// Drops the first `used` bytes of the input.
    fn forget(&mut self, used: usize) {
        self.input.drain(..used);
        self.input.shrink_to(MAX_KEPT);
    }

    fn fall_through(
        &mut self,
        length: Option<usize>,
        fallback: Option<(RequestId, Fallback)>,
    ) -> Outcome {
        Outcome::Fallthrough(Fallthrough {
            input: mem::take(&mut self.input),
            length,
            fallback,
        })
    }
}

/// The progress of a connection.
struct State {
    next: Next,
    /// Scratch memory for the bodies of replies.
    body: Vec<u8>,
    /// Reads since the last whole request.
    pieces: u32,
    /// Whether the connection goes on after the next reply.
    keep_alive: KeepAlive,
}

impl Waiting {
    /// The reply, or `Ready(None)` after a panic.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Later>> {
        let reply = AssertUnwindSafe(|| self.reply.as_mut().poll(cx));
        match catch_unwind(reply) {
            Ok(reply) => reply.map(Some),
            Err(_) => Poll::Ready(None),
        }
    }
}
