//! Loads, waiters and events in every order.

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
            let JoinOutcome::Started(_, mut task) = cache.join(&id, Revision(0)).unwrap() else {
                panic!("{id} was never seen")
            };
            task.complete(serving(1, 1));
        }
        assert!((32..=64).contains(&cache.len()), "{}", cache.len());
    }
}
