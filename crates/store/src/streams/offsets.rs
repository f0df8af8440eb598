//! Where judging continues in a log, and who does it.

use contract::{SeriesId, TopicLog};
use futures_util::{FutureExt, future::BoxFuture};

use super::{StreamOffsets, sql};
use crate::{
    Store, StoreError,
    registry::{connection::Connection, rows::parse},
};

/// A row of a partition: its offsets, and its time at the safe one.
pub(super) type OffsetRow = (i32, i64, i64, i64, i64);

impl From<OffsetRow> for StreamOffsets {
    fn from((partition, effects, safe, now_ms, outage_ms): OffsetRow) -> Self {
        Self {
            partition,
            effects,
            safe,
            now_ms,
            outage_ms,
        }
    }
}

impl Store {
    /// Notes the number of partitions of the topic `points`.
    ///
    /// # Errors
    /// When another number was noted before: series would be looked for in the wrong partitions.
    /// And when the database does not answer.
    pub fn stream_layout(&self, partitions: i32) -> BoxFuture<'_, Result<(), StoreError>> {
        async move {
            let noted = self
                .transact(async |connection| note_layout(connection, partitions).await)
                .await?;
            match noted {
                noted if noted == partitions => Ok(()),
                noted => Err(StoreError::Partitions {
                    noted,
                    found: partitions,
                }),
            }
        }
        .boxed()
    }

    /// The offsets of the partitions of `log`, by rising partition; those that are not there are 0.
    ///
    /// The first log whose offsets are asked for takes over those that were kept without a log.
    /// Those of another log or of one that was cut are forgotten, and then no state covers any
    /// record.
    ///
    /// # Errors
    /// When the log has no id and offsets in a log with one are known: whether it is the same
    /// cannot be told. And when the database does not answer.
    pub fn stream_offsets<'a>(
        &'a self,
        log: &'a TopicLog,
    ) -> BoxFuture<'a, Result<Vec<StreamOffsets>, StoreError>> {
        async move {
            self.transact(async |connection| offsets(connection, log).await)
                .await
        }
        .boxed()
    }

    /// The offsets of the log with the key `log`, as they are, by rising partition.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn stream_offsets_of<'a>(
        &'a self,
        log: &'a str,
    ) -> BoxFuture<'a, Result<Vec<StreamOffsets>, StoreError>> {
        async move {
            let rows: Vec<OffsetRow> = self.select(sql::OFFSETS, &[log.into()]).await?;
            Ok(rows.into_iter().map(StreamOffsets::from).collect())
        }
        .boxed()
    }

    /// The series of `partition` that count as missing some time, and when: see
    /// [`StreamState::due_ms`](super::StreamState::due_ms).
    ///
    /// # Errors
    /// When the database does not answer, or a row cannot be read.
    pub fn stream_dues(
        &self,
        partition: i32,
    ) -> BoxFuture<'_, Result<Vec<(SeriesId, i64)>, StoreError>> {
        async move {
            let partition = [i64::from(partition).into()];
            let rows: Vec<(String, i64)> = self.select(sql::DUES, &partition).await?;
            let due = |(series, due): (String, i64)| Ok((parse(&series)?, due));
            rows.into_iter().map(due).collect()
        }
        .boxed()
    }

    /// Forgets all offsets, so that judging begins at the start of the log.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn forget_stream_offsets(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        async move {
            self.transact(async |connection| {
                connection
                    .run::<OffsetRow>(sql::FORGET_OTHERS, &["".into()])
                    .await?;
                rewind(connection).await
            })
            .await
        }
        .boxed()
    }
}

async fn note_layout(connection: &mut Connection<'_>, partitions: i32) -> Result<i32, StoreError> {
    let partitions = [i64::from(partitions).into()];
    connection.run::<()>(sql::NOTE_LAYOUT, &partitions).await?;
    let noted: Vec<(i32,)> = connection.run(sql::LAYOUT, &[]).await?;
    let (noted,) = noted.first().ok_or(sqlx::Error::RowNotFound)?;
    Ok(*noted)
}

async fn offsets(
    connection: &mut Connection<'_>,
    log: &TopicLog,
) -> Result<Vec<StreamOffsets>, StoreError> {
    let key = log.key();
    let known = [key.as_str().into()];
    let others: Vec<(String,)> = connection.run(sql::OTHER_LOGS, &known).await?;
    for (other,) in others {
        if log.id.is_none() {
            return Err(StoreError::UnknownLog(log.topic.clone()));
        }
        let is_without_log = other == log.topic;
        let rows: Vec<OffsetRow> = connection.run(sql::OFFSETS, &known).await?;
        if is_without_log && rows.is_empty() {
            let adopt = [key.as_str().into(), other.as_str().into()];
            connection.run::<()>(sql::ADOPT, &adopt).await?;
        }
    }
    // Empty if another process has done it: its states cover records of this log.
    let gone: Vec<OffsetRow> = connection.run(sql::FORGET_OTHERS, &known).await?;
    if log.is_cut {
        connection.run::<()>(sql::FORGET, &known).await?;
    }
    if !gone.is_empty() || log.is_cut {
        rewind(connection).await?;
    }
    let rows: Vec<OffsetRow> = connection.run(sql::OFFSETS, &known).await?;
    Ok(rows.into_iter().map(StreamOffsets::from).collect())
}

/// Has no state cover any record: the records of their log are gone.
async fn rewind(connection: &mut Connection<'_>) -> Result<(), StoreError> {
    connection.run::<()>(sql::REWIND, &[]).await?;
    Ok(())
}
