//! Limits the requests with big bodies in progress. A request beyond the limit is refused at once;
//! none is queued.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The most requests in progress at once.
const MAX_REQUESTS: usize = 256;

/// Bytes are counted in units of this size, so that any number of them fits a semaphore.
const UNIT: usize = 1024;

/// Admits requests by their number and by the bytes of their bodies.
pub struct Admission {
    slots: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
    /// The units of the largest body.
    largest: u32,
}

/// The right of a request to be in progress, until it is dropped.
pub struct Admitted {
    _slot: OwnedSemaphorePermit,
    bytes: OwnedSemaphorePermit,
}

impl Admission {
    /// Admits bodies of `bytes` together, but always one of up to `max_body_bytes`.
    pub fn new(bytes: usize, max_body_bytes: usize) -> Self {
        let largest = units(max_body_bytes);
        let units = units(bytes).max(largest) as usize;
        Self {
            slots: Arc::new(Semaphore::new(MAX_REQUESTS)),
            bytes: Arc::new(Semaphore::new(units.min(Semaphore::MAX_PERMITS))),
            largest,
        }
    }

    /// Admits a request whose body has `announced` bytes. Without an announcement it counts as the
    /// largest. `None` when too much is in progress.
    pub fn admit(&self, announced: Option<u64>) -> Option<Admitted> {
        let announced = announced.and_then(|bytes| usize::try_from(bytes).ok());
        let cost = announced.map_or(self.largest, units).min(self.largest);
        let slot = Arc::clone(&self.slots).try_acquire_owned().ok()?;
        let bytes = Arc::clone(&self.bytes).try_acquire_many_owned(cost).ok()?;
        Some(Admitted { _slot: slot, bytes })
    }
}

impl Admitted {
    /// Releases the units that are not needed, now that the body is known to have `actual` bytes.
    pub fn settle(&mut self, actual: usize) {
        let excess = self
            .bytes
            .num_permits()
            .saturating_sub(units(actual) as usize);
        drop(self.bytes.split(excess));
    }
}

fn units(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KB: u64 = 1024;

    #[test]
    fn what_does_not_fit_is_refused_until_there_is_room() {
        let admission = Admission::new(100 * 1024, 60 * 1024);
        let first = admission.admit(Some(60 * KB)).unwrap();
        assert!(admission.admit(Some(60 * KB)).is_none());
        let _second = admission.admit(Some(40 * KB)).unwrap();
        drop(first);
        assert!(admission.admit(Some(60 * KB)).is_some());
    }

    #[test]
    fn a_body_of_unknown_size_counts_as_the_largest_until_it_is_there() {
        let admission = Admission::new(100 * 1024, 60 * 1024);
        let mut first = admission.admit(None).unwrap();
        assert!(admission.admit(None).is_none());
        first.settle(1);
        assert!(admission.admit(None).is_some());
    }

    #[test]
    fn the_number_is_bounded_too_and_a_large_body_is_never_locked_out() {
        let admission = Admission::new(1024, 1 << 30);
        drop(admission.admit(Some(1 << 40)).unwrap());
        let requests: Vec<_> = (0..MAX_REQUESTS)
            .map(|_| admission.admit(Some(0)).unwrap())
            .collect();
        assert!(admission.admit(Some(0)).is_none());
        drop(requests);
        assert!(admission.admit(Some(0)).is_some());
    }
}
