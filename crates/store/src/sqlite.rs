//! The store in SQLite: the same transactions, one writer at a time.

mod points;

use std::{path::Path, sync::Arc, time::Duration};

use contract::{SeriesId, Version};
use detector::Model;
use sqlite::Durability;
use sqlx::{Sqlite, SqliteConnection, SqlitePool, Transaction, migrate::Migrator};
use tokio::sync::{Mutex, MutexGuard};

use crate::{StoreError, VersionedModel, ready, stored_model, version};

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

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
        MIGRATIONS
            .run_direct(&mut *transaction)
            .await
            .map_err(StoreError::Migration)?;
        Ok(transaction.commit().await?)
    }

    pub(crate) async fn insert_pending(
        &self,
        series: &SeriesId,
        model: &Model,
    ) -> Result<Version, StoreError> {
        const NEXT: &str = "
            INSERT INTO series (series_id, last_version) VALUES (?, 1)
            ON CONFLICT (series_id) DO UPDATE SET last_version = last_version + 1
            RETURNING last_version";
        const INSERT: &str = "
            INSERT INTO models (series_id, version, detector, format, points, model)
            VALUES (?, ?, ?, ?, ?, ?)";
        let (_turn, mut transaction) = self.begin().await?;
        let number: i64 = sqlx::query_scalar(NEXT)
            .bind(series.as_str())
            .fetch_one(&mut *transaction)
            .await?;
        sqlx::query(INSERT)
            .bind(series.as_str())
            .bind(number)
            .bind(model.detector().as_str())
            .bind(i64::from(detector::FORMAT))
            .bind(i64::try_from(model.points()).unwrap_or(i64::MAX))
            .bind(model.to_json())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        version(number)
    }

    pub(crate) async fn mark_ready(
        &self,
        series: &SeriesId,
        version: Version,
    ) -> Result<(), StoreError> {
        const UPDATE: &str = "
            UPDATE models SET status = 'ready',
                ready_at = COALESCE(ready_at, CAST(unixepoch('subsec') * 1000 AS INTEGER))
            WHERE series_id = ? AND version = ?";
        let (_turn, mut transaction) = self.begin().await?;
        let updated = sqlx::query(UPDATE)
            .bind(series.as_str())
            .bind(version.number())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        if updated.rows_affected() == 0 {
            let series = series.clone();
            return Err(StoreError::Swept { series, version });
        }
        Ok(())
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

    pub(crate) async fn newest(
        &self,
        series: &SeriesId,
    ) -> Result<Option<VersionedModel>, StoreError> {
        self.ready_model(series, None).await
    }

    /// The ready model of `version`, or the newest.
    async fn ready_model(
        &self,
        series: &SeriesId,
        version: Option<Version>,
    ) -> Result<Option<VersionedModel>, StoreError> {
        const NEWEST: &str = "
            SELECT version, model FROM models WHERE series_id = ? AND status = 'ready'
            ORDER BY version DESC LIMIT 1";
        const ONE: &str = "SELECT version, model FROM models WHERE series_id = ? AND status = 'ready' AND version = ?";
        let query = match version {
            None => sqlx::query_as(NEWEST).bind(series.as_str()),
            Some(version) => sqlx::query_as(ONE)
                .bind(series.as_str())
                .bind(version.number()),
        };
        let row = query.fetch_optional(&self.pool).await?;
        row.map(|row| stored_model(series, row)).transpose()
    }

    pub(crate) async fn ready_within(
        &self,
        age: Duration,
    ) -> Result<Vec<(SeriesId, Version)>, StoreError> {
        // Without the hint it walks over all models, for they are sorted by series.
        const SELECT: &str = "
            SELECT series_id, (
                SELECT max(version) FROM models m WHERE m.series_id = changed.series_id AND m.status = 'ready'
            ) FROM (
                SELECT DISTINCT series_id FROM models INDEXED BY models_by_ready_at
                WHERE status = 'ready' AND ready_at > CAST(unixepoch('subsec') * 1000 AS INTEGER) - ?
            ) changed";
        let rows = sqlx::query_as(SELECT)
            .bind(milliseconds(age))
            .fetch_all(&self.pool)
            .await?;
        ready(rows)
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
