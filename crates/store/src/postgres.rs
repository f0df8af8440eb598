//! The store in Postgres. Every call has a time limit on this side of the network, too: a server
//! that vanished sends no error.

mod copy;
mod points;
pub(crate) mod roles;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use contract::{SeriesId, Version};
use sqlx::{
    Connection as _, PgConnection, PgPool, Postgres, migrate::Migrator, pool::PoolConnection,
    postgres::PgPoolOptions,
};

use crate::{
    Changed, NewModel, PostgresConfig, Precondition, Ready, RegistryError, StoreError,
    columns::version,
    error::Failure,
    registry::{
        apply::{apply, finish, mark_ready},
        change::Change,
        connection::{Connection, Row, Value},
        rows::Columns,
    },
};

fn migrator() -> Migrator {
    sqlite::migrator(&[
        (
            "0001_models_and_training_points.sql",
            include_str!("../migrations/postgres/0001_models_and_training_points.sql"),
        ),
        (
            "0002_registry.sql",
            include_str!("../migrations/postgres/0002_registry.sql"),
        ),
    ])
}

/// How long a caller waits for a connection. Short, so that the client still listens when it is
/// told that the database does not answer.
const ACQUIRE: Duration = Duration::from_millis(2_500);
/// The time limit of a call about one model.
const ONE_MODEL: Duration = Duration::from_secs(5);
/// The time limit of a call that moves up to a million points.
const MANY_POINTS: Duration = Duration::from_secs(60);

#[derive(Clone, Debug)]
pub(crate) struct PostgresStore {
    pool: PgPool,
    /// Whether the last write failed, so that the health check tries another.
    failed: Arc<AtomicBool>,
}

impl PostgresStore {
    pub(crate) fn new(config: &PostgresConfig) -> Result<Self, StoreError> {
        let pool = PgPoolOptions::new()
            .max_connections(config.postgres_max_connections)
            .acquire_timeout(ACQUIRE)
            .connect_lazy_with(config.connect_options()?);
        Ok(Self {
            pool,
            failed: Arc::default(),
        })
    }

    pub(crate) async fn migrate(&self) -> Result<(), StoreError> {
        // Detached from the pool: a migration, or waiting for another process to do it, may take
        // longer than the pool's statements may.
        let mut connection = self.pool.acquire().await?.detach();
        sqlx::query("SET statement_timeout = 0")
            .execute(&mut connection)
            .await?;
        // Not `run`, whose future cannot be sent to another thread.
        migrator()
            .run_direct(&mut connection)
            .await
            .map_err(StoreError::Migration)?;
        Ok(connection.close().await?)
    }

    pub(crate) async fn insert_pending(
        &self,
        series: &SeriesId,
        new: &NewModel<'_>,
    ) -> Result<Version, StoreError> {
        const INSERT: &str = "
            WITH next AS (
                INSERT INTO series (series_id, last_version) VALUES ($1, 1)
                ON CONFLICT (series_id) DO UPDATE SET last_version = series.last_version + 1
                RETURNING last_version
            )
            INSERT INTO models (series_id, version, detector, format, points, model, params, size_bytes, checksum,
                fit_ms, first_timestamp, last_timestamp, source)
            SELECT $1, last_version, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12 FROM next
            RETURNING version";
        let columns = Columns::of(new.model);
        let number = self
            .write(ONE_MODEL, async |connection| {
                sqlx::query_scalar(INSERT)
                    .bind(series.as_str())
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
                    .fetch_one(connection)
                    .await
                    .map_err(StoreError::from)
            })
            .await?;
        version(number)
    }

    /// See [`mark_ready`].
    pub(crate) async fn mark_ready(
        &self,
        series: &SeriesId,
        version: Version,
        when: &Precondition,
    ) -> Result<Option<Ready>, RegistryError> {
        self.write(ONE_MODEL, async |connection| {
            let mut transaction = connection.begin().await?;
            let mut connection = Connection::Postgres(&mut transaction);
            let ready = mark_ready(&mut connection, series, version, when).await;
            finish(transaction, ready).await
        })
        .await
    }

    /// See [`apply`].
    pub(crate) async fn change(
        &self,
        series: &SeriesId,
        change: Change<'_>,
        when: &Precondition,
    ) -> Result<Changed, RegistryError> {
        self.write(MANY_POINTS, async |connection| {
            let mut transaction = connection.begin().await?;
            let mut connection = Connection::Postgres(&mut transaction);
            let changed = apply(&mut connection, series, change, when).await;
            finish(transaction, changed).await
        })
        .await
    }

