//! Reads the partitions that this process owns, and hands their records to the workers.

use std::{
    sync::{Arc, PoisonError, RwLock, atomic::Ordering},
    time::{Duration, Instant},
};

use anyhow::Context;
use bus::{Assigned, OffsetSource, RawMessage, SubscribeOptions, Subscription};
use contract::{Event as _, PointsRecord, TopicOffset};
use store::Store;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::{
    metrics,
    worker::{Shared, Work},
};

/// The group that observers share the topic in.
pub(crate) const GROUP: &str = "observer";

/// The most records that are taken at once.
const MAX_RECORDS: usize = 8_192;

/// How often lag and ticks are looked after while no record comes.
const IDLE: Duration = Duration::from_secs(1);

/// How often partitions get a tick.
const TICK_EVERY: Duration = Duration::from_secs(10);

/// How long the states of streams may take to be stored at the end.
const STORE_WITHIN: Duration = Duration::from_secs(10);

/// The partitions that this process owns.
#[derive(Default)]
pub(crate) struct Owned(RwLock<Vec<i32>>);

impl Owned {
    pub(crate) fn has(&self, partition: i32) -> bool {
        let owned = self.0.read();
        let owned = owned.unwrap_or_else(PoisonError::into_inner);
        owned.binary_search(&partition).is_ok()
    }

    fn set(&self, partitions: Vec<i32>) {
        let owned = self.0.write();
        *owned.unwrap_or_else(PoisonError::into_inner) = partitions;
    }
}

/// Reads until `shutdown` is cancelled.
pub(crate) struct Reader {
    pub(crate) shared: Arc<Shared>,
    pub(crate) owned: Arc<Owned>,
    pub(crate) workers: Vec<mpsc::Sender<Work>>,
    pub(crate) reread: mpsc::UnboundedReceiver<()>,
    pub(crate) safe: mpsc::UnboundedReceiver<(i32, i64)>,
}

impl Reader {
    /// Reads, and ends once the workers have stored what they can.
    ///
    /// # Errors
    /// When reading can never continue.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) -> anyhow::Result<()> {
        let offsets = stored_offsets(self.shared.store.clone());
        let options = SubscribeOptions {
            instance: self.shared.settings.observer_id.clone(),
            ..SubscribeOptions::default()
        };
        let mut records = self
            .shared
            .bus
            .subscribe_with::<PointsRecord>(GROUP, offsets, options)?;
        let mut assigned = records.assignment();
        let read = tokio::select! {
            () = shutdown.cancelled() => Ok(()),
            read = self.read(&mut records, &mut assigned) => read,
        };
        self.owned.set(Vec::new());
        self.shared.waiters.keep(&[]);
        self.stop().await;
        records.close().await;
        read
    }

    async fn read(
        &mut self,
        records: &mut Subscription<PointsRecord>,
        assigned: &mut watch::Receiver<Assigned>,
    ) -> anyhow::Result<()> {
        let mut known = 0;
        let mut ticked = Instant::now();
        loop {
            let next = tokio::select! {
                biased;
                _ = assigned.changed() => None,
                Some(()) = self.reread.recv() => {
                    records.reread();
                    None
                }
                next = timeout(IDLE, records.next_raw(MAX_RECORDS, Duration::ZERO)) => Some(next),
            };
            let now = assigned.borrow_and_update().clone();
            if now.generation != known {
                known = now.generation;
                self.assigned(&now).await?;
            }
            metrics::LAG.set(records.lag());
            metrics::PARTITIONS.set(i64::try_from(now.partitions.len()).unwrap_or(0));
            while let Ok((partition, safe)) = self.safe.try_recv() {
                records.commit_offset(partition, safe);
            }
            if let Some(Ok(batch)) = next {
                let batch = batch.context("no more points")?;
                // A new generation begins again at what is stored.
                if batch.generation == known {
                    self.hand_out(batch.messages).await?;
                }
            }
            if ticked.elapsed() >= TICK_EVERY {
                ticked = Instant::now();
                self.tick(&now.partitions);
            }
        }
    }

    /// Tells everyone which partitions are read.
    async fn assigned(&self, assigned: &Assigned) -> anyhow::Result<()> {
        let partitions = assigned.partitions.clone();
        self.owned.set(partitions.clone());
        self.shared.waiters.keep(&partitions);
        for worker in &self.workers {
            let work = Work::Assigned {
                partitions: partitions.clone(),
            };
            worker.send(work).await.context("a worker has ended")?;
        }
        Ok(())
    }

    /// Gives each worker the records of its partitions.
    async fn hand_out(&self, batch: Vec<RawMessage>) -> anyhow::Result<()> {
        let mut shares: Vec<Vec<RawMessage>> = self.workers.iter().map(|_| Vec::new()).collect();
        for message in batch {
            let share = usize::try_from(message.partition).unwrap_or(0) % shares.len();
            shares[share].push(message);
        }
        for (worker, mut records) in self.workers.iter().zip(shares) {
            if records.is_empty() {
                continue;
            }
            records.sort_by_key(|record| record.partition);
            let work = Work::Records(records);
            worker.send(work).await.context("a worker has ended")?;
        }
        Ok(())
    }

    /// Time passes in partitions without records too, for series that fall silent. While there is no
    /// stream, nothing can.
    fn tick(&self, partitions: &[i32]) {
        if self.shared.streams.load(Ordering::Relaxed) == 0 {
            return;
        }
        let ticks = partitions.iter().map(|partition| PointsRecord::Tick {
            partition: *partition,
        });
        for tick in ticks {
            // The next one will do as well.
            self.shared.bus.try_publish(&tick, None);
        }
    }

    async fn stop(&self) {
        let until = Instant::now() + STORE_WITHIN;
        let mut stopping = Vec::new();
        for worker in &self.workers {
            let (stopped, waiting) = oneshot::channel();
            if worker.send(Work::Stop { until, stopped }).await.is_ok() {
                stopping.push(waiting);
            }
        }
        for waiting in stopping {
            // An error means that the worker has ended before.
            let _ = timeout(STORE_WITHIN, waiting).await;
        }
    }
}

/// The group goes on where a replay may begin.
fn stored_offsets(store: Store) -> OffsetSource {
    Arc::new(move |log| {
        let (store, log) = (store.clone(), log.clone());
        Box::pin(async move {
            let stored = store.stream_offsets(&log).await?;
            let offsets = stored.into_iter().map(|offsets| TopicOffset {
                partition: offsets.partition,
                next_offset: offsets.safe,
            });
            Ok(offsets.collect())
        })
    })
}

/// The number of partitions that the topic is created with.
pub(crate) const PARTITIONS: i32 = PointsRecord::TOPIC.partitions;
