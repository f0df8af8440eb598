//! The models that serve, and the loads under way: all decisions, no I/O.
//!
//! A hit takes one sharded read lock of the table. Everything else goes through one lock over the
//! loads under way, so that each series has at most one. A change that arrives during a load makes
//! it read again, because the load may have read the state before the change.
//!
//! Only the revision of the series decides which state is newer: a promotion may go back in
//! versions.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use contract::{ModelEvent, Revision, SeriesId};
use store::{Serving, StoreError};
use tokio::sync::watch;

use crate::models::{
    entry::{Capacity, ServingEntry},
    serving::{SeriesState, ServingTable},
};

/// The number of series that may be loading at once: about a tenth of a second of work for the
/// store.
const MAX_LOADS: usize = 1_024;

/// The outcome of a load.
pub(crate) type LoadResult = Result<SeriesState, LoadError>;

/// Why a model is not in memory, though the store may have it.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum LoadError {
    /// Too many series are waiting for the store.
    #[error("too many models are being loaded")]
    Busy,
    /// The store did not answer in time.
    #[error("store does not answer in time")]
    TimedOut,
    /// The store failed.
    #[error("store cannot give the model")]
    Store(#[source] Arc<StoreError>),
    /// The load was given up, as when the service stops.
    #[error("load of the model was given up")]
    GivenUp,
}

/// The way in which a request that missed gets its model.
pub(crate) enum JoinOutcome {
    /// The series has been loaded in the meantime.
    Ready(SeriesState),
    /// Another request is loading the series.
    Waiting(Waiter),
    /// No load was under way: the caller has to run this one.
    Started(Waiter, LoadTask),
}

/// Whether a series in memory has to be read from the store again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum NeedsReload {
    /// The series is in memory, or being read, as it may have been before the change.
    Yes,
    /// The series is current, or not in memory.
    No,
}

/// The models that serve, with the loads under way.
pub(crate) struct ServingCache {
    table: ServingTable,
    loads: Mutex<HashMap<SeriesId, Inflight>>,
}

/// A load under way. It reads the store in rounds: one, and one more whenever a change came in
/// during the last.
struct Inflight {
    /// The number of the round under way, from 1 up.
    round: u64,
    /// Whether another round follows.
    again: bool,
    /// The last round that ended, and its outcome.
    done: watch::Sender<(u64, LoadResult)>,
}

impl ServingCache {
    /// An empty cache that holds up to `capacity`.
    pub(crate) fn new(capacity: Capacity) -> Arc<Self> {
        Arc::new(Self {
            table: ServingTable::new(capacity),
            loads: Mutex::default(),
        })
    }

    /// The model that serves `series`, if it is in memory and known to be current at `at_least`.
    pub(crate) fn get(&self, series: &str, at_least: Revision) -> Option<Arc<ServingEntry>> {
        self.table.get(series, at_least)
    }

    /// The revision of `series` in memory, whether or not it is current.
    pub(crate) fn revision(&self, series: &SeriesId) -> Option<Revision> {
        self.table.revision(series)
    }

    /// The number of series in memory.
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// Has a request that missed take part in the load of `series`, or start it.
    ///
    /// # Errors
    /// [`LoadError::Busy`] when too many series are being loaded.
    pub(crate) fn join(
        self: &Arc<Self>,
        series: &SeriesId,
        at_least: Revision,
    ) -> Result<JoinOutcome, LoadError> {
        let mut loads = self.loads();
        if let Some(entry) = self.get(series.as_str(), at_least) {
            return Ok(JoinOutcome::Ready(SeriesState {
                valid_through: entry.valid_through,
                entry: Some(entry),
            }));
        }
        if let Some(load) = loads.get(series) {
            return Ok(JoinOutcome::Waiting(load.waiter()));
        }
        if let Some(valid_through) = self.table.absent_through(series, at_least) {
            return Ok(JoinOutcome::Ready(SeriesState {
                valid_through,
                entry: None,
            }));
        }
        if loads.len() >= MAX_LOADS {
            return Err(LoadError::Busy);
        }
        let (waiter, task) = self.begin(series, at_least, &mut loads);
        Ok(JoinOutcome::Started(waiter, task))
    }

