//! Read your writes: which version of a series a client of this gateway has been told of.

use std::sync::{Mutex, PoisonError};

use contract::{SeriesId, Version};
use quick_cache::sync::Cache;

/// The most series remembered. For a series that is forgotten, predictors still find a new version on their own soon after.
const MAX_SERIES: usize = 100_000;

/// The newest version seen of each series.
pub(crate) struct Freshness {
    newest: Cache<SeriesId, Version>,
    /// Held while a version is compared and replaced, so that of two the newer one stays.
    noting: Mutex<()>,
}

impl Freshness {
    pub(crate) fn new() -> Self {
        Self {
            newest: Cache::new(MAX_SERIES),
            noting: Mutex::new(()),
        }
    }

    /// The newest version of `series` that was noted and not forgotten.
    pub(crate) fn newest(&self, series: &str) -> Option<Version> {
        self.newest.get(series)
    }

    /// Takes note of `version`; an older one than was known changes nothing.
    pub(crate) fn note(&self, series: SeriesId, version: Version) {
        let _alone = self.noting.lock().unwrap_or_else(PoisonError::into_inner);
        if self
            .newest
            .peek(&series)
            .is_none_or(|known| known < version)
        {
            self.newest.insert(series, version);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(number: u32) -> Version {
        Version::new(number).unwrap()
    }

    #[test]
    fn the_newest_version_stays_whatever_the_order() {
        let freshness = Freshness::new();
        let series = SeriesId::new("s").unwrap();
        assert_eq!(freshness.newest("s"), None);
        std::thread::scope(|scope| {
            for number in 1..=8 {
                let (freshness, series) = (&freshness, &series);
                scope.spawn(move || freshness.note(series.clone(), version(number)));
            }
        });
        assert_eq!(freshness.newest("s"), Some(version(8)));
        assert_eq!(freshness.newest("s1"), None);
    }

    #[test]
    fn the_memory_is_bounded() {
        let freshness = Freshness::new();
        for number in 0..=2 * MAX_SERIES {
            let series = SeriesId::new(&format!("s{number}")).unwrap();
            freshness.note(series, version(1));
        }
        assert!(freshness.newest.len() <= MAX_SERIES);
    }
}
