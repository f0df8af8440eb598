//! Training points in Postgres, one in a row, and the offsets of the groups that deliver them.

use std::collections::BTreeSet;

use contract::{Delivery, Point, SeriesId, TopicLog, TopicOffset, TrainingData, Version};
use sqlx::{Acquire, PgConnection};

use super::{MANY_POINTS, ONE_MODEL, PostgresStore, copy};
use crate::{
    StoreError,
    batch::{self, NextOffsets, TxBudget},
    columns::{offsets, position},
    registry::connection::Connection,
    start::start_offsets,
};

/// Points that one statement reads: enough to make its fixed cost small, few enough to keep it
/// short.
const ROWS: usize = 10_000;
/// The most that one transaction applies: enough to make its fixed cost small, little enough to end in time
/// on a slow disk.
const TX_BUDGET: TxBudget = TxBudget {
    points: 200_000,
    messages: 2_000,
};

impl PostgresStore {
    /// The first `expected` points of a version. `None` if there are fewer.
    pub(crate) async fn points(
        &self,
        series: &SeriesId,
        version: Version,
        expected: usize,
    ) -> Result<Option<Vec<Point>>, StoreError> {
        self.within(MANY_POINTS, async |connection| {
            read(connection, series, version, expected).await
        })
        .await
    }

