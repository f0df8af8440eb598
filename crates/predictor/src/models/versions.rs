//! Versions that requests ask for by name, where these are not the ones that serve anyway.
//!
//! A version was read at a revision of its series and is used at that revision only, so that a
//! deletion makes it unreachable as soon as its revision is known. Versions that are not used any
//! more make room.

use std::sync::Arc;

use contract::{Revision, SeriesId, Version};
use quick_cache::sync::Cache;

use crate::models::entry::{ByteWeighter, Capacity, LoadedModel};

/// A version of a series at one of the series' revisions.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct VersionKey {
    /// The series.
    pub(crate) series: SeriesId,
    /// The version.
    pub(crate) version: Version,
    /// The revision of the series.
    pub(crate) revision: Revision,
}

/// The models of versions in memory. `None` in place of a model: there is no such version.
pub(crate) struct VersionCache(Cache<VersionKey, Option<Arc<LoadedModel>>, ByteWeighter>);

impl VersionCache {
    /// An empty cache that holds up to `capacity`.
    pub(crate) fn new(capacity: Capacity) -> Self {
        Self(capacity.cache())
    }

    /// The entry of `key`, if it is in memory.
    pub(crate) fn get(&self, key: &VersionKey) -> Option<Option<Arc<LoadedModel>>> {
        self.0.get(key)
    }

    /// The entry of `key`, if need be by `read`. However many ask, one reads at a time. A caller
    /// may drop the future and so stop waiting.
    ///
    /// # Errors
    /// Those of `read`; the next who waits then reads again.
    pub(crate) async fn get_or_read<E>(
        &self,
        key: &VersionKey,
        read: impl Future<Output = Result<Option<Arc<LoadedModel>>, E>>,
    ) -> Result<Option<Arc<LoadedModel>>, E> {
        self.0.get_or_insert_async(key, read).await
    }

    /// Removes the entry of `key`.
    pub(crate) fn remove(&self, key: &VersionKey) {
        self.0.remove(key);
    }

    /// The number of entries.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}
