//! Notices a client that stays silent when it has to send something.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use tokio::time::Sleep;

use crate::status::Status;

/// Watches one client. The timer is not reset for each request: an occasional vain check is
/// cheaper.
pub(super) struct ReadTimeout {
    timeout: Duration,
    timer: Pin<Box<Sleep>>,
}

impl ReadTimeout {
    /// `timeout` is how long a client may be silent when it has to send something.
    pub(super) fn new(timeout: Duration) -> Self {
        Self {
            timeout,
            timer: Box::pin(tokio::time::sleep(timeout)),
        }
    }

    /// Ready when the client has been silent for too long.
    pub(super) fn poll(&mut self, status: &Status, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.timer.as_mut().poll(cx));
            let now = Instant::now();
            let late = match status.is_waiting() {
                true => status.waiting_since() + self.timeout,
                false => now + self.timeout,
            };
            if late <= now {
                return Poll::Ready(());
            }
            self.timer.as_mut().reset(late.into());
        }
    }
}
