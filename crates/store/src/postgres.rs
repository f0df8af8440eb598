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
    Connection as _, Executor as _, PgConnection, PgPool, Postgres, migrate::Migrator,
    pool::PoolConnection, postgres::PgPoolOptions,
};

use crate::{
    Changed, NewModel, Note, PostgresConfig, Precondition, Ready, RegistryError, StoreError,
    columns::version,
    error::Failure,
    migrations,
    registry::{
        apply::{apply, finish, mark_ready},
        change::Change,
        connection::{Connection, Row, Value},
        rows::Columns,
        sql,
    },
};

/// How long a caller waits for a connection. Short, so that the client still listens when it is
/// told that the database does not answer.
const ACQUIRE: Duration = Duration::from_millis(2_500);
/// How long connecting may take, when it is tried to learn why nothing answers.
const CONNECT: Duration = Duration::from_millis(900);
/// The server gives up a statement after a minute: longer than any of ours takes, so that only one
/// whose client is gone is affected. After half a minute it ends a transaction whose client has
/// fallen silent, and releases its locks. Not among the parameters of a start, which poolers refuse.
const LIMITS: &str =
    "SET statement_timeout = 60000; SET idle_in_transaction_session_timeout = 30000";
/// Begins a transaction with the same limits, on a connection that is ours for so long only.
const BEGIN_POOLED: &str = "BEGIN; SET LOCAL statement_timeout = 60000; \
    SET LOCAL idle_in_transaction_session_timeout = 30000";
/// Lets one process after another migrate. The migrator's own lock belongs to a connection, and
/// would stay on it if a migration failed.
const LOCK_POOLED: &str = "SET LOCAL statement_timeout = 0; SELECT pg_advisory_xact_lock(7102541)";
/// The time limit of a call about one model.
const ONE_MODEL: Duration = Duration::from_secs(5);
/// The time limit of a call that moves up to a million points.
const MANY_POINTS: Duration = Duration::from_secs(60);

#[derive(Clone, Debug)]
pub(crate) struct PostgresStore {
    pool: PgPool,
    /// Whether a connection is ours for the length of a transaction only.
    is_pooled: bool,
    /// Whether the last write failed, so that the health check tries another.
    failed: Arc<AtomicBool>,
    /// Whether it has ever answered.
    met: Arc<AtomicBool>,
}

impl PostgresStore {
    pub(crate) fn new(config: &PostgresConfig) -> Result<Self, StoreError> {
        let is_pooled = config.is_pooled();
        let pool = PgPoolOptions::new()
            .max_connections(config.postgres_max_connections)
            .acquire_timeout(ACQUIRE)
            .after_connect(move |connection, _| {
                Box::pin(async move {
                    if !is_pooled {
                        connection.execute(LIMITS).await?;
                    }
                    Ok(())
                })
            })
            .connect_lazy_with(config.connect_options()?);
        Ok(Self {
            pool,
            is_pooled,
            failed: Arc::default(),
            met: Arc::default(),
        })
    }

