//! Training points in SQLite, up to 10,000 in a row, and the offsets of the groups that deliver
//! them.

use contract::{Delivery, Point, SeriesId, TopicLog, TopicOffset, TrainingData, Version};
use futures_util::TryStreamExt;
use sqlx::{Row, SqliteConnection};

use super::SqliteStore;
use crate::{
    StoreError,
    batch::{self, NextOffsets, TxBudget},
    columns::{offsets, position, unreadable},
    registry::connection::Connection,
    start::start_offsets,
};

/// The most points in a row of the table: as many as the largest event carries.
const BLOCK: usize = contract::MAX_POINTS_PER_PART;
/// The bytes of a point: its timestamp and its value.
const POINT: usize = size_of::<i64>() + size_of::<f64>();
/// The most that one transaction applies. A fit may have to wait for it: 10 to 20 ms.
const TX_BUDGET: TxBudget = TxBudget {
    points: 20_000,
    messages: 500,
};

impl SqliteStore {
    /// The first `expected` points of a version; `None` if there are fewer.
    pub(crate) async fn points(
        &self,
        series: &SeriesId,
        version: Version,
        expected: usize,
    ) -> Result<Option<Vec<Point>>, StoreError> {
        const SELECT: &str = "
            SELECT position, points, checksum FROM training_data
            WHERE series_id = ? AND version = ? ORDER BY position";
        let mut blocks = sqlx::query(SELECT)
            .bind(series.as_str())
            .bind(version.number())
            .fetch(self.database.pool());
        let mut points = Vec::new();
        while points.len() < expected {
            let Some(block) = blocks.try_next().await? else {
                return Ok(None);
            };
            if usize::try_from(block.try_get::<i64, _>(0)?) != Ok(points.len()) {
                return Ok(None);
            }
            let bytes = block.try_get(1)?;
            let known: Option<i64> = block.try_get(2)?;
            let key = (series, version, position(points.len()));
            if known.is_some_and(|known| known != checksum(key, bytes)) {
                return Err(StoreError::CorruptPoints {
                    series: series.clone(),
                    version,
                    first: points.len(),
                });
            }
            points.extend(decode(bytes)?);
        }
        points.truncate(expected);
        Ok(Some(points))
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
            let (_turn, mut transaction) = self.begin().await?;
            inserted += apply(&mut transaction, group, topic, some).await?;
            transaction.commit().await?;
            rest = others;
        }
        Ok(inserted)
    }

    /// See [`start_offsets`].
    pub(crate) async fn start_offsets(
        &self,
        group: &str,
        log: &TopicLog,
    ) -> Result<Vec<TopicOffset>, StoreError> {
        let (_turn, mut transaction) = self.begin().await?;
        let mut connection = Connection::Sqlite(&mut transaction);
        let offsets = start_offsets(&mut connection, group, log).await?;
        transaction.commit().await?;
        Ok(offsets)
    }

    pub(crate) async fn offsets(
        &self,
        group: &str,
        topic: &str,
    ) -> Result<Vec<TopicOffset>, StoreError> {
        let mut connection = self.database.pool().acquire().await?;
        let rows = next_offsets(&mut connection, group, topic).await?;
        Ok(offsets(rows))
    }
}

async fn apply(
    connection: &mut SqliteConnection,
    group: &str,
    topic: &str,
    deliveries: &[&Delivery<'_, TrainingData>],
) -> Result<u64, sqlx::Error> {
    let before: NextOffsets = next_offsets(connection, group, topic)
        .await?
        .into_iter()
        .collect();
    let mut next = before.clone();
    let mut inserted = 0;
    for event in batch::take_new(deliveries, &mut next) {
        inserted += insert(connection, event).await?;
    }
    for (partition, next_offset) in next {
        if before.get(&partition) != Some(&next_offset) {
            move_offset(connection, group, topic, partition, next_offset).await?;
        }
    }
    Ok(inserted)
}

/// The next offset of `group` in each partition.
async fn next_offsets(
    connection: &mut SqliteConnection,
    group: &str,
    topic: &str,
) -> Result<Vec<(i32, i64)>, sqlx::Error> {
    const SELECT: &str = r#"
        SELECT partition, next_offset FROM consumer_offsets
        WHERE "group" = ? AND topic = ? ORDER BY partition"#;
    sqlx::query_as(SELECT)
        .bind(group)
        .bind(topic)
        .fetch_all(connection)
        .await
}

async fn move_offset(
    connection: &mut SqliteConnection,
    group: &str,
    topic: &str,
    partition: i32,
    next_offset: i64,
) -> Result<(), sqlx::Error> {
    const UPSERT: &str = r#"
        INSERT INTO consumer_offsets ("group", topic, partition, next_offset) VALUES (?, ?, ?, ?)
        ON CONFLICT DO UPDATE SET next_offset = excluded.next_offset"#;
    sqlx::query(UPSERT)
        .bind(group)
        .bind(topic)
        .bind(partition)
        .bind(next_offset)
        .execute(connection)
        .await?;
    Ok(())
}

/// Stores the points of `event` if its version exists. Returns how many are new.
async fn insert(
    connection: &mut SqliteConnection,
    event: &TrainingData,
) -> Result<u64, sqlx::Error> {
    const INSERT: &str = "
        INSERT INTO training_data (series_id, version, position, points, checksum)
        SELECT series_id, version, ?, ?, ? FROM models WHERE series_id = ? AND version = ?
        ON CONFLICT DO NOTHING";
    let mut inserted = 0;
    let positions = (event.first_position()..).step_by(BLOCK);
    for (at, block) in positions.zip(event.data.chunks(BLOCK)) {
        let (at, bytes) = (position(at), encode(block));
        let checksum = checksum((&event.series_id, event.version, at), &bytes);
        let result = sqlx::query(INSERT)
            .bind(at)
            .bind(bytes)
            .bind(checksum)
            .bind(event.series_id.as_str())
            .bind(event.version.number())
            .execute(&mut *connection)
            .await?;
        inserted += result.rows_affected() * block.len() as u64;
    }
    Ok(inserted)
}

fn encode(block: &[Point]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(block.len() * POINT);
    for point in block {
        bytes.extend_from_slice(&point.timestamp.to_le_bytes());
        bytes.extend_from_slice(&point.value.to_le_bytes());
    }
    bytes
}

/// The CRC-32 of a block of points and the key of its row, which the disk may change just as well.
fn checksum((series, version, position): (&SeriesId, Version, i64), points: &[u8]) -> i64 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(series.as_str().as_bytes());
    sum.update(&version.number().to_le_bytes());
    sum.update(&position.to_le_bytes());
    sum.update(points);
    i64::from(sum.finalize())
}

fn decode(bytes: &[u8]) -> Result<impl Iterator<Item = Point> + '_, StoreError> {
    let (points, []) = bytes.as_chunks::<POINT>() else {
        let why = format!("{} bytes are not training points", bytes.len());
        return Err(unreadable(why));
    };
    Ok(points.iter().map(|bytes| {
        let bits = u128::from_le_bytes(*bytes);
        Point {
            timestamp: bits as i64,
            value: f64::from_bits((bits >> 64) as u64),
        }
    }))
}
