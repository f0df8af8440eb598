//! What judges in each series, and which series are being loaded: all decisions, no I/O.
//!
//! A hit takes one sharded read lock. Everything else goes through one lock over the loads under way, so that for each series
//! there is at most one, and a change that arrives while one is under way makes it read again: what it read may be from before.
//!
//! What is newer is decided by the revision of the series alone: a promotion may go back in versions.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use contract::{ModelEvent, Revision, SeriesId};
use quick_cache::sync::Cache;
use store::{Serving, StoreError};
use tokio::sync::watch;

use crate::models::entry::{Capacity, Held, Weigh};

/// For how long the store's word that a series has no model is taken, unless a change comes in.
const ABSENT_FOR: Duration = Duration::from_secs(1);

/// How many series without a model are remembered.
const MAX_ABSENT: usize = 10_000;

/// How many series requests may wait for at once: about a tenth of a second of work for the store.
const MAX_LOADS: usize = 1_024;

/// What the store said of a series.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// Its model and all, or that there is none.
    pub(crate) held: Option<Arc<Held>>,
    /// The revision at which callers can know the series to be, and this still be right.
    pub(crate) good_for: Revision,
}

/// An [`Answer`], if there was one.
pub(crate) type Loaded = Result<Answer, LoadError>;

/// That a series has no model.
#[derive(Clone, Copy)]
struct Absent {
    since: Instant,
    good_for: Revision,
}

/// Why there is no model to judge with, though there may be one in the store.
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

/// What a request that found nothing gets.
pub(crate) enum Joined {
    /// It is there by now.
    Ready(Answer),
    /// A load is under way.
    Waiting(Ticket),
    /// There was none: the caller has to run this one.
    Begun(Ticket, Load),
}

/// What judges in each series that is in memory.
pub(crate) struct ModelCache {
    held: Cache<SeriesId, Arc<Held>, Weigh>,
    absent: Cache<SeriesId, Absent>,
    loads: Mutex<HashMap<SeriesId, Round>>,
}

/// A load under way: the store is read in rounds, one more whenever a change came in during the last.
struct Round {
    number: u64,
    again: bool,
    done: watch::Sender<(u64, Loaded)>,
}

impl ModelCache {
    /// Holds as much as `capacity` says.
    pub(crate) fn new(capacity: Capacity) -> Arc<Self> {
        Arc::new(Self {
            held: capacity.cache(),
            absent: Cache::new(MAX_ABSENT),
            loads: Mutex::default(),
        })
    }

    /// What judges in `series`, if it is held and right for a caller that knows the series to be at `at_least`.
    pub(crate) fn get(&self, series: &str, at_least: Revision) -> Option<Arc<Held>> {
        let held = self.held.get(series)?;
        (held.good_for >= at_least).then_some(held)
    }

    /// The revision of `series` that is held.
    pub(crate) fn revision(&self, series: &SeriesId) -> Option<Revision> {
        self.held.peek(series).map(|held| held.revision)
    }

    /// How many series are held.
    pub(crate) fn len(&self) -> usize {
        self.held.len()
    }

    /// What a request for `series` has to do: nothing, wait, or load.
    ///
    /// # Errors
    /// [`LoadError::Busy`] when too many series are being loaded.
    pub(crate) fn join(
        self: &Arc<Self>,
        series: &SeriesId,
        at_least: Revision,
    ) -> Result<Joined, LoadError> {
        let mut loads = self.loads();
        if let Some(held) = self.get(series.as_str(), at_least) {
            let good_for = held.good_for;
            let held = Some(held);
            return Ok(Joined::Ready(Answer { held, good_for }));
        }
        if let Some(round) = loads.get(series) {
            return Ok(Joined::Waiting(round.ticket()));
        }
        if let Some(good_for) = self.absent(series, at_least) {
            let held = None;
            return Ok(Joined::Ready(Answer { held, good_for }));
        }
        if loads.len() >= MAX_LOADS {
            return Err(LoadError::Busy);
        }
        let (ticket, load) = self.begin(series, at_least, &mut loads);
        Ok(Joined::Begun(ticket, load))
    }

    /// Has `series` read from the store after this call: by the load under way, once more, or by the one returned.
    pub(crate) fn reload(self: &Arc<Self>, series: &SeriesId) -> (Ticket, Option<Load>) {
        let mut loads = self.loads();
        if let Some(round) = loads.get_mut(series) {
            round.again = true;
            let mut ticket = round.ticket();
            ticket.round += 1;
            return (ticket, None);
        }
        let (ticket, load) = self.begin(series, Revision::default(), &mut loads);
        (ticket, Some(load))
    }

