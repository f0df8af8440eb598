//! The models in memory, and which of them are being loaded: all decisions, no I/O.
//!
//! A hit takes one sharded read lock. Everything else goes through one lock over the loads under way, so that for each series
//! there is at most one, and a change that arrives while one is under way makes it read again: what it read may be from before.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use contract::{ModelEvent, Revision, SeriesId, Version};
use detector::Model;
use quick_cache::sync::Cache;
use store::{Serving, StoreError};
use tokio::sync::watch;

/// For how long the store's word that a series has no model is taken, unless a change comes in.
const ABSENT_FOR: Duration = Duration::from_secs(1);

/// How many series without a model are remembered.
const MAX_ABSENT: usize = 10_000;

/// How many series requests may wait for at once: about a tenth of a second of work for the store.
const MAX_LOADS: usize = 1_024;

/// A model in memory.
#[derive(Debug)]
pub(crate) struct Held {
    /// The series it judges.
    pub(crate) series: SeriesId,
    /// The revision of the series at which it judged.
    pub(crate) revision: Revision,
    /// Its version.
    pub(crate) version: Version,
    /// The model.
    pub(crate) model: Model,
}

/// What the store said of a series: its model, or that there is none.
pub(crate) type Loaded = Result<Option<Arc<Held>>, LoadError>;

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
    Ready(Option<Arc<Held>>),
    /// A load is under way.
    Waiting(Ticket),
    /// There was none: the caller has to run this one.
    Begun(Ticket, Load),
}

/// The models in memory.
pub(crate) struct ModelCache {
    held: Cache<SeriesId, Arc<Held>>,
    absent: Cache<SeriesId, Instant>,
    loads: Mutex<HashMap<SeriesId, Round>>,
}

/// A load under way: the store is read in rounds, one more whenever a change came in during the last.
struct Round {
    number: u64,
    again: bool,
    done: watch::Sender<(u64, Loaded)>,
}

impl ModelCache {
    /// Holds about `entries` models.
    pub(crate) fn new(entries: usize) -> Arc<Self> {
        Arc::new(Self {
            held: Cache::new(entries),
            absent: Cache::new(MAX_ABSENT),
            loads: Mutex::default(),
        })
    }

    /// The model of `series`, if it is held and at least as new as `at_least`.
    pub(crate) fn get(&self, series: &str, at_least: Option<Version>) -> Option<Arc<Held>> {
        let held = self.held.get(series)?;
        at_least
            .is_none_or(|version| held.version >= version)
            .then_some(held)
    }

