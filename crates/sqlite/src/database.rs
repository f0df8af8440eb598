//! A database file: its connections, and whether it can be read and written.

use std::{
    ops::{Deref, DerefMut},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use sqlx::{Error, Sqlite, SqliteConnection, SqlitePool, Transaction};

use crate::Fault;

/// A database file. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Database(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    pool: SqlitePool,
    /// Transactions that were not committed since the last one that was.
    failed: AtomicU32,
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

impl Database {
    pub(crate) fn new(pool: SqlitePool) -> Self {
        Self(Arc::new(Inner {
            pool,
            failed: AtomicU32::new(0),
        }))
    }

    /// The connections. Write by [`Self::begin`] only.
    pub fn pool(&self) -> &SqlitePool {
        &self.0.pool
    }

    /// Begins a transaction that will write, and waits here until no other one does. A transaction
    /// that begins by reading cannot wait when it writes later: it fails with `SQLITE_BUSY` at
    /// once. Cancel safe.
    ///
    /// # Errors
    /// When no connection is free in time, or another writer takes too long.
    pub async fn begin(&self) -> Result<Write, Error> {
        let pool = self.0.pool.clone();
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
    /// last commit, it also writes a few pages and removes them again.
    ///
    /// # Errors
    /// When the row cannot be read, or when writing still fails.
    pub async fn check(&self, select: &str) -> Result<(), Error> {
        sqlx::query(select).fetch_optional(self.pool()).await?;
        if self.0.failed.load(Ordering::Relaxed) > 0 {
            self.probe().await?;
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

    fn failed(&self) {
        self.0.failed.fetch_add(1, Ordering::Relaxed);
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
            match &committed {
                Ok(()) => self.database.0.failed.store(0, Ordering::Relaxed),
                Err(_) => self.database.failed(),
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
