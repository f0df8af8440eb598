//! The store in SQLite: the same transactions, one writer at a time.

mod points;

use std::{path::Path, sync::Arc, time::Duration};

use contract::{Revision, SeriesId, Version};
use sqlite::Durability;
use sqlx::{Sqlite, SqliteConnection, SqlitePool, Transaction, migrate::Migrator};
use tokio::sync::{Mutex, MutexGuard};

use crate::{
    Answer, Changed, NewModel, Precondition, StoreError,
    registry::{
        apply::{apply, mark_ready},
        change::Change,
        connection::{Connection, Row, Value},
        rows::Columns,
    },
    version,
};

fn migrator() -> Migrator {
    sqlite::migrator(&[
        (
            "0001_models_and_training_points.sql",
            include_str!("../migrations/sqlite/0001_models_and_training_points.sql"),
        ),
        (
            "0002_registry.sql",
            include_str!("../migrations/sqlite/0002_registry.sql"),
        ),
    ])
}

#[derive(Clone, Debug)]
pub(crate) struct SqliteStore {
    pool: SqlitePool,
    /// Whose turn it is to write. SQLite itself lets writers try again and again, and the unlucky wait for seconds; here they
    /// queue, and a fit waits for one transaction of a consumer at most.
    turn: Arc<Mutex<()>>,
}

impl SqliteStore {
    pub(crate) async fn open(path: &Path) -> Result<Self, StoreError> {
        let store = Self {
            pool: sqlite::open(path, Durability::Full).await?,
            turn: Arc::default(),
        };
        store.migrate().await?;
        Ok(store)
    }

    pub(crate) async fn migrate(&self) -> Result<(), StoreError> {
        // In one transaction around those of the migrations, for sqlx takes no lock on SQLite.
        let (_turn, mut transaction) = self.begin().await?;
        // Not `run`, whose future cannot be sent to another thread.
        migrator()
            .run_direct(&mut *transaction)
            .await
            .map_err(StoreError::Migration)?;
        Ok(transaction.commit().await?)
    }

    pub(crate) async fn insert_pending(
        &self,
        series: &SeriesId,
        new: &NewModel<'_>,
    ) -> Result<Version, StoreError> {
        const NEXT: &str = "
            INSERT INTO series (series_id, last_version) VALUES (?, 1)
            ON CONFLICT (series_id) DO UPDATE SET last_version = last_version + 1
            RETURNING last_version";
        const INSERT: &str = "
            INSERT INTO models (series_id, version, detector, format, points, model, params, size_bytes, checksum,
                fit_ms, first_timestamp, last_timestamp, source)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
        let columns = Columns::of(new.model);
        let (_turn, mut transaction) = self.begin().await?;
        let number: i64 = sqlx::query_scalar(NEXT)
            .bind(series.as_str())
            .fetch_one(&mut *transaction)
            .await?;
        sqlx::query(INSERT)
            .bind(series.as_str())
            .bind(number)
            .bind(columns.detector)
            .bind(columns.format)
            .bind(columns.points)
            .bind(columns.document)
            .bind(columns.params)
            .bind(columns.size)
            .bind(columns.checksum)
            .bind(new.fit_ms)
            .bind(new.first_timestamp)
            .bind(new.last_timestamp)
            .bind(new.source.as_str())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        version(number)
    }

    /// See [`mark_ready`].
    pub(crate) async fn mark_ready(
        &self,
        series: &SeriesId,
        version: Version,
        when: &Precondition,
    ) -> Answer<Option<Revision>> {
        let (_turn, mut transaction) = self.begin().await?;
        let mut connection = Connection::Sqlite(&mut transaction);
        let revision = mark_ready(&mut connection, series, version, when).await?;
        transaction.commit().await?;
        Ok(revision)
    }

    /// See [`apply`].
    pub(crate) async fn change(
        &self,
        series: &SeriesId,
        change: Change<'_>,
        when: &Precondition,
    ) -> Answer<Changed> {
        let (_turn, mut transaction) = self.begin().await?;
        let mut connection = Connection::Sqlite(&mut transaction);
        let changed = apply(&mut connection, series, change, when).await?;
        transaction.commit().await?;
        Ok(changed)
    }

    pub(crate) async fn select<R: Row>(
        &self,
        statement: &str,
        values: &[Value<'_>],
    ) -> Result<Vec<R>, StoreError> {
        let mut connection = self.pool.acquire().await?;
        let mut connection = Connection::Sqlite(&mut connection);
        Ok(connection.run(statement, values).await?)
    }

    pub(crate) async fn sweep_pending(&self, age: Duration) -> Result<u64, StoreError> {
        // The points go with it: ON DELETE CASCADE.
        const DELETE: &str = "
            DELETE FROM models WHERE (series_id, version) = (
                SELECT series_id, version FROM models
                WHERE status = 'pending' AND created_at <= CAST(unixepoch('subsec') * 1000 AS INTEGER) - ?
                ORDER BY created_at LIMIT 1
            ) RETURNING series_id, version";
        let mut swept = 0;
        loop {
            let (_turn, mut transaction) = self.begin().await?;
            let orphan: Option<(String, i64)> = sqlx::query_as(DELETE)
                .bind(milliseconds(age))
                .fetch_optional(&mut *transaction)
                .await?;
            transaction.commit().await?;
            let Some((series, version)) = orphan else {
                return Ok(swept);
            };
            tracing::info!(series, version, "removed a version that never became ready");
            swept += 1;
        }
    }

    pub(crate) async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT 1").execute(&self.pool).await?;
        Ok(())
    }

    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }

    /// Waits for our turn to write, and begins. The turn ends when the guard goes, after the transaction.
    async fn begin(
        &self,
    ) -> Result<(MutexGuard<'_, ()>, Transaction<'static, Sqlite>), StoreError> {
        let turn = self.turn.lock().await;
        Ok((turn, sqlite::begin(&self.pool).await?))
    }
}

/// How far `group` got in each partition.
async fn next_offsets(
    connection: &mut SqliteConnection,
    (group, topic): (&str, &str),
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

/// An age as SQLite compares it.
fn milliseconds(age: Duration) -> i64 {
    i64::try_from(age.as_millis()).unwrap_or(i64::MAX)
}
