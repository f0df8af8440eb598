//! Proof by real work that dependencies answer.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

/// When work that needs all required dependencies last succeeded. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Worked(Arc<Mutex<Option<Instant>>>);

impl Worked {
    /// It just did.
    pub fn note(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    #[cfg(test)]
    pub(super) fn at(when: Option<Instant>) -> Self {
        Self(Arc::new(Mutex::new(when)))
    }

    /// When it last did.
    pub(super) fn last(&self) -> Option<Instant> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
