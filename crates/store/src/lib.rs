//! Models, training points, streams and what was found in them: Postgres, or SQLite for one
//! process.
//!
//! Both do the same transactions. A version becomes visible when it is `ready`, never before.
//! Points are stored for versions that exist, pending or ready, and are removed with them; points
//! of a removed version are dropped when they arrive.
//!
//! Calls are boxed, so that their code is compiled here and not once more in every service that
//! awaits them.
//!
//! Connections belong to the runtime on which they were opened: call a [`Store`] there.

mod batch;
mod columns;
mod config;
mod error;
mod migrations;
mod postgres;
mod registry;
mod room;
mod sqlite;
mod start;
pub mod streams;

use std::{path::Path, time::Duration};

use contract::{
    Delivery, Point, SeriesId, TopicLog, TopicOffset, TrainingData, Version, VersionRef,
};
use detector::StoredModel;
use futures_util::{FutureExt, future::BoxFuture};

pub use config::{PostgresConfig, SslMode};
pub use error::{Refusal, RegistryError, StoreError};
use postgres::PostgresStore;
pub use postgres::roles::RolesConfig;
use registry::rows::ModelRow;
pub use registry::{
    Changed, NewModel, Precondition, Ready, Serving,
    receipt::{Note, Receipt},
};
pub use room::{NoRoom, Quotas, StoreSize};
use sqlite::SqliteStore;
pub use streams::{
    AnomalyChange, AnomalyOrder, AnomalyQuery, EndedStream, FailedNotification, HotSeries,
    MAX_SILENCES, NamedBlock, Notification, PartitionCommit, PointBlock, PointExtent, SeriesFacts,
    StepCount, StoredStream, StreamOffsets, StreamState,
};

/// Keeps models and training points. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store(Backend);

#[derive(Clone, Debug)]
enum Backend {
    Postgres(PostgresStore),
    Sqlite(SqliteStore),
}

/// A model and its version.
#[derive(Clone, Debug, PartialEq)]
pub struct VersionedModel {
    /// The version of the model.
    pub version: Version,
    /// The model.
    pub model: StoredModel,
}

/// The training points of a model, as far as they are stored.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "one at a time, and moved once")]
pub enum TrainingPoints {
    /// The model is not ready, or was imported and has no points here.
    NoModel,
    /// Some of its points are still on their way to the store.
    Incomplete,
    /// The model and all of its points, in the order of the training set. The points of columns
    /// follow each other: all of the first column, then all of the second, and so on.
    Complete(VersionedModel, Vec<Point>),
}

/// The time limit of [`Store::ping`]. Longer than its callers are patient, so that an answer that
/// comes late is still heard.
const PING: Duration = Duration::from_secs(3);
/// The time limit of [`Store::close`].
const CLOSE: Duration = Duration::from_secs(2);

impl Store {
    /// A store in Postgres. It connects when it is first used. Must be called on a Tokio runtime.
    ///
    /// # Errors
    /// When the address is not valid or the password file cannot be read.
    pub fn postgres(config: &PostgresConfig) -> Result<Self, StoreError> {
        Ok(Self(Backend::Postgres(PostgresStore::new(config)?)))
    }

