//! Learns which series changed: from events within about 100 ms, and from the store every few seconds, for what events missed.
//!
//! A held model that changed is reloaded here, in the background, while the old one goes on judging.

use std::{collections::HashSet, future, time::Duration};

use bus::{Bus, Message, Subscription};
use contract::{ModelEvent, SeriesId};
use store::Store;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use crate::models::Models;

/// How often the store is asked what changed: no change may take more than five seconds.
const CHECK_EVERY: Duration = Duration::from_secs(4);

/// How long that may take.
const CHECK_WITHIN: Duration = Duration::from_secs(2);

/// How far the store is asked back beyond the last answer: a change is dated before it can be seen.
const OVERLAP: Duration = Duration::from_secs(10);

/// How many events are taken at once.
const MAX_EVENTS: usize = 500;

/// How long further events are waited for once there is one.
const GATHER_FOR: Duration = Duration::from_millis(5);

/// Follows changes and has [`Models`] reload what it holds.
pub(crate) struct Changes {
    models: Models,
    bus: Bus,
    store: Store,
    /// When the store was last asked, and answered.
    checked: Instant,
    /// Series whose reload failed.
    behind: HashSet<SeriesId>,
}

impl Changes {
    /// Changes from now on.
    pub(crate) fn new(models: Models, bus: Bus, store: Store) -> Self {
        Self {
            models,
            bus,
            store,
            checked: Instant::now(),
            behind: HashSet::new(),
        }
    }

    /// Follows changes until `stop` is cancelled.
    pub(crate) async fn follow(mut self, stop: CancellationToken) {
        let mut events = self.tail();
        let mut checks = interval(CHECK_EVERY);
        checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                batch = next_batch(&mut events) => self.apply(&batch).await,
                _ = checks.tick() => {
                    if events.is_none() {
                        events = self.tail();
                    }
                    self.check().await;
                }
            }
        }
        if let Some(events) = events {
            events.close().await;
        }
    }

    fn tail(&self) -> Option<Subscription<ModelEvent>> {
        let tail = self.bus.tail();
        if let Err(error) = &tail {
            let error: &(dyn std::error::Error + 'static) = error;
            tracing::warn!(
                error,
                "changes of models are learned from the store alone for now"
            );
        }
        tail.ok()
    }

    async fn apply(&mut self, batch: &[Message<ModelEvent>]) {
        let events = batch.iter().filter_map(|m| m.event.as_ref().ok());
        let outdated = events.filter(|event| self.models.is_outdated_by(event));
        let outdated: Vec<SeriesId> = outdated.map(|event| event.series_id().clone()).collect();
        self.reload(outdated).await;
    }

    /// Asks the store for what changed since it last answered. While it is away nothing changes.
    async fn check(&mut self) {
        let now = Instant::now();
        let age = now - self.checked + OVERLAP;
        let changed = match timeout(CHECK_WITHIN, self.store.changed_within(age)).await {
            Ok(Ok(changed)) => changed,
            Ok(Err(error)) => {
                let error: &(dyn std::error::Error + 'static) = &error;
                return tracing::warn!(error, "store does not tell what changed");
            }
            Err(_) => return tracing::warn!("store does not tell what changed in time"),
        };
        self.checked = now;
        let changed = changed.into_iter();
        let outdated = changed.filter(|(series, revision)| self.models.is_older(series, *revision));
        let outdated: Vec<SeriesId> = outdated.map(|(series, _)| series).collect();
        self.reload(outdated).await;
    }

    /// Reloads what is `outdated` and what could not be reloaded before.
    async fn reload(&mut self, outdated: Vec<SeriesId>) {
        let mut all = std::mem::take(&mut self.behind);
        all.extend(outdated);
        let failed = self.models.reload(all.into_iter().collect()).await;
        self.behind.extend(failed);
    }
}

/// The next events; forever none without a subscription, and from then on if it ends.
async fn next_batch(events: &mut Option<Subscription<ModelEvent>>) -> Vec<Message<ModelEvent>> {
    let Some(subscription) = events else {
        return future::pending().await;
    };
    match subscription.next_batch(MAX_EVENTS, GATHER_FOR).await {
        Ok(batch) => batch,
        Err(error) => {
            let error: &(dyn std::error::Error + 'static) = &error;
            tracing::warn!(
                error,
                "changes of models are learned from the store alone for now"
            );
            *events = None;
            Vec::new()
        }
    }
}
