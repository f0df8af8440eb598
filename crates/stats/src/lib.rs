//! The running figures of the platform: in Redis for many processes, or in SQLite for one.
//!
//! Both promise the same: a batch of messages and its offsets are one transaction, so a message
//! counts exactly once, however often it is delivered and whichever process dies in between.
//! `redis` appears in this crate only.
//!
//! Calls are boxed, so that their code is compiled here and not once more in every service that
//! awaits them.

mod config;
mod delta;
#[cfg(feature = "redis")]
mod redis;
#[cfg(not(feature = "redis"))]
#[path = "without_redis.rs"]
mod redis;
mod security;
mod sqlite;
mod window;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use contract::{Delivery, Figures, MetricsEvent, TopicLog, TopicOffset};
use futures_util::{FutureExt, future::BoxFuture};

pub use config::RedisConfig;
pub use delta::{MAX_COUNT, MAX_LATENCY_MS, Unusable, check};
pub use security::RedisSecurity;

use self::redis::{RedisError, RedisStats};
use self::sqlite::SqliteStats;

/// Counts metrics and reports figures. Cheap to clone.
#[derive(Clone)]
pub struct Stats(Backend);

#[derive(Clone)]
enum Backend {
    Redis(Arc<RedisStats>),
    Sqlite(SqliteStats),
}

