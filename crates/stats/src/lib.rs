//! The running figures of the platform: in Redis for many processes, or in SQLite for one.
//!
//! Both promise the same: a batch of messages and the offsets behind it are one transaction, so a message counts exactly once
//! however often it is delivered and whoever dies in between. `redis` appears in this crate only.
//! Calls are boxed, so that their code is compiled here, and not once more in every service that awaits them.

mod config;
mod delta;
#[cfg(feature = "redis")]
mod redis;
#[cfg(not(feature = "redis"))]
#[path = "without_redis.rs"]
mod redis;
mod sqlite;
mod window;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use contract::{Figures, MetricsEvent};
use futures_util::{FutureExt, future::BoxFuture};

pub use config::RedisConfig;
pub use delta::{MAX_COUNT, MAX_LATENCY_MS, Unusable, check};

use self::redis::{RedisError, RedisStats};
use self::sqlite::SqliteStats;

/// Counts and reports. Cheap to clone.
#[derive(Clone)]
pub struct Stats(Backend);

#[derive(Clone)]
enum Backend {
    Redis(Arc<RedisStats>),
    Sqlite(SqliteStats),
}

/// What went wrong between us and where the figures are kept.
#[derive(Debug, thiserror::Error)]
pub enum StatsError {
    /// This program was built without Redis.
    #[error("this program was built without Redis (feature `redis`)")]
    Absent,
    /// The address of Redis is none.
    #[error("redis cannot be reached as configured")]
    Config(#[source] RedisError),
    /// The file with the password cannot be read.
    #[error("password file {0} cannot be read")]
    PasswordFile(PathBuf, #[source] std::io::Error),
    /// No answer in two seconds; what was asked may have happened.
    #[error("redis does not answer")]
    TimedOut,
    /// Redis refused, or the connection failed.
    #[error("redis failed")]
    Redis(#[from] RedisError),
    /// Redis has forgotten offsets that it had confirmed: it was restarted from an older state. What comes next would leave a
    /// gap, so nothing was counted; the topic has to be read again from [`Stats::offsets`]. Said once, not at the next call.
    #[error("redis has lost what it had confirmed")]
    WentBack,
    /// The database failed.
    #[error("figures cannot be read or written")]
    Database(#[from] sqlx::Error),
    /// The database cannot be brought to the present schema.
    #[error("figures cannot be migrated")]
    Migration(#[from] sqlx::migrate::MigrateError),
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
    /// What was measured; `None` for a message that was buried: only the offset moves. So it does for an event that [`check`]
    /// refuses.
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
        let redis = RedisStats::new(config)?;
        Ok(Self(Backend::Redis(Arc::new(redis))))
    }

    /// Figures of one process, in the SQLite database at `path`.
    ///
    /// # Errors
    /// When the database cannot be opened or migrated.
    pub fn sqlite(path: &Path) -> BoxFuture<'_, Result<Self, StatsError>> {
        async move {
            let sqlite = SqliteStats::open(path).await?;
            Ok(Self(Backend::Sqlite(sqlite)))
        }
        .boxed()
    }

    /// Counts `batch`, messages of `topic` in any order, and moves the offsets of `group`, all or nothing. A message below the
    /// group's offset was counted before and changes nothing, whoever delivers it.
    ///
    /// # Errors
    /// When it is not certain that it was counted; then it is safe to call again.
    pub fn apply<'a>(
        &'a self,
        group: &'a str,
        topic: &'a str,
        batch: &'a [Delivery<'a>],
    ) -> BoxFuture<'a, Result<(), StatsError>> {
        async move { self.apply_at(now_ms(), group, topic, batch).await }.boxed()
    }

    /// [`Self::apply`] when it is `now_ms`, in milliseconds since 1970. A message from later than that counts as from then.
    ///
    /// # Errors
    /// As [`Self::apply`].
    pub fn apply_at<'a>(
        &'a self,
        now_ms: i64,
        group: &'a str,
        topic: &'a str,
        batch: &'a [Delivery<'a>],
    ) -> BoxFuture<'a, Result<(), StatsError>> {
        async move {
            match &self.0 {
                Backend::Redis(redis) => redis.apply(now_ms, group, topic, batch).await,
                Backend::Sqlite(sqlite) => sqlite.apply(now_ms, group, topic, batch).await,
            }
        }
        .boxed()
    }

    /// How far `group` got in `topic`, by rising partition.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub fn offsets<'a>(
        &'a self,
        group: &'a str,
        topic: &'a str,
    ) -> BoxFuture<'a, Result<Vec<Offset>, StatsError>> {
        async move {
            let stored = match &self.0 {
                Backend::Redis(redis) => redis.offsets(group, topic).await?,
                Backend::Sqlite(sqlite) => sqlite.offsets(group, topic).await?,
            };
            let offsets = stored.into_iter().map(|(partition, next_offset)| Offset {
                partition,
                next_offset,
            });
            Ok(offsets.collect())
        }
        .boxed()
    }

    /// The figures as of now.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub fn figures(&self) -> BoxFuture<'_, Result<Figures, StatsError>> {
        async move { self.figures_at(now_ms()).await }.boxed()
    }

    /// The figures as of `now_ms`, in milliseconds since 1970, which must not be long ago: old counts are forgotten.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub fn figures_at(&self, now_ms: i64) -> BoxFuture<'_, Result<Figures, StatsError>> {
        async move {
            match &self.0 {
                Backend::Redis(redis) => redis.figures(now_ms).await,
                Backend::Sqlite(sqlite) => sqlite.figures(now_ms).await,
            }
        }
        .boxed()
    }

    /// What operators know the figures as: `redis`, or the name of the file that stands in for it.
    pub fn name(&self) -> &'static str {
        match &self.0 {
            Backend::Redis(_) => "redis",
            Backend::Sqlite(_) => "stats",
        }
    }

    /// Whether it answers.
    ///
    /// # Errors
    /// When it does not.
    pub fn ping(&self) -> BoxFuture<'_, Result<(), StatsError>> {
        async move {
            match &self.0 {
                Backend::Redis(redis) => redis.ping().await,
                Backend::Sqlite(sqlite) => sqlite.ping().await,
            }
        }
        .boxed()
    }
}

/// The most series that [`Figures::model_usage`] names.
const REPORTED_SERIES: usize = 1_000;

/// Usage is kept for the busiest so many series…
const KEPT_SERIES: usize = 100_000;

/// …and so many more before the least used are dropped, so that a new one has the time to become busy.
const NEWCOMERS: usize = 10_000;

/// Milliseconds since 1970.
fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
}
