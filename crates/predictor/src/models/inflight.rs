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
mod tests {
    use contract::Version;

    use super::*;
    use crate::models::entry::testing::model;

    /// As good as no bound.
    const MUCH: Capacity = Capacity {
        entries: 100,
        bytes: 100 << 20,
    };

    fn series() -> SeriesId {
        SeriesId::new("sensor_01").unwrap()
    }

    /// The series at `revision`, served by this version.
    fn serving(revision: u64, version: u32) -> Result<Serving, LoadError> {
        Ok(Serving {
            revision: Revision(revision),
            model: Some(model(version)),
            aliases: Vec::new(),
        })
    }

    /// The series at `revision` without any model.
    fn nothing(revision: u64) -> Result<Serving, LoadError> {
        Ok(Serving {
            revision: Revision(revision),
            ..Serving::default()
        })
    }

    fn ready(version: u32, revision: Option<u64>) -> ModelEvent {
        ModelEvent::Ready {
            series_id: series(),
            version: Version::new(version).unwrap(),
            revision: revision.map(Revision),
        }
    }

    fn deleted(version: Option<u32>, revision: Option<u64>) -> ModelEvent {
        ModelEvent::Deleted {
            series_id: series(),
            version: version.and_then(Version::new),
            revision: revision.map(Revision),
        }
    }

    fn begun(cache: &Arc<ServingCache>, at_least: u64) -> (Waiter, LoadTask) {
        match cache.join(&series(), Revision(at_least)).unwrap() {
            JoinOutcome::Started(waiter, task) => (waiter, task),
            JoinOutcome::Ready(_) => panic!("is ready"),
            JoinOutcome::Waiting(_) => panic!("is being loaded"),
        }
    }

    fn waiting(cache: &Arc<ServingCache>) -> Waiter {
        match cache.join(&series(), Revision(0)).unwrap() {
            JoinOutcome::Waiting(waiter) => waiter,
            _ => panic!("nothing is being loaded"),
        }
    }

    /// Holds version 1 at revision `revision`.
    fn holding(revision: u64) -> Arc<ServingCache> {
        let cache = ServingCache::new(MUCH);
        assert!(!begun(&cache, 0).1.complete(serving(revision, 1)));
        cache
    }

    fn held(cache: &ServingCache) -> Option<u64> {
        cache
            .get("sensor_01", Revision(0))
            .map(|held| held.revision.0)
    }

    fn needs_reload(cache: &ServingCache, event: &ModelEvent) -> bool {
        cache.apply(event) == NeedsReload::Yes
    }

    fn is_valid_for(cache: &ServingCache, revision: u64) -> bool {
        cache.get("sensor_01", Revision(revision)).is_some()
    }

    fn is_known_to_be_absent(cache: &Arc<ServingCache>, at_least: u64) -> bool {
        let joined = cache.join(&series(), Revision(at_least)).unwrap();
        matches!(joined, JoinOutcome::Ready(SeriesState { entry: None, .. }))
    }

    async fn loaded(waiter: Waiter) -> u64 {
        let state = waiter.wait().await.unwrap();
        state.entry.unwrap().revision.0
    }

    #[tokio::test]
    async fn all_who_ask_while_a_model_is_loaded_get_that_load() {
        let cache = ServingCache::new(MUCH);
        let (first, mut task) = begun(&cache, 0);
        let others: Vec<Waiter> = (0..100).map(|_| waiting(&cache)).collect();
        assert!(!task.complete(serving(1, 1)));
        for waiter in others.into_iter().chain([first]) {
            assert_eq!(loaded(waiter).await, 1);
        }
        // One that missed just before the load landed finds it here.
        assert!(matches!(
            cache.join(&series(), Revision(0)).unwrap(),
            JoinOutcome::Ready(SeriesState { entry: Some(_), .. })
        ));
    }

