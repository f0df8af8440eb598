//! A connection that many requests share, in a line: those that are ready at the same time go out with one write, and their
//! replies, which come in the same order, are read with one read.
//!
//! The system calls and wake-ups of a request are most of what it costs, and here some dozens of requests share them. The price is
//! that a slow reply holds up those behind it. So only requests that are answered from memory belong here: they carry
//! `cache-control: only-if-cached`, and a service that would have to wait for something answers 504 at once.
//!
//! A lane lives and dies on one thread, with the requests that it carries. A request that gets no reply because its lane ends is told
//! whether it may ask again.

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

use super::{Error, connection::Reply};
use drive::End;
use queue::{Asked, Queue, Ticket};

/// The most requests in the line. Further ones take other connections, which lead to other threads of the backend.
const MAX_IN_LINE: usize = 256;

/// The largest buffers that a lane keeps.
const MAX_KEPT: usize = 256 * 1024;

/// A line of requests to one backend.
pub(super) struct Lane {
    /// Which of the pool's backends it leads to.
    pub(super) backend: usize,
    /// How long a reply may take, at least, for a request to come here: the lane looks no more often whether one is late.
    patience: Duration,
    /// One thread has it to itself, so that it is never waited for.
    line: Mutex<Line>,
}

struct Line {
    queue: Queue,
    /// Requests that nobody has begun to send.
    out: Vec<u8>,
    /// Sends and receives; there while it has nothing to send.
    driver: Option<Waker>,
    /// When the last request came.
    used: Instant,
    is_open: bool,
    /// Whether a reply has come on it, so that its backend may have closed it since.
    is_used: bool,
}

/// What a request in the line comes to.
pub(super) type Outcome = Result<Reply, Failure>;

/// Why a request in the line got no reply.
#[derive(Debug)]
pub(super) enum Failure {
    /// It ends with this.
    Final(Error),
    /// The backend did not accept the connection: the request was not sent.
    Unsent,
    /// The lane ended before anything of the reply came.
    Lost {
        /// Why.
        error: io::Error,
        /// Whether that may have had nothing to do with this request: there were others before it.
        stale: bool,
    },
}

impl Lane {
    /// A lane over the connection that `connecting` gives, which is run by a task of this thread.
    pub(super) fn open<F>(backend: usize, patience: Duration, connecting: F) -> Arc<Self>
    where
        F: Future<Output = io::Result<TcpStream>> + Send + 'static,
    {
        let lane = Arc::new(Self {
            backend,
            patience,
            line: Mutex::new(Line {
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
        tokio::spawn(drive::drive(Arc::clone(&lane), connecting));
        lane
    }

    /// Whether requests can still be put in.
    pub(super) fn is_open(&self) -> bool {
        self.line().is_open
    }

    /// Puts the request that `write` writes at the end of the line. `None` when the lane is closed or full.
    pub(super) fn join(
        self: &Arc<Self>,
        patience: Duration,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Option<Answer> {
        let mut line = self.line();
        let is_full = line.queue.waiting() >= MAX_IN_LINE;
        if !line.is_open || is_full || patience < self.patience {
            return None;
        }
        write(&mut line.out);
        line.used = Instant::now();
        let at = line.used;
        let ticket = Some(line.queue.push(Asked { at, patience }));
        let driver = line.driver.take();
        drop(line);
        if let Some(driver) = driver {
            // It runs after the requests that are ready now, and so takes theirs along.
            driver.wake();
        }
        let lane = Arc::clone(self);
        Some(Answer { lane, ticket })
    }

    /// Puts requests that wait to be sent into `out`, which is empty. If there are none, `driver` is woken when one comes.
    fn take_requests(&self, out: &mut Vec<u8>, driver: &Waker) -> bool {
        let mut line = self.line();
        if line.out.is_empty() {
            line.driver = Some(driver.clone());
            return false;
        }
        mem::swap(&mut line.out, out);
        true
    }

    /// Gives the first in line its reply. `false` when nobody asked.
    fn answer(&self, reply: Reply) -> bool {
        let mut line = self.line();
        if line.queue.waiting() == 0 {
            return false;
        }
        line.is_used = true;
        let waker = line.queue.answer(Ok(reply));
        drop(line);
        if let Some(waker) = waker {
            waker.wake();
        }
        true
    }

    /// Lets no more requests in.
    fn close(&self) {
        self.line().is_open = false;
    }

    /// When the reply that comes next is late, or since when the lane has carried nothing.
    fn look(&self) -> Look {
        let line = self.line();
        line.queue
            .next()
            .map_or(Look::Idle(line.used), |asked| Look::Busy(asked.deadline()))
    }

    /// Ends the lane; who is in line learns why. `has_begun`: something of the next reply has come.
    fn end(&self, end: &End, has_begun: bool) {
        let mut line = self.line();
        line.is_open = false;
        let (now, is_used) = (Instant::now(), line.is_used);
        let mut wakers = Vec::new();
        let mut is_first = true;
        while let Some(asked) = line.queue.next() {
            let failure = match is_first {
                true => end.of_the_first(asked, has_begun, is_used),
                false => end.of_another(asked, now),
            };
            is_first = false;
            wakers.extend(line.queue.answer(Err(failure)));
        }
        drop(line);
        wakers.into_iter().for_each(Waker::wake);
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        // Every change under the lock is complete before anything can panic.
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a lane is at.
enum Look {
    /// It waits for a reply, until then.
    Busy(Instant),
    /// It has nothing to do, since then or later.
    Idle(Instant),
}

/// The reply to come of a request in a line. Dropped, it leaves the order of the others as it is.
pub(super) struct Answer {
    lane: Arc<Lane>,
    /// `None` once the reply was taken.
    ticket: Option<Ticket>,
}

impl Future for Answer {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Outcome> {
        let ticket = self.ticket.expect("is not polled after its reply");
        let outcome = self.lane.line().queue.poll(ticket, context.waker());
        if outcome.is_ready() {
            self.ticket = None;
        }
        outcome
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            let left = self.lane.line().queue.leave(ticket);
            drop(left);
        }
    }
}
