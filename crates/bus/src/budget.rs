//! Bounds what waits to be acknowledged, so that a bus that is slow or away costs no more memory
//! than this.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use tokio_util::task::{TaskTracker, task_tracker::TaskTrackerToken};

use crate::BusError;

/// KiB for events that are waited for: a few of the largest fits at once.
const AWAITED_KIB: u32 = 16 * 1024;
/// KiB for events that may be dropped: minutes of metrics.
const DROPPABLE_KIB: u32 = 8 * 1024;
/// How long an event waits for a permit before it is refused.
const PERMIT_WITHIN: Duration = Duration::from_secs(10);

/// Permits some bytes to be in flight, until it is dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    _permit: OwnedSemaphorePermit,
    _in_flight: TaskTrackerToken,
}

/// Counts the bytes in flight. Events that may be dropped have a limit of their own: metrics that
/// cannot be sent never keep a fit waiting.
pub(crate) struct Budget {
    awaited: Arc<Semaphore>,
    droppable: Arc<Semaphore>,
    dropped: AtomicU64,
    /// Knows when nothing is in flight. The semaphores could tell too, but only by being emptied,
    /// which would refuse others.
    in_flight: TaskTracker,
}

impl Default for Budget {
    fn default() -> Self {
        let in_flight = TaskTracker::new();
        // A closed tracker still takes tokens; only then does waiting for it end.
        in_flight.close();
        Self {
            in_flight,
            awaited: Arc::new(Semaphore::new(AWAITED_KIB as usize)),
            droppable: Arc::new(Semaphore::new(DROPPABLE_KIB as usize)),
            dropped: AtomicU64::new(0),
        }
    }
}

impl Budget {
    /// Waits until `bytes` more may be in flight.
    ///
    /// # Errors
    /// [`BusError::Busy`] after 10 s.
    pub(crate) async fn acquire(&self, bytes: usize) -> Result<Permit, BusError> {
        let kib = kib(bytes).min(AWAITED_KIB);
        match timeout(PERMIT_WITHIN, self.awaited.clone().acquire_many_owned(kib)).await {
            Ok(Ok(permit)) => Ok(self.track(permit)),
            Ok(Err(_)) | Err(_) => Err(BusError::Busy),
        }
    }

    /// A permit for an event that may be dropped. `None`: there is no room, and the event counts as
    /// dropped.
    pub(crate) fn try_acquire(&self, bytes: usize) -> Option<Permit> {
        let permit = self.droppable.clone().try_acquire_many_owned(kib(bytes));
        if permit.is_err() {
            self.count_dropped();
        }
        permit.ok().map(|permit| self.track(permit))
    }

    fn track(&self, permit: OwnedSemaphorePermit) -> Permit {
        Permit {
            _permit: permit,
            _in_flight: self.in_flight.token(),
        }
    }

    /// Counts an event that was given up.
    pub(crate) fn count_dropped(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }

    /// The number of events that were given up.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Waits until nothing is in flight, for at most `limit`. Others may go on publishing
    /// meanwhile.
    pub(crate) async fn drained(&self, limit: Duration) {
        // If the limit passes, what is left is given up with the process.
        let _ = timeout(limit, self.in_flight.wait()).await;
    }
}

/// Small events are charged a whole KiB, which covers what the queues themselves need for each.
fn kib(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(1024).max(1)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(20);

    #[tokio::test]
    async fn droppable_events_never_keep_awaited_ones_waiting() {
        let budget = Budget::default();
        let mut held = Vec::new();
        while let Some(permit) = budget.try_acquire(1) {
            held.push(permit);
        }
        assert_eq!((held.len(), budget.dropped()), (DROPPABLE_KIB as usize, 1));
        assert!(budget.acquire(64 << 20).await.is_ok());
    }

    #[tokio::test]
    async fn an_event_waits_for_its_turn() {
        let budget = Budget::default();
        let all = budget.acquire(usize::MAX).await.unwrap();
        let mut turn = Box::pin(budget.acquire(1));
        assert!(timeout(SOON, &mut turn).await.is_err());
        drop(all);
        assert!(turn.await.is_ok());
    }

    #[tokio::test]
    async fn drained_means_that_nothing_is_under_way() {
        let budget = Budget::default();
        let permit = budget.try_acquire(1).unwrap();
        let mut drained = Box::pin(budget.drained(Duration::from_secs(60)));
        assert!(timeout(SOON, &mut drained).await.is_err());
        // Two services of one process stop at the same time: one waits, the other still has
        // something to say.
        let last_words = budget.try_acquire(1);
        assert!(last_words.is_some() && budget.dropped() == 0);
        drop(permit);
        assert!(timeout(SOON, &mut drained).await.is_err());
        drop(last_words);
        drained.await;
        assert!(budget.try_acquire(1).is_some());
    }
}
