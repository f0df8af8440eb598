//! Versions that requests ask for by name, beside those that judge anyway.
//!
//! What is kept was read at a revision of its series, and is used at that revision only: a deletion makes it unreachable as soon as
//! its revision is known. What is not used any more makes room.

use std::sync::Arc;

use contract::{Revision, SeriesId, Version};
use quick_cache::sync::Cache;

use crate::models::entry::{Capacity, Judge, Weigh};

/// A version of a series at one of its revisions.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Pin {
    /// The series.
    pub(crate) series: SeriesId,
    /// The version.
    pub(crate) version: Version,
    /// The revision of the series.
    pub(crate) revision: Revision,
}

/// The models of versions, or that there is none.
pub(crate) struct Pins(Cache<Pin, Option<Arc<Judge>>, Weigh>);

impl Pins {
    /// Holds as much as `capacity` says.
    pub(crate) fn new(capacity: Capacity) -> Self {
        Self(capacity.cache())
    }

    /// What is held of `pin`; inside it, that there is no such version.
    pub(crate) fn get(&self, pin: &Pin) -> Option<Option<Arc<Judge>>> {
        self.0.get(pin)
    }

    /// What is held of `pin`, or else what `read` brings: one reading at a time, however many ask. Dropped, it stops waiting.
    ///
    /// # Errors
    /// Those of `read`; another who waits reads again.
    pub(crate) async fn get_or_read<E>(
        &self,
        pin: &Pin,
        read: impl Future<Output = Result<Option<Arc<Judge>>, E>>,
    ) -> Result<Option<Arc<Judge>>, E> {
        self.0.get_or_insert_async(pin, read).await
    }

    /// Drops what is held of `pin`.
    pub(crate) fn forget(&self, pin: &Pin) {
        self.0.remove(pin);
    }

    /// How many are held.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}