    /// Takes note of `event`; says whether the series has to be reloaded. What is held goes on judging until it is, but for what
    /// was deleted.
    pub(crate) fn is_outdated_by(&self, event: &ModelEvent) -> bool {
        let series = event.series_id();
        if let ModelEvent::Deleted { version, .. } = event {
            let _alone = self.loads();
            self.held.remove_if(series.as_str(), |held| {
                is_older(held, event.revision())
                    && version.is_none_or(|gone| held.judge.version == gone)
            });
        }
        self.is_older(series, event.revision())
    }

    /// Whether `series` is held, or being read, as it was before `revision`; `None` is a revision that nobody knows.
    pub(crate) fn is_older(&self, series: &SeriesId, revision: Option<Revision>) -> bool {
        let loads = self.loads();
        self.absent.remove(series);
        let held = self.held.peek(series);
        loads.contains_key(series) || held.is_some_and(|held| is_older(&held, revision))
    }

    fn begin(
        self: &Arc<Self>,
        series: &SeriesId,
        at_least: Revision,
        loads: &mut HashMap<SeriesId, Round>,
    ) -> (Ticket, Load) {
        let round = Round {
            number: 1,
            again: false,
            done: watch::Sender::new((0, Err(LoadError::GivenUp))),
        };
        let ticket = round.ticket();
        loads.insert(series.clone(), round);
        let load = Load {
            cache: Arc::clone(self),
            series: series.clone(),
            at_least,
            under_way: true,
        };
        (ticket, load)
    }

    /// Since which revision `series` is known to have no model, if that is later than `at_least` and was said a moment ago.
    fn absent(&self, series: &SeriesId, at_least: Revision) -> Option<Revision> {
        let absent = self.absent.get(series)?;
        let is_right = absent.good_for >= at_least && absent.since.elapsed() < ABSENT_FOR;
        is_right.then_some(absent.good_for)
    }

    fn keep(&self, series: &SeriesId, loaded: &Loaded) {
        match loaded {
            Ok(Answer {
                held: Some(held), ..
            }) => {
                self.absent.remove(series);
                self.held.insert(series.clone(), Arc::clone(held));
            }
            Ok(Answer {
                held: None,
                good_for,
            }) => {
                self.held.remove(series);
                let absent = Absent {
                    since: Instant::now(),
                    good_for: *good_for,
                };
                self.absent.insert(series.clone(), absent);
            }
            // The store is away: what is held goes on judging.
            Err(_) => {}
        }
    }

    fn loads(&self) -> MutexGuard<'_, HashMap<SeriesId, Round>> {
        // Every change under the lock is complete before anything can panic.
        self.loads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether `held` is from before `revision`; events of older programs do not say, and may have news.
fn is_older(held: &Held, revision: Option<Revision>) -> bool {
    revision.is_none_or(|revision| held.revision < revision)
}

impl Round {
    fn ticket(&self) -> Ticket {
        Ticket {
            done: self.done.subscribe(),
            round: self.number,
        }
    }
}

/// A claim to what a load brings.
pub(crate) struct Ticket {
    done: watch::Receiver<(u64, Loaded)>,
    round: u64,
}

impl Ticket {
    /// Waits for it.
    pub(crate) async fn loaded(mut self) -> Loaded {
        let done = self.done.wait_for(|(round, _)| *round >= self.round).await;
        done.map_or(Err(LoadError::GivenUp), |outcome| outcome.1.clone())
    }
}

/// The duty to read a series from the store. Dropped early, it lets those who wait know.
pub(crate) struct Load {
    cache: Arc<ModelCache>,
    series: SeriesId,
    /// The revision that was known to whoever began it.
    at_least: Revision,
    under_way: bool,
}

impl Load {
    /// The series to read.
    pub(crate) fn series(&self) -> &SeriesId {
        &self.series
    }

