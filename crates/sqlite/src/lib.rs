//! Opens SQLite databases the way every embedded backend needs them, and guards the folder that
//! they lie in.
//!
//! `bus`, `store` and `stats` have one database file each, so that a writer of one never waits for
//! a writer of another.

mod database;
mod fault;
mod folder;
mod migrations;
mod open;
mod snapshot;

pub use database::{Database, Size, Write};
pub use fault::Fault;
pub use folder::{DataDir, DataDirError, Space, set_aside, space};
pub use migrations::migrator;
pub use open::open;
pub use snapshot::snapshot;

/// How much a commit survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// A commit survives a power failure (`synchronous=FULL`).
    Full,
    /// A commit survives the death of the process. A power failure may undo the last commits, but
    /// corrupts nothing (`synchronous=NORMAL`).
    Normal,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sqlx::{Row, SqlitePool};

    use super::{
        open::{BUSY, CONNECTIONS},
        *,
    };

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

    /// What keeps a database from being written keeps its log from being indexed on disk.
    #[tokio::test]
    async fn what_cannot_be_written_is_read_until_it_can_be_again() -> anyhow::Result<()> {
        const READ: &str = "SELECT count(*) FROM kept";
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("x.db");
        let first = open(&folder.path().join("first.db"), Durability::Full).await?;
        sqlx::query("CREATE TABLE kept (n INTEGER NOT NULL)")
            .execute(first.pool())
            .await?;
        // As after a kill: some of it lies only in the log of writes.
        for end in ["", "-wal"] {
            let name = |file: &str| folder.path().join(format!("{file}{end}"));
            std::fs::copy(name("first.db"), name("x.db"))?;
        }
        let in_the_way = folder.path().join("x.db-shm");
        std::fs::create_dir(&in_the_way)?;

        let database = open(&path, Durability::Full).await?;
        let count = async || {
            sqlx::query_scalar::<_, i64>(READ)
                .fetch_one(database.pool())
                .await
        };
        assert_eq!(count().await?, 0);
        assert!(database.check(READ).await.is_err());
        let insert = async || {
            let mut write = database.begin().await?;
            sqlx::query("INSERT INTO kept VALUES (1)")
                .execute(&mut *write)
                .await?;
            write.commit().await
        };
        let refused = insert().await.unwrap_err();
        assert_eq!(Fault::of(&refused), Some(Fault::ReadOnly), "{refused}");

        std::fs::remove_dir(&in_the_way)?;
        let deadline = std::time::Instant::now() + Duration::from_secs(30);
        while insert().await.is_err() {
            assert!(std::time::Instant::now() < deadline);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        database.check(READ).await?;
        assert_eq!(count().await?, 1);
        Ok(())
    }

    #[tokio::test]
    async fn free_pages_go_back_to_the_disk() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let database = open(&folder.path().join("x.db"), Durability::Normal).await?;
        let run = async |sql: &'static str| {
            let mut write = database.begin().await?;
            sqlx::query(sql).execute(&mut *write).await?;
            write.commit().await
        };
        run("CREATE TABLE kept (bytes BLOB NOT NULL)").await?;
        run("INSERT INTO kept VALUES (zeroblob(9000000))").await?;
        let full = database.size().await?;
        assert!(
            full.used_bytes > 9_000_000 && full.free_bytes < 10_000,
            "{full:?}"
        );
        run("DELETE FROM kept").await?;
        assert!(database.size().await?.free_bytes > 8_900_000);
        while database.shrink(100).await? {}
        let left = database.size().await?;
        assert!(
            left.free_bytes <= 100 * 4_096 && left.used_bytes < 50_000,
            "{left:?}"
        );
        Ok(())
    }

    #[tokio::test]
    async fn its_files_are_for_their_owner_only() -> anyhow::Result<()> {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("x.db");
        std::fs::write(&path, "")?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644))?;
        let database = open(&path, Durability::Full).await?;
        sqlx::query("CREATE TABLE kept (n INTEGER)")
            .execute(database.pool())
            .await?;
        for file in std::fs::read_dir(folder.path())? {
            let file = file?;
            let mode = file.metadata()?.permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{:?}", file.path());
        }
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
