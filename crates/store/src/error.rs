//! Failures of the database, refusals of the registry, and whether trying again can help.

use std::{borrow::Cow, time::Duration};

use contract::{AliasName, Revision, SeriesId, Version};
use detector::BadModel;
use sqlite::Fault;
use sqlx::{
    error::{DatabaseError, ErrorKind},
    migrate::MigrateError,
};

/// A failure of the database.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The configured address is not valid.
    #[error("database address is not usable")]
    BadAddress(#[source] sqlx::Error),
    /// The file named by `POSTGRES_PASSWORD_FILE` cannot be read.
    #[error(transparent)]
    PasswordFile(#[from] settings::UnreadableSecret),
    /// A service was to get the role that owns the tables.
    #[error("role {0} runs the migrations: services need roles of their own")]
    OwnRole(String),
    /// No connection could be made. The source says why.
    #[error("no connection to the database at {host}:{port} (TLS: {tls})")]
    Connecting {
        /// The host, or the folder of the socket.
        host: String,
        /// The port.
        port: u16,
        /// The mode of TLS that is configured.
        tls: String,
        /// Why it failed.
        #[source]
        source: sqlx::Error,
    },
    /// The database has none of our tables.
    #[error("database has no tables: run init")]
    NotMigrated(#[source] sqlx::Error),
    /// The database is down, overloaded, out of space or not set up yet.
    #[error("database does not answer")]
    Unavailable(#[source] sqlx::Error),
    /// The database took the call and did not answer in time.
    #[error("database did not answer within {0:?}")]
    TimedOut(Duration),
    /// The database refuses the data that it was given.
    #[error("database refuses the data")]
    Refused(#[source] sqlx::Error),
    /// The database holds something that this program never wrote.
    #[error("database holds what cannot be read")]
    Unreadable(#[source] sqlx::Error),
    /// The tables cannot be brought to the form that this program needs.
    #[error("database cannot be migrated")]
    Migration(#[source] MigrateError),
    /// The topic `points` has another number of partitions than it had.
    #[error("topic points has {found} partitions and had {noted}: its streams would not be found")]
    Partitions {
        /// The number that was noted.
        noted: i32,
        /// The number that was found.
        found: i32,
    },
    /// The topic does not say which log it is, and offsets are kept of one that did.
    #[error("topic {0} does not say which log it is")]
    UnknownLog(String),
    /// A list was to go on after something that is not the end of a page.
    #[error("{0:?} is not the next of a page")]
    BadCursor(String),
    /// The version was removed before it became ready.
    #[error("{version} of series {series} is gone")]
    Swept {
        /// The series of the version.
        series: SeriesId,
        /// The version.
        version: Version,
    },
    /// The stored model was changed, or was written by a newer program.
    #[error("model {version} of series {series} cannot be read")]
    Corrupt {
        /// The series of the model.
        series: SeriesId,
        /// The version of the model.
        version: Version,
        /// The fault of the stored model.
        #[source]
        source: BadModel,
    },
    /// The stored training points are not those that were written.
    #[error("training points of {version} of series {series}, from point {first} on, are damaged")]
    CorruptPoints {
        /// The series of the points.
        series: SeriesId,
        /// The version that was fitted on them.
        version: Version,
        /// The index of the first point of the damaged block.
        first: usize,
    },
}

/// Why the registry refuses a change or a question.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The series has no model.
    #[error("series has no model")]
    NoSeries,
    /// The series has no such version.
    #[error("series has no such version")]
    NoModel,
    /// The series has no such alias.
    #[error("series has no such alias")]
    NoAlias,
    /// There is nothing to roll back to: no version served before, or it is gone.
    #[error("no model judged before, or it is gone")]
    NothingBefore,
    /// These aliases name the model.
    #[error("model is in use")]
    InUse(Vec<AliasName>),
    /// The series has as many aliases as it may have.
    #[error("series has too many aliases")]
    TooManyAliases,
    /// The same request made another version already, of which the store has the receipt.
    #[error("request was done already")]
    Repeated,
    /// The precondition does not hold: the series is at this revision.
    #[error("series is at {0}")]
    Stale(Revision),
}

/// Why a call of the registry failed.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The state of the series does not allow it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for RegistryError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl StoreError {
    /// Whether the same call may succeed later, because the database is down or overloaded and did
    /// not refuse the data.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unavailable(_)
            | Self::TimedOut(_)
            | Self::Connecting { .. }
            | Self::UnknownLog(_)
            | Self::NotMigrated(_) => true,
            Self::Migration(
                MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _),
            ) => !is_permanent(error),
            Self::BadAddress(_)
            | Self::PasswordFile(..)
            | Self::OwnRole(_)
            | Self::Refused(_)
            | Self::Unreadable(_)
            | Self::Migration(_)
            | Self::Partitions { .. }
            | Self::BadCursor(_)
            | Self::Swept { .. }
            | Self::Corrupt { .. }
            | Self::CorruptPoints { .. } => false,
        }
    }
}

/// Whether a call failed for reasons of the database, not of the call.
pub(crate) trait Failure {
    fn is_outage(&self) -> bool;
}

impl Failure for StoreError {
    fn is_outage(&self) -> bool {
        self.is_transient()
    }
}

impl Failure for RegistryError {
    fn is_outage(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_transient())
    }
}

impl StoreError {
    /// Whether the database answers, and only lacks our tables.
    pub fn is_about_tables(&self) -> bool {
        matches!(self, Self::NotMigrated(_))
    }

    /// Whether the disk of the database has no more space.
    pub fn is_full(&self) -> bool {
        let Self::Unavailable(error) = self else {
            return false;
        };
        // Postgres' disk_full.
        Fault::of(error) == Some(Fault::Full) || code_of(error).as_deref() == Some("53100")
    }

    /// Whether a part of the database is damaged. Others may be whole.
    pub(crate) fn is_damage(&self) -> bool {
        match self {
            Self::Corrupt { .. } | Self::CorruptPoints { .. } | Self::Unreadable(_) => true,
            Self::Unavailable(error) => {
                // Postgres' data_corrupted.
                Fault::of(error) == Some(Fault::Damaged)
                    || code_of(error).as_deref() == Some("XX001")
            }
            _ => false,
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Configuration(_) => Self::BadAddress(error),
            sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. } => Self::Unreadable(error),
            _ if is_permanent(&error) => Self::Refused(error),
            _ if code_of(&error).as_deref() == Some(UNDEFINED_TABLE) => Self::NotMigrated(error),
            _ => Self::Unavailable(error),
        }
    }
}

/// Postgres' code of a table that does not exist.
const UNDEFINED_TABLE: &str = "42P01";

fn code_of(error: &sqlx::Error) -> Option<Cow<'_, str>> {
    error.as_database_error().and_then(DatabaseError::code)
}

/// Whether the database itself blames the data. Any other failure may pass, even a full disk or a
/// missing table; to blame the data for it would throw good data away.
fn is_permanent(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(error) => blames_the_data(error.as_ref()),
        sqlx::Error::Encode(_) => true,
        _ => false,
    }
}

fn blames_the_data(error: &dyn DatabaseError) -> bool {
    // SQLSTATE has five characters, and its class 22 is "data exception". Constraints have kinds on
    // both databases.
    let data_exception = |code: &str| code.len() == 5 && code.starts_with("22");
    let data_exception = error.code().is_some_and(|code| data_exception(&code));
    data_exception || !matches!(error.kind(), ErrorKind::Other)
}
