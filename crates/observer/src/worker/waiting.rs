//! Records that wait while the database does not answer. Others are folded meanwhile, as far as
//! their streams are in memory.

use std::{mem, sync::Arc, time::Duration};

use futures_util::{TryFutureExt, future::BoxFuture};
use service::retry::retry_forever;
use store::StoreError;

use super::{SLICE, Worker, joined};

/// The most bytes of records that wait, before folding waits too.
const MAX_WAITING: usize = 64 << 20;

/// A commit that takes longer is one of an outage.
const SLOW: Duration = Duration::from_secs(2);

/// Why records are not folded.
pub(super) enum Halt {
    /// The database does not answer.
    Away,
    /// Somebody else judges the partition.
    Lost,
}

impl Worker {
    /// What `reading` gives, which is tried once. If it fails, it is tried again beside the work of
    /// the partitions until it succeeds, and records that need the database wait.
    pub(super) async fn read<T: Send + 'static>(
        &mut self,
        what: &'static str,
        reading: impl Fn() -> BoxFuture<'static, Result<T, StoreError>> + Send + Sync + 'static,
    ) -> Result<T, Halt> {
        if self.is_away() {
            return Err(Halt::Away);
        }
        if let Ok(read) = self.shared.run(reading()).await {
            return Ok(read);
        }
        let trying = async move { retry_forever(what, || reading().map_ok(drop)).await };
        self.away = Some(self.shared.runtime.spawn(trying));
        Err(Halt::Away)
    }

    /// Whether the database is known not to answer.
    pub(super) fn is_away(&self) -> bool {
        let is_slow = |commit: &super::commit::Commit| commit.since.elapsed() > SLOW;
        self.away.is_some() || self.commit.as_ref().is_some_and(is_slow)
    }

    /// Takes note of a database that answers again.
    pub(super) async fn look_for_database(&mut self) {
        if let Some(trying) = self.away.take_if(|trying| trying.is_finished()) {
            let mut trying = trying;
            joined(&mut trying).await;
        }
    }

    /// Folds what waits in all partitions, as far as that is possible.
    pub(super) async fn fold_waiting(&mut self) {
        for (number, records) in mem::take(&mut self.outside) {
            if let Some(first) = records.first() {
                let log = Arc::clone(&first.log);
                self.take(&log, number, records).await;
            }
        }
        let numbers: Vec<i32> = self.partitions.keys().copied().collect();
        for number in numbers {
            self.drain(number).await;
        }
    }

    /// Folds what waits in a partition, as far as that is possible.
    pub(super) async fn drain(&mut self, number: i32) {
        let Some(partition) = self.partitions.get_mut(&number) else {
            return;
        };
        let mut waiting = mem::take(&mut partition.waiting);
        let records = waiting.make_contiguous();
        let mut folded = 0;
        while folded < records.len() {
            let end = records.len().min(folded + SLICE);
            match self.segment(number, &records[folded..end]).await {
                Ok(further) => folded += further,
                Err(Halt::Away) => break,
                Err(Halt::Lost) => return,
            }
            self.settle().await;
        }
        waiting.drain(..folded);
        if let Some(partition) = self.partitions.get_mut(&number) {
            if waiting.is_empty() {
                partition.waiting_bytes = 0;
            }
            partition.waiting = waiting;
        }
    }

    /// Waits for the database once too much waits for it.
    pub(super) async fn bound_waiting(&mut self) {
        let outside = self.outside.values().flatten();
        let outside: usize = outside.map(|record| record.payload.len()).sum();
        let inside: usize = self.partitions.values().map(|p| p.waiting_bytes).sum();
        let bytes = outside + inside;
        if bytes <= MAX_WAITING {
            return;
        }
        if let Some(mut trying) = self.away.take() {
            joined(&mut trying).await;
        }
        self.wait_for_commit().await;
        self.fold_waiting().await;
    }
}
