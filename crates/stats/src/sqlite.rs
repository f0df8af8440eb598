//! Figures of one process, in SQLite.
//!
//! Every batch is one transaction of a handful of statements, whatever its size: sums go in as JSON
//! that SQLite takes apart. Nothing has to be flushed, and a crash loses nothing. A power failure
//! may undo the last transactions together with their offsets.

use std::{collections::BTreeMap, path::Path};

use contract::{Delivery, Figures, LoadFigures, MetricsEvent, TopicLog};
use serde::Serialize;
use sqlite::{Database, Durability, Fault};
use sqlx::SqliteConnection;

use crate::{
    KEPT_SERIES, NEWCOMERS, REPORTED_SERIES, StatsError,
    delta::Delta,
    window::{Kind, Latencies, slots},
};

const ADD_SLOTS: &str = "INSERT INTO slots (kind, slot, count, sum_ms)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?) WHERE true
    ON CONFLICT DO UPDATE SET count = count + excluded.count, sum_ms = sum_ms + excluded.sum_ms";

const ADD_BUCKETS: &str = "INSERT INTO buckets (kind, slot, bucket, count)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?) WHERE true
    ON CONFLICT DO UPDATE SET count = count + excluded.count";

const ADD_FIRST: &str = "INSERT INTO first_messages (kind, first_ms)
    SELECT value ->> 0, value ->> 1 FROM json_each(?) WHERE true
    ON CONFLICT DO UPDATE SET first_ms = min(first_ms, excluded.first_ms)";

const ADD_TRAINED: &str = "INSERT INTO series_trained (series_id)
    SELECT value FROM json_each(?) WHERE true ON CONFLICT DO NOTHING";

const ADD_USAGE: &str = "INSERT INTO model_usage (series_id, count)
    SELECT value ->> 0, value ->> 1 FROM json_each(?) WHERE true
    ON CONFLICT DO UPDATE SET count = count + excluded.count";

const DROP_LEAST_USED: &str = "DELETE FROM model_usage WHERE series_id IN
    (SELECT series_id FROM model_usage ORDER BY count DESC, series_id DESC LIMIT -1 OFFSET ?)";

/// Figures in SQLite.
#[derive(Clone)]
pub(crate) struct SqliteStats(Database);

impl SqliteStats {
    /// Opens the database at `path`. A damaged one is set aside, and a new one takes its place:
    /// nothing depends on the figures.
    pub(crate) async fn open(path: &Path) -> Result<Self, StatsError> {
        let opened = Self::open_whole(path).await;
        if !opened.as_ref().is_err_and(is_damage) {
            return opened;
        }
        let aside = sqlite::set_aside(path).map_err(StatsError::NotSetAside)?;
        tracing::error!(
            "{} is damaged and was moved to {}; the figures begin anew",
            path.display(),
            aside.display()
        );
        Self::open_whole(path).await
    }

    async fn open_whole(path: &Path) -> Result<Self, StatsError> {
        let database = sqlite::open(path, Durability::Normal).await?;
        let migrations = sqlite::migrator(&[(
            "0001_figures.sql",
            include_str!("../migrations/0001_figures.sql"),
        )]);
        let opened = async {
            match database.is_whole().await? {
                true => Ok(migrations.run(database.pool()).await?),
                false => Err(StatsError::Damaged),
            }
        };
        match opened.await {
            Ok(()) => Ok(Self(database)),
            Err(error) => {
                // The file may be moved now.
                database.pool().close().await;
                Err(error)
            }
        }
    }

    pub(crate) async fn apply(
        &self,
        now_ms: i64,
        group: &str,
        topic: &str,
        batch: &[Delivery<'_, MetricsEvent>],
    ) -> Result<(), StatsError> {
        let mut transaction = self.0.begin().await?;
        let stored = read_offsets(&mut transaction, group, topic).await?;
        let delta = Delta::of(batch, &stored, now_ms);
        add_latencies(&mut transaction, &delta).await?;
        let trained = delta.trained.iter().collect();
        add(&mut transaction, ADD_TRAINED, trained).await?;
        add_usage(&mut transaction, &delta).await?;
        for (partition, next_offset) in &delta.next_offsets {
            sqlx::query("INSERT OR REPLACE INTO offsets VALUES (?, ?, ?, ?)")
                .bind(group)
                .bind(topic)
                .bind(partition)
                .bind(next_offset)
                .execute(&mut *transaction)
                .await?;
        }
        forget_old(&mut transaction, now_ms).await?;
        Ok(transaction.commit().await?)
    }

    /// Adopts the offsets that were kept without a log, or forgets those of a log that was cut.
    pub(crate) async fn prepare(&self, group: &str, log: &TopicLog) -> Result<(), StatsError> {
        let key = log.key();
        let mut transaction = self.0.begin().await?;
        if log.is_cut {
            sqlx::query("DELETE FROM offsets WHERE consumer_group = ? AND topic = ?")
                .bind(group)
                .bind(&key)
                .execute(&mut *transaction)
                .await?;
        } else if key != log.topic
            && read_offsets(&mut transaction, group, &key)
                .await?
                .is_empty()
        {
            sqlx::query("UPDATE offsets SET topic = ? WHERE consumer_group = ? AND topic = ?")
                .bind(&key)
                .bind(group)
                .bind(&log.topic)
                .execute(&mut *transaction)
                .await?;
        }
        Ok(transaction.commit().await?)
    }

    pub(crate) async fn offsets(
        &self,
        group: &str,
        topic: &str,
    ) -> Result<BTreeMap<i32, i64>, StatsError> {
        let mut connection = self.0.pool().acquire().await?;
        Ok(read_offsets(&mut connection, group, topic).await?)
    }

    pub(crate) async fn figures(&self, now_ms: i64) -> Result<Figures, StatsError> {
        // All figures are of one moment.
        let mut transaction = self.0.pool().begin().await?;
        let series_trained: i64 = sqlx::query_scalar("SELECT count(*) FROM series_trained")
            .fetch_one(&mut *transaction)
            .await?;
        let usage: Vec<(String, i64)> = sqlx::query_as(
            "SELECT series_id, count FROM model_usage ORDER BY count DESC, series_id DESC LIMIT ?",
        )
        .bind(REPORTED_SERIES as i64)
        .fetch_all(&mut *transaction)
        .await?;
        Ok(Figures {
            series_trained: series_trained.cast_unsigned(),
            training: load(&mut transaction, Kind::Training, now_ms).await?,
            inference: load(&mut transaction, Kind::Inference, now_ms).await?,
            model_usage: usage
                .into_iter()
                .map(|(series_id, count)| (series_id, count.cast_unsigned()))
                .collect(),
        })
    }

    pub(crate) async fn close(&self) {
        self.0.pool().close().await;
    }

    pub(crate) async fn ping(&self) -> Result<(), StatsError> {
        Ok(self.0.check("SELECT 1 FROM offsets LIMIT 1").await?)
    }
}

fn is_damage(error: &StatsError) -> bool {
    match error {
        StatsError::Damaged => true,
        StatsError::Database(error) => Fault::of(error) == Some(Fault::Damaged),
        _ => false,
    }
}

async fn read_offsets(
    connection: &mut SqliteConnection,
    group: &str,
    topic: &str,
) -> Result<BTreeMap<i32, i64>, sqlx::Error> {
    let rows: Vec<(i32, i64)> = sqlx::query_as(
        "SELECT partition, next_offset FROM offsets WHERE consumer_group = ? AND topic = ?",
    )
    .bind(group)
    .bind(topic)
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().collect())
}

