//! Opens SQLite databases the way every embedded backend needs them, and guards the folder that
//! they lie in.
//!
//! `bus`, `store` and `stats` have one database file each, so that a writer of one never waits for
//! a writer of another.

mod database;
mod fault;
mod folder;
mod migrations;

use std::{path::Path, time::Duration};

use sqlx::{
    Connection, SqliteConnection,
    sqlite::{
        SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions,
        SqliteSynchronous,
    },
};

pub use database::{Database, Write};
pub use fault::Fault;
pub use folder::{DataDir, DataDirError, set_aside};
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

/// Opens the database at `path` in WAL mode, and creates it if it does not exist.
///
/// # Errors
/// When the file cannot be opened or is not a database.
pub async fn open(path: &Path, durability: Durability) -> Result<Database, sqlx::Error> {
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
        .after_release(|connection, _| Box::pin(is_usable(connection)))
        .connect_with(first)
        .await?;
    // `auto_vacuum` takes the lock of a writer even if it changes nothing. A reader that needs a
    // further connection would wait for a writer.
    pool.set_connect_options(options);
    Ok(Database::new(pool))
}

/// Whether `connection` may be used again. A full disk, an I/O error or a lack of memory makes
/// SQLite roll back by itself. sqlx 0.8.6 then fails to roll back, and would refuse to begin another
/// transaction on this connection for ever.
async fn is_usable(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    // The rollback of a dropped transaction comes before it.
    connection.ping().await?;
    Ok(!connection.is_in_transaction())
}

#[cfg(test)]
mod tests {
    use sqlx::{Row, SqlitePool};

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
            let database = open(&folder.path().join(file), durability).await?;
            let pool = database.pool();
            assert_eq!(pragma(pool, "journal_mode").await?, "wal");
            assert_eq!(pragma(pool, "synchronous").await?, synchronous);
            assert_eq!(pragma(pool, "foreign_keys").await?, "1");
            assert_eq!(pragma(pool, "auto_vacuum").await?, "2");
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
        let database = open(&folder.path().join("x.db"), Durability::Normal).await?;
        sqlx::query("CREATE TABLE counter (n INTEGER NOT NULL)")
            .execute(database.pool())
            .await?;
        sqlx::query("INSERT INTO counter VALUES (0)")
            .execute(database.pool())
            .await?;
        let mut writers = tokio::task::JoinSet::new();
        for _ in 0..50 {
            let database = database.clone();
            writers.spawn(async move {
                let mut transaction = database.begin().await?;
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
            .fetch_one(database.pool())
            .await?;
        assert_eq!(n, 50);
        Ok(())
    }

    #[tokio::test]
    async fn a_full_disk_spoils_no_connection() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let database = open(&folder.path().join("x.db"), Durability::Full).await?;
        sqlx::query("CREATE TABLE kept (bytes BLOB NOT NULL)")
            .execute(database.pool())
            .await?;
        for _ in 0..2 * CONNECTIONS {
            let mut transaction = database.begin().await?;
            // As full as a disk can be, for this connection.
            sqlx::query("PRAGMA max_page_count = 1")
                .execute(&mut *transaction)
                .await?;
            let full = sqlx::query("INSERT INTO kept VALUES (zeroblob(100000))")
                .execute(&mut *transaction)
                .await
                .unwrap_err();
            let code = full.as_database_error().and_then(|error| error.code());
            assert_eq!(code.as_deref(), Some("13"), "{full}");
            drop(transaction);
            // There is space again.
            let mut transaction = database.begin().await?;
            sqlx::query("INSERT INTO kept VALUES (zeroblob(100000))")
                .execute(&mut *transaction)
                .await?;
            transaction.commit().await?;
        }
        Ok(())
    }

    #[tokio::test]
    async fn a_failed_write_is_remembered_until_writing_works() -> anyhow::Result<()> {
        const READ: &str = "SELECT 1 FROM kept LIMIT 1";
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("x.db");
        let database = open(&path, Durability::Full).await?;
        assert!(database.check(READ).await.is_err());
        sqlx::query("CREATE TABLE kept (bytes BLOB NOT NULL)")
            .execute(database.pool())
            .await?;
        database.check(READ).await?;
        assert_eq!(tables(&database).await?, 1);

        // A table that refuses the probe stands for a disk that takes nothing.
        let mut write = database.begin().await?;
        sqlx::query("CREATE TABLE write_probe (bytes BLOB NOT NULL CHECK (false))")
            .execute(&mut *write)
            .await?;
        write.commit().await?;
        database.check(READ).await?;
        drop(database.begin().await?);
        assert!(database.check(READ).await.is_err());
        assert!(database.check(READ).await.is_err());
        // Space again, and the probe leaves nothing behind.
        sqlx::query("DROP TABLE write_probe")
            .execute(database.pool())
            .await?;
        database.check(READ).await?;
        assert_eq!(tables(&database).await?, 1);
        Ok(())
    }

    async fn tables(database: &Database) -> anyhow::Result<i64> {
        let count = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema");
        Ok(count.fetch_one(database.pool()).await?)
    }

    #[tokio::test]
    async fn a_reader_gets_a_connection_while_another_writes() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let database = open(&folder.path().join("x.db"), Durability::Normal).await?;
        let writer = database.begin().await?;
        let before = std::time::Instant::now();
        sqlx::query("SELECT 1").execute(database.pool()).await?;
        assert!(before.elapsed() < BUSY / 2);
        Ok(writer.rollback().await?)
    }

    #[tokio::test]
    async fn a_writer_who_gives_up_waiting_stops_nobody() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let database = open(&folder.path().join("x.db"), Durability::Normal).await?;
        for micros in 0..400 {
            // Cut off in every stage of beginning.
            let _ = tokio::time::timeout(Duration::from_micros(micros), database.begin()).await;
            database.begin().await?.commit().await?;
        }
        Ok(())
    }
}
