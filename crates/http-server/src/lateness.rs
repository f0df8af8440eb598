//! Who is silent for too long when it is its turn.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use tokio::time::Sleep;

use crate::status::Status;

/// Watches one client. The timer is not set anew for each request: that would cost more than to look in vain.
pub(super) struct Lateness {
    patience: Duration,
    timer: Pin<Box<Sleep>>,
}

impl Lateness {
    /// `patience` is how long a client may be silent when it is its turn.
    pub(super) fn new(patience: Duration) -> Self {
        Self {
            patience,
            timer: Box::pin(tokio::time::sleep(patience)),
        }
    }

    /// Ready when the client is late.
    pub(super) fn poll(&mut self, status: &Status, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.timer.as_mut().poll(cx));
            let now = Instant::now();
            let late = match status.is_waiting() {
                true => status.waiting_since() + self.patience,
                false => now + self.patience,
            };
            if late <= now {
                return Poll::Ready(());
            }
            self.timer.as_mut().reset(late.into());
        }
    }
}
