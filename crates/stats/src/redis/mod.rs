//! Figures in Redis, shared by every process.
//!
//! | key, after the prefix | value |
//! |---|---|
//! | `metrics:offsets:{group}:{topic}` | hash: partition → next offset |
//! | `metrics:{kind}:{slot}` | hash: `count`, `sum_ms`, and a count by histogram bucket; expires |
//! | `metrics:first_ms` | sorted set: kind → when its first message was published |
//! | `metrics:series_trained` | set of series |
//! | `metrics:model_usage` | sorted set: series → predictions |
//!
//! A writer watches the offsets, reads them, adds up the messages above them, and writes sums and
//! offsets in one `MULTI`. If another writer moved the offsets in between, nothing is written and
//! it starts over. So a message is never counted twice, even if two consumers hold it or a consumer
//! does not know whether its last `EXEC` arrived. `WATCH` belongs to a connection, so the writer
//! has one that nobody else uses.

mod address;
mod confirmed;
mod connection;

use std::{
    collections::{BTreeMap, HashMap},
    sync::atomic::{AtomicU32, Ordering},
};

pub(crate) use address::is_address;
use contract::{Delivery, Figures, MetricsEvent, TopicLog};
pub(crate) use redis::RedisError;
use redis::{Pipeline, aio::MultiplexedConnection};

use crate::{
    KEPT_SERIES, NEWCOMERS, REPORTED_SERIES, RedisConfig, StatsError,
    delta::Delta,
    window::{Kind, Latencies, slots},
};
use address::client;
use confirmed::Confirmed;
use connection::{Connection, bounded, ping};

/// Seconds for which a slot outlives its last message: five minutes, and one more for clocks that
/// differ.
const SLOT_LIFE_S: i64 = 360;

/// The number of batches in a row that must fail before Redis counts as not writable.
const FAILURES: u32 = 3;

/// The fields of a slot that are not histogram buckets.
const COUNT: &str = "count";
const SUM_MS: &str = "sum_ms";

/// Series trained, predictions by series, and first messages by kind.
type Totals = (u64, HashMap<String, f64>, HashMap<String, f64>);

/// Figures in Redis.
pub(crate) struct RedisStats {
    prefix: String,
    writer: Connection,
    reader: Connection,
    confirmed: Confirmed,
    /// Batches that failed since the last one that was written. The consumer tries on by itself.
    failed: AtomicU32,
}

impl RedisStats {
    pub(crate) fn new(config: &RedisConfig) -> Result<Self, StatsError> {
        let client = client(config)?;
        Ok(Self {
            prefix: config.redis_key_prefix.clone(),
            writer: Connection::new(client.clone()),
            reader: Connection::new(client),
            confirmed: Confirmed::default(),
            failed: AtomicU32::new(0),
        })
    }