    /// Keeps what the store said and hands it to those who wait. `true`: a change came in meanwhile, so read again.
    pub(crate) fn land(&mut self, read: Result<Serving, LoadError>) -> bool {
        let loaded = read.map(|serving| Answer {
            good_for: serving.revision.max(self.at_least),
            held: Held::of(self.series.clone(), serving, self.at_least).map(Arc::new),
        });
        let mut loads = self.cache.loads();
        self.cache.keep(&self.series, &loaded);
        let Some(round) = loads.get_mut(&self.series) else {
            return false;
        };
        drop(round.done.send_replace((round.number, loaded)));
        if round.again {
            round.again = false;
            round.number += 1;
        } else {
            loads.remove(&self.series);
            self.under_way = false;
        }
        self.under_way
    }
}

impl Drop for Load {
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

    /// The series at `revision`, judged by this version.
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

    fn begun(cache: &Arc<ModelCache>, at_least: u64) -> (Ticket, Load) {
        match cache.join(&series(), Revision(at_least)).unwrap() {
            Joined::Begun(ticket, load) => (ticket, load),
            Joined::Ready(_) => panic!("is ready"),
            Joined::Waiting(_) => panic!("is being loaded"),
        }
    }

    fn waiting(cache: &Arc<ModelCache>) -> Ticket {
        match cache.join(&series(), Revision(0)).unwrap() {
            Joined::Waiting(ticket) => ticket,
            _ => panic!("nothing is being loaded"),
        }
    }

    /// Holds version 1 at revision `revision`.
    fn holding(revision: u64) -> Arc<ModelCache> {
        let cache = ModelCache::new(MUCH);
        assert!(!begun(&cache, 0).1.land(serving(revision, 1)));
        cache
    }

    fn held(cache: &ModelCache) -> Option<u64> {
        cache
            .get("sensor_01", Revision(0))
            .map(|held| held.revision.0)
    }

    fn is_good_for(cache: &ModelCache, revision: u64) -> bool {
        cache.get("sensor_01", Revision(revision)).is_some()
    }

    fn is_known_to_be_absent(cache: &Arc<ModelCache>, at_least: u64) -> bool {
        let joined = cache.join(&series(), Revision(at_least)).unwrap();
        matches!(joined, Joined::Ready(Answer { held: None, .. }))
    }

    async fn loaded(ticket: Ticket) -> u64 {
        let answer = ticket.loaded().await.unwrap();
        answer.held.unwrap().revision.0
    }

    #[tokio::test]
    async fn all_who_ask_while_a_model_is_loaded_get_that_load() {
        let cache = ModelCache::new(MUCH);
        let (first, mut load) = begun(&cache, 0);
        let others: Vec<Ticket> = (0..100).map(|_| waiting(&cache)).collect();
        assert!(!load.land(serving(1, 1)));
        for ticket in others.into_iter().chain([first]) {
            assert_eq!(loaded(ticket).await, 1);
        }
        // One that missed just before the load landed finds it here.
        assert!(matches!(
            cache.join(&series(), Revision(0)).unwrap(),
            Joined::Ready(Answer { held: Some(_), .. })
        ));
    }

    #[tokio::test]
    async fn a_load_that_read_before_a_change_does_not_have_the_last_word() {
        let cache = ModelCache::new(MUCH);
        let (ticket, mut load) = begun(&cache, 0);
        assert!(cache.is_outdated_by(&ready(2, Some(2))));
        let (after, second) = cache.reload(&series());
        assert!(second.is_none(), "one load at a time");

        assert!(load.land(serving(1, 1)), "has to read again");
        assert_eq!(loaded(ticket).await, 1);
        assert!(!load.land(serving(2, 2)));
        assert_eq!((held(&cache), loaded(after).await), (Some(2), 2));
    }

    #[tokio::test]
    async fn whoever_asks_for_a_reload_hears_of_the_reading_that_follows() {
        let cache = ModelCache::new(MUCH);
        let (_, mut load) = begun(&cache, 0);
        let (after, _) = cache.reload(&series());
        assert!(load.land(serving(1, 1)));
        assert!(!load.land(Err(LoadError::TimedOut)));
        assert!(matches!(after.loaded().await, Err(LoadError::TimedOut)));
        assert_eq!(held(&cache), Some(1));
    }

    #[tokio::test]
    async fn a_load_that_is_given_up_leaves_nobody_waiting() {
        let cache = ModelCache::new(MUCH);
        let (first, load) = begun(&cache, 0);
        let other = waiting(&cache);
        drop(load);
        assert!(matches!(first.loaded().await, Err(LoadError::GivenUp)));
        assert!(matches!(other.loaded().await, Err(LoadError::GivenUp)));
        let _begins_anew = begun(&cache, 0);
    }