    /// How many models are held.
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
        at_least: Option<Version>,
    ) -> Result<Joined, LoadError> {
        let mut loads = self.loads();
        if let Some(held) = self.get(series.as_str(), at_least) {
            return Ok(Joined::Ready(Some(held)));
        }
        if let Some(round) = loads.get(series) {
            return Ok(Joined::Waiting(round.ticket()));
        }
        // A version that the caller knows of is newer than what is remembered here.
        if at_least.is_none() && self.is_absent(series) {
            return Ok(Joined::Ready(None));
        }
        if loads.len() >= MAX_LOADS {
            return Err(LoadError::Busy);
        }
        let (ticket, load) = self.begin(series, &mut loads);
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
        let (ticket, load) = self.begin(series, &mut loads);
        (ticket, Some(load))
    }

    /// Takes note of `event`; says whether the series has to be reloaded. What is held goes on judging until it is.
    pub(crate) fn is_outdated_by(&self, event: &ModelEvent) -> bool {
        let loads = self.loads();
        let series = event.series_id();
        self.absent.remove(series);
        if loads.contains_key(series) {
            return true;
        }
        let Some(held) = self.held.peek(series) else {
            return false;
        };
        if event
            .revision()
            .is_some_and(|revision| held.revision >= revision)
        {
            return false;
        }
        match *event {
            ModelEvent::Ready { version, .. } => held.version < version,
            ModelEvent::Promoted { version, .. } => held.version != version,
            ModelEvent::Deleted { version, .. } => {
                if version.is_none_or(|gone| held.version == gone) {
                    self.held.remove(series);
                }
                false
            }
        }
    }

    /// Takes note that `series` is at `revision`; says whether it has to be reloaded.
    pub(crate) fn is_older_than(&self, series: &SeriesId, revision: Revision) -> bool {
        let loads = self.loads();
        self.absent.remove(series);
        let held = self.held.peek(series);
        loads.contains_key(series) || held.is_some_and(|held| held.revision < revision)
    }

    fn begin(
        self: &Arc<Self>,
        series: &SeriesId,
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
            under_way: true,
        };
        (ticket, load)
    }

    fn is_absent(&self, series: &SeriesId) -> bool {
        self.absent
            .get(series)
            .is_some_and(|since| since.elapsed() < ABSENT_FOR)
    }

    fn keep(&self, series: &SeriesId, loaded: &Loaded) {
        match loaded {
            Ok(Some(held)) => {
                self.absent.remove(series);
                self.held.insert(series.clone(), Arc::clone(held));
            }
            Ok(None) => {
                self.held.remove(series);
                self.absent.insert(series.clone(), Instant::now());
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
    under_way: bool,
}

impl Load {
    /// The series to read.
    pub(crate) fn series(&self) -> &SeriesId {
        &self.series
    }

    /// Keeps what the store said and hands it to those who wait. `true`: a change came in meanwhile, so read again.
    pub(crate) fn land(&mut self, read: Result<Serving, LoadError>) -> bool {
        let loaded = read.map(|found| {
            found.model.map(|judge| {
                Arc::new(Held {
                    series: self.series.clone(),
                    revision: found.revision,
                    version: judge.version,
                    model: judge.model,
                })
            })
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
    use contract::{DetectorName, FitOptions, Point};
    use store::VersionedModel;

    use super::*;

    fn series() -> SeriesId {
        SeriesId::new("sensor_01").unwrap()
    }

    fn version(number: u32) -> Version {
        Version::new(number).unwrap()
    }

    /// A series that nothing but fits has changed: version `number` is of the revision of that number.
    fn model(number: u32) -> Serving {
        let points = [1.0, 2.0, 3.0].map(|value| Point {
            timestamp: 0,
            value,
        });
        Serving {
            revision: Revision(number.into()),
            model: Some(VersionedModel {
                version: version(number),
                model: Model::fit(&points, &FitOptions::default(), DetectorName::Sigma)
                    .unwrap()
                    .model,
            }),
            aliases: Vec::new(),
        }
    }

    fn ready(number: u32) -> ModelEvent {
        ModelEvent::Ready {
            series_id: series(),
            version: version(number),
            revision: None,
        }
    }

    fn begun(cache: &Arc<ModelCache>, at_least: Option<u32>) -> (Ticket, Load) {
        match cache.join(&series(), at_least.map(version)).unwrap() {
            Joined::Begun(ticket, load) => (ticket, load),
            Joined::Ready(_) => panic!("is ready"),
            Joined::Waiting(_) => panic!("is being loaded"),
        }
    }

    fn waiting(cache: &Arc<ModelCache>) -> Ticket {
        match cache.join(&series(), None).unwrap() {
            Joined::Waiting(ticket) => ticket,
            _ => panic!("nothing is being loaded"),
        }
    }

    fn holding(number: u32) -> Arc<ModelCache> {
        let cache = ModelCache::new(100);
        assert!(!begun(&cache, None).1.land(Ok(model(number))));
        cache
    }

    fn held(cache: &ModelCache) -> Option<u32> {
        cache.get("sensor_01", None).map(|h| h.version.number())
    }

    async fn number(ticket: Ticket) -> u32 {
        let held = ticket.loaded().await.unwrap().unwrap();
        held.version.number()
    }

    #[tokio::test]
    async fn all_who_ask_while_a_model_is_loaded_get_that_load() {
        let cache = ModelCache::new(100);
        let (first, mut load) = begun(&cache, None);
        let others: Vec<Ticket> = (0..100).map(|_| waiting(&cache)).collect();
        assert!(!load.land(Ok(model(1))));
        for ticket in others.into_iter().chain([first]) {
            assert_eq!(number(ticket).await, 1);
        }
        // One that missed just before the load landed finds it here.
        assert!(matches!(
            cache.join(&series(), None).unwrap(),
            Joined::Ready(Some(_))
        ));
    }

    #[tokio::test]
    async fn a_load_that_read_before_a_change_does_not_have_the_last_word() {
        let cache = ModelCache::new(100);
        let (ticket, mut load) = begun(&cache, None);
        assert!(cache.is_outdated_by(&ready(2)));
        let (after, second) = cache.reload(&series());
        assert!(second.is_none(), "one load at a time");

        assert!(load.land(Ok(model(1))), "has to read again");
        assert_eq!(number(ticket).await, 1);
        assert!(!load.land(Ok(model(2))));
        assert_eq!((held(&cache), number(after).await), (Some(2), 2));
    }

    #[tokio::test]
    async fn whoever_asks_for_a_reload_hears_of_the_reading_that_follows() {
        let cache = ModelCache::new(100);
        let (_, mut load) = begun(&cache, None);
        let (after, _) = cache.reload(&series());
        assert!(load.land(Ok(model(1))));
        assert!(!load.land(Err(LoadError::TimedOut)));
        assert!(matches!(after.loaded().await, Err(LoadError::TimedOut)));
        assert_eq!(held(&cache), Some(1));
    }

    #[tokio::test]
    async fn a_load_that_is_given_up_leaves_nobody_waiting() {
        let cache = ModelCache::new(100);
        let (first, load) = begun(&cache, None);
        let other = waiting(&cache);
        drop(load);
        assert!(matches!(first.loaded().await, Err(LoadError::GivenUp)));
        assert!(matches!(other.loaded().await, Err(LoadError::GivenUp)));
        let _begins_anew = begun(&cache, None);
    }

    #[test]
    fn a_load_that_landed_does_not_end_the_next_one() {
        let cache = holding(1);
        let (_, load) = cache.reload(&series());
        let mut load = load.unwrap();
        assert!(!load.land(Ok(model(1))));
        let (_, _next) = cache.reload(&series());
        drop(load);
        assert!(cache.loads().contains_key(&series()));
    }

    #[test]
    fn an_older_model_is_not_good_enough_for_who_knows_a_newer_one() {
        let cache = holding(1);
        assert!(cache.get("sensor_01", Some(version(1))).is_some());
        assert!(cache.get("sensor_01", Some(version(2))).is_none());
        let (_, mut load) = begun(&cache, Some(2));
        assert_eq!(held(&cache), Some(1), "others are still served");
        load.land(Ok(model(2)));
        assert!(cache.get("sensor_01", Some(version(2))).is_some());
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
        cache
            .reload(&series())
            .1
            .unwrap()
            .land(Ok(Serving::default()));
        assert_eq!(held(&cache), None);
    }

    #[test]
    fn a_series_without_a_model_is_not_asked_for_again_until_something_changes() {
        let cache = ModelCache::new(100);
        begun(&cache, None).1.land(Ok(Serving::default()));
        assert!(matches!(
            cache.join(&series(), None).unwrap(),
            Joined::Ready(None)
        ));
        begun(&cache, Some(1)).1.land(Ok(Serving::default()));
        assert!(!cache.is_outdated_by(&ready(1)));
        begun(&cache, None).1.land(Ok(model(1)));
        assert_eq!(held(&cache), Some(1));
    }

    #[test]
    fn only_events_that_change_the_judge_make_it_reload() {
        let cache = holding(2);
        assert!(!cache.is_outdated_by(&ready(1)));
        assert!(!cache.is_outdated_by(&ready(2)));
        assert!(cache.is_outdated_by(&ready(3)));
        let promoted = |number| ModelEvent::Promoted {
            series_id: series(),
            version: version(number),
            revision: None,
        };
        assert!(cache.is_outdated_by(&promoted(1)));
        assert!(!cache.is_outdated_by(&promoted(2)));
        let deleted = |number| ModelEvent::Deleted {
            series_id: series(),
            version: Some(version(number)),
            revision: None,
        };
        assert!(!cache.is_outdated_by(&deleted(1)));
        assert_eq!(held(&cache), Some(2));
        assert!(!cache.is_outdated_by(&deleted(2)));
        assert_eq!(held(&cache), None);
    }

    #[test]
    fn a_model_is_outdated_by_a_later_revision_only() {
        let cache = holding(2);
        assert!(!cache.is_older_than(&series(), Revision(1)));
        assert!(!cache.is_older_than(&series(), Revision(2)));
        assert!(cache.is_older_than(&series(), Revision(3)));
        let promoted = |revision| ModelEvent::Promoted {
            series_id: series(),
            version: version(1),
            revision: Some(Revision(revision)),
        };
        assert!(!cache.is_outdated_by(&promoted(2)), "it came late");
        assert!(cache.is_outdated_by(&promoted(3)));
        let nobody = SeriesId::new("nobody").unwrap();
        assert!(!cache.is_older_than(&nobody, Revision(3)));
    }

    #[test]
    fn too_many_series_at_once_are_refused() {
        let cache = ModelCache::new(100);
        let ids: Vec<SeriesId> = (0..=MAX_LOADS)
            .map(|i| SeriesId::new(&format!("s{i}")).unwrap())
            .collect();
        let mut loads = Vec::new();
        for id in &ids[..MAX_LOADS] {
            loads.push(cache.join(id, None).unwrap());
        }
        assert!(matches!(
            cache.join(&ids[MAX_LOADS], None),
            Err(LoadError::Busy)
        ));
        assert!(cache.join(&ids[0], None).is_ok(), "joins the load there is");
        loads.pop();
        assert!(cache.join(&ids[MAX_LOADS], None).is_ok());
    }

    #[test]
    fn no_more_is_held_than_was_asked_for() {
        let cache = ModelCache::new(64);
        for i in 0..10_000 {
            let id = SeriesId::new(&format!("s{i}")).unwrap();
            let Joined::Begun(_, mut load) = cache.join(&id, None).unwrap() else {
                panic!("{id} was never seen")
            };
            load.land(Ok(model(1)));
        }
        assert!((1..=64).contains(&cache.len()), "{}", cache.len());
    }
}
