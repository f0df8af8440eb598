//! Models, from memory or from the store: one load at a time for each series, and few reads of the
//! store at once for all of them.
//!
//! A cold predictor does not stampede the store, and a store that hangs holds a request for at most
//! three seconds.

pub(crate) mod entry;
mod inflight;
pub(crate) mod invalidate;
pub(crate) mod resolve;
mod serving;
mod versions;

use std::{sync::Arc, time::Duration};

use contract::{ModelEvent, Revision, SeriesId, Version};
use service::{task, telemetry::with_sources};
use store::{Store, StoreError};
use tokio::{sync::Semaphore, task::JoinSet, time::timeout};

pub(crate) use crate::models::inflight::LoadError;
use crate::{
    metrics,
    models::{
        entry::{Capacity, LoadedModel, ServingEntry},
        inflight::{JoinOutcome, LoadTask, NeedsReload, ServingCache},
        serving::SeriesState,
        versions::{VersionCache, VersionKey},
    },
};

/// The most reads of the store at once.
const MAX_READS: usize = 16;

/// The most reads at once for models in memory that have changed; the rest is left to requests.
const MAX_RELOADS: usize = 8;

/// How long a read waits for its turn.
const TURN_WITHIN: Duration = Duration::from_secs(1);

/// How long a read may take.
const READ_WITHIN: Duration = Duration::from_secs(2);

/// How long a request waits for a version that it names.
const VERSION_WITHIN: Duration = Duration::from_secs(3);

/// One in this many of the bytes for models is for versions that requests name.
const VERSIONS_SHARE: u64 = 8;

/// The models that requests are scored by. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Models(Arc<Inner>);

struct Inner {
    serving: Arc<ServingCache>,
    versions: VersionCache,
    store: Store,
    reads: Semaphore,
}

impl Models {
    /// Keeps models of `store` in memory, up to `capacity`.
    pub(crate) fn new(store: Store, capacity: Capacity) -> Self {
        let versions = Capacity {
            bytes: capacity.bytes / VERSIONS_SHARE,
            ..capacity
        };
        let serving = Capacity {
            bytes: capacity.bytes - versions.bytes,
            ..capacity
        };
        Self(Arc::new(Inner {
            serving: ServingCache::new(serving),
            versions: VersionCache::new(versions),
            store,
            reads: Semaphore::new(MAX_READS),
        }))
    }

    /// The model that serves `series`, if it is in memory and known to be current at `at_least`.
    /// Neither waits nor allocates.
    pub(crate) fn cached(&self, series: &str, at_least: Revision) -> Option<Arc<ServingEntry>> {
        self.0.serving.get(series, at_least)
    }

    /// The number of models in memory.
    pub(crate) fn len(&self) -> usize {
        self.0.serving.len() + self.0.versions.len()
    }

    /// Loads the model that serves `series`, unless another request has done so meanwhile. A store
    /// that has not reached `at_least` is taken as current: the revision cannot exist.
    ///
    /// # Errors
    /// [`LoadError`] when the store does not answer, or has too much to do already.
    pub(crate) async fn load(
        &self,
        series: &SeriesId,
        at_least: Revision,
    ) -> Result<Option<Arc<ServingEntry>>, LoadError> {
        metrics::CACHE_MISSES.inc();
        let mut began_after_this_call = false;
        loop {
            let SeriesState {
                entry,
                valid_through,
            } = match self.0.serving.join(series, at_least)? {
                JoinOutcome::Ready(state) => return Ok(state.entry),
                JoinOutcome::Started(waiter, task) => {
                    self.start(task);
                    return waiter.wait().await.map(|state| state.entry);
                }
                JoinOutcome::Waiting(waiter) => waiter.wait().await?,
            };
            if began_after_this_call || valid_through >= at_least {
                return Ok(entry);
            }
            // That load may have read before the caller's revision was there. The next one has not.
            began_after_this_call = true;
        }
    }

    /// A version of the series of `entry`, if it is in memory. `None` inside: there is no such
    /// version.
    pub(crate) fn cached_version(
        &self,
        entry: &ServingEntry,
        version: Version,
    ) -> Option<Option<Arc<LoadedModel>>> {
        self.0.versions.get(&key(entry, version))
    }

