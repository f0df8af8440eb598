//! Notices a client that stays silent when it has to send something.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use tokio::time::Sleep;

use crate::status::Status;

/// How long a client may be silent.
#[derive(Clone, Copy)]
pub(super) struct Timeouts {
    /// When it has to send the rest of a head or of a body, or to read a reply.
    pub(super) silence: Duration,
    /// Between two requests.
    pub(super) keep_alive: Duration,
}

/// Watches one client. The timer is not reset for each request: an occasional vain check is
/// cheaper.
pub(super) struct ReadTimeout {
    timeouts: Timeouts,
    timer: Pin<Box<Sleep>>,
}

impl ReadTimeout {
    pub(super) fn new(timeouts: Timeouts) -> Self {
        Self {
            timeouts,
            timer: Box::pin(tokio::time::sleep(timeouts.silence)),
        }
    }

    /// Ready when the client has been silent for too long.
    pub(super) fn poll(&mut self, status: &Status, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.timer.as_mut().poll(cx));
            let now = Instant::now();
            let check = now + self.timeouts.silence;
            let late = match (status.is_waiting(), status.head_since()) {
                (true, Some(since)) => since + self.timeouts.silence,
                (true, None) => status.replied_at() + self.timeouts.keep_alive,
                (false, _) => check,
            };
            if late <= now {
                return Poll::Ready(());
            }
            // A head that begins after this check cannot be late before the next one.
            self.timer.as_mut().reset(late.min(check).into());
        }
    }
}
