//! A connection that many requests share by pipelining. Requests that are ready at the same time
//! are sent with one write, and their replies, which come in the same order, are received with one
//! read.
//!
//! System calls and wake-ups are most of the cost of a request, and here dozens of requests share
//! them. The price is that a slow reply holds up those behind it. So only requests that are
//! answered from memory belong here. They carry `cache-control: only-if-cached`, and a service that
//! would have to load something answers 504 at once.
//!
//! A connection and its requests stay on one thread. A request that gets no reply because its
//! connection ends learns whether it may be sent again.

mod drive;
mod queue;
mod replies;
#[cfg(test)]
mod tests;

use std::{
    future::Future,
    io, mem,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use tokio::net::TcpStream;

use super::{Error, backend::Backend, connection::Reply};
use drive::End;
use queue::{Queue, Slot, Timing};

/// The most requests without a reply.
const MAX_PIPELINED: usize = 16 * 1024;

/// So many requests may wait for a reply however long that takes.
const UNQUESTIONED: usize = 256;

/// The age of the oldest request without a reply from which on further ones are refused: by the time
/// that they are answered, their clients would have given up.
const OVERLOADED_AFTER: Duration = Duration::from_secs(1);

/// The largest buffers that a connection keeps, in bytes.
const MAX_KEPT: usize = 256 * 1024;

/// A connection to one backend with the requests that are sent on it.
pub(super) struct PipelinedConnection {
    pub(super) backend: Arc<Backend>,
    /// The shortest timeout that a request may have here: a late reply is not looked for more
    /// often.
    timeout: Duration,
    /// Only one thread uses it, so nobody ever waits for the lock.
    state: Mutex<State>,
}

struct State {
    queue: Queue,
    /// Requests that are not being sent yet.
    out: Vec<u8>,
    /// The task that sends and receives, while it has nothing to send.
    driver: Option<Waker>,
    /// When the last request came.
    used: Instant,
    is_open: bool,
    /// Whether a reply has come on it. If so, its backend may have closed it since.
    is_used: bool,
}

/// The result of a pipelined request.
pub(super) type PipelinedResult = Result<Reply, Failure>;

/// Why a pipelined request got no reply.
#[derive(Debug)]
pub(super) enum Failure {
    /// It has failed and must not be sent again.
    Final(Error),
    /// The backend did not accept the connection: the request was not sent.
    Unsent,
    /// The connection ended before anything of the reply came.
    Lost {
        /// Why the connection ended.
        error: io::Error,
        /// Whether the cause may have been an earlier request, or the age of the connection.
        stale: bool,
    },
}

impl PipelinedConnection {
    /// A connection over the stream that `connecting` gives. A task of this thread runs it.
    pub(super) fn open<F>(backend: Arc<Backend>, timeout: Duration, connecting: F) -> Arc<Self>
    where
        F: Future<Output = io::Result<TcpStream>> + Send + 'static,
    {
        let connection = Arc::new(Self {
            backend,
            timeout,
            state: Mutex::new(State {
                queue: Queue::default(),
                out: Vec::new(),
                driver: None,
                used: Instant::now(),
                is_open: true,
                is_used: false,
            }),
        });
        #[expect(
            clippy::disallowed_methods,
            reason = "it tells all who wait however it ends, even by a panic"
        )]
        tokio::spawn(drive::drive(Arc::clone(&connection), connecting));
        connection
    }

    /// Whether it takes further requests with `timeout`.
    pub(super) fn takes(&self, timeout: Duration) -> bool {
        self.timeout <= timeout && self.state().is_open
    }

    /// The number of requests without a reply.
    pub(super) fn waiting(&self) -> usize {
        self.state().queue.waiting()
    }

    /// Adds the request that `write` writes.
    ///
    /// # Errors
    /// When the connection is closed, too many requests wait on it, or the `timeout` is too short
    /// for it.
    pub(super) fn join(
        self: &Arc<Self>,
        timeout: Duration,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<PendingReply, NotJoined> {
        let mut state = self.state();
        if !state.is_open || timeout < self.timeout {
            return Err(NotJoined::Closed);
        }
        let now = Instant::now();
        if state.is_overloaded(now) {
            return Err(NotJoined::Overloaded);
        }
        write(&mut state.out);
        state.used = now;
        let at = state.used;
        let slot = Some(state.queue.push(Timing { at, timeout }));
        let driver = state.driver.take();
        drop(state);
        if let Some(driver) = driver {
            // It runs after the handlers that are ready now, and so sends their requests too.
            driver.wake();
        }
        let connection = Arc::clone(self);
        Ok(PendingReply { connection, slot })
    }

    /// Moves the requests that wait to be sent into `out`, which is empty. If there are none,
    /// returns `false` and wakes `driver` when one comes.
    fn take_requests(&self, out: &mut Vec<u8>, driver: &Waker) -> bool {
        let mut state = self.state();
        if state.out.is_empty() {
            state.driver = Some(driver.clone());
            return false;
        }
        mem::swap(&mut state.out, out);
        true
    }

    /// Gives the first request without a reply this one. `false` when there is no such request.
    fn answer(&self, reply: Reply) -> bool {
        let mut state = self.state();
        if state.queue.waiting() == 0 {
            return false;
        }
        state.is_used = true;
        let waker = state.queue.answer(Ok(reply));
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        true
    }

    /// Takes no further requests.
    fn close(&self) {
        self.state().is_open = false;
    }

    /// The deadline of the next reply, or the time since which the connection has been idle.
    fn activity(&self) -> Activity {
        let state = self.state();
        state
            .queue
            .next()
            .map_or(Activity::Idle(state.used), |timing| {
                Activity::Busy(timing.deadline())
            })
    }

    /// Ends the connection and tells the waiting requests why. With `has_begun`, a part of the next
    /// reply has come.
    fn end(&self, end: &End, has_begun: bool) {
        let mut state = self.state();
        state.is_open = false;
        let (now, is_used) = (Instant::now(), state.is_used);
        let mut wakers = Vec::new();
        let mut is_first = true;
        while let Some(timing) = state.queue.next() {
            let failure = match is_first {
                true => end.of_the_first(timing, has_begun, is_used),
                false => end.of_another(timing, now),
            };
            is_first = false;
            wakers.extend(state.queue.answer(Err(failure)));
        }
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change under the lock is complete before anything can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_overloaded(&self, now: Instant) -> bool {
        let waiting = self.queue.waiting();
        waiting >= UNQUESTIONED
            && (waiting >= MAX_PIPELINED
                || (self.queue.next()).is_some_and(|oldest| now - oldest.at > OVERLOADED_AFTER))
    }
}

/// Why a connection did not take a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotJoined {
    /// It takes no further ones, or none that is in such a hurry.
    Closed,
    /// The backend does not keep up with those that wait already.
    Overloaded,
}

/// Whether a connection waits for a reply.
enum Activity {
    /// It does, until this time.
    Busy(Instant),
    /// It has not since this time, or a later one.
    Idle(Instant),
}

/// The future reply to a pipelined request. Dropping it does not change the order of the others.
pub(super) struct PendingReply {
    connection: Arc<PipelinedConnection>,
    /// `None` once the reply was taken.
    slot: Option<Slot>,
}

impl PendingReply {
    /// The backend that was asked.
    pub(super) fn backend(&self) -> &Arc<Backend> {
        &self.connection.backend
    }
}

impl Future for PendingReply {
    type Output = PipelinedResult;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<PipelinedResult> {
        let slot = self.slot.expect("is not polled after its reply");
        let outcome = self.connection.state().queue.poll(slot, context.waker());
        if outcome.is_ready() {
            self.slot = None;
        }
        outcome
    }
}

impl Drop for PendingReply {
    fn drop(&mut self) {
        if let Some(slot) = self.slot {
            let left = self.connection.state().queue.abandon(slot);
            drop(left);
        }
    }
}
