//! Follows the changes of series: by events within about 100 ms, and by asking the store every few
//! seconds for those that events missed.
//!
//! A model in memory that changed is reloaded here, in the background, while the old one goes on
//! serving.

use std::{collections::HashSet, future, time::Duration};

use bus::{Bus, Message, Subscription};
use contract::{ModelEvent, SeriesId};
use service::telemetry::with_sources;
use store::Store;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use crate::models::{Models, inflight::NeedsReload};

/// How often the store is asked what changed: no change may take more than five seconds.
const CHECK_EVERY: Duration = Duration::from_secs(4);

/// How long the store may take to say what changed.
const CHECK_WITHIN: Duration = Duration::from_secs(2);

/// How far the store is asked back beyond its last answer, because a change has its time before it
/// can be seen.
const OVERLAP: Duration = Duration::from_secs(10);

/// The most events that are taken at once.
const MAX_EVENTS: usize = 500;

/// How long further events are waited for once there is one.
const GATHER_FOR: Duration = Duration::from_millis(5);

/// Follows changes and has [`Models`] reload the series that they concern.
pub(crate) struct Invalidator {
    models: Models,
    bus: Bus,
    store: Store,
    /// When the store was last asked, and answered.
    checked: Instant,
    /// Series whose reload failed.
    behind: HashSet<SeriesId>,
}

impl Invalidator {
    /// Follows changes from now on.
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
            tracing::warn!(
                error = with_sources(error),
                "changes of models are learned from the store alone for now"
            );
        }
        tail.ok()
    }

    async fn apply(&mut self, batch: &[Message<ModelEvent>]) {
        let mut outdated = Vec::new();
        for event in batch
            .iter()
            .filter_map(|message| message.event.as_ref().ok())
        {
            if self.models.apply(event) == NeedsReload::Yes {
                outdated.push(event.series_id().clone());
            }
        }
        self.reload(outdated).await;
    }

    /// Asks the store for what changed since it last answered. If it does not answer, the next call
    /// asks for all of it.
    async fn check(&mut self) {
        let now = Instant::now();
        let age = now - self.checked + OVERLAP;
        let changed = match timeout(CHECK_WITHIN, self.store.changed_within(age)).await {
            Ok(Ok(changed)) => changed,
            Ok(Err(error)) => {
                return tracing::warn!(
                    error = with_sources(&error),
                    "store does not tell what changed"
                );
            }
            Err(_) => return tracing::warn!("store does not tell what changed in time"),
        };
        self.checked = now;
        let mut outdated = Vec::new();
        for (series, revision) in changed {
            if self.models.note_revision(&series, revision) == NeedsReload::Yes {
                outdated.push(series);
            }
        }
        self.reload(outdated).await;
    }

    /// Reloads `outdated` and the series that could not be reloaded before.
    async fn reload(&mut self, outdated: Vec<SeriesId>) {
        let mut all = std::mem::take(&mut self.behind);
        all.extend(outdated);
        let failed = self.models.reload(all.into_iter().collect()).await;
        self.behind.extend(failed);
    }
}

/// The next events. Without a subscription, or once it has ended, this never returns.
async fn next_batch(events: &mut Option<Subscription<ModelEvent>>) -> Vec<Message<ModelEvent>> {
    let Some(subscription) = events else {
        return future::pending().await;
    };
    match subscription.next_batch(MAX_EVENTS, GATHER_FOR).await {
        Ok(batch) => batch,
        Err(error) => {
            tracing::warn!(
                error = with_sources(&error),
                "changes of models are learned from the store alone for now"
            );
            *events = None;
            Vec::new()
        }
    }
}
