//! Opens SQLite databases the way every embedded backend needs them, and guards the folder that
//! they lie in.
//!
//! `bus`, `store` and `stats` have one database file each, so that a writer of one never waits for
//! a writer of another.

mod folder;
mod migrations;

use std::{path::Path, time::Duration};

use sqlx::{
    Sqlite, SqlitePool, Transaction,
    sqlite::{
        SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions,
        SqliteSynchronous,
    },
};

pub use folder::{DataDir, DataDirError};
pub use migrations::migrator;

/// How much a commit survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// A commit survives a power failure (`synchronous=FULL`).
    Full,
    /// A commit survives the death of the process. A power failure may undo the last commits, but
    /// corrupts nothing (`synchronous=NORMAL`).
    Normal,
}

/// How long one writer waits for another before it fails.
const BUSY: Duration = Duration::from_secs(5);
/// How long a caller waits for a free connection before it fails.
const ACQUIRE: Duration = Duration::from_secs(10);
/// Connections beyond the first are closed when they were unused for this long: each has a thread
/// and a page cache.
const IDLE: Duration = Duration::from_secs(60);
/// The number of connections: one writes while others read, and more would only wait for each
/// other.
const CONNECTIONS: u32 = 4;

/// Opens the database at `path` in WAL mode, and creates it if it does not exist. Start every
/// transaction that writes with [`begin`].
///
/// # Errors
/// When the file cannot be opened or is not a database.
pub async fn open(path: &Path, durability: Durability) -> Result<SqlitePool, sqlx::Error> {
    let synchronous = match durability {
        Durability::Full => SqliteSynchronous::Full,
        Durability::Normal => SqliteSynchronous::Normal,
    };
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(synchronous)
        .foreign_keys(true)
        .busy_timeout(BUSY)
        // Without it the WAL file keeps its largest size for ever.
        .pragma("journal_size_limit", "4194304")
        // In KiB. Half of SQLite's default, for up to a dozen connections in one small process.
        .pragma("cache_size", "-1024");
    // Takes effect in a new file only. Pages that deletes have freed can then be given back bit by
    // bit.
    let first = options.clone().auto_vacuum(SqliteAutoVacuum::Incremental);
    let pool = SqlitePoolOptions::new()
        .min_connections(1)
        .max_connections(CONNECTIONS)
        .acquire_timeout(ACQUIRE)
        .idle_timeout(IDLE)
        .max_lifetime(None)
        // There is no network that could have cut the connection.
        .test_before_acquire(false)
        .connect_with(first)
        .await?;
    // `auto_vacuum` takes the lock of a writer even if it changes nothing. A reader that needs a
    // further connection would wait for a writer.
    pool.set_connect_options(options);
    Ok(pool)
}

/// Begins a transaction that will write, and waits here until no other one does. A transaction that
/// begins by reading cannot wait when it writes later: it fails with `SQLITE_BUSY` at once. Cancel
/// safe.
///
/// # Errors
/// When no connection is free in time, or another writer takes too long.
pub async fn begin(pool: &SqlitePool) -> Result<Transaction<'static, Sqlite>, sqlx::Error> {
    let pool = pool.clone();
    // sqlx 0.8.6 begins in two steps. A future that is dropped between them leaves a transaction
    // open, and nobody else can write any more. A task runs to its end.
    #[expect(
        clippy::disallowed_methods,
        reason = "its end is awaited here, and a panic goes on here"
    )]
    let begun = tokio::spawn(async move { pool.begin_with("BEGIN IMMEDIATE").await });
    match begun.await {
        Ok(begun) => begun,
        Err(ended) => match ended.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is shutting down.
            Err(_) => Err(sqlx::Error::WorkerCrashed),
        },
    }
}

#[cfg(test)]
mod tests {
    use sqlx::Row;

    use super::*;

    async fn pragma(pool: &SqlitePool, name: &str) -> anyhow::Result<String> {
        let row = sqlx::query(&format!(
            "SELECT CAST({name} AS TEXT) FROM pragma_{name}",
            name = name
        ))
        .fetch_one(pool)
        .await?;
        Ok(row.try_get(0)?)
    }

    #[tokio::test]
    async fn the_promised_settings_are_in_force() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        for (file, durability, synchronous) in [
            ("full.db", Durability::Full, "2"),
            ("normal.db", Durability::Normal, "1"),
        ] {
            let pool = open(&folder.path().join(file), durability).await?;
            assert_eq!(pragma(&pool, "journal_mode").await?, "wal");
            assert_eq!(pragma(&pool, "synchronous").await?, synchronous);
            assert_eq!(pragma(&pool, "foreign_keys").await?, "1");
            assert_eq!(pragma(&pool, "auto_vacuum").await?, "2");
        }
        Ok(())
    }

    #[tokio::test]
    async fn a_file_that_is_no_database_is_refused() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("text.db");
        std::fs::write(
            &path,
            "a text long enough to be read as the header of a file. ".repeat(20),
        )?;
        assert!(open(&path, Durability::Full).await.is_err());
        Ok(())
    }

    #[tokio::test]
    async fn writers_wait_for_each_other_and_lose_nothing() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let pool = open(&folder.path().join("x.db"), Durability::Normal).await?;
        sqlx::query("CREATE TABLE counter (n INTEGER NOT NULL)")
            .execute(&pool)
            .await?;
        sqlx::query("INSERT INTO counter VALUES (0)")
            .execute(&pool)
            .await?;
        let mut writers = tokio::task::JoinSet::new();
        for _ in 0..50 {
            let pool = pool.clone();
            writers.spawn(async move {
                let mut transaction = begin(&pool).await?;
                let n: i64 = sqlx::query_scalar("SELECT n FROM counter")
                    .fetch_one(&mut *transaction)
                    .await?;
                sqlx::query("UPDATE counter SET n = ?")
                    .bind(n + 1)
                    .execute(&mut *transaction)
                    .await?;
                transaction.commit().await
            });
        }
        for written in writers.join_all().await {
            written?;
        }
        let n: i64 = sqlx::query_scalar("SELECT n FROM counter")
            .fetch_one(&pool)
            .await?;
        assert_eq!(n, 50);
        Ok(())
    }

    #[tokio::test]
    async fn a_reader_gets_a_connection_while_another_writes() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let pool = open(&folder.path().join("x.db"), Durability::Normal).await?;
        let writer = begin(&pool).await?;
        let before = std::time::Instant::now();
        sqlx::query("SELECT 1").execute(&pool).await?;
        assert!(before.elapsed() < BUSY / 2);
        Ok(writer.rollback().await?)
    }

    #[tokio::test]
    async fn a_writer_who_gives_up_waiting_stops_nobody() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let pool = open(&folder.path().join("x.db"), Durability::Normal).await?;
        for micros in 0..400 {
            // Cut off in every stage of beginning.
            let _ = tokio::time::timeout(Duration::from_micros(micros), begin(&pool)).await;
            begin(&pool).await?.commit().await?;
        }
        Ok(())
    }
}