    #[test]
    fn a_load_that_landed_does_not_end_the_next_one() {
        let cache = holding(1);
        let (_, load) = cache.reload(&series());
        let mut load = load.unwrap();
        assert!(!load.land(serving(1, 1)));
        let (_, _next) = cache.reload(&series());
        drop(load);
        assert!(cache.loads().contains_key(&series()));
    }

    #[test]
    fn an_older_revision_is_not_good_enough_for_who_knows_a_newer_one() {
        let cache = holding(3);
        assert!(is_good_for(&cache, 3) && !is_good_for(&cache, 4));
        let (_, mut load) = begun(&cache, 4);
        assert_eq!(held(&cache), Some(3), "others are still served");
        load.land(serving(4, 1));
        assert!(is_good_for(&cache, 4));
    }

    #[test]
    fn where_the_store_knows_less_than_a_caller_it_is_right_and_not_asked_again() {
        // As when a backup was put back while gateways went on.
        let cache = holding(3);
        begun(&cache, 9).1.land(serving(4, 1));
        assert!(is_good_for(&cache, 9) && !is_good_for(&cache, 10));
        assert_eq!(held(&cache), Some(4));
        assert!(cache.is_outdated_by(&ready(2, Some(5))), "by its own count");
    }

    #[test]
    fn what_is_held_survives_a_store_that_is_away() {
        let cache = holding(1);
        let mut load = cache.reload(&series()).1.unwrap();
        assert!(!load.land(Err(LoadError::TimedOut)));
        assert_eq!(held(&cache), Some(1));
    }

    #[test]
    fn what_the_store_no_longer_has_is_dropped() {
        let cache = holding(1);
        cache.reload(&series()).1.unwrap().land(nothing(2));
        assert_eq!(held(&cache), None);
    }

    #[test]
    fn a_series_without_a_model_is_not_asked_for_again_until_something_changes() {
        let cache = ModelCache::new(MUCH);
        begun(&cache, 0).1.land(nothing(0));
        assert!(is_known_to_be_absent(&cache, 0));
        // Whoever was told of a change knows more.
        begun(&cache, 7).1.land(nothing(6));
        assert!(is_known_to_be_absent(&cache, 7));
        assert!(!cache.is_outdated_by(&ready(1, Some(8))));
        begun(&cache, 0).1.land(serving(8, 1));
        assert_eq!(held(&cache), Some(8));
    }

    #[test]
    fn only_what_is_newer_than_what_is_held_makes_it_reload() {
        let cache = holding(5);
        assert!(!cache.is_outdated_by(&ready(9, Some(4))));
        assert!(!cache.is_outdated_by(&ready(9, Some(5))));
        assert!(cache.is_outdated_by(&ready(1, Some(6))));
        let promoted = |revision| ModelEvent::Promoted {
            series_id: series(),
            version: Version::new(1).unwrap(),
            revision,
        };
        assert!(!cache.is_outdated_by(&promoted(Some(Revision(5)))));
        assert!(cache.is_outdated_by(&promoted(Some(Revision(6)))));
        // Older programs do not say.
        assert!(cache.is_outdated_by(&promoted(None)) && cache.is_outdated_by(&ready(1, None)));
        assert!(!cache.is_older(&series(), Some(Revision(5))));
        assert!(cache.is_older(&series(), Some(Revision(6))));
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
            assert_eq!(cache.is_outdated_by(&event), reload, "{event:?}");
            assert_eq!(held(&cache).is_none(), gone, "{event:?}");
        }
    }

    #[test]
    fn too_many_series_at_once_are_refused() {
        let cache = ModelCache::new(MUCH);
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
        let one = Held::of(series(), serving(1, 1).unwrap(), Revision(0)).unwrap();
        let bytes = crate::models::entry::Weight::bytes(&Arc::new(one)) as u64;
        for (entries, bytes) in [(64, 1 << 30), (100_000, 64 * bytes)] {
            let cache = ModelCache::new(Capacity { entries, bytes });
            for i in 0..10_000 {
                let id = SeriesId::new(&format!("s{i}")).unwrap();
                let Joined::Begun(_, mut load) = cache.join(&id, Revision(0)).unwrap() else {
                    panic!("{id} was never seen")
                };
                load.land(serving(1, 1));
            }
            assert!((32..=64).contains(&cache.len()), "{}", cache.len());
        }
    }
}