    /// A store in the SQLite database at `path`, which is migrated here.
    ///
    /// # Errors
    /// When the database cannot be opened or migrated.
    pub fn sqlite(path: &Path) -> BoxFuture<'_, Result<Self, StoreError>> {
        async move { Ok(Self(Backend::Sqlite(SqliteStore::open(path).await?))) }.boxed()
    }

    /// Runs the migrations. Idempotent, and safe when several processes do it at once.
    ///
    /// # Errors
    /// When the database does not answer or a migration fails.
    pub fn migrate(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        async move {
            match &self.0 {
                Backend::Postgres(store) => store.migrate().await,
                Backend::Sqlite(store) => store.migrate().await,
            }
        }
        .boxed()
    }

    /// Makes the roles of `config` whose passwords are given, each with the rights that its services
    /// need and no others. Only Postgres has roles. Idempotent; a new password replaces the old one.
    ///
    /// # Errors
    /// When a password file cannot be read, or the present role may not make roles.
    pub fn grant<'a>(&'a self, config: &'a RolesConfig) -> BoxFuture<'a, Result<(), StoreError>> {
        async move {
            match &self.0 {
                Backend::Postgres(store) => store.grant(config).await,
                Backend::Sqlite(_) => Ok(()),
            }
        }
        .boxed()
    }

    /// Removes pending versions older than `age` with their points: a crash left them behind.
    /// Returns how many.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn sweep_pending(&self, age: Duration) -> BoxFuture<'_, Result<u64, StoreError>> {
        async move {
            match &self.0 {
                Backend::Postgres(store) => store.sweep_pending(age).await,
                Backend::Sqlite(store) => store.sweep_pending(age).await,
            }
        }
        .boxed()
    }

    /// The training points of a ready model: of `model`, or of the one that serves. An imported
    /// model has none here: `NoModel`.
    ///
    /// # Errors
    /// When the database does not answer, or the stored model cannot be read.
    pub fn training_points<'a>(
        &'a self,
        series: &'a SeriesId,
        model: Option<&'a VersionRef>,
    ) -> BoxFuture<'a, Result<TrainingPoints, StoreError>> {
        async move {
            let read = match self.model_with_points(series, model).await {
                Err(error) if model.is_none() && error.is_damage() => {
                    let whole = self.serving(series).await?.model;
                    let whole = whole.map(|model| VersionRef::Version(model.version));
                    self.model_with_points(series, whole.as_ref()).await
                }
                read => read,
            };
            let Some(model) = read? else {
                return Ok(TrainingPoints::NoModel);
            };
            let expected = usize::try_from(model.model.stored_points()).unwrap_or(usize::MAX);
            let points = match &self.0 {
                Backend::Postgres(store) => store.points(series, model.version, expected).await?,
                Backend::Sqlite(store) => store.points(series, model.version, expected).await?,
            };
            Ok(match points {
                Some(points) => TrainingPoints::Complete(model, points),
                None => TrainingPoints::Incomplete,
            })
        }
        .boxed()
    }

    /// A ready model that was fitted here.
    async fn model_with_points(
        &self,
        series: &SeriesId,
        model: Option<&VersionRef>,
    ) -> Result<Option<VersionedModel>, StoreError> {
        let row = self.ready_model(series, model).await?;
        let row = row.filter(ModelRow::has_points);
        row.map(|row| row.read(series)).transpose()
    }

    /// Stores the points of `batch` and moves the offsets of `group` with them. A message below the
    /// group's offset was applied before and changes nothing, whoever delivers it. Returns the
    /// number of points that are new.
    ///
    /// One transaction takes messages with up to 200,000 points and moves their offsets; in SQLite,
    /// where it holds up every other writer, 20,000.
    ///
    /// # Errors
    /// When not all of `batch` was stored. The offsets tell how much was: applying the same batch
    /// again stores the rest.
    pub fn apply_training_data<'a>(
        &'a self,
        group: &'a str,
        topic: &'a str,
        batch: &'a [Delivery<'a, TrainingData>],
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        async move {
            match &self.0 {
                Backend::Postgres(store) => store.apply_training_data(group, topic, batch).await,
                Backend::Sqlite(store) => store.apply_training_data(group, topic, batch).await,
            }
        }
        .boxed()
    }

    /// The offsets of `group` in `topic`, by rising partition.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn offsets<'a>(
        &'a self,
        group: &'a str,
        topic: &'a str,
    ) -> BoxFuture<'a, Result<Vec<TopicOffset>, StoreError>> {
        async move {
            match &self.0 {
                Backend::Postgres(store) => store.offsets(group, topic).await,
                Backend::Sqlite(store) => store.offsets(group, topic).await,
            }
        }
        .boxed()
    }

    /// The offsets at which `group` continues in `log`, by rising partition. The first log of a topic
    /// whose offsets are asked for takes over those that were kept without a log. Those of a log that
    /// was cut are forgotten.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn start_offsets<'a>(
        &'a self,
        group: &'a str,
        log: &'a TopicLog,
    ) -> BoxFuture<'a, Result<Vec<TopicOffset>, StoreError>> {
        async move {
            match &self.0 {
                Backend::Postgres(store) => store.start_offsets(group, log).await,
                Backend::Sqlite(store) => store.start_offsets(group, log).await,
            }
        }
        .boxed()
    }

    /// The name of the store in health checks: `postgres`, or `store` after the file that stands in
    /// for it.
    pub fn name(&self) -> &'static str {
        match &self.0 {
            Backend::Postgres(_) => "postgres",
            Backend::Sqlite(_) => "store",
        }
    }

    /// Checks that the database answers within three seconds, and has our tables.
    ///
    /// # Errors
    /// When it does not.
    pub fn ping(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        async move {
            let ping = async {
                match &self.0 {
                    Backend::Postgres(store) => store.ping().await,
                    Backend::Sqlite(store) => store.ping().await,
                }
            };
            match tokio::time::timeout(PING, ping).await {
                Ok(answer) => answer,
                Err(_) => Err(StoreError::TimedOut(PING)),
            }
        }
        .boxed()
    }

    /// As [`Self::ping`], but a database without our tables will do.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn reach(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        async move {
            match self.ping().await {
                Err(error) if error.is_about_tables() => Ok(()),
                answer => answer,
            }
        }
        .boxed()
    }

    /// Closes all connections, within two seconds. Calls after this one fail.
    pub fn close(&self) -> BoxFuture<'_, ()> {
        async move {
            let close = async {
                match &self.0 {
                    Backend::Postgres(store) => store.close().await,
                    Backend::Sqlite(store) => store.close().await,
                }
            };
            if tokio::time::timeout(CLOSE, close).await.is_err() {
                tracing::warn!("a connection to the database was still in use when it was closed");
            }
        }
        .boxed()
    }
}
