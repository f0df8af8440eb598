//! Opens a database file: for reading and writing, or where that fails for reading only.

use std::{
    fs::{OpenOptions, Permissions},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
    time::Duration,
};

use sqlx::{
    Connection, SqliteConnection, SqlitePool,
    sqlite::{
        SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqliteLockingMode,
        SqlitePoolOptions, SqliteSynchronous,
    },
};

use crate::{Database, Durability, Fault};

/// How long one writer waits for another before it fails.
pub(crate) const BUSY: Duration = Duration::from_secs(5);
/// How long a caller waits for a free connection before it fails.
const ACQUIRE: Duration = Duration::from_secs(10);
/// Connections beyond the first are closed when they were unused for this long: each has a thread
/// and a page cache.
const IDLE: Duration = Duration::from_secs(60);
/// The number of connections: one writes while others read, and more would only wait for each
/// other.
pub(crate) const CONNECTIONS: u32 = 4;

/// Opens the database at `path` in WAL mode, and creates it if it does not exist, for its owner
/// only. A file that exists and cannot be opened for writing, because the disk is full, broken or
/// not to be written, is opened for reading until it can be; the log says so.
///
/// # Errors
/// When the file cannot be opened or is not a database.
pub async fn open(path: &Path, durability: Durability) -> Result<Database, sqlx::Error> {
    let refused = match writable(path, durability).await {
        Ok(pool) => return Ok(Database::new(path, durability, pool, false)),
        Err(error) => error,
    };
    match Fault::of(&refused) {
        Some(Fault::Full | Fault::ReadOnly | Fault::Broken) => {}
        Some(Fault::Damaged) | None => return Err(refused),
    }
    let Ok(pool) = read_only(path).await else {
        return Err(refused);
    };
    tracing::error!(
        error = %refused,
        "{} cannot be written and was opened for reading only",
        path.display()
    );
    Ok(Database::new(path, durability, pool, true))
}

/// Connections that read and write.
pub(crate) async fn writable(
    path: &Path,
    durability: Durability,
) -> Result<SqlitePool, sqlx::Error> {
    make_private(path);
    let synchronous = match durability {
        Durability::Full => SqliteSynchronous::Full,
        Durability::Normal => SqliteSynchronous::Normal,
    };
    let options = options(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(synchronous)
        .foreign_keys(true)
        .busy_timeout(BUSY)
        // Without it the WAL file keeps its largest size for ever.
        .pragma("journal_size_limit", "4194304");
    // Takes effect in a new file only. Pages that deletes have freed can then be given back bit by
    // bit.
    let first = options.clone().auto_vacuum(SqliteAutoVacuum::Incremental);
    let pool = pool().connect_with(first).await?;
    // `auto_vacuum` takes the lock of a writer even if it changes nothing. A reader that needs a
    // further connection would wait for a writer.
    pool.set_connect_options(options);
    Ok(pool)
}

/// Connections that only read, and need no place on the disk. They see what the WAL file has, each
/// with an index of it in memory. Nobody may write meanwhile, for they take no locks.
async fn read_only(path: &Path) -> Result<SqlitePool, sqlx::Error> {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let options = options(path)
        .read_only(true)
        .vfs("unix-none")
        .locking_mode(SqliteLockingMode::Exclusive)
        // Without a log SQLite would make one.
        .immutable(!Path::new(&log).exists());
    let pool = pool().connect_with(options).await?;
    sqlx::query("SELECT 1 FROM sqlite_schema LIMIT 1")
        .execute(&pool)
        .await?;
    Ok(pool)
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        // In KiB. Half of SQLite's default, for up to a dozen connections in one small process.
        .pragma("cache_size", "-1024")
}

fn pool() -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .min_connections(1)
        .max_connections(CONNECTIONS)
        .acquire_timeout(ACQUIRE)
        .idle_timeout(IDLE)
        .max_lifetime(None)
        // There is no network that could have cut the connection.
        .test_before_acquire(false)
        .after_release(|connection, _| Box::pin(is_usable(connection)))
}

/// Whether `connection` may be used again. A full disk, an I/O error or a lack of memory makes
/// SQLite roll back by itself. sqlx 0.8.6 then fails to roll back, and would refuse to begin another
/// transaction on this connection for ever.
async fn is_usable(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    // The rollback of a dropped transaction comes before it.
    connection.ping().await?;
    Ok(!connection.is_in_transaction())
}

/// Lets only its owner read and write the file, and those that SQLite makes beside it. If this
/// fails, so does what follows, or the file belongs to somebody else.
fn make_private(path: &Path) {
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path);
    if let Ok(file) = file {
        // SQLite gives its mode to the others.
        let _ = file.set_permissions(Permissions::from_mode(0o600));
    }
    for end in ["-wal", "-shm"] {
        let mut beside = path.as_os_str().to_owned();
        beside.push(end);
        let _ = std::fs::set_permissions(beside, Permissions::from_mode(0o600));
    }
}
