//! Remembers the offsets that Redis has confirmed, to notice a Redis that loses them.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::StatsError;

/// The highest offsets that Redis is known to have had, by key and partition.
///
/// Offsets only rise. A lower one means that Redis was restarted from an older state (it writes its
/// log to disk once a second), so the counts went back, too. A consumer that continued would leave
/// a gap; one that reads again leaves none.
#[derive(Default)]
pub(super) struct Confirmed(Mutex<HashMap<String, BTreeMap<i32, i64>>>);

impl Confirmed {
    /// Compares the offsets that are `stored` under `key` now. Reports only once that they went
    /// back: then they count as confirmed.
    pub(super) fn check(&self, key: &str, stored: &BTreeMap<i32, i64>) -> Result<(), StatsError> {
        let mut all = self.lock();
        let Some(known) = all.get(key) else {
            return Ok(());
        };
        let kept =
            |(partition, next): (&i32, &i64)| stored.get(partition).is_some_and(|s| s >= next);
        if known.iter().all(kept) {
            return Ok(());
        }
        all.remove(key);
        Err(StatsError::WentBack)
    }

    /// Remembers that `offsets` are stored under `key`.
    pub(super) fn remember(&self, key: &str, offsets: &BTreeMap<i32, i64>) {
        let mut all = self.lock();
        match all.get_mut(key) {
            Some(known) => known.extend(offsets),
            None => drop(all.insert(key.to_owned(), offsets.clone())),
        }
    }

    /// What is stored under `key` was removed.
    pub(super) fn forget(&self, key: &str) {
        self.lock().remove(key);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, BTreeMap<i32, i64>>> {
        // Nothing that holds this lock can panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
