//! A thread that folds the records of its partitions, and stores what comes of them.
//!
//! A partition belongs to one worker, and its streams to nobody else, so there are no locks. What a
//! worker stores names the offset that it was computed from: if somebody else has moved that, the
//! worker forgets the partition and begins again at what is stored.

mod commit;
mod history;
mod partition;
mod prepare;
#[cfg(test)]
mod tests;
mod waiting;

use std::{
    collections::{HashMap, HashSet},
    future::pending,
    panic::resume_unwind,
    sync::Arc,
    time::{Duration, Instant},
};

use bus::{Bus, RawMessage};
use contract::{LearnedPoint, LiveSeries, SeriesId, StreamReply};
use futures_util::FutureExt;
use service::retry::retry_forever;
use store::Store;
use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::{MissedTickBehavior, interval},
};

use crate::{Settings, metrics, waiters::Waiters};
use commit::{Commit, Committed};
use partition::{Partition, Placed};
use waiting::Halt;

/// How often what was found is stored.
const COMMIT_EVERY: Duration = Duration::from_millis(200);

/// The most records of a partition that are folded at a time.
const SLICE: usize = 512;

/// The most changes of anomalies that wait to be stored, before folding waits too.
const MAX_FOUND: usize = 100_000;

/// Work for a worker.
pub(crate) enum Work {
    /// Records, partition by partition in the order of their offsets. They were read under the
    /// assignment that was told last.
    Records(Vec<RawMessage>),
    /// The partitions that are read from now on, each from where its replay begins. Some may be
    /// other workers'.
    Assigned { partitions: Vec<i32> },
    /// Shows the stream of a series that is in memory.
    Show {
        series: SeriesId,
        partition: i32,
        reply: oneshot::Sender<Option<StreamReply>>,
    },
    /// Tells what is new of those of these series that are in memory.
    Live {
        series: Vec<(i32, SeriesId)>,
        reply: oneshot::Sender<Vec<LiveSeries>>,
    },
    /// Tells the points of a series that are not stored yet.
    History {
        series: SeriesId,
        partition: i32,
        reply: oneshot::Sender<Vec<LearnedPoint>>,
    },
    /// Stores all that it can until the deadline, and ends.
    Stop {
        until: Instant,
        stopped: oneshot::Sender<()>,
    },
}

/// What workers share.
pub(crate) struct Shared {
    pub(crate) bus: Bus,
    pub(crate) store: Store,
    pub(crate) waiters: Waiters,
    pub(crate) settings: Settings,
    /// The runtime that connections to databases and Kafka live on.
    pub(crate) runtime: Handle,
    /// Asks the reader to read all partitions again from what is stored.
    pub(crate) reread: mpsc::UnboundedSender<()>,
    /// Tells the reader up to where a replay need not go.
    pub(crate) safe: mpsc::UnboundedSender<(i32, i64)>,
    /// The number of streams, as it was counted last.
    pub(crate) streams: std::sync::atomic::AtomicI64,
}

impl Shared {
    /// Does `work` where connections live, and waits for it.
    pub(crate) async fn run<F>(&self, work: F) -> F::Output
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        joined(&mut self.runtime.spawn(work)).await
    }
}

/// The output of a task on the runtime of the process. A panic in it goes on here.
async fn joined<T>(task: &mut JoinHandle<T>) -> T {
    match task.await {
        Ok(output) => output,
        Err(ended) if ended.is_panic() => resume_unwind(ended.into_panic()),
        // The runtime ends, and the process with it.
        Err(_) => pending().await,
    }
}

/// The state of a worker.
pub(crate) struct Worker {
    shared: Arc<Shared>,
    /// The log that records come from, as offsets are kept by it.
    log: Option<Arc<str>>,
    partitions: HashMap<i32, Partition>,
    commit: Option<Commit>,
    committed: Instant,
    /// Asks a database that does not answer until it does.
    away: Option<JoinHandle<()>>,
    /// Partitions that were forgotten, and are not read again from what is stored yet.
    forgotten: HashSet<i32>,
    /// Records of partitions that are not in memory, which wait for the database.
    outside: HashMap<i32, Vec<RawMessage>>,
    /// Counts batches, for what was used last.
    clock: u64,
    /// The bytes of states that may still be copied: grows with time.
    copy_budget: f64,
    /// Whether streams have to be stored at once, to make room.
    is_full: bool,
    /// The memory of the streams in the metrics.
    told_bytes: usize,
    /// Series that were refused because there are too many.
    refused: HashSet<SeriesId>,
}