    #[tokio::test]
    async fn a_load_that_read_before_a_change_does_not_have_the_last_word() {
        let cache = ServingCache::new(MUCH);
        let (waiter, mut task) = begun(&cache, 0);
        assert!(needs_reload(&cache, &ready(2, Some(2))));
        let (after, second) = cache.reload(&series());
        assert!(second.is_none(), "one load at a time");

        assert!(task.complete(serving(1, 1)), "has to read again");
        assert_eq!(loaded(waiter).await, 1);
        assert!(!task.complete(serving(2, 2)));
        assert_eq!((held(&cache), loaded(after).await), (Some(2), 2));
    }

    #[tokio::test]
    async fn whoever_asks_for_a_reload_hears_of_the_reading_that_follows() {
        let cache = ServingCache::new(MUCH);
        let (_, mut task) = begun(&cache, 0);
        let (after, _) = cache.reload(&series());
        assert!(task.complete(serving(1, 1)));
        assert!(!task.complete(Err(LoadError::TimedOut)));
        assert!(matches!(after.wait().await, Err(LoadError::TimedOut)));
        assert_eq!(held(&cache), Some(1));
    }

    #[tokio::test]
    async fn a_load_that_is_given_up_leaves_nobody_waiting() {
        let cache = ServingCache::new(MUCH);
        let (first, task) = begun(&cache, 0);
        let other = waiting(&cache);
        drop(task);
        assert!(matches!(first.wait().await, Err(LoadError::GivenUp)));
        assert!(matches!(other.wait().await, Err(LoadError::GivenUp)));
        let _begins_anew = begun(&cache, 0);
    }

    #[test]
    fn a_load_that_landed_does_not_end_the_next_one() {
        let cache = holding(1);
        let (_, task) = cache.reload(&series());
        let mut task = task.unwrap();
        assert!(!task.complete(serving(1, 1)));
        let (_, _next) = cache.reload(&series());
        drop(task);
        assert!(cache.loads().contains_key(&series()));
    }

    #[test]
    fn an_older_revision_is_not_good_enough_for_who_knows_a_newer_one() {
        let cache = holding(3);
        assert!(is_valid_for(&cache, 3) && !is_valid_for(&cache, 4));
        let (_, mut task) = begun(&cache, 4);
        assert_eq!(held(&cache), Some(3), "others are still served");
        task.complete(serving(4, 1));
        assert!(is_valid_for(&cache, 4));
    }

    #[test]
    fn where_the_store_knows_less_than_a_caller_it_is_right_and_not_asked_again() {
        // As when a backup was put back while gateways went on.
        let cache = holding(3);
        begun(&cache, 9).1.complete(serving(4, 1));
        assert!(is_valid_for(&cache, 9) && !is_valid_for(&cache, 10));
        assert_eq!(held(&cache), Some(4));
        assert!(needs_reload(&cache, &ready(2, Some(5))), "by its own count");
    }

    #[test]
    fn what_is_held_survives_a_store_that_is_away() {
        let cache = holding(1);
        let mut task = cache.reload(&series()).1.unwrap();
        assert!(!task.complete(Err(LoadError::TimedOut)));
        assert_eq!(held(&cache), Some(1));
    }

    #[test]
    fn what_the_store_no_longer_has_is_dropped() {
        let cache = holding(1);
        cache.reload(&series()).1.unwrap().complete(nothing(2));
        assert_eq!(held(&cache), None);
    }

    #[test]
    fn a_series_without_a_model_is_not_asked_for_again_until_something_changes() {
        let cache = ServingCache::new(MUCH);
        begun(&cache, 0).1.complete(nothing(0));
        assert!(is_known_to_be_absent(&cache, 0));
        // Whoever was told of a change knows more.
        begun(&cache, 7).1.complete(nothing(6));
        assert!(is_known_to_be_absent(&cache, 7));
        assert!(!needs_reload(&cache, &ready(1, Some(8))));
        begun(&cache, 0).1.complete(serving(8, 1));
        assert_eq!(held(&cache), Some(8));
    }

