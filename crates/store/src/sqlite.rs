//! The store in SQLite: the same transactions, one writer at a time.

mod points;

use std::{path::Path, sync::Arc, time::Duration};

use contract::{SeriesId, Version};
use sqlite::{Database, Durability, Size, Write};
use tokio::sync::{Mutex, MutexGuard};

use crate::{
    Changed, NewModel, Note, Precondition, Ready, RegistryError, StoreError,
    columns::version,
    migrations,
    registry::{
        apply::{apply, finish, mark_ready},
        change::Change,
        connection::{Connection, Row, Value},
        rows::Columns,
        sql,
    },
};

/// Free pages that are kept for later models: 4 MB.
const FREE_PAGES: i64 = 1_000;

#[derive(Clone, Debug)]
pub(crate) struct SqliteStore {
    database: Database,
    /// Held while writing. SQLite lets writers retry until one of them happens to succeed, and the
    /// unlucky wait for seconds. Here they queue, so that a fit waits for one transaction of a
    /// consumer at most.
    turn: Arc<Mutex<()>>,
}

impl SqliteStore {
    pub(crate) async fn open(path: &Path) -> Result<Self, StoreError> {
        let store = Self {
            database: sqlite::open(path, Durability::Full).await?,
            turn: Arc::default(),
        };
        store.migrate().await?;
        Ok(store)
    }

    pub(crate) async fn migrate(&self) -> Result<(), StoreError> {
        // In one transaction around those of the migrations, because sqlx takes no lock on SQLite.
        let (_turn, mut transaction) = self.begin().await?;
        // Not `run`, whose future cannot be sent to another thread.
        migrations::sqlite()
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
        note: Option<&Note>,
    ) -> Result<Option<Ready>, RegistryError> {
        let (_turn, mut transaction) = self.begin().await?;
        let mut connection = Connection::Sqlite(&mut transaction);
        let ready = mark_ready(&mut connection, series, version, when, note).await;
        finish(transaction, ready).await
    }

    /// See [`apply`].
    pub(crate) async fn change(
        &self,
        series: &SeriesId,
        change: Change<'_>,
        when: &Precondition,
    ) -> Result<Changed, RegistryError> {
        let (_turn, mut transaction) = self.begin().await?;
        let mut connection = Connection::Sqlite(&mut transaction);
        let changed = apply(&mut connection, series, change, when).await;
        finish(transaction, changed).await
    }

    /// Does `work` in one transaction.
    pub(crate) async fn transact<T>(
        &self,
        work: impl AsyncFnOnce(&mut Connection<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let (_turn, mut transaction) = self.begin().await?;
        let done = work(&mut Connection::Sqlite(&mut transaction)).await?;
        transaction.commit().await?;
        Ok(done)
    }

    pub(crate) async fn select<R: Row>(
        &self,
        statement: &str,
        values: &[Value<'_>],
    ) -> Result<Vec<R>, StoreError> {
        let mut connection = self.database.pool().acquire().await?;
        let mut connection = Connection::Sqlite(&mut connection);
        Ok(connection.run(statement, values).await?)
    }

    pub(crate) async fn sweep_pending(&self, age: Duration) -> Result<u64, StoreError> {
        // ON DELETE CASCADE removes its points.
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

    pub(crate) async fn forget_receipts(&self) -> Result<(), StoreError> {
        let (_turn, mut transaction) = self.begin().await?;
        sqlx::query(sql::SQLITE.forget_receipts)
            .execute(&mut *transaction)
            .await?;
        Ok(transaction.commit().await?)
    }

    pub(crate) async fn ping(&self) -> Result<(), StoreError> {
        Ok(self.database.check("SELECT 1 FROM models LIMIT 1").await?)
    }

    pub(crate) fn path(&self) -> &Path {
        self.database.path()
    }

    pub(crate) async fn size(&self) -> Result<Size, StoreError> {
        Ok(self.database.size().await?)
    }

    /// Gives most of the free pages back to the disk, step by step.
    pub(crate) async fn shrink(&self) -> Result<(), StoreError> {
        loop {
            let _turn = self.turn.lock().await;
            if !self.database.shrink(FREE_PAGES).await? {
                return Ok(());
            }
        }
    }

    pub(crate) async fn close(&self) {
        self.database.pool().close().await;
    }

    /// Waits for the turn to write, and begins a transaction. The turn ends when the guard is
    /// dropped, after the transaction.
    async fn begin(&self) -> Result<(MutexGuard<'_, ()>, Write), StoreError> {
        let turn = self.turn.lock().await;
        Ok((turn, self.database.begin().await?))
    }
}

/// An age in the unit in which SQLite compares it.
fn milliseconds(age: Duration) -> i64 {
    i64::try_from(age.as_millis()).unwrap_or(i64::MAX)
}
