//! Stores effects, states and offsets, in one transaction.

use std::{
    future::pending,
    sync::Arc,
    time::{Duration, Instant},
};

use service::retry::retry_forever;
use store::{PartitionCommit, Store, StoreError};
use tokio::task::JoinHandle;

use super::{Worker, joined};
use crate::metrics;

/// A commit in progress.
pub(super) struct Commit {
    storing: JoinHandle<Committed>,
    pub(super) since: Instant,
}

/// The outcome of a commit, by partition.
pub(super) struct Committed(pub(super) Vec<(i32, Outcome)>);

/// The outcome of a commit for one partition.
pub(super) enum Outcome {
    /// It is stored.
    Stored { effects: i64, safe: i64 },
    /// Somebody else has stored something meanwhile.
    Lost,
}

/// Waits for a commit to end; for ever if there is none.
pub(super) async fn finished(commit: &mut Option<Commit>) -> Committed {
    let Some(running) = commit else {
        return pending().await;
    };
    let committed = joined(&mut running.storing).await;
    *commit = None;
    committed
}

impl Worker {
    /// Copies states that have waited long enough, and begins to store what there is, unless a
    /// commit is in progress.
    pub(super) fn tick(&mut self) {
        let settings = &self.shared.settings;
        let earned =
            self.committed.elapsed().as_secs_f64() * settings.checkpoint_mb_per_second * 1e6
                / settings.workers() as f64;
        let most = settings.checkpoint_mb_per_second * 1e6;
        let after = match self.is_full {
            true => Duration::ZERO,
            false => Duration::from_secs(settings.checkpoint_seconds),
        };
        self.committed = Instant::now();
        self.copy_budget = (self.copy_budget + earned).min(most.max(self.copy_budget));
        // What is copied during an outage would wait in memory, again and again.
        if self.commit.is_none() {
            self.copy_dirty(after, 16);
            self.begin_commit();
        }
    }

    /// Copies up to `most` states of each partition that have been dirty for longer than `after`.
    pub(super) fn copy_dirty(&mut self, after: Duration, most: usize) {
        let now = Instant::now();
        for partition in self.partitions.values_mut() {
            for _ in 0..most {
                let is_due = |since: Instant| now.saturating_duration_since(since) >= after;
                if self.copy_budget <= 0.0
                    || !partition
                        .dirty
                        .front()
                        .is_some_and(|dirty| is_due(dirty.since))
                {
                    break;
                }
                if let Some(dirty) = partition.dirty.pop_front() {
                    let bytes = partition.copy(&dirty.series);
                    metrics::CHECKPOINT_BYTES.inc_by(bytes as u64);
                    self.copy_budget -= bytes as f64;
                }
            }
        }
    }

    /// Begins to store what there is.
    pub(super) fn begin_commit(&mut self) {
        let Some(log) = self.log.clone() else { return };
        let commits: Vec<PartitionCommit> = self
            .partitions
            .keys()
            .copied()
            .collect::<Vec<i32>>()
            .into_iter()
            .filter_map(|number| self.take_commit(number))
            .collect();
        if commits.is_empty() {
            return;
        }
        let store = self.shared.store.clone();
        let storing = store_all(store, log, commits);
        self.commit = Some(Commit {
            storing: self.shared.runtime.spawn(storing),
            since: Instant::now(),
        });
    }

    /// What there is to store of a partition.
    fn take_commit(&mut self, number: i32) -> Option<PartitionCommit> {
        let partition = self.partitions.get_mut(&number)?;
        if partition.position <= partition.stored && partition.copied.is_empty() {
            return None;
        }
        for copied in &partition.copied {
            if let Some(entry) = partition.streams.get_mut(&copied.series_id) {
                entry.stored_at = Some(Instant::now());
            }
        }
        let (safe, timeline) = partition.safe();
        Some(PartitionCommit {
            partition: number,
            expected: partition.stored,
            effects: partition.position.max(partition.stored),
            safe,
            now_ms: timeline.now_ms,
            outage_ms: timeline.outage_ms,
            anomalies: std::mem::take(&mut partition.found),
            states: std::mem::take(&mut partition.copied),
            points: std::mem::take(&mut partition.points),
            ended: std::mem::take(&mut partition.ended),
        })
    }

    /// Takes note of a commit that has ended meanwhile.
    pub(super) async fn poll_commit(&mut self) {
        if self
            .commit
            .as_ref()
            .is_some_and(|commit| commit.storing.is_finished())
        {
            self.wait_for_commit().await;
        }
    }

    /// Waits until no commit is in progress.
    pub(super) async fn wait_for_commit(&mut self) {
        if self.commit.is_some() {
            let committed = finished(&mut self.commit).await;
            self.committed(committed);
        }
    }

    /// Stores all that there is, and waits for it. `None` if the partition was lost.
    pub(super) async fn barrier(&mut self, number: i32) -> Option<()> {
        self.wait_for_commit().await;
        self.begin_commit();
        self.wait_for_commit().await;
        self.partitions.contains_key(&number).then_some(())
    }
}

/// Stores `commits`, and waits for a database that is down. If it cannot be known whether a
/// transaction was committed, what is stored tells.
async fn store_all(store: Store, log: Arc<str>, commits: Vec<PartitionCommit>) -> Committed {
    let start = Instant::now();
    let (applied, offsets) = retry_forever("storing streams", || async {
        let applied = store.commit_streams(&log, &commits).await?;
        let is_whole = applied.len() == commits.len();
        let offsets = match is_whole {
            true => Vec::new(),
            false => store.stream_offsets_of(&log).await?,
        };
        Ok::<_, StoreError>((applied, offsets))
    })
    .await;
    metrics::COMMITS.inc();
    metrics::COMMIT_DURATION.observe(start.elapsed().as_secs_f64());
    let outcome = |commit: &PartitionCommit| {
        let is_here = |offsets: &&store::StreamOffsets| offsets.partition == commit.partition;
        let stored = offsets.iter().find(is_here);
        // The same fold of the same records: whoever stored it, it is what we have.
        let is_ours = stored.is_some_and(|offsets| offsets.effects == commit.effects);
        match applied.contains(&commit.partition) || is_ours {
            true => Outcome::Stored {
                effects: commit.effects,
                safe: commit.safe,
            },
            false => Outcome::Lost,
        }
    };
    Committed(
        commits
            .iter()
            .map(|commit| (commit.partition, outcome(commit)))
            .collect(),
    )
}