    #[test]
    fn only_what_is_newer_than_what_is_held_makes_it_reload() {
        let cache = holding(5);
        assert!(!needs_reload(&cache, &ready(9, Some(4))));
        assert!(!needs_reload(&cache, &ready(9, Some(5))));
        assert!(needs_reload(&cache, &ready(1, Some(6))));
        let promoted = |revision| ModelEvent::Promoted {
            series_id: series(),
            version: Version::new(1).unwrap(),
            revision,
        };
        assert!(!needs_reload(&cache, &promoted(Some(Revision(5)))));
        assert!(needs_reload(&cache, &promoted(Some(Revision(6)))));
        // Older programs do not say.
        assert!(needs_reload(&cache, &promoted(None)) && needs_reload(&cache, &ready(1, None)));
        let newer = |revision| cache.note_revision(&series(), Revision(revision));
        assert_eq!((newer(5), newer(6)), (NeedsReload::No, NeedsReload::Yes));
        assert_eq!(held(&cache), Some(5));
    }

    #[test]
    fn what_was_deleted_judges_no_longer_even_before_the_reload() {
        for (event, gone, reload) in [
            (deleted(Some(1), Some(6)), true, false),
            (deleted(None, Some(6)), true, false),
            (deleted(Some(1), None), true, false),
            // Of something that had been there before.
            (deleted(Some(1), Some(5)), false, false),
            (deleted(None, Some(4)), false, false),
            (deleted(Some(2), Some(6)), false, true),
        ] {
            let cache = holding(5);
            assert_eq!(needs_reload(&cache, &event), reload, "{event:?}");
            assert_eq!(held(&cache).is_none(), gone, "{event:?}");
        }
    }

    #[test]
    fn an_event_is_applied_even_where_nothing_has_to_be_reloaded() {
        let cache = holding(5);
        assert_eq!(cache.apply(&deleted(None, Some(6))), NeedsReload::No);
        let (_, mut task) = begun(&cache, 6);
        task.complete(nothing(6));
        assert!(is_known_to_be_absent(&cache, 6));
        assert_eq!(cache.note_revision(&series(), Revision(7)), NeedsReload::No);
        drop(begun(&cache, 6));
        // A load under way may have read before the event, so it has to read again.
        let (_, _task) = begun(&cache, 6);
        assert_eq!(cache.apply(&ready(1, Some(8))), NeedsReload::Yes);
        assert_eq!(cache.apply(&deleted(None, Some(9))), NeedsReload::Yes);
    }

    #[test]
    fn too_many_series_at_once_are_refused() {
        let cache = ServingCache::new(MUCH);
        let ids: Vec<SeriesId> = (0..=MAX_LOADS)
            .map(|i| SeriesId::new(&format!("s{i}")).unwrap())
            .collect();
        let join = |id| cache.join(id, Revision(0));
        let mut loads = Vec::new();
        for id in &ids[..MAX_LOADS] {
            loads.push(join(id).unwrap());
        }
        assert!(matches!(join(&ids[MAX_LOADS]), Err(LoadError::Busy)));
        assert!(join(&ids[0]).is_ok(), "joins the load there is");
        loads.pop();
        assert!(join(&ids[MAX_LOADS]).is_ok());
    }

    #[test]
    fn no_more_is_held_than_was_asked_for() {
        let one = ServingEntry::from_store(series(), serving(1, 1).unwrap(), Revision(0)).unwrap();
        let bytes = crate::models::entry::MemoryBytes::bytes(&Arc::new(one)) as u64;
        for (entries, bytes) in [(64, 1 << 30), (100_000, 64 * bytes)] {
            let cache = ServingCache::new(Capacity { entries, bytes });
            for i in 0..10_000 {
                let id = SeriesId::new(&format!("s{i}")).unwrap();
                let JoinOutcome::Started(_, mut task) = cache.join(&id, Revision(0)).unwrap()
                else {
                    panic!("{id} was never seen")
                };
                task.complete(serving(1, 1));
            }
            assert!((32..=64).contains(&cache.len()), "{}", cache.len());
        }
    }
}
