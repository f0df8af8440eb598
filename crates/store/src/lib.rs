//! Models and training points: Postgres, or SQLite for one process.
//!
//! The same transactions on both. A version becomes visible when it is `ready`, never before.

use std::{path::Path, time::Duration};

use contract::{Point, SeriesId, TrainingData, Version};
use detector::Model;

/// Where Postgres is. The same variables in every service.
#[derive(Clone, Debug, clap::Args)]
pub struct PostgresConfig {
    /// Whole address, `postgres://user:password@host:port/db`; overrides the parts.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,
    /// Host.
    #[arg(long, env = "POSTGRES_HOST", default_value = "127.0.0.1")]
    pub postgres_host: String,
    /// Port.
    #[arg(long, env = "POSTGRES_PORT", default_value_t = 5432)]
    pub postgres_port: u16,
    /// Database.
    #[arg(long, env = "POSTGRES_DB", default_value = "anomaly")]
    pub postgres_db: String,
    /// User.
    #[arg(long, env = "POSTGRES_USER", default_value = "anomaly")]
    pub postgres_user: String,
    /// Password.
    #[arg(long, env = "POSTGRES_PASSWORD", hide_env_values = true)]
    pub postgres_password: Option<String>,
    /// File that holds the password; overrides `POSTGRES_PASSWORD`.
    #[arg(long, env = "POSTGRES_PASSWORD_FILE")]
    pub postgres_password_file: Option<std::path::PathBuf>,
}

/// Keeps models and training points. Cheap to clone.
#[derive(Clone)]
pub struct Store(());

/// What went wrong between us and the database.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// TODO by the owner of this crate.
    #[error("database does not answer")]
    Unavailable,
}

impl StoreError {
    /// Whether the same call may succeed later: the database is away or overloaded, as opposed to refusing what it was given.
    pub fn is_transient(&self) -> bool {
        todo!()
    }
}

/// A model and the version it is.
#[derive(Clone, Debug, PartialEq)]
pub struct VersionedModel {
    /// Its version.
    pub version: Version,
    /// The model.
    pub model: Model,
}

/// How much of a model's training points is stored.
#[derive(Clone, Debug, PartialEq)]
pub enum TrainingPoints {
    /// No such model is ready.
    NoModel,
    /// Some are still on their way.
    Incomplete,
    /// All, in the order of the training set.
    Complete(VersionedModel, Vec<Point>),
}

/// What one group has applied of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offset {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The first offset that has not been applied.
    pub next_offset: i64,
}

/// A message for [`Store::apply_training_data`] and the place it came from.
#[derive(Clone, Debug)]
pub struct Delivery<'a> {
    /// The partition.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
    /// The points; `None` for a message that was buried: only the offset moves.
    pub event: Option<&'a TrainingData>,
}

impl Store {
    /// A store in Postgres. Connects when it is first used.
    ///
    /// # Errors
    /// When the configuration makes no sense (an address that is none, a password file that cannot be read).
    pub fn postgres(config: &PostgresConfig) -> Result<Self, StoreError> {
        todo!("{config:?}")
    }

    /// A store in the SQLite database at `path`, migrated.
    ///
    /// # Errors
    /// When the database cannot be opened or migrated.
    pub async fn sqlite(path: &Path) -> Result<Self, StoreError> {
        todo!("{path:?}")
    }

    /// Runs the migrations; idempotent, and safe when several do it at once.
    ///
    /// # Errors
    /// When the database is away or a migration fails.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        todo!()
    }

    /// Gives `model` the next version of `series` and stores it, not yet visible. Numbers never repeat, whoever else does this.
    ///
    /// # Errors
    /// When it could not be stored; a number may have been used up.
    pub async fn insert_pending(
        &self,
        series: &SeriesId,
        model: &Model,
    ) -> Result<Version, StoreError> {
        todo!("{series} {model:?}")
    }

    /// Makes a pending version visible and durable.
    ///
    /// # Errors
    /// When that is not certain; also when the version is not there (swept).
    pub async fn mark_ready(&self, series: &SeriesId, version: Version) -> Result<(), StoreError> {
        todo!("{series} {version}")
    }

    /// Removes pending versions older than `age`, and their points: what a crash left. Returns how many.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn sweep_pending(&self, age: Duration) -> Result<u64, StoreError> {
        todo!("{age:?}")
    }

    /// The newest ready model of `series`.
    ///
    /// # Errors
    /// When the database does not answer, or the stored model cannot be read.
    pub async fn newest(&self, series: &SeriesId) -> Result<Option<VersionedModel>, StoreError> {
        todo!("{series}")
    }

    /// Series in which a version became ready within the last `age` by the database's clock, and the newest of each.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn ready_within(
        &self,
        age: Duration,
    ) -> Result<Vec<(SeriesId, Version)>, StoreError> {
        todo!("{age:?}")
    }

    /// The training points of a ready model: of `version`, or of the newest.
    ///
    /// # Errors
    /// When the database does not answer, or the stored model cannot be read.
    pub async fn training_points(
        &self,
        series: &SeriesId,
        version: Option<Version>,
    ) -> Result<TrainingPoints, StoreError> {
        todo!("{series} {version:?}")
    }

    /// Stores the points of `batch` and moves the offsets of `group`, in one transaction. A message below the group's offset
    /// was applied before and changes nothing, whoever delivers it. Returns the number of rows that are new.
    ///
    /// # Errors
    /// When nothing of it was stored.
    pub async fn apply_training_data(
        &self,
        group: &str,
        topic: &str,
        batch: &[Delivery<'_>],
    ) -> Result<u64, StoreError> {
        todo!("{group} {topic} {}", batch.len())
    }

    /// How far `group` got in `topic`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn offsets(&self, group: &str, topic: &str) -> Result<Vec<Offset>, StoreError> {
        todo!("{group} {topic}")
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        todo!()
    }

    /// Closes all connections.
    pub async fn close(&self) {
        todo!()
    }
}
