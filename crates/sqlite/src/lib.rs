//! Opens SQLite databases the way every embedded backend needs them, and guards the folder they lie in.
//!
//! Used by `bus`, `store` and `stats`, one database file each, so that a writer of one never waits for a writer of another.

use std::path::Path;

use sqlx::SqlitePool;

/// How much a commit survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// A commit survives loss of power (`synchronous=FULL`).
    Full,
    /// A commit survives the death of the process; a loss of power may undo the last ones, never corrupt (`synchronous=NORMAL`).
    Normal,
}

/// Opens (and creates) the database at `path` in WAL mode.
///
/// # Errors
/// When the file cannot be opened or is no database.
pub async fn open(path: &Path, durability: Durability) -> Result<SqlitePool, sqlx::Error> {
    todo!("{path:?} {durability:?}")
}

/// The folder of one standalone process; locked for as long as this lives.
#[derive(Debug)]
pub struct DataDir(std::path::PathBuf, std::fs::File);

/// Why a data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// Another process holds it.
    #[error("data folder {0} is in use by another process")]
    InUse(std::path::PathBuf),
    /// It cannot be made or locked.
    #[error("data folder {0} cannot be used")]
    Unusable(std::path::PathBuf, #[source] std::io::Error),
}

impl DataDir {
    /// Makes the folder if need be, and locks it.
    ///
    /// # Errors
    /// [`DataDirError::InUse`] if another process holds it.
    pub fn lock(path: &Path) -> Result<Self, DataDirError> {
        todo!("{path:?}")
    }

    /// Where `file` lies in the folder.
    pub fn file(&self, file: &str) -> std::path::PathBuf {
        self.0.join(file)
    }
}