    /// Has `series` read from the store after this call: by one more round of the load under way,
    /// or else by the task that is returned.
    pub(crate) fn reload(self: &Arc<Self>, series: &SeriesId) -> (Waiter, Option<LoadTask>) {
        let mut loads = self.loads();
        if let Some(load) = loads.get_mut(series) {
            load.again = true;
            let mut waiter = load.waiter();
            waiter.round += 1;
            return (waiter, None);
        }
        let (waiter, task) = self.begin(series, Revision::default(), &mut loads);
        (waiter, Some(task))
    }

    /// Applies `event`: a model that it deleted is removed at once. Any other goes on serving until
    /// the series is reloaded.
    pub(crate) fn apply(&self, event: &ModelEvent) -> NeedsReload {
        let loads = self.loads();
        self.table.apply(event);
        self.needs_reload(&loads, event.series_id(), event.revision())
    }

    /// Takes note that the store has `series` at `revision`.
    pub(crate) fn note_revision(&self, series: &SeriesId, revision: Revision) -> NeedsReload {
        let loads = self.loads();
        self.table.forget_absence(series);
        self.needs_reload(&loads, series, Some(revision))
    }

    fn needs_reload(
        &self,
        loads: &HashMap<SeriesId, Inflight>,
        series: &SeriesId,
        revision: Option<Revision>,
    ) -> NeedsReload {
        if loads.contains_key(series) || self.table.is_behind(series, revision) {
            NeedsReload::Yes
        } else {
            NeedsReload::No
        }
    }

    fn begin(
        self: &Arc<Self>,
        series: &SeriesId,
        at_least: Revision,
        loads: &mut HashMap<SeriesId, Inflight>,
    ) -> (Waiter, LoadTask) {
        let load = Inflight {
            round: 1,
            again: false,
            done: watch::Sender::new((0, Err(LoadError::GivenUp))),
        };
        let waiter = load.waiter();
        loads.insert(series.clone(), load);
        let task = LoadTask {
            cache: Arc::clone(self),
            series: series.clone(),
            at_least,
            under_way: true,
        };
        (waiter, task)
    }

    fn loads(&self) -> MutexGuard<'_, HashMap<SeriesId, Inflight>> {
        // Every change under the lock is complete before anything can panic.
        self.loads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inflight {
    fn waiter(&self) -> Waiter {
        Waiter {
            done: self.done.subscribe(),
            round: self.round,
        }
    }
}

/// A claim to the outcome of a load.
pub(crate) struct Waiter {
    done: watch::Receiver<(u64, LoadResult)>,
    round: u64,
}

impl Waiter {
    /// Waits for the outcome.
    pub(crate) async fn wait(mut self) -> LoadResult {
        let done = self.done.wait_for(|(round, _)| *round >= self.round).await;
        done.map_or(Err(LoadError::GivenUp), |outcome| outcome.1.clone())
    }
}

/// The duty to read a series from the store. Dropped before its end, it tells those who wait that
/// the load was given up.
pub(crate) struct LoadTask {
    cache: Arc<ServingCache>,
    series: SeriesId,
    /// The revision that was known to the request that began the load.
    at_least: Revision,
    under_way: bool,
}

impl LoadTask {
    /// The series to read.
    pub(crate) fn series(&self) -> &SeriesId {
        &self.series
    }

    /// Ends a round: keeps what the store said, and hands it to those who wait. After an error,
    /// the model in memory goes on serving. `true`: a change came in meanwhile, so read again.
    pub(crate) fn complete(&mut self, read: Result<Serving, LoadError>) -> bool {
        let loaded = read.map(|serving| SeriesState {
            valid_through: serving.revision.max(self.at_least),
            entry: ServingEntry::from_store(self.series.clone(), serving, self.at_least)
                .map(Arc::new),
        });
        let mut loads = self.cache.loads();
        if let Ok(state) = &loaded {
            self.cache.table.insert(&self.series, state);
        }
        let Some(load) = loads.get_mut(&self.series) else {
            return false;
        };
        drop(load.done.send_replace((load.round, loaded)));
        if load.again {
            load.again = false;
            load.round += 1;
        } else {
            loads.remove(&self.series);
            self.under_way = false;
        }
        self.under_way
    }
}

impl Drop for LoadTask {
    fn drop(&mut self) {
        if self.under_way {
            self.cache.loads().remove(&self.series);
        }
    }
}

#[cfg(test)]
mod tests;
