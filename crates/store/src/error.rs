//! What goes wrong between us and a database, and whether trying again can help.

use std::{path::PathBuf, time::Duration};

use contract::{SeriesId, Version};
use detector::BadModel;
use sqlx::{
    error::{DatabaseError, ErrorKind},
    migrate::MigrateError,
};

/// What went wrong between us and the database.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The configured address is none.
    #[error("database address is not usable")]
    BadAddress(#[source] sqlx::Error),
    /// The file named by `POSTGRES_PASSWORD_FILE` cannot be read.
    #[error("password file {0} cannot be read")]
    PasswordFile(PathBuf, #[source] std::io::Error),
    /// The database is away, overloaded, out of space or not set up yet.
    #[error("database does not answer")]
    Unavailable(#[source] sqlx::Error),
    /// The database took the call and then fell silent.
    #[error("database did not answer within {0:?}")]
    TimedOut(Duration),
    /// The database refuses what it was given.
    #[error("database refuses the data")]
    Refused(#[source] sqlx::Error),
    /// The database holds what this program never wrote.
    #[error("database holds what cannot be read")]
    Unreadable(#[source] sqlx::Error),
    /// The tables cannot be brought to the form that this program needs.
    #[error("database cannot be migrated")]
    Migration(#[source] MigrateError),
    /// The version was swept before it became ready.
    #[error("{version} of series {series} is gone")]
    Swept {
        /// Its series.
        series: SeriesId,
        /// The version.
        version: Version,
    },
    /// The stored model was changed, or was written by a newer program.
    #[error("model {version} of series {series} cannot be read")]
    Corrupt {
        /// Its series.
        series: SeriesId,
        /// The version.
        version: Version,
        /// What is wrong with it.
        #[source]
        source: BadModel,
    },
}

impl StoreError {
    /// Whether the same call may succeed later: the database is away or overloaded, as opposed to refusing what it was given.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unavailable(_) | Self::TimedOut(_) => true,
            Self::Migration(
                MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _),
            ) => !is_permanent(error),
            Self::BadAddress(_)
            | Self::PasswordFile(..)
            | Self::Refused(_)
            | Self::Unreadable(_)
            | Self::Migration(_)
            | Self::Swept { .. }
            | Self::Corrupt { .. } => false,
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Configuration(_) => Self::BadAddress(error),
            sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. } => Self::Unreadable(error),
            _ if is_permanent(&error) => Self::Refused(error),
            _ => Self::Unavailable(error),
        }
    }
}

/// Blames the data only where the database does. Everything else may pass, a full disk or a table that is not there yet
/// included, and to take it for a fault of the data would throw good data away.
fn is_permanent(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(error) => blames_the_data(error.as_ref()),
        sqlx::Error::Encode(_) => true,
        _ => false,
    }
}

fn blames_the_data(error: &dyn DatabaseError) -> bool {
    // SQLSTATE has five characters, and its class 22 is "data exception". Constraints have kinds on both databases.
    let data_exception = |code: &str| code.len() == 5 && code.starts_with("22");
    let data_exception = error.code().is_some_and(|code| data_exception(&code));
    data_exception || !matches!(error.kind(), ErrorKind::Other)
}