    pub(crate) async fn apply_training_data(
        &self,
        group: &str,
        topic: &str,
        batch: &[Delivery<'_, TrainingData>],
    ) -> Result<u64, StoreError> {
        let deliveries = batch::in_order(batch);
        let mut rest = deliveries.as_slice();
        let mut inserted = 0;
        while !rest.is_empty() {
            let (some, others) = rest.split_at(TX_BUDGET.takes(rest));
            inserted += self.apply(group, topic, some).await?;
            rest = others;
        }
        Ok(inserted)
    }

    /// Applies deliveries in one transaction.
    async fn apply(
        &self,
        group: &str,
        topic: &str,
        deliveries: &[&Delivery<'_, TrainingData>],
    ) -> Result<u64, StoreError> {
        let first = self
            .write(MANY_POINTS, async |connection| {
                apply(connection, group, topic, deliveries, Existing::Fail).await
            })
            .await;
        match first {
            Err(StoreError::Refused(error)) if is_duplicate(&error) => {
                self.write(MANY_POINTS, async |connection| {
                    apply(connection, group, topic, deliveries, Existing::Keep).await
                })
                .await
            }
            done => done,
        }
    }

    /// See [`start_offsets`].
    pub(crate) async fn start_offsets(
        &self,
        group: &str,
        log: &TopicLog,
    ) -> Result<Vec<TopicOffset>, StoreError> {
        self.write(ONE_MODEL, async |connection| {
            let mut transaction = connection.begin().await?;
            let mut connection = Connection::Postgres(&mut transaction);
            let offsets = start_offsets(&mut connection, group, log).await?;
            transaction.commit().await?;
            Ok::<_, StoreError>(offsets)
        })
        .await
    }

    pub(crate) async fn offsets(
        &self,
        group: &str,
        topic: &str,
    ) -> Result<Vec<TopicOffset>, StoreError> {
        const SELECT: &str = r#"
            SELECT partition, next_offset FROM consumer_offsets
            WHERE "group" = $1 AND topic = $2 ORDER BY partition"#;
        let rows = self
            .within(ONE_MODEL, async |connection| {
                sqlx::query_as(SELECT)
                    .bind(group)
                    .bind(topic)
                    .fetch_all(connection)
                    .await
                    .map_err(StoreError::from)
            })
            .await?;
        Ok(offsets(rows))
    }
}

/// The first `expected` points of a version. `None` if there are fewer.
async fn read(
    connection: &mut PgConnection,
    series: &SeriesId,
    version: Version,
    expected: usize,
) -> Result<Option<Vec<Point>>, StoreError> {
    // Arrays: a million rows cost more to take apart than to send.
    const SELECT: &str = "
        SELECT COALESCE(array_agg(timestamp), '{}'), COALESCE(array_agg(value), '{}') FROM (
            SELECT timestamp, value FROM training_data
            WHERE series_id = $1 AND version = $2 AND position >= $3 AND position < $4 ORDER BY position
        ) part";
    if !has_point(connection, series, version, expected.saturating_sub(1)).await? {
        return Ok(None);
    }
    let mut points = Vec::new();
    while points.len() < expected {
        let end = expected.min(points.len() + ROWS);
        let (timestamps, values): (Vec<i64>, Vec<f64>) = sqlx::query_as(SELECT)
            .bind(series.as_str())
            .bind(i64::from(version.number()))
            .bind(position(points.len()))
            .bind(position(end))
            .fetch_one(&mut *connection)
            .await?;
        let pairs = timestamps.into_iter().zip(values);
        points.extend(pairs.map(|(timestamp, value)| Point { timestamp, value }));
        if points.len() < end {
            return Ok(None);
        }
    }
    Ok(Some(points))
}

/// Whether a version has its point `index`. The last point usually arrives last: without it there
/// is no need to read the others.
async fn has_point(
    connection: &mut PgConnection,
    series: &SeriesId,
    version: Version,
    index: usize,
) -> Result<bool, sqlx::Error> {
    const SELECT: &str = "
        SELECT EXISTS (
            SELECT 1 FROM training_data WHERE series_id = $1 AND version = $2 AND position = $3
        )";
    sqlx::query_scalar(SELECT)
        .bind(series.as_str())
        .bind(i64::from(version.number()))
        .bind(position(index))
        .fetch_one(connection)
        .await
}

/// How to treat points that are stored already.
#[derive(Clone, Copy, Debug)]
enum Existing {
    /// Fail. Two to three times as fast, and sufficient as a rule: offsets keep messages from being
    /// applied twice.
    Fail,
    /// Keep the stored points. For points that were published twice.
    Keep,
}

fn is_duplicate(error: &sqlx::Error) -> bool {
    let error = error.as_database_error();
    error.is_some_and(|error| error.is_unique_violation())
}

/// Applies the new ones of the deliveries in one transaction.
async fn apply(
    connection: &mut PgConnection,
    group: &str,
    topic: &str,
    deliveries: &[&Delivery<'_, TrainingData>],
    existing: Existing,
) -> Result<u64, StoreError> {
    let mut transaction = connection.begin().await?;
    let partitions = batch::partitions(deliveries);
    let mut next = lock_offsets(&mut transaction, group, topic, &partitions).await?;
    let mut events = batch::take_new(deliveries, &mut next);
    let models = lock_models(&mut transaction, &events).await?;
    events.retain(|event| models.contains(&key(event)));
    let inserted = match existing {
        Existing::Fail => copy::into(&mut transaction, "training_data", &events).await?,
        Existing::Keep => insert(&mut transaction, &events).await?,
    };
    move_offsets(&mut transaction, group, topic, &next).await?;
    transaction.commit().await?;
    Ok(inserted)
}

/// Reads the group's offsets, and makes everyone else who delivers from these partitions wait until
/// we are done.
async fn lock_offsets(
    connection: &mut PgConnection,
    group: &str,
    topic: &str,
    partitions: &[i32],
) -> Result<NextOffsets, sqlx::Error> {
    const INSERT: &str = r#"
        INSERT INTO consumer_offsets ("group", topic, partition, next_offset)
        SELECT $1, $2, partition, 0 FROM UNNEST($3::integer[]) AS partition
        ON CONFLICT DO NOTHING"#;
    const LOCK: &str = r#"
        SELECT partition, next_offset FROM consumer_offsets
        WHERE "group" = $1 AND topic = $2 AND partition = ANY ($3) ORDER BY partition FOR UPDATE"#;
    sqlx::query(INSERT)
        .bind(group)
        .bind(topic)
        .bind(partitions)
        .execute(&mut *connection)
        .await?;
    let rows: Vec<(i32, i64)> = sqlx::query_as(LOCK)
        .bind(group)
        .bind(topic)
        .bind(partitions)
        .fetch_all(connection)
        .await?;
    Ok(rows.into_iter().collect())
}

async fn move_offsets(
    connection: &mut PgConnection,
    group: &str,
    topic: &str,
    next: &NextOffsets,
) -> Result<(), sqlx::Error> {
    const UPDATE: &str = r#"
        UPDATE consumer_offsets SET next_offset = moved.next_offset
        FROM UNNEST($3::integer[], $4::bigint[]) AS moved (partition, next_offset)
        WHERE "group" = $1 AND topic = $2 AND consumer_offsets.partition = moved.partition"#;
    let (partitions, offsets): (Vec<i32>, Vec<i64>) = next.iter().unzip();
    sqlx::query(UPDATE)
        .bind(group)
        .bind(topic)
        .bind(partitions)
        .bind(offsets)
        .execute(connection)
        .await?;
    Ok(())
}

/// The versions of `events` that exist. A sweep cannot remove them until we are done; a version may
/// still become ready.
async fn lock_models(
    connection: &mut PgConnection,
    events: &[&TrainingData],
) -> Result<BTreeSet<(String, i64)>, sqlx::Error> {
    const LOCK: &str = "
        SELECT series_id, version FROM models
        WHERE (series_id, version) IN (SELECT * FROM UNNEST($1::text[], $2::bigint[]))
        ORDER BY series_id, version FOR KEY SHARE";
    let keys: BTreeSet<_> = events.iter().map(|event| key(event)).collect();
    let (series, versions): (Vec<String>, Vec<i64>) = keys.into_iter().unzip();
    let rows: Vec<(String, i64)> = sqlx::query_as(LOCK)
        .bind(series)
        .bind(versions)
        .fetch_all(connection)
        .await?;
    Ok(rows.into_iter().collect())
}

fn key(event: &TrainingData) -> (String, i64) {
    let series = event.series_id.as_str().to_owned();
    (series, i64::from(event.version.number()))
}

/// Stores the points that are not there yet.
async fn insert(
    connection: &mut PgConnection,
    events: &[&TrainingData],
) -> Result<u64, sqlx::Error> {
    const CREATE: &str = "CREATE TEMPORARY TABLE arrived (LIKE training_data) ON COMMIT DROP";
    const INSERT: &str = "INSERT INTO training_data SELECT * FROM arrived ON CONFLICT DO NOTHING";
    sqlx::query(CREATE).execute(&mut *connection).await?;
    copy::into(&mut *connection, "arrived", events).await?;
    let inserted = sqlx::query(INSERT).execute(connection).await?;
    Ok(inserted.rows_affected())
}