/// Runs `statement` over `rows`, if there are any.
async fn add<T: Serialize>(
    connection: &mut SqliteConnection,
    statement: &str,
    rows: Vec<T>,
) -> Result<(), sqlx::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let json = serde_json::to_string(&rows).map_err(|error| sqlx::Error::Encode(error.into()))?;
    sqlx::query(statement)
        .bind(json)
        .execute(connection)
        .await?;
    Ok(())
}

async fn add_latencies(
    connection: &mut SqliteConnection,
    delta: &Delta<'_>,
) -> Result<(), sqlx::Error> {
    let mut slots = Vec::new();
    let mut buckets = Vec::new();
    for ((kind, slot), sums) in &delta.latencies {
        slots.push((kind.name(), slot, sums.count, sums.sum_ms));
        for (bucket, count) in sums.histogram.buckets() {
            buckets.push((kind.name(), slot, bucket, count));
        }
    }
    add(connection, ADD_SLOTS, slots).await?;
    add(connection, ADD_BUCKETS, buckets).await?;
    let first = delta.first_ms.iter();
    let first = first.map(|(kind, ms)| (kind.name(), ms)).collect();
    add(connection, ADD_FIRST, first).await
}

async fn add_usage(
    connection: &mut SqliteConnection,
    delta: &Delta<'_>,
) -> Result<(), sqlx::Error> {
    if delta.usage.is_empty() {
        return Ok(());
    }
    add(connection, ADD_USAGE, delta.usage.iter().collect()).await?;
    let used: i64 = sqlx::query_scalar("SELECT count(*) FROM model_usage")
        .fetch_one(&mut *connection)
        .await?;
    if used > (KEPT_SERIES + NEWCOMERS) as i64 {
        let drop = sqlx::query(DROP_LEAST_USED).bind(KEPT_SERIES as i64);
        drop.execute(connection).await?;
    }
    Ok(())
}

async fn forget_old(connection: &mut SqliteConnection, now_ms: i64) -> Result<(), sqlx::Error> {
    let oldest = *slots(now_ms).start();
    for statement in [
        "DELETE FROM slots WHERE slot < ?",
        "DELETE FROM buckets WHERE slot < ?",
    ] {
        sqlx::query(statement)
            .bind(oldest)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// The latencies of `kind` in the last five minutes.
async fn load(
    connection: &mut SqliteConnection,
    kind: Kind,
    now_ms: i64,
) -> Result<LoadFigures, sqlx::Error> {
    let oldest = *slots(now_ms).start();
    let first_ms: Option<i64> =
        sqlx::query_scalar("SELECT first_ms FROM first_messages WHERE kind = ?")
            .bind(kind.name())
            .fetch_optional(&mut *connection)
            .await?;
    let (count, sum_ms): (i64, f64) = sqlx::query_as(
        "SELECT coalesce(sum(count), 0), total(sum_ms) FROM slots WHERE slot >= ? AND kind = ?",
    )
    .bind(oldest)
    .bind(kind.name())
    .fetch_one(&mut *connection)
    .await?;
    let buckets: Vec<(u16, i64)> = sqlx::query_as(
        "SELECT bucket, sum(count) FROM buckets WHERE slot >= ? AND kind = ? GROUP BY bucket",
    )
    .bind(oldest)
    .bind(kind.name())
    .fetch_all(connection)
    .await?;
    let mut latencies = Latencies {
        count: count.cast_unsigned(),
        sum_ms,
        ..Latencies::default()
    };
    for (bucket, count) in buckets {
        latencies.histogram.add(bucket, count.cast_unsigned());
    }
    Ok(latencies.figures(first_ms, now_ms))
}
