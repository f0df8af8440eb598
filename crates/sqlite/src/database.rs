//! A database file: its connections, and whether it can be read and written.

use std::{
    ops::{Deref, DerefMut},
    path::{Path, PathBuf},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use sqlx::{Error, Sqlite, SqliteConnection, SqlitePool, Transaction};

use tokio::sync::Mutex;

use crate::{Durability, Fault, open::writable};

/// A database file. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Database(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    durability: Durability,
    pool: SqlitePool,
    /// The connections that took the place of those that could only read.
    reopened: OnceLock<SqlitePool>,
    /// When it was last tried to open it for writing. Held while that is done.
    tried: Mutex<Instant>,
    is_read_only: AtomicBool,
    /// Whether a transaction has failed since it was last known that writing works.
    failed: AtomicBool,
}

/// The size of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Bytes of pages that hold something.
    pub used_bytes: u64,
    /// Bytes of pages that are free for later.
    pub free_bytes: u64,
}

/// A transaction that writes. If it is dropped, nothing of it is kept, and it counts as failed.
#[derive(Debug)]
pub struct Write {
    transaction: Option<Transaction<'static, Sqlite>>,
    database: Database,
}

/// The bytes that [`Database::check`] writes, more than an ordinary transaction: so a disk that is
/// full for one is full for the other.
const PROBE_BYTES: i64 = 256 << 10;
/// How often it is tried to write to what could only be read.
const REOPEN_EVERY: Duration = Duration::from_secs(1);
/// The most pages that one transaction gives back.
const PAGES_AT_ONCE: i64 = 1_000;

