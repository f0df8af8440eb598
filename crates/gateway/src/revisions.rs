//! Read-your-writes: the newest revision of each series that a client of this gateway has been
//! told.

use std::sync::{Mutex, PoisonError};

use contract::{Revision, SeriesId};
use quick_cache::sync::Cache;

/// The most series remembered. For a series that is forgotten, predictors still find what changed
/// on their own soon after.
const MAX_SERIES: usize = 100_000;

/// The newest known revision of each series.
pub(crate) struct RevisionTracker {
    newest: Cache<SeriesId, Revision>,
    /// Held while a revision is compared and replaced, so that the newer of two stays.
    noting: Mutex<()>,
}

impl RevisionTracker {
    pub(crate) fn new() -> Self {
        Self {
            newest: Cache::new(MAX_SERIES),
            noting: Mutex::new(()),
        }
    }

    /// The newest revision of `series` that was noted, unless it is forgotten.
    pub(crate) fn newest(&self, series: &str) -> Option<Revision> {
        self.newest.get(series)
    }

    /// Notes `revision`. One older than the known revision changes nothing.
    pub(crate) fn note(&self, series: SeriesId, revision: Revision) {
        let _alone = self.noting.lock().unwrap_or_else(PoisonError::into_inner);
        if self
            .newest
            .peek(&series)
            .is_none_or(|known| known < revision)
        {
            self.newest.insert(series, revision);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_revision_stays_whatever_the_order() {
        let revisions = RevisionTracker::new();
        let series = SeriesId::new("s").unwrap();
        assert_eq!(revisions.newest("s"), None);
        std::thread::scope(|scope| {
            for number in 1..=8 {
                let (revisions, series) = (&revisions, &series);
                scope.spawn(move || revisions.note(series.clone(), Revision(number)));
            }
        });
        assert_eq!(revisions.newest("s"), Some(Revision(8)));
        assert_eq!(revisions.newest("s1"), None);
    }

    #[test]
    fn the_memory_is_bounded() {
        let revisions = RevisionTracker::new();
        for number in 0..=2 * MAX_SERIES {
            let series = SeriesId::new(&format!("s{number}")).unwrap();
            revisions.note(series, Revision(1));
        }
        assert!(revisions.newest.len() <= MAX_SERIES);
    }
}