/// Starts a worker on a thread of its own.
///
/// # Errors
/// When there is no thread or runtime to be had.
pub(crate) fn start(shared: Arc<Shared>, work: mpsc::Receiver<Work>) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    let worker = Worker {
        shared,
        log: None,
        partitions: HashMap::new(),
        commit: None,
        committed: Instant::now(),
        away: None,
        forgotten: HashSet::new(),
        outside: HashMap::new(),
        clock: 0,
        copy_budget: 0.0,
        is_full: false,
        told_bytes: 0,
        refused: HashSet::new(),
    };
    std::thread::Builder::new()
        .name("observer".to_owned())
        .spawn(move || runtime.block_on(worker.run(work)))?;
    Ok(())
}

impl Worker {
    async fn run(mut self, mut work: mpsc::Receiver<Work>) {
        let mut ticks = interval(COMMIT_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                committed = commit::finished(&mut self.commit) => self.committed(committed),
                _ = ticks.tick() => {
                    self.look_for_database().await;
                    if !self.is_away() {
                        self.fold_waiting().await;
                    }
                    self.tick();
                }
                next = work.recv() => match next {
                    Some(Work::Records(records)) => self.records(records).await,
                    Some(Work::Assigned { partitions }) => {
                        self.assigned(&partitions).await;
                    }
                    Some(Work::Show { series, partition, reply }) => {
                        // The client may be gone.
                        let _ = reply.send(self.show(&series, partition));
                    }
                    Some(Work::Live { series, reply }) => {
                        let _ = reply.send(self.live(&series));
                    }
                    Some(Work::History { series, partition, reply }) => {
                        let partition = self.partitions.get(&partition);
                        let _ = reply.send(partition.map_or_else(Vec::new, |p| p.history(&series)));
                    }
                    Some(Work::Stop { until, stopped }) => {
                        self.stop(until).await;
                        let _ = stopped.send(());
                        return;
                    }
                    None => return,
                },
            }
        }
    }

    /// Looks what of the partitions in memory is still true. While none are assigned, as at the
    /// beginning of a rebalance, memory is kept: what comes back unchanged goes on where memory is.
    /// What others have is forgotten, or this worker would store it when its time comes.
    async fn assigned(&mut self, partitions: &[i32]) {
        self.forgotten.clear();
        // They are read again.
        self.outside.clear();
        let Some(log) = self.log.clone() else { return };
        if partitions.is_empty() {
            return;
        }
        self.partitions
            .retain(|number, _| partitions.contains(number));
        let mine: Vec<i32> = self.partitions.keys().copied().collect();
        if mine.is_empty() {
            return;
        }
        self.wait_for_commit().await;
        let stored = self.offsets(&log).await;
        for number in mine {
            let effects = stored.iter().find(|o| o.partition == number);
            let effects = effects.map_or(0, |offsets| offsets.effects);
            let is_other = |partition: &Partition| partition.stored != effects;
            if self.partitions.get(&number).is_some_and(is_other) {
                tracing::info!(partition = number, "somebody else was here: begins again");
                self.partitions.remove(&number);
            }
        }
    }

    async fn offsets(&self, log: &Arc<str>) -> Vec<store::StreamOffsets> {
        let (store, log) = (self.shared.store.clone(), Arc::clone(log));
        let reading = async move {
            retry_forever("reading the offsets of streams", || {
                store.stream_offsets_of(&log)
            })
            .await
        };
        self.shared.run(reading).await
    }

    /// Folds `records`.
    async fn records(&mut self, records: Vec<RawMessage>) {
        self.clock += 1;
        let mut records = records.into_iter().peekable();
        while let Some(first) = records.next() {
            let number = first.partition;
            let log = Arc::clone(&first.log);
            let mut slice = vec![first];
            while slice.len() < SLICE
                && let Some(next) = records.next_if(|next| next.partition == number)
            {
                slice.push(next);
            }
            self.take(&log, number, slice).await;
            self.bound_waiting().await;
        }
        if self.committed.elapsed() >= COMMIT_EVERY {
            self.tick();
        }
    }

    /// Folds `slice` once those before it are folded, and the partition is in memory.
    async fn take(&mut self, log: &Arc<str>, number: i32, slice: Vec<RawMessage>) {
        // They follow what was forgotten, not what is stored.
        if self.forgotten.contains(&number) {
            return;
        }
        let is_next = !self.outside.contains_key(&number);
        match is_next && self.enter(log, number).await.is_ok() {
            true => self.slice(number, slice).await,
            false => self.outside.entry(number).or_default().extend(slice),
        }
    }

    /// Keeps memory within its bounds.
    async fn settle(&mut self) {
        self.evict();
        self.poll_commit().await;
        if self.found() > MAX_FOUND {
            self.wait_for_commit().await;
            self.begin_commit();
            self.wait_for_commit().await;
        }
    }

    /// Makes sure that the partition is in memory.
    async fn enter(&mut self, log: &Arc<str>, number: i32) -> Result<(), Halt> {
        if self.log.as_ref() != Some(log) {
            self.wait_for_commit().await;
            self.partitions.clear();
            self.log = Some(Arc::clone(log));
        }
        if self.partitions.contains_key(&number) {
            return Ok(());
        }
        let (store, key) = (self.shared.store.clone(), Arc::clone(log));
        let reading = move || {
            let (store, key) = (store.clone(), Arc::clone(&key));
            async move { store.stream_offsets_of(&key).await }.boxed()
        };
        let stored = self.read("reading the offsets of streams", reading).await?;
        let stored = stored.iter().find(|offsets| offsets.partition == number);
        let (effects, safe) = stored.map_or((0, 0), |o| (o.effects, o.safe));
        let timeline = stored.map(|o| stream::TimelineState {
            now_ms: o.now_ms,
            outage_ms: o.outage_ms,
        });
        let group_by = self.shared.settings.incident_group_by.clone();
        let mut partition = Partition::new(
            number,
            effects,
            safe,
            timeline.unwrap_or_default(),
            group_by,
            self.shared.settings.keep_points_days > 0,
        );
        let store = self.shared.store.clone();
        let reading = move || {
            let store = store.clone();
            async move { store.stream_dues(number).await }.boxed()
        };
        for (series, due) in self.read("reading when series are due", reading).await? {
            partition.timeline.watch(&series, Some(due));
        }
        tracing::info!(partition = number, safe, effects, "judging");
        self.partitions.insert(number, partition);
        Ok(())
    }

    /// Folds `slice`, records of one partition that is in memory.
    async fn slice(&mut self, number: i32, slice: Vec<RawMessage>) {
        let Some(partition) = self.partitions.get(&number) else {
            return;
        };
        let mut expected = partition.next();
        let mut bytes = 0;
        let mut placed = Vec::with_capacity(slice.len());
        for message in slice {
            if message.offset < expected {
                continue;
            }
            // Offsets begin anywhere; within a log it is retention that leaves a gap.
            if message.offset > expected && expected > 0 {
                let lost = message.offset - expected;
                metrics::RECORDS_LOST.inc_by(lost.unsigned_abs());
                tracing::error!(
                    partition = number,
                    lost,
                    "records are gone that were not judged: the log keeps too little"
                );
            }
            expected = message.offset + 1;
            bytes += message.payload.len();
            placed.push(self.place(message).await);
        }
        if let Some(partition) = self.partitions.get_mut(&number) {
            partition.waiting.extend(placed);
            partition.waiting_bytes += bytes;
        }
        self.drain(number).await;
    }

    /// Folds the first of `records`, up to one that needs to be stored before others follow. Returns
    /// how many.
    async fn segment(&mut self, number: i32, records: &[Placed]) -> Result<usize, Halt> {
        let mut prepared = self.prepare(number, records).await?;
        let (now, used) = (Instant::now(), self.clock);
        let partition = self.partitions.get_mut(&number).ok_or(Halt::Lost)?;
        let mut answers = Vec::new();
        for placed in &records[..prepared.length] {
            let beginning = prepared.beginnings.remove(&placed.offset);
            let answer = partition.fold(placed, beginning, now, used);
            if let (Some(waiter), Some(answer)) = (placed.waiter, answer) {
                answers.push((waiter, answer));
            }
        }
        if prepared.must_store {
            if let Some(series) = records[prepared.length - 1].series() {
                partition.copy(&series.clone());
                partition.dirty.retain(|dirty| dirty.series != *series);
            }
            self.barrier(number).await.ok_or(Halt::Lost)?;
        }
        for (waiter, answer) in answers {
            self.shared.waiters.answer(waiter, answer);
        }
        Ok(prepared.length)
    }

    /// Forgets what is in memory of a partition, and has it read again from what is stored.
    fn forget(&mut self, number: i32) {
        self.partitions.remove(&number);
        self.outside.remove(&number);
        self.forgotten.insert(number);
        // The reader ends with the process only.
        let _ = self.shared.reread.send(());
    }

    fn show(&self, series: &SeriesId, partition: i32) -> Option<StreamReply> {
        let entry = self.partitions.get(&partition)?.streams.get(series)?;
        let age = entry.stored_at.map(|at| at.elapsed().as_millis());
        let age = age.map(|age| u64::try_from(age).unwrap_or(u64::MAX));
        Some(entry.stream.reply(partition, age))
    }

    fn live(&self, series: &[(i32, SeriesId)]) -> Vec<LiveSeries> {
        let entry = |(partition, id): &(i32, SeriesId)| {
            let entry = self.partitions.get(partition)?.streams.get(id)?;
            Some(entry.stream.live())
        };
        series.iter().filter_map(entry).collect()
    }

    fn found(&self) -> usize {
        self.partitions.values().map(|p| p.found.len()).sum()
    }

    /// Removes the streams that were used longest ago, if all take too much memory. Those that have
    /// changed are stored first.
    fn evict(&mut self) {
        let limit = self.shared.settings.session_cache_bytes / self.shared.settings.workers();
        let bytes: usize = self.partitions.values().map(|p| p.bytes).sum();
        metrics::SESSION_BYTES.add(bytes as i64 - self.told_bytes as i64);
        self.told_bytes = bytes;
        self.is_full = bytes > limit;
        // What a commit in progress is about to store is not stored yet.
        if bytes <= limit || self.commit.is_some() {
            return;
        }
        let partitions = self.partitions.values();
        let entries = partitions.flat_map(|partition| partition.streams.values());
        let mut used: Vec<u64> = entries.map(|entry| entry.used).collect();
        let tenth = used.len() / 10;
        let oldest = *used.select_nth_unstable(tenth).1;
        for partition in self.partitions.values_mut() {
            partition.evict(oldest);
        }
        // The rest is copied at the next occasion, whatever the budget.
        self.copy_budget = self.copy_budget.max(bytes.saturating_sub(limit) as f64);
    }

    async fn stop(&mut self, until: Instant) {
        let left = |until: Instant| until.saturating_duration_since(Instant::now());
        let saving = async {
            self.wait_for_commit().await;
            loop {
                self.copy_budget = f64::from(u32::MAX);
                self.copy_dirty(Duration::ZERO, 64);
                let is_last = self.partitions.values().all(|p| p.dirty.is_empty());
                self.begin_commit();
                self.wait_for_commit().await;
                if is_last {
                    return;
                }
            }
        };
        if tokio::time::timeout(left(until), saving).await.is_err() {
            tracing::warn!(
                "stopped before all streams were stored: their last points are replayed"
            );
        }
    }

    /// Notes the end of a commit.
    fn committed(&mut self, committed: Committed) {
        for (number, outcome) in committed.0 {
            match outcome {
                commit::Outcome::Stored { effects, safe } => {
                    if let Some(partition) = self.partitions.get_mut(&number) {
                        partition.stored = effects;
                    }
                    let _ = self.shared.safe.send((number, safe));
                }
                // It was given to somebody else meanwhile.
                commit::Outcome::Lost if !self.partitions.contains_key(&number) => {}
                commit::Outcome::Lost => {
                    tracing::warn!(
                        partition = number,
                        "somebody else judges this partition: begins again at what is stored"
                    );
                    metrics::LOST.inc();
                    self.forget(number);
                }
            }
        }
    }
}