impl Database {
    pub(crate) fn new(
        path: &Path,
        durability: Durability,
        pool: SqlitePool,
        is_read_only: bool,
    ) -> Self {
        Self(Arc::new(Inner {
            path: path.to_owned(),
            durability,
            pool,
            reopened: OnceLock::new(),
            tried: Mutex::new(Instant::now()),
            is_read_only: AtomicBool::new(is_read_only),
            failed: AtomicBool::new(is_read_only),
        }))
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// The connections. Write by [`Self::begin`] only.
    pub fn pool(&self) -> &SqlitePool {
        self.0.reopened.get().unwrap_or(&self.0.pool)
    }

    /// Begins a transaction that will write, and waits here until no other one does. A transaction
    /// that begins by reading cannot wait when it writes later: it fails with `SQLITE_BUSY` at
    /// once. Cancel safe.
    ///
    /// # Errors
    /// When no connection is free in time, or another writer takes too long.
    pub async fn begin(&self) -> Result<Write, Error> {
        if self.0.is_read_only.load(Ordering::Acquire) {
            self.reopen().await;
        }
        let pool = self.pool().clone();
        // sqlx 0.8.6 begins in two steps. A future that is dropped between them leaves a
        // transaction open, and nobody else can write any more. A task runs to its end.
        #[expect(
            clippy::disallowed_methods,
            reason = "its end is awaited here, and a panic goes on here"
        )]
        let begun = tokio::spawn(async move { pool.begin_with("BEGIN IMMEDIATE").await });
        let begun = match begun.await {
            Ok(begun) => begun,
            Err(ended) => match ended.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime is shutting down.
                Err(_) => Err(Error::WorkerCrashed),
            },
        };
        match begun {
            Ok(transaction) => Ok(Write {
                transaction: Some(transaction),
                database: self.clone(),
            }),
            Err(error) => {
                self.failed();
                Err(error)
            }
        }
    }

    /// Runs `select`, which should read a row of a table. If transactions have failed since the
    /// last check, it also writes a few pages and removes them again.
    ///
    /// # Errors
    /// When the row cannot be read, or when writing still fails.
    pub async fn check(&self, select: &str) -> Result<(), Error> {
        sqlx::query(select).fetch_optional(self.pool()).await?;
        if self.0.failed.load(Ordering::Relaxed) {
            self.probe().await?;
            self.0.failed.store(false, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Whether nothing in it is damaged. Reads all of it.
    ///
    /// # Errors
    /// When it cannot be read for another reason.
    pub async fn is_whole(&self) -> Result<bool, Error> {
        let found = sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(self.pool());
        match found.await {
            Ok::<String, _>(found) => Ok(found == "ok"),
            Err(error) if Fault::of(&error) == Some(Fault::Damaged) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Writes and removes [`PROBE_BYTES`]. Not in one transaction, which would write less.
    async fn probe(&self) -> Result<(), Error> {
        let mut write = self.begin().await?;
        sqlx::query("CREATE TABLE IF NOT EXISTS write_probe (bytes BLOB NOT NULL)")
            .execute(&mut *write)
            .await?;
        sqlx::query("INSERT INTO write_probe VALUES (zeroblob(?))")
            .bind(PROBE_BYTES)
            .execute(&mut *write)
            .await?;
        write.commit().await?;
        let mut write = self.begin().await?;
        sqlx::query("DROP TABLE write_probe")
            .execute(&mut *write)
            .await?;
        write.commit().await
    }

    /// Tries to open for writing what could only be read, at most once a second.
    async fn reopen(&self) {
        let mut tried = self.0.tried.lock().await;
        if !self.0.is_read_only.load(Ordering::Acquire) || tried.elapsed() < REOPEN_EVERY {
            return;
        }
        *tried = Instant::now();
        if let Ok(pool) = writable(&self.0.path, self.0.durability).await {
            let _ = self.0.reopened.set(pool);
            // They take no locks: nothing may be written while one of them reads.
            self.0.pool.close().await;
            self.0.is_read_only.store(false, Ordering::Release);
            tracing::info!("{} can be written again", self.0.path.display());
        }
    }

    /// Its size, without the log of writes beside it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn size(&self) -> Result<Size, Error> {
        const SELECT: &str = "SELECT page_count, freelist_count, page_size
            FROM pragma_page_count, pragma_freelist_count, pragma_page_size";
        let (pages, free, bytes): (i64, i64, i64) =
            sqlx::query_as(SELECT).fetch_one(self.pool()).await?;
        let bytes = |pages: i64| u64::try_from(pages * bytes).unwrap_or(0);
        Ok(Size {
            used_bytes: bytes(pages - free),
            free_bytes: bytes(free),
        })
    }

    /// Gives free pages beyond the first `keep` back to the file system, 1,000 (4 MB) at most.
    /// Returns whether there are more.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn shrink(&self, keep: i64) -> Result<bool, Error> {
        let free: i64 = sqlx::query_scalar("PRAGMA freelist_count")
            .fetch_one(self.pool())
            .await?;
        let pages = (free - keep).clamp(0, PAGES_AT_ONCE);
        if pages > 0 {
            let mut write = self.begin().await?;
            sqlx::query(&format!("PRAGMA incremental_vacuum({pages})"))
                .execute(&mut *write)
                .await?;
            write.commit().await?;
        }
        Ok(pages == PAGES_AT_ONCE)
    }

    fn failed(&self) {
        self.0.failed.store(true, Ordering::Relaxed);
    }
}

impl Write {
    /// Makes all of it durable, as far as the database was opened for.
    ///
    /// # Errors
    /// When nothing of it is kept.
    pub async fn commit(mut self) -> Result<(), Error> {
        if let Some(transaction) = self.transaction.take() {
            let committed = transaction.commit().await;
            if committed.is_err() {
                self.database.failed();
            }
            return committed;
        }
        Ok(())
    }

    /// Keeps nothing of it, because that was decided. Lets others write at once; a dropped
    /// transaction does so when its connection is used again.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn rollback(mut self) -> Result<(), Error> {
        match self.transaction.take() {
            Some(transaction) => transaction.rollback().await,
            None => Ok(()),
        }
    }
}

impl Deref for Write {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        self.transaction.as_ref().expect(OPEN)
    }
}

impl DerefMut for Write {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        self.transaction.as_mut().expect(OPEN)
    }
}

/// Why a transaction is there.
const OPEN: &str = "it is taken only by what consumes the value";

impl Drop for Write {
    fn drop(&mut self) {
        if self.transaction.is_some() {
            self.database.failed();
        }
    }
}
