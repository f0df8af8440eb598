//! What a failure of SQLite says about the file or the disk below it.

use sqlx::sqlite::SqliteError;

/// A fault of the file or the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The disk has no more space.
    Full,
    /// The disk or the file may not be written.
    ReadOnly,
    /// The file is damaged, or was never a database.
    Damaged,
    /// The disk does not read or write, or the file cannot be opened.
    Broken,
}

impl Fault {
    /// The fault that `error` tells of. `None`: it tells of something else, or comes from another
    /// database.
    pub fn of(error: &sqlx::Error) -> Option<Self> {
        let error = error.as_database_error()?;
        error.try_downcast_ref::<SqliteError>()?;
        let code: u32 = error.code()?.parse().ok()?;
        // The lowest byte of an extended code is the code that it extends.
        match code & 0xff {
            8 => Some(Self::ReadOnly),
            10 | 14 => Some(Self::Broken),
            11 | 26 => Some(Self::Damaged),
            13 => Some(Self::Full),
            _ => None,
        }
    }
}
