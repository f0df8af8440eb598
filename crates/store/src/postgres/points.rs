//! Training points in Postgres: a row each, and the offsets of those who bring them.

use std::collections::BTreeSet;

use contract::{Point, SeriesId, TrainingData, Version};
use sqlx::{Acquire, PgConnection};

use super::{MANY_POINTS, ONE_MODEL, PostgresStore, ready_model};
use crate::{
    Delivery, Offset, StoreError, TrainingPoints,
    batch::{self, NextOffsets},
    offsets, stored_model,
};

/// Rows that are written, or read, by one statement: enough to make its own cost small, few enough to keep it short.
const ROWS: usize = 10_000;

impl PostgresStore {
    pub(crate) async fn training_points(
        &self,
        series: &SeriesId,
        version: Option<Version>,
    ) -> Result<TrainingPoints, StoreError> {
        let row = self
            .within(ONE_MODEL, async |connection| {
                ready_model(connection, series, version).await
            })
            .await?;
        let Some(row) = row else {
            return Ok(TrainingPoints::NoModel);
        };
        let model = stored_model(series, row)?;
        let expected = usize::try_from(model.model.points()).unwrap_or(usize::MAX);
        let points = self
            .within(MANY_POINTS, async |connection| {
                read(connection, series, model.version, expected).await
            })
            .await?;
        Ok(match points {
            Some(points) => TrainingPoints::Complete(model, points),
            None => TrainingPoints::Incomplete,
        })
    }

    pub(crate) async fn apply_training_data(
        &self,
        group: &str,
        topic: &str,
        batch: &[Delivery<'_>],
    ) -> Result<u64, StoreError> {
        self.within(MANY_POINTS, async |connection| {
            apply(connection, (group, topic), batch).await
        })
        .await
    }

    pub(crate) async fn offsets(
        &self,
        group: &str,
        topic: &str,
    ) -> Result<Vec<Offset>, StoreError> {
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
            })
            .await?;
        Ok(offsets(topic, rows))
    }
}

/// The first `expected` points of a version; `None` if there are fewer.
async fn read(
    connection: &mut PgConnection,
    series: &SeriesId,
    version: Version,
    expected: usize,
) -> Result<Option<Vec<Point>>, sqlx::Error> {
    // Arrays: a million rows cost more to take apart than to send.
    const SELECT: &str = "
        SELECT COALESCE(array_agg(timestamp), '{}'), COALESCE(array_agg(value), '{}') FROM (
            SELECT timestamp, value FROM training_data
            WHERE series_id = $1 AND version = $2 AND position >= $3 AND position < $4 ORDER BY position
        ) part";
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

/// Applies what is new of `batch` in one transaction.
async fn apply(
    connection: &mut PgConnection,
    group: (&str, &str),
    batch: &[Delivery<'_>],
) -> Result<u64, sqlx::Error> {
    let deliveries = batch::in_order(batch);
    let mut transaction = connection.begin().await?;
    let mut next = lock_offsets(&mut transaction, group, &batch::partitions(&deliveries)).await?;
    let events = batch::take_new(&deliveries, &mut next);
    let existing = lock_models(&mut transaction, &events).await?;
    let events = events
        .into_iter()
        .filter(|event| existing.contains(&key(event)));
    let inserted = insert(&mut transaction, events).await?;
    move_offsets(&mut transaction, group, &next).await?;
    transaction.commit().await?;
    Ok(inserted)
}

/// Reads how far the group is, and makes everyone else who delivers from these partitions wait until we are done.
async fn lock_offsets(
    connection: &mut PgConnection,
    (group, topic): (&str, &str),
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
    (group, topic): (&str, &str),
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

/// Which of the versions of `events` exist. A sweep cannot remove them until we are done; becoming ready is not held up.
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

/// The columns of rows that are written together.
#[derive(Default)]
struct Columns<'e> {
    series: Vec<&'e str>,
    versions: Vec<i64>,
    positions: Vec<i64>,
    timestamps: Vec<i64>,
    values: Vec<f64>,
}

async fn insert<'e>(
    connection: &mut PgConnection,
    events: impl Iterator<Item = &'e TrainingData>,
) -> Result<u64, sqlx::Error> {
    let mut inserted = 0;
    let mut columns = Columns::default();
    for event in events {
        for (at, point) in (event.first_position()..).zip(&event.data) {
            columns.push(event, at, *point);
            if columns.positions.len() == ROWS {
                inserted += columns.insert(connection).await?;
            }
        }
    }
    inserted += columns.insert(connection).await?;
    Ok(inserted)
}

impl<'e> Columns<'e> {
    fn push(&mut self, event: &'e TrainingData, at: usize, point: Point) {
        self.series.push(event.series_id.as_str());
        self.versions.push(i64::from(event.version.number()));
        self.positions.push(position(at));
        self.timestamps.push(point.timestamp);
        self.values.push(point.value);
    }

    /// Inserts the rows and forgets them. Returns how many are new.
    async fn insert(&mut self, connection: &mut PgConnection) -> Result<u64, sqlx::Error> {
        const INSERT: &str = "
            INSERT INTO training_data (series_id, version, position, timestamp, value)
            SELECT * FROM UNNEST($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::double precision[])
            ON CONFLICT DO NOTHING";
        if self.positions.is_empty() {
            return Ok(0);
        }
        let result = sqlx::query(INSERT)
            .bind(&self.series)
            .bind(&self.versions)
            .bind(&self.positions)
            .bind(&self.timestamps)
            .bind(&self.values)
            .execute(connection)
            .await?;
        *self = Self::default();
        Ok(result.rows_affected())
    }
}

/// A place in a training set, as Postgres counts.
fn position(index: usize) -> i64 {
    i64::try_from(index).unwrap_or(i64::MAX)
}