    /// A version of the series of `entry`, if need be from the store; `None` if there is no such
    /// version.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub(crate) async fn load_version(
        &self,
        entry: &ServingEntry,
        version: Version,
    ) -> Result<Option<Arc<LoadedModel>>, LoadError> {
        metrics::CACHE_MISSES.inc();
        let key = key(entry, version);
        // On the main runtime, where the connections to the store live, also when the caller stops
        // waiting.
        let read = task::on_main(self.clone().read_version(key.series.clone(), version));
        let loaded = timeout(VERSION_WITHIN, self.0.versions.get_or_read(&key, read)).await;
        loaded.map_err(|_| LoadError::TimedOut)?
    }

    /// Applies `event` to the models in memory: what it deleted is removed at once.
    pub(crate) fn apply(&self, event: &ModelEvent) -> NeedsReload {
        if let ModelEvent::Deleted {
            series_id: series,
            version: Some(version),
            ..
        } = event
            && let Some(revision) = self.0.serving.revision(series)
        {
            self.0.versions.remove(&VersionKey {
                series: series.clone(),
                version: *version,
                revision,
            });
        }
        self.0.serving.apply(event)
    }

    /// Takes note that the store has `series` at `revision`.
    pub(crate) fn note_revision(&self, series: &SeriesId, revision: Revision) -> NeedsReload {
        self.0.serving.note_revision(series, revision)
    }

    /// Reads all of `series` from the store again and returns those that it could not read; what
    /// is in memory of these goes on serving. Gives up at the first failure, because the others
    /// would wait for the same store.
    pub(crate) async fn reload(&self, series: Vec<SeriesId>) -> Vec<SeriesId> {
        let mut failed = Vec::new();
        let mut reloads = JoinSet::new();
        for series in series {
            if reloads.len() >= MAX_RELOADS
                && let Some(Ok(reload)) = reloads.join_next().await
            {
                failed.extend(reload);
            }
            if failed.is_empty() {
                reloads.spawn(self.clone().reload_one(series));
            } else {
                failed.push(series);
            }
        }
        while let Some(reload) = reloads.join_next().await {
            failed.extend(reload.ok().flatten());
        }
        failed
    }

    async fn reload_one(self, series: SeriesId) -> Option<SeriesId> {
        let (waiter, task) = self.0.serving.reload(&series);
        if let Some(task) = task {
            self.start(task);
        }
        waiter.wait().await.is_err().then_some(series)
    }

    /// Runs `task` to its end, whoever stops waiting for it.
    fn start(&self, task: LoadTask) {
        let models = self.clone();
        task::spawn("load a model", task::on_main(models.run(task)));
    }

    async fn run(self, mut task: LoadTask) {
        loop {
            let read = self.0.store.serving(task.series());
            let read = self.read(task.series(), read).await;
            if !task.complete(read) {
                return;
            }
        }
    }

    async fn read_version(
        self,
        series: SeriesId,
        version: Version,
    ) -> Result<Option<Arc<LoadedModel>>, LoadError> {
        let read = self.0.store.model(&series, version);
        let found = self.read(&series, read).await?;
        Ok(found.map(|model| Arc::new(LoadedModel::new(series, model))))
    }

    /// Runs `read`, a read of `series`, in its turn, and counts and logs its end: once for each
    /// load, however many wait for it.
    async fn read<T>(
        &self,
        series: &SeriesId,
        read: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, LoadError> {
        metrics::MODEL_LOADS.inc();
        let read = self.read_in_turn(read).await;
        if let Err(error) = &read {
            metrics::MODEL_LOAD_ERRORS.inc();
            log(series, error);
        }
        read
    }

    async fn read_in_turn<T>(
        &self,
        read: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, LoadError> {
        let turn = timeout(TURN_WITHIN, self.0.reads.acquire()).await;
        let _turn = turn
            .map_err(|_| LoadError::Busy)?
            .map_err(|_| LoadError::GivenUp)?;
        let read = timeout(READ_WITHIN, read).await;
        read.map_err(|_| LoadError::TimedOut)?
            .map_err(|e| LoadError::Store(Arc::new(e)))
    }
}

fn key(entry: &ServingEntry, version: Version) -> VersionKey {
    VersionKey {
        series: entry.loaded.series.clone(),
        version,
        revision: entry.revision,
    }
}

/// A load that had no turn is not logged: those that had one say why.
fn log(series: &SeriesId, error: &LoadError) {
    if !matches!(error, LoadError::Busy) {
        tracing::error!(error = with_sources(error), %series, "a model could not be loaded");
    }
}
