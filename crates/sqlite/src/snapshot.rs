//! Copies of a database that others are using.

use std::{fs::File, path::Path};

use sqlx::{ConnectOptions, Connection, Error, sqlite::SqliteConnectOptions};

use crate::open::BUSY;

/// Copies the database at `from` to the new file `to`, as it is at one moment, while others read and
/// write it. The copy is whole, checked, and on the disk when this returns.
///
/// # Errors
/// When `from` cannot be read or is damaged, or `to` exists or cannot be written.
pub async fn snapshot(from: &Path, to: &Path) -> Result<(), Error> {
    let name = to
        .to_str()
        .ok_or_else(|| Error::Protocol("the name of the copy is not UTF-8".to_owned()))?;
    let options = SqliteConnectOptions::new()
        .filename(from)
        .read_only(true)
        .busy_timeout(BUSY);
    let mut source = options.connect().await?;
    sqlx::query("VACUUM INTO ?")
        .bind(name)
        .execute(&mut source)
        .await?;
    source.close().await?;

    let options = SqliteConnectOptions::new().filename(to);
    let mut copy = options.connect().await?;
    let verdict: String = sqlx::query_scalar("PRAGMA quick_check(1)")
        .fetch_one(&mut copy)
        .await?;
    copy.close().await?;
    if verdict != "ok" {
        return Err(Error::Protocol(format!("the copy is damaged: {verdict}")));
    }
    File::open(to)?.sync_all()?;
    Ok(())
}
