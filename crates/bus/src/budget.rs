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

use crate::BusError;

/// For events that are waited for, in KiB: a few of the largest fits at once.
const AWAITED_KIB: u32 = 16 * 1024;
/// For events that may be dropped, in KiB: minutes of metrics.
const DROPPABLE_KIB: u32 = 8 * 1024;
/// How long an event waits for its turn before it is refused.
const TURN: Duration = Duration::from_secs(10);

/// A part of the budget; given back when dropped.
pub(crate) type Share = OwnedSemaphorePermit;

/// Counts what is under way. Two pots, so that metrics that cannot be sent never keep a fit waiting.
pub(crate) struct Budget {
    awaited: Arc<Semaphore>,
    droppable: Arc<Semaphore>,
    dropped: AtomicU64,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
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
            Ok(Ok(share)) => Ok(share),
            Ok(Err(_)) | Err(_) => Err(BusError::Busy),
        }
    }

    /// A share for an event that may be dropped; without one the event counts as dropped.
    pub(crate) fn share_or_drop(&self, bytes: usize) -> Option<Share> {
        let share = self.droppable.clone().try_acquire_many_owned(kib(bytes));
        if share.is_err() {
            self.count_dropped();
        }
        share.ok()
    }

    /// Counts an event that was given up.
    pub(crate) fn count_dropped(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }

    /// How many were.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Waits until nothing is under way, for at most `limit`.
    pub(crate) async fn drained(&self, limit: Duration) {
        let all = async {
            let _awaited = self.awaited.acquire_many(AWAITED_KIB).await;
            let _droppable = self.droppable.acquire_many(DROPPABLE_KIB).await;
        };
        let _ = timeout(limit, all).await;
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
        drop(share);
        drained.await;
        assert!(budget.share_or_drop(1).is_some());
    }
}
