//! Waiting for something that is away.

use std::{error::Error, time::Duration};

use tokio::time::{Instant, sleep};

use crate::metrics;

/// The first and the longest pause before another attempt.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// One outage: logged when it begins and when it ends, not at every attempt between.
pub(crate) struct Outage {
    what: &'static str,
    pause: Duration,
    since: Option<Instant>,
}

impl Outage {
    /// None yet, of `what`.
    pub(crate) fn of(what: &'static str) -> Self {
        Self {
            what,
            pause: PAUSES.0,
            since: None,
        }
    }

    /// An attempt failed: waits until it is time for the next, longer each time.
    pub(crate) async fn pause(&mut self, error: &(dyn Error + Send + Sync + 'static)) {
        metrics::RETRIES.inc();
        if self.since.is_none() {
            self.since = Some(Instant::now());
            tracing::error!(
                error,
                "{} is away; trying again until it is back",
                self.what
            );
        }
        sleep(self.pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
        self.pause = (self.pause * 2).min(PAUSES.1);
    }

    /// An attempt succeeded.
    pub(crate) fn over(&self) {
        if let Some(since) = self.since {
            let seconds = since.elapsed().as_secs_f64();
            tracing::info!(seconds, "{} is back", self.what);
        }
    }
}