    pub(crate) async fn apply(
        &self,
        now_ms: i64,
        group: &str,
        topic: &str,
        batch: &[Delivery<'_, MetricsEvent>],
    ) -> Result<(), StatsError> {
        let offsets_key = self.offsets_key(group, topic);
        let applied = bounded(async {
            let mut lease = self.writer.lease().await?;
            let connection = &mut lease.connection;
            loop {
                let (stored, used_series) = self.watch(connection, &offsets_key).await?;
                self.confirmed.check(&offsets_key, &stored)?;
                let delta = Delta::of(batch, &stored, now_ms);
                if delta.next_offsets.is_empty() {
                    break;
                }
                let mut transaction = self.transaction(&delta);
                if used_series > KEPT_SERIES + NEWCOMERS {
                    self.drop_least_used(&mut transaction);
                }
                for (partition, next_offset) in &delta.next_offsets {
                    transaction.hset(&offsets_key, partition, next_offset);
                }
                let executed: Option<redis::Value> = transaction.query_async(connection).await?;
                if executed.is_some() {
                    self.confirmed.remember(&offsets_key, &delta.next_offsets);
                    break;
                }
            }
            lease.give_back();
            Ok(())
        })
        .await;
        match &applied {
            Ok(()) => self.failed.store(0, Ordering::Relaxed),
            Err(StatsError::WentBack) => {}
            Err(_) => drop(self.failed.fetch_add(1, Ordering::Relaxed)),
        }
        applied
    }

    /// Adopts the offsets that were kept without a log, or forgets those of a log that was cut.
    pub(crate) async fn prepare(&self, group: &str, log: &TopicLog) -> Result<(), StatsError> {
        let (without, of_log) = (
            self.offsets_key(group, &log.topic),
            self.offsets_key(group, &log.key()),
        );
        bounded(async {
            let mut lease = self.writer.lease().await?;
            let connection = &mut lease.connection;
            if log.is_cut {
                let forget = redis::Cmd::del(&of_log);
                forget.exec_async(connection).await?;
                self.confirmed.forget(&of_log);
            } else if without != of_log {
                let exists: bool = redis::Cmd::exists(&without).query_async(connection).await?;
                if exists {
                    let adopt = redis::Cmd::rename_nx(&without, &of_log);
                    adopt.exec_async(connection).await?;
                }
            }
            lease.give_back();
            Ok(())
        })
        .await
    }

    pub(crate) async fn offsets(
        &self,
        group: &str,
        topic: &str,
    ) -> Result<BTreeMap<i32, i64>, StatsError> {
        bounded(async {
            let mut lease = self.reader.lease().await?;
            let read = redis::Cmd::hgetall(self.offsets_key(group, topic));
            let offsets = read.query_async(&mut lease.connection).await?;
            lease.give_back();
            Ok(offsets)
        })
        .await
    }

    pub(crate) async fn figures(&self, now_ms: i64) -> Result<Figures, StatsError> {
        bounded(async {
            let mut lease = self.reader.lease().await?;
            let figures = self.read_figures(&mut lease.connection, now_ms).await?;
            lease.give_back();
            Ok(figures)
        })
        .await
    }

    pub(crate) async fn ping(&self) -> Result<(), StatsError> {
        bounded(async {
            let mut lease = self.reader.lease().await?;
            ping(&mut lease.connection).await?;
            lease.give_back();
            match self.failed.load(Ordering::Relaxed) {
                0..FAILURES => Ok(()),
                _ => Err(StatsError::NotWritten),
            }
        })
        .await
    }

    /// Watches the offsets, and reads them and the number of series whose usage is kept.
    ///
    /// The watch ends with the next `EXEC`, or here, when nothing was new and so nothing executed.
    async fn watch(
        &self,
        connection: &mut MultiplexedConnection,
        offsets_key: &str,
    ) -> Result<(BTreeMap<i32, i64>, usize), StatsError> {
        let mut pipeline = redis::pipe();
        pipeline.cmd("UNWATCH").ignore();
        pipeline.cmd("WATCH").arg(offsets_key).ignore();
        pipeline.hgetall(offsets_key).zcard(self.key("model_usage"));
        Ok(pipeline.query_async(connection).await?)
    }

    /// Everything in `delta` except its offsets.
    fn transaction(&self, delta: &Delta<'_>) -> Pipeline {
        let mut pipeline = redis::pipe();
        pipeline.atomic();
        for ((kind, slot), latencies) in &delta.latencies {
            let key = self.slot_key(*kind, *slot);
            pipeline.hincr(&key, COUNT, latencies.count);
            pipeline.hincr(&key, SUM_MS, latencies.sum_ms);
            for (bucket, count) in latencies.histogram.buckets() {
                pipeline.hincr(&key, bucket, count);
            }
            pipeline.expire(&key, SLOT_LIFE_S);
        }
        for (kind, first_ms) in &delta.first_ms {
            let first_key = self.key("first_ms");
            pipeline
                .cmd("ZADD")
                .arg(first_key)
                .arg("LT")
                .arg(first_ms)
                .arg(kind.name());
        }
        for series_id in &delta.trained {
            pipeline.sadd(self.key("series_trained"), series_id);
        }
        for (series_id, count) in &delta.usage {
            pipeline.zincr(self.key("model_usage"), series_id, count);
        }
        pipeline
    }

    fn drop_least_used(&self, transaction: &mut Pipeline) {
        let last_dropped = -1 - KEPT_SERIES.cast_signed();
        transaction.zremrangebyrank(self.key("model_usage"), 0, last_dropped);
    }

    async fn read_figures(
        &self,
        connection: &mut MultiplexedConnection,
        now_ms: i64,
    ) -> Result<Figures, StatsError> {
        // The last rank, counted from 0.
        let last = REPORTED_SERIES.cast_signed() - 1;
        let mut pipeline = redis::pipe();
        pipeline
            .scard(self.key("series_trained"))
            .zrevrange_withscores(self.key("model_usage"), 0, last)
            .zrange_withscores(self.key("first_ms"), 0, -1);
        let (series_trained, usage, first_ms): Totals = pipeline.query_async(connection).await?;
        let mut load = async |kind: Kind| {
            let first_ms = first_ms.get(kind.name());
            let first_ms = first_ms.map(|ms| whole(*ms).cast_signed());
            let latencies = self.latencies(connection, kind, now_ms).await?;
            Ok::<_, StatsError>(latencies.figures(first_ms, now_ms))
        };
        let training = load(Kind::Training).await?;
        let inference = load(Kind::Inference).await?;
        let usage = usage.into_iter();
        Ok(Figures {
            series_trained,
            training,
            inference,
            model_usage: usage
                .map(|(series_id, count)| (series_id, whole(count)))
                .collect(),
        })
    }

    /// The latencies of `kind` in the last five minutes.
    async fn latencies(
        &self,
        connection: &mut MultiplexedConnection,
        kind: Kind,
        now_ms: i64,
    ) -> Result<Latencies, StatsError> {
        let mut pipeline = redis::pipe();
        // All of one moment, because counts and sums belong together.
        pipeline.atomic();
        for slot in slots(now_ms) {
            pipeline.hgetall(self.slot_key(kind, slot));
        }
        let slots: Vec<HashMap<String, f64>> = pipeline.query_async(connection).await?;
        let mut latencies = Latencies::default();
        for (field, value) in slots.into_iter().flatten() {
            match field.as_str() {
                COUNT => latencies.count += whole(value),
                SUM_MS => latencies.sum_ms += value,
                // A field that is not a bucket comes from a later version of this program.
                bucket => {
                    let Ok(bucket) = bucket.parse() else { continue };
                    latencies.histogram.add(bucket, whole(value));
                }
            }
        }
        Ok(latencies)
    }

    /// The key of a figure of which there is one.
    fn key(&self, name: &str) -> String {
        format!("{}metrics:{name}", self.prefix)
    }

    fn slot_key(&self, kind: Kind, slot: i64) -> String {
        format!("{}metrics:{}:{slot}", self.prefix, kind.name())
    }

    fn offsets_key(&self, group: &str, topic: &str) -> String {
        format!("{}metrics:offsets:{group}:{topic}", self.prefix)
    }
}

/// A count that Redis keeps as a number with a fraction; exact up to 2^53.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts are whole and not negative"
)]
fn whole(value: f64) -> u64 {
    value as u64
}
