//! How a version becomes durable, then visible, then known, and which older ones make room for it.

use std::time::Duration;

use bus::{Bus, TraceParent};
use contract::{ModelEvent, Point, Revision, SeriesId, TrainingData, Version};
use service::task;
use store::{Changed, NewModel, Store};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use crate::{
    error::Error,
    metrics::{self, Change},
    notify::tell,
    registry::Demand,
};

/// How long a reply waits for older versions to be removed. Where there is more to remove, that goes on behind it.
const PRUNE_WITHIN: Duration = Duration::from_secs(2);

/// Adds versions to series.
pub(crate) struct Versions {
    store: Store,
    bus: Bus,
    /// How many versions of a series are kept; 0: all.
    keep: u32,
    /// What goes on behind replies.
    background: TaskTracker,
}

/// A version that can be used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Added {
    pub(crate) version: Version,
    /// Of the series, since.
    pub(crate) revision: Revision,
}

impl Versions {
    pub(crate) fn new(store: Store, bus: Bus, keep: u32, background: TaskTracker) -> Self {
        Self {
            store,
            bus,
            keep,
            background,
        }
    }

    /// Makes `new`, fitted on `points` (none: they are not here), the next version of `series`. What it returns is durable. Where
    /// that fails or the process dies, what is left behind is invisible, and swept.
    pub(crate) async fn add(
        &self,
        series: &SeriesId,
        new: &NewModel<'_>,
        points: Vec<Point>,
        Demand { when, trace }: Demand,
    ) -> Result<Added, Error> {
        let version = self.store.insert_pending(series, new).await;
        let version = version.map_err(Error::NotStored)?;
        // Part by part as the bus takes them, not a second copy of all.
        let parts = TrainingData::in_parts(series, version, &points);
        let published = self.bus.publish(parts, trace.clone()).await;
        published.map_err(Error::NotPublished)?;
        drop(points);
        let ready = self.store.mark_ready_when(series, version, &when).await;
        let revision = ready.map_err(Error::NotStored)??;
        let ready = ModelEvent::Ready {
            series_id: series.clone(),
            version,
            revision: Some(revision),
        };
        tell(&self.bus, vec![ready], trace.clone()).await;
        self.make_room(series, trace).await;
        Ok(Added { version, revision })
    }

    /// Removes the versions of `series` that are too many.
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

/// Removes all versions of `series` but the newest `keep` and those that have a name. A failure is no one's but ours, and the next
/// version makes up for it.
async fn prune(store: Store, bus: Bus, series: SeriesId, keep: u32, trace: TraceParent) {
    let Changed {
        revision, deleted, ..
    } = match store.prune(&series, keep).await {
        Ok(Ok(changed)) => changed,
        Ok(Err(_)) => return, // Someone else removed the series.
        Err(error) => {
            let error: &(dyn std::error::Error + 'static) = &error;
            tracing::warn!(error, %series, "old versions could not be removed");
            return;
        }
    };
    metrics::count(Change::VersionPruned, deleted.len());
    let gone = |version| ModelEvent::Deleted {
        series_id: series.clone(),
        version: Some(version),
        revision: Some(revision),
    };
    tell(&bus, deleted.into_iter().map(gone).collect(), trace).await;
}