    pub(crate) async fn select<R: Row>(
        &self,
        statement: &str,
        values: &[Value<'_>],
    ) -> Result<Vec<R>, StoreError> {
        self.within(ONE_MODEL, async |connection| {
            Connection::Postgres(connection)
                .run(statement, values)
                .await
                .map_err(StoreError::from)
        })
        .await
    }

    pub(crate) async fn sweep_pending(&self, age: Duration) -> Result<u64, StoreError> {
        let mut swept = 0;
        while self
            .within(MANY_POINTS, async |connection| {
                sweep_one(connection, age).await
            })
            .await?
        {
            swept += 1;
        }
        Ok(swept)
    }

    pub(crate) async fn ping(&self) -> Result<(), StoreError> {
        self.within(ONE_MODEL, async |connection| {
            sqlx::query("SELECT 1 FROM series LIMIT 1")
                .execute(connection)
                .await?;
            Ok::<(), StoreError>(())
        })
        .await?;
        match self.failed.load(Ordering::Relaxed) {
            false => Ok(()),
            true => self.write(ONE_MODEL, probe).await,
        }
    }

    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }

    /// As [`Self::within`], and remembers whether the database was written.
    async fn write<T, E: From<StoreError> + Failure>(
        &self,
        limit: Duration,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, E>,
    ) -> Result<T, E> {
        let done = self.within(limit, work).await;
        match &done {
            Ok(_) => self.failed.store(false, Ordering::Relaxed),
            Err(error) if error.is_outage() => self.failed.store(true, Ordering::Relaxed),
            Err(_) => {}
        }
        done
    }

    /// Does `work` on a connection, within `limit` once it has one.
    async fn within<T, E: From<StoreError>>(
        &self,
        limit: Duration,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut busy = Busy(None);
        let connection = self.pool.acquire().await.map_err(StoreError::from)?;
        match tokio::time::timeout(limit, work(busy.0.insert(connection))).await {
            Ok(result) => {
                drop(busy.0.take());
                result
            }
            Err(_) => Err(StoreError::TimedOut(limit).into()),
        }
    }
}

/// Writes a row and removes it.
async fn probe(connection: &mut PgConnection) -> Result<(), StoreError> {
    const INSERT: &str = r#"
        INSERT INTO consumer_offsets ("group", topic, partition, next_offset) VALUES ('', '', 0, 0)
        ON CONFLICT DO NOTHING"#;
    const DELETE: &str = r#"DELETE FROM consumer_offsets WHERE "group" = ''"#;
    for statement in [INSERT, DELETE] {
        sqlx::query(statement).execute(&mut *connection).await?;
    }
    Ok(())
}

/// A connection in the middle of a call. If the call is given up, by us or by our caller, the
/// connection is closed: the pool would wait without limit for the answer that is still
/// outstanding.
struct Busy(Option<PoolConnection<Postgres>>);

impl Drop for Busy {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            drop(connection.detach());
        }
    }
}

/// Removes the oldest pending version older than `age` with its points. Returns whether there was
/// one.
async fn sweep_one(connection: &mut PgConnection, age: Duration) -> Result<bool, StoreError> {
    // Skips a version that is just becoming ready, receiving points or being swept by another
    // process.
    const DELETE: &str = "
        DELETE FROM models WHERE (series_id, version) = (
            SELECT series_id, version FROM models
            WHERE status = 'pending' AND created_at <= now() - make_interval(secs => $1)
            ORDER BY created_at LIMIT 1 FOR UPDATE SKIP LOCKED
        ) RETURNING series_id, version";
    let mut transaction = connection.begin().await?;
    let orphan: Option<(String, i64)> = sqlx::query_as(DELETE)
        .bind(seconds(age))
        .fetch_optional(&mut *transaction)
        .await?;
    let Some((series, version)) = orphan else {
        return Ok(false);
    };
    // The row is locked, so nobody is adding points to it any more.
    sqlx::query("DELETE FROM training_data WHERE series_id = $1 AND version = $2")
        .bind(&series)
        .bind(version)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    tracing::info!(series, version, "removed a version that never became ready");
    Ok(true)
}

/// The seconds for `make_interval`; a thousand years stand for anything longer.
fn seconds(age: Duration) -> f64 {
    age.as_secs_f64().min(3e10)
}