    pub(crate) async fn migrate(&self) -> Result<(), StoreError> {
        // Detached from the pool: a migration, or waiting for another process to do it, may take
        // longer than the pool's statements may.
        let mut connection = self.pool.acquire().await?.detach();
        match self.is_pooled {
            false => {
                connection.execute("SET statement_timeout = 0").await?;
                migrate(&mut connection, migrations::postgres()).await?;
            }
            true => {
                in_transaction(&mut connection, async |connection| {
                    connection.execute(LOCK_POOLED).await?;
                    let mut migrator = migrations::postgres();
                    migrator.set_locking(false);
                    migrate(connection, migrator).await
                })
                .await?;
            }
        }
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
        note: Option<&Note>,
    ) -> Result<Option<Ready>, RegistryError> {
        self.write(ONE_MODEL, async |connection| {
            let mut transaction = connection.begin().await?;
            let mut connection = Connection::Postgres(&mut transaction);
            let ready = mark_ready(&mut connection, series, version, when, note).await;
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

    /// Does `work` in one transaction.
    pub(crate) async fn transact<T>(
        &self,
        work: impl AsyncFnOnce(&mut Connection<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.write(MANY_POINTS, async |connection| {
            let mut transaction = connection.begin().await?;
            let done = work(&mut Connection::Postgres(&mut transaction)).await?;
            transaction.commit().await?;
            Ok(done)
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

    pub(crate) async fn forget_receipts(&self) -> Result<(), StoreError> {
        self.within(MANY_POINTS, async |connection| {
            sqlx::query(sql::POSTGRES.forget_receipts)
                .execute(connection)
                .await?;
            Ok::<(), StoreError>(())
        })
        .await
    }

    pub(crate) async fn ping(&self) -> Result<(), StoreError> {
        let select = self.within(ONE_MODEL, async |connection| {
            connection.execute("SELECT 1 FROM series LIMIT 1").await?;
            Ok::<(), StoreError>(())
        });
        match self.pool.size() {
            0 => tokio::try_join!(self.try_to_connect(), select).map(drop)?,
            _ => select.await?,
        }
        match self.failed.load(Ordering::Relaxed) {
            false => Ok(()),
            true => self.write(ONE_MODEL, probe).await,
        }
    }

    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }

    /// Connects outside of the pool, which tries again in silence until its time is up: so the cause
    /// of a failure becomes known. A server that has answered before may be as slow as it likes.
    async fn try_to_connect(&self) -> Result<(), StoreError> {
        let options = self.pool.connect_options();
        let connecting = PgConnection::connect_with(&options);
        let outcome = match tokio::time::timeout(CONNECT, connecting).await {
            Ok(Ok(connection)) => return Ok(connection.close().await?),
            Ok(Err(error)) => error,
            Err(_) if self.met.load(Ordering::Relaxed) => return Ok(()),
            Err(late) => sqlx::Error::Io(late.into()),
        };
        Err(self.no_connection(outcome))
    }

    fn no_connection(&self, source: sqlx::Error) -> StoreError {
        if let sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed = source {
            return source.into();
        }
        let options = self.pool.connect_options();
        StoreError::Connecting {
            host: options.get_host().to_owned(),
            port: options.get_port(),
            tls: format!("{:?}", options.get_ssl_mode()),
            source,
        }
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
        let connection = self.pool.acquire().await;
        let connection = connection.map_err(|error| self.no_connection(error))?;
        let connection = busy.0.insert(connection);
        let work = async {
            match self.is_pooled {
                false => work(connection).await,
                true => in_transaction(connection, work).await,
            }
        };
        match tokio::time::timeout(limit, work).await {
            Ok(result) => {
                self.met.store(true, Ordering::Relaxed);
                drop(busy.0.take());
                result
            }
            Err(_) => Err(StoreError::TimedOut(limit).into()),
        }
    }
}

async fn migrate(connection: &mut PgConnection, migrator: Migrator) -> Result<(), StoreError> {
    // Not `run`, whose future cannot be sent to another thread.
    let migrated = migrator.run_direct(connection).await;
    migrated.map_err(StoreError::Migration)
}

/// Does `work` within a transaction, and leaves nothing on the connection: the next transaction may
/// be given another, and this one to another process.
async fn in_transaction<T, E: From<StoreError>>(
    connection: &mut PgConnection,
    work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, E>,
) -> Result<T, E> {
    let begun = connection.begin_with(BEGIN_POOLED).await;
    let mut transaction = begun.map_err(StoreError::from)?;
    let done = work(&mut transaction).await;
    let cleared = transaction.clear_cached_statements().await;
    cleared.map_err(StoreError::from)?;
    let ended = match done {
        Ok(_) => transaction.commit().await,
        Err(_) => transaction.rollback().await,
    };
    ended.map_err(StoreError::from)?;
    done
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
