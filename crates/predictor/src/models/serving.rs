//! The models in memory that serve their series, and the series known not to have one: no I/O.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use contract::{ModelEvent, Revision, SeriesId};
use quick_cache::sync::Cache;

use crate::models::entry::{ByteWeighter, Capacity, ServingEntry};

/// For how long the store's word that a series has no model is taken, unless a change comes in.
const ABSENT_FOR: Duration = Duration::from_secs(1);

/// The number of series without a model that are remembered.
const MAX_ABSENT: usize = 10_000;

/// A series as the store had it.
#[derive(Clone, Debug)]
pub(crate) struct SeriesState {
    /// The model that serves; `None` if the series has no model.
    pub(crate) entry: Option<Arc<ServingEntry>>,
    /// The newest revision for which this is known to be current.
    pub(crate) valid_through: Revision,
}

/// The models that serve, by series, within a bound of bytes.
pub(crate) struct ServingTable {
    entries: Cache<SeriesId, Arc<ServingEntry>, ByteWeighter>,
    absent: Cache<SeriesId, Absence>,
}

/// The store's word that a series has no model.
#[derive(Clone, Copy)]
struct Absence {
    since: Instant,
    valid_through: Revision,
}

impl ServingTable {
    /// An empty table that holds up to `capacity`.
    pub(crate) fn new(capacity: Capacity) -> Self {
        Self {
            entries: capacity.cache(),
            absent: Cache::new(MAX_ABSENT),
        }
    }

    /// The model that serves `series`, if it is in memory and known to be current at `at_least`.
    pub(crate) fn get(&self, series: &str, at_least: Revision) -> Option<Arc<ServingEntry>> {
        let entry = self.entries.get(series)?;
        (entry.valid_through >= at_least).then_some(entry)
    }

    /// The revision of `series` in memory, whether or not it is current.
    pub(crate) fn revision(&self, series: &SeriesId) -> Option<Revision> {
        self.entries.peek(series).map(|entry| entry.revision)
    }

    /// The number of series in memory.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The newest revision at which `series` is known not to have a model, if the store said so a
    /// moment ago and that revision is at least `at_least`.
    pub(crate) fn absent_through(&self, series: &SeriesId, at_least: Revision) -> Option<Revision> {
        let absence = self.absent.get(series)?;
        let is_current = absence.valid_through >= at_least && absence.since.elapsed() < ABSENT_FOR;
        is_current.then_some(absence.valid_through)
    }

    /// Keeps `state` as that of `series`.
    pub(crate) fn insert(&self, series: &SeriesId, state: &SeriesState) {
        if let Some(entry) = &state.entry {
            self.absent.remove(series);
            self.entries.insert(series.clone(), Arc::clone(entry));
        } else {
            self.entries.remove(series);
            let absence = Absence {
                since: Instant::now(),
                valid_through: state.valid_through,
            };
            self.absent.insert(series.clone(), absence);
        }
    }

    /// Removes the model that `event` deleted, and forgets that the series had no model.
    pub(crate) fn apply(&self, event: &ModelEvent) {
        let series = event.series_id();
        self.forget_absence(series);
        if let ModelEvent::Deleted { version, .. } = event {
            self.entries.remove_if(series.as_str(), |entry| {
                is_older(entry.revision, event.revision())
                    && version.is_none_or(|deleted| entry.loaded.version == deleted)
            });
        }
    }

    /// Forgets that `series` had no model.
    pub(crate) fn forget_absence(&self, series: &SeriesId) {
        self.absent.remove(series);
    }

    /// Whether `series` is in memory as it was before `revision`.
    pub(crate) fn is_behind(&self, series: &SeriesId, revision: Option<Revision>) -> bool {
        let known = self.revision(series);
        known.is_some_and(|known| is_older(known, revision))
    }
}

/// Whether `known` is older than `revision`. Events of older programs do not have a revision, and
/// may be news.
fn is_older(known: Revision, revision: Option<Revision>) -> bool {
    revision.is_none_or(|revision| known < revision)
}