/// A failure of the place where figures are kept.
#[derive(Debug, thiserror::Error)]
pub enum StatsError {
    /// This program was built without Redis.
    #[error("this program was built without Redis (feature `redis`)")]
    Absent,
    /// The address of Redis is not valid.
    #[error("redis cannot be reached as configured")]
    Config(#[source] RedisError),
    /// The file with the password cannot be read.
    #[error(transparent)]
    PasswordFile(#[from] settings::UnreadableSecret),
    /// The file with a certificate or a key cannot be read.
    #[error("file {0} cannot be read")]
    File(PathBuf, #[source] std::io::Error),
    /// Redis did not answer within two seconds. It may have done what was asked.
    #[error("redis does not answer")]
    TimedOut,
    /// Redis refused the command, or the connection failed.
    #[error("redis failed")]
    Redis(#[from] RedisError),
    /// Redis answers, but the last batches could not be written: it may be full, or a replica.
    #[error("redis answers, but does not take writes")]
    NotWritten,
    /// Redis has lost offsets that it had confirmed, because it was restarted from an older state.
    /// To count on would leave a gap, so nothing was counted: the topic has to be read again from
    /// [`Stats::offsets`]. Reported once, not at the next call.
    #[error("redis has lost what it had confirmed")]
    WentBack,
    /// The database failed.
    #[error("figures cannot be read or written")]
    Database(#[from] sqlx::Error),
    /// The file is damaged.
    #[error("figures are damaged")]
    Damaged,
    /// The file is damaged, and cannot be moved out of the way either.
    #[error("damaged figures cannot be set aside")]
    NotSetAside(#[source] std::io::Error),
    /// The database cannot be brought to the present schema.
    #[error("figures cannot be migrated")]
    Migration(#[from] sqlx::migrate::MigrateError),
}

impl Stats {
    /// Figures in Redis. It connects when it is first used, and reconnects by itself. Every call
    /// answers or fails within two seconds.
    ///
    /// # Errors
    /// When the address is not valid or the password file cannot be read.
    pub fn redis(config: &RedisConfig) -> Result<Self, StatsError> {
        let redis = RedisStats::new(config)?;
        Ok(Self(Backend::Redis(Arc::new(redis))))
    }

    /// Figures of one process, in the SQLite database at `path`. A damaged one is set aside beside
    /// it, and the figures begin anew.
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

    /// Counts `batch`, messages of `topic` in any order, and moves the offsets of `group`: all or
    /// nothing. A message below the group's offset was counted before and changes nothing, whoever
    /// delivers it. An event counts at the time at which it was published. An event that [`check`]
    /// refuses only moves the offset.
    ///
    /// # Errors
    /// When it is not certain that `batch` was counted. Calling again is safe.
    pub fn apply<'a>(
        &'a self,
        group: &'a str,
        topic: &'a str,
        batch: &'a [Delivery<'a, MetricsEvent>],
    ) -> BoxFuture<'a, Result<(), StatsError>> {
        async move { self.apply_at(now_ms(), group, topic, batch).await }.boxed()
    }

    /// Does the same as [`Self::apply`] at the time `now_ms`, in milliseconds since 1970. A message
    /// from after that time counts at that time.
    ///
    /// # Errors
    /// The errors of [`Self::apply`].
    pub fn apply_at<'a>(
        &'a self,
        now_ms: i64,
        group: &'a str,
        topic: &'a str,
        batch: &'a [Delivery<'a, MetricsEvent>],
    ) -> BoxFuture<'a, Result<(), StatsError>> {
        async move {
            match &self.0 {
                Backend::Redis(redis) => redis.apply(now_ms, group, topic, batch).await,
                Backend::Sqlite(sqlite) => sqlite.apply(now_ms, group, topic, batch).await,
            }
        }
        .boxed()
    }

    /// The offsets of `group` in `topic`, by rising partition.
    ///
    /// # Errors
    /// When Redis or the database does not answer.
    pub fn offsets<'a>(
        &'a self,
        group: &'a str,
        topic: &'a str,
    ) -> BoxFuture<'a, Result<Vec<TopicOffset>, StatsError>> {
        async move {
            let stored = match &self.0 {
                Backend::Redis(redis) => redis.offsets(group, topic).await?,
                Backend::Sqlite(sqlite) => sqlite.offsets(group, topic).await?,
            };
            let offsets = stored
                .into_iter()
                .map(|(partition, next_offset)| TopicOffset {
                    partition,
                    next_offset,
                });
            Ok(offsets.collect())
        }
        .boxed()
    }

    /// The offsets at which `group` continues in `log`, by rising partition. The first log of a topic
    /// whose offsets are asked for takes over those that were kept without a log. Those of a log that
    /// was cut are forgotten.
    ///
    /// # Errors
    /// When Redis or the database does not answer.
    pub fn start_offsets<'a>(
        &'a self,
        group: &'a str,
        log: &'a TopicLog,
    ) -> BoxFuture<'a, Result<Vec<TopicOffset>, StatsError>> {
        async move {
            match &self.0 {
                Backend::Redis(redis) => redis.prepare(group, log).await?,
                Backend::Sqlite(sqlite) => sqlite.prepare(group, log).await?,
            }
            self.offsets(group, &log.key()).await
        }
        .boxed()
    }

    /// The figures as of now.
    ///
    /// # Errors
    /// When Redis or the database does not answer.
    pub fn figures(&self) -> BoxFuture<'_, Result<Figures, StatsError>> {
        async move { self.figures_at(now_ms()).await }.boxed()
    }

    /// The figures as of `now_ms`, in milliseconds since 1970. It must be recent, because old
    /// counts are deleted.
    ///
    /// # Errors
    /// When Redis or the database does not answer.
    pub fn figures_at(&self, now_ms: i64) -> BoxFuture<'_, Result<Figures, StatsError>> {
        async move {
            match &self.0 {
                Backend::Redis(redis) => redis.figures(now_ms).await,
                Backend::Sqlite(sqlite) => sqlite.figures(now_ms).await,
            }
        }
        .boxed()
    }

    /// The name of the figures in health checks: `redis`, or `stats` after the file that stands in
    /// for it.
    pub fn name(&self) -> &'static str {
        match &self.0 {
            Backend::Redis(_) => "redis",
            Backend::Sqlite(_) => "stats",
        }
    }

    /// Checks that Redis or the database answers.
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

    /// Closes the file. Calls after this one fail. Redis needs none.
    pub async fn close(&self) {
        match &self.0 {
            Backend::Redis(_) => {}
            Backend::Sqlite(sqlite) => sqlite.close().await,
        }
    }
}

/// The number of series that [`Figures::model_usage`] names at most.
const REPORTED_SERIES: usize = 1_000;

/// The number of series whose usage is kept: the busiest ones.
const KEPT_SERIES: usize = 100_000;

/// The number of further series whose usage is kept before the least used are dropped, so that a
/// new series has time to become busy.
const NEWCOMERS: usize = 10_000;

/// Milliseconds since 1970.
fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
}
