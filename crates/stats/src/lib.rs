//! The running figures of the platform: in Redis, or in memory with snapshots in SQLite for one process.
//!
//! `redis` appears in this crate only.

use std::path::Path;

use contract::{Figures, MetricsEvent};

/// Where Redis is. The same variables in every service.
#[derive(Clone, Debug, clap::Args)]
pub struct RedisConfig {
    /// Whole address, `redis://:password@host:port/db`; overrides the parts.
    #[arg(long, env = "REDIS_URL", hide_env_values = true)]
    pub redis_url: Option<String>,
    /// File that holds the password; overrides the one in `REDIS_URL`.
    #[arg(long, env = "REDIS_PASSWORD_FILE")]
    pub redis_password_file: Option<std::path::PathBuf>,
    /// Host.
    #[arg(long, env = "REDIS_HOST", default_value = "127.0.0.1")]
    pub redis_host: String,
    /// Port.
    #[arg(long, env = "REDIS_PORT", default_value_t = 6379)]
    pub redis_port: u16,
}

/// Counts and reports. Cheap to clone.
#[derive(Clone)]
pub struct Stats(());

/// What went wrong between us and where the figures are kept.
#[derive(Debug, thiserror::Error)]
pub enum StatsError {
    /// TODO by the owner of this crate.
    #[error("redis does not answer")]
    Unavailable,
}

/// A message for [`Stats::apply`] and the place it came from.
#[derive(Clone, Debug)]
pub struct Delivery<'a> {
    /// The partition.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
    /// When it was published: milliseconds since 1970. Decides which five minutes it counts in.
    pub timestamp_ms: i64,
    /// What was measured; `None` for a message that was buried: only the offset moves.
    pub event: Option<&'a MetricsEvent>,
}

/// What one group has applied of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offset {
    /// The partition.
    pub partition: i32,
    /// The first offset that has not been applied.
    pub next_offset: i64,
}

impl Stats {
    /// Figures in Redis. Connects when first used, reconnects by itself; every call answers or fails within two seconds.
    ///
    /// # Errors
    /// When the configuration makes no sense.
    pub fn redis(config: &RedisConfig) -> Result<Self, StatsError> {
        todo!("{config:?}")
    }

    /// Figures in memory, with offsets and figures saved together to the SQLite database at `path`.
    ///
    /// # Errors
    /// When the database cannot be opened or migrated.
    pub async fn memory(path: &Path) -> Result<Self, StatsError> {
        todo!("{path:?}")
    }

    /// Counts `batch` and moves the offsets of `group`, all or nothing. A message below the group's offset was counted before
    /// and changes nothing, whoever delivers it.
    ///
    /// # Errors
    /// When it is not certain that it was counted; then it is safe to call again.
    pub async fn apply(
        &self,
        group: &str,
        topic: &str,
        batch: &[Delivery<'_>],
    ) -> Result<(), StatsError> {
        todo!("{group} {topic} {}", batch.len())
    }

    /// How far `group` got in `topic`.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn offsets(&self, group: &str, topic: &str) -> Result<Vec<Offset>, StatsError> {
        todo!("{group} {topic}")
    }

    /// The figures as of now.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn figures(&self) -> Result<Figures, StatsError> {
        todo!()
    }

    /// Whether it answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<(), StatsError> {
        todo!()
    }
}
