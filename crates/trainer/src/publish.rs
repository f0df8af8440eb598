//! Makes a version durable, then visible, then known to predictors, and removes old versions.

use std::time::Duration;

use bus::{Bus, TraceParent};
use contract::{ModelEvent, Point, Revision, SeriesId, TrainingData, Version};
use serde::{Serialize, de::DeserializeOwned};
use service::{health::Worked, task, telemetry::with_sources};
use store::{Changed, NewModel, Ready, RegistryError, Store};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use crate::{
    context::ChangeContext,
    error::Error,
    metrics::{self, Change},
    notify::notify,
    once::{KeyError, Once},
};

/// How long a reply waits for old versions to be removed. What takes longer continues in the
/// background.
const PRUNE_WITHIN: Duration = Duration::from_secs(2);

/// Publishes versions of series.
pub(crate) struct Publisher {
    store: Store,
    bus: Bus,
    /// The number of versions of a series that are kept. 0 keeps all.
    keep: u32,
    /// Whether a fit became durable.
    fitted: Worked,
    /// Work that continues after a reply.
    background: TaskTracker,
}

/// A version that is visible.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Published {
    pub(crate) version: Version,
    /// The revision of the series since.
    pub(crate) revision: Revision,
    /// The version that serves predictions at that revision.
    serving: Version,
}

impl Publisher {
    pub(crate) fn new(store: Store, bus: Bus, keep: u32, background: TaskTracker) -> Self {
        Self {
            store,
            bus,
            keep,
            fitted: Worked::default(),
            background,
        }
    }

    /// Publishes `new` as the next version of `series`, durably. `points` are those that it was
    /// fitted on, and empty for an imported model. If this fails or the process dies, the version
    /// stays invisible and is swept later.
    ///
    /// `reply` makes the reply about the version. It is returned, or that to an earlier try of the
    /// same request, with the version that was made then.
    pub(crate) async fn publish<R: Serialize + DeserializeOwned>(
        &self,
        series: &SeriesId,
        new: &NewModel<'_>,
        points: Vec<Point>,
        context: ChangeContext,
        reply: impl FnOnce(Version) -> R,
    ) -> Result<(R, Published), Error> {
        let ChangeContext { when, trace, once } = context;
        let version = self.store.insert_pending(series, new).await;
        let version = version.map_err(Error::NotStored)?;
        let reply = reply(version);
        let note = once.as_ref().map(|once| once.note(&reply));
        // Part by part as the bus takes them, not a second copy of all.
        let parts = TrainingData::in_parts(series, version, &points);
        let published = self.bus.publish(parts, trace.clone()).await;
        published.map_err(Error::NotPublished)?;
        let is_fit = !points.is_empty();
        drop(points);
        let ready = self
            .store
            .mark_ready_when(series, version, &when, note.as_ref())
            .await;
        let Ready { revision, serving } = match ready {
            Ok(ready) => ready,
            Err(RegistryError::Store(error)) => return Err(Error::NotStored(error)),
            Err(RegistryError::Refused(refusal)) => {
                // Another trainer was faster.
                let earlier = self.earlier(series, once.as_ref()).await?;
                return earlier.ok_or(Error::Refused(refusal));
            }
        };
        if is_fit {
            self.fitted.note();
        }
        let ready = ModelEvent::Ready {
            series_id: series.clone(),
            version,
            revision: Some(revision),
        };
        notify(&self.bus, vec![ready], trace.clone()).await;
        self.make_room(series, trace).await;
        let published = Published {
            version,
            revision,
            serving,
        };
        Ok((reply, published))
    }

    /// Proof that store and bus did their work: when a fit last became durable.
    pub(crate) fn fitted(&self) -> &Worked {
        &self.fitted
    }

    /// The reply to an earlier try of the request `once`, and the version that was made then.
    ///
    /// # Errors
    /// When another request had the same key, or the store does not answer.
    pub(crate) async fn earlier<R: DeserializeOwned>(
        &self,
        series: &SeriesId,
        once: Option<&Once>,
    ) -> Result<Option<(R, Published)>, Error> {
        let Some(once) = once else {
            return Ok(None);
        };
        let receipt = self.store.receipt(series, &once.key).await;
        let Some(receipt) = receipt.map_err(Error::Unanswered)? else {
            return Ok(None);
        };
        if receipt.digest != once.digest {
            return Err(KeyError::Reused.into());
        }
        let reply = serde_json::from_str(&receipt.reply).map_err(Error::BadReceipt)?;
        let published = Published {
            version: receipt.version,
            revision: receipt.ready.revision,
            serving: receipt.ready.serving,
        };
        Ok(Some((reply, published)))
    }

    /// Removes the versions of `series` beyond the number that is kept.
    async fn make_room(&self, series: &SeriesId, trace: TraceParent) {
        if self.keep == 0 {
            return;
        }
        let (store, bus) = (self.store.clone(), self.bus.clone());
        let pruning = prune(store, bus, series.clone(), self.keep, trace);
        let pruning = task::spawn("prune", self.background.track_future(pruning));
        if timeout(PRUNE_WITHIN, pruning).await.is_err() {
            tracing::info!(%series, "old versions are still being removed");
        }
    }
}

impl Published {
    /// The version that serves predictions, if it is another one.
    pub(crate) fn serving_instead(&self) -> Option<Version> {
        (self.serving != self.version).then_some(self.serving)
    }

    /// Says that the new version does not serve predictions, and how to change that.
    pub(crate) fn warning(&self) -> Option<String> {
        let Self { version, .. } = self;
        let serving = self.serving_instead()?;
        // An older version serves only if the champion names it.
        Some(if serving < *version {
            format!(
                "{version} does not serve predictions: the alias champion names {serving}. To serve \
                 {version}, set the alias to it; to serve the newest version always, delete the \
                 alias (anomaly unpin, or DELETE /v1/series/{{series_id}}/aliases/champion)"
            )
        } else {
            format!(
                "{version} does not serve predictions: {serving}, which is newer, does. To serve \
                 {version}, set the alias champion to it (anomaly promote, or \
                 PUT /v1/series/{{series_id}}/aliases/champion)"
            )
        })
    }
}

/// Removes all versions of `series` except the newest `keep` and those that an alias names. A
/// failure is only logged: the next version makes up for it.
async fn prune(store: Store, bus: Bus, series: SeriesId, keep: u32, trace: TraceParent) {
    let Changed {
        revision, deleted, ..
    } = match store.prune(&series, keep).await {
        Ok(changed) => changed,
        Err(RegistryError::Refused(_)) => return, // Another client removed the series.
        Err(RegistryError::Store(error)) => {
            tracing::warn!(error = with_sources(&error), %series, "old versions could not be removed");
            return;
        }
    };
    metrics::count(Change::VersionPruned, deleted.len());
    let gone = |version| ModelEvent::Deleted {
        series_id: series.clone(),
        version: Some(version),
        revision: Some(revision),
    };
    notify(&bus, deleted.into_iter().map(gone).collect(), trace).await;
}
