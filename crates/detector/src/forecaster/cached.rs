//! What follows from the rest of a value, worked out when it is first needed.

use std::sync::OnceLock;

/// Empty in a value that was just made, loaded or cloned. It is no part of what the value is: all
/// are equal.
#[derive(Debug)]
pub(super) struct Cached<T>(OnceLock<T>);

impl<T> Cached<T> {
    /// What was worked out, or what `work_out` gives now.
    pub(super) fn get(&self, work_out: impl FnOnce() -> T) -> &T {
        self.0.get_or_init(work_out)
    }
}

impl<T> Default for Cached<T> {
    fn default() -> Self {
        Self(OnceLock::new())
    }
}

impl<T> Clone for Cached<T> {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl<T> PartialEq for Cached<T> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
