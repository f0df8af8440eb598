//! How much may wait to be acknowledged, so that a bus that is slow or away costs no more memory than this.

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

/// For events that are waited for, in KiB: a few of the largest fits at once.
const AWAITED_KIB: u32 = 16 * 1024;
/// For events that may be dropped, in KiB: minutes of metrics.
const DROPPABLE_KIB: u32 = 8 * 1024;
/// How long an event waits for its turn before it is refused.
const TURN: Duration = Duration::from_secs(10);

/// A part of the budget; given back when dropped.
#[derive(Debug)]
pub(crate) struct Share {
    _permit: OwnedSemaphorePermit,
    _under_way: TaskTrackerToken,
}

/// Counts what is under way. Two pots, so that metrics that cannot be sent never keep a fit waiting.
pub(crate) struct Budget {
    awaited: Arc<Semaphore>,
    droppable: Arc<Semaphore>,
    dropped: AtomicU64,
    /// Knows when nothing is under way. The pots could tell too, but only by being emptied, which would refuse others.
    under_way: TaskTracker,
}

impl Default for Budget {
    fn default() -> Self {
        let under_way = TaskTracker::new();
        // So that waiting ends whenever there is nothing; it can be added to all the same.
        under_way.close();
        Self {
            under_way,
            awaited: Arc::new(Semaphore::new(AWAITED_KIB as usize)),
            droppable: Arc::new(Semaphore::new(DROPPABLE_KIB as usize)),
            dropped: AtomicU64::new(0),
        }
    }
}

impl Budget {
    /// Waits until `bytes` may be under way.
    ///
    /// # Errors
    /// [`BusError::Busy`] after 10 s.
    pub(crate) async fn share(&self, bytes: usize) -> Result<Share, BusError> {
        let kib = kib(bytes).min(AWAITED_KIB);
        match timeout(TURN, self.awaited.clone().acquire_many_owned(kib)).await {
            Ok(Ok(permit)) => Ok(self.share_of(permit)),
            Ok(Err(_)) | Err(_) => Err(BusError::Busy),
        }
    }

    /// A share for an event that may be dropped; without one the event counts as dropped.
    pub(crate) fn share_or_drop(&self, bytes: usize) -> Option<Share> {
        let share = self.droppable.clone().try_acquire_many_owned(kib(bytes));
        if share.is_err() {
            self.count_dropped();
        }
        share.ok().map(|permit| self.share_of(permit))
    }

    fn share_of(&self, permit: OwnedSemaphorePermit) -> Share {
        Share {
            _permit: permit,
            _under_way: self.under_way.token(),
        }
    }

    /// Counts an event that was given up.
    pub(crate) fn count_dropped(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }

    /// How many were.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Waits until nothing is under way, for at most `limit`. Meanwhile others go on.
    pub(crate) async fn drained(&self, limit: Duration) {
        // If the limit passes, what is left is given up with the process.
        let _ = timeout(limit, self.under_way.wait()).await;
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
        while let Some(share) = budget.share_or_drop(1) {
            held.push(share);
        }
        assert_eq!((held.len(), budget.dropped()), (DROPPABLE_KIB as usize, 1));
        assert!(budget.share(64 << 20).await.is_ok());
    }

    #[tokio::test]
    async fn an_event_waits_for_its_turn() {
        let budget = Budget::default();
        let all = budget.share(usize::MAX).await.unwrap();
        let mut turn = Box::pin(budget.share(1));
        assert!(timeout(SOON, &mut turn).await.is_err());
        drop(all);
        assert!(turn.await.is_ok());
    }

    #[tokio::test]
    async fn drained_means_that_nothing_is_under_way() {
        let budget = Budget::default();
        let share = budget.share_or_drop(1).unwrap();
        let mut drained = Box::pin(budget.drained(Duration::from_secs(60)));
        assert!(timeout(SOON, &mut drained).await.is_err());
        // Two services of one process stop at the same time: one waits, the other still has something to say.
        let last_words = budget.share_or_drop(1);
        assert!(last_words.is_some() && budget.dropped() == 0);
        drop(share);
        assert!(timeout(SOON, &mut drained).await.is_err());
        drop(last_words);
        drained.await;
        assert!(budget.share_or_drop(1).is_some());
    }
}
