//! Models and training points: Postgres, or SQLite for one process.
//!
//! The same transactions on both. A version becomes visible when it is `ready`, never before. Points are stored for versions
//! that exist, pending or ready, and go with them: points of a version that was swept are dropped when they arrive.
//!
//! Calls are boxed, so that their code is compiled here, and not once more in every service that awaits them.
//!
//! Connections belong to the runtime on which they were opened: call a [`Store`] there.

mod batch;
mod config;
mod error;
mod postgres;
mod registry;
mod sqlite;

use std::{path::Path, time::Duration};

use contract::{Point, SeriesId, TrainingData, Version, VersionRef};
use detector::Model;
use futures_util::{FutureExt, future::BoxFuture};

pub use config::PostgresConfig;
pub use error::StoreError;
use postgres::PostgresStore;
use registry::rows::ModelRow;
pub use registry::{Answer, Changed, NewModel, Precondition, Refusal, Serving};
use sqlite::SqliteStore;

/// Keeps models and training points. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store(Backend);

#[derive(Clone, Debug)]
enum Backend {
    Postgres(PostgresStore),
    Sqlite(SqliteStore),
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
#[expect(clippy::large_enum_variant, reason = "one at a time, and moved once")]
pub enum TrainingPoints {
    /// No such model is ready, or it was imported without its points.
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

/// How long [`Store::ping`] and [`Store::close`] take at most.
const PROBE: Duration = Duration::from_secs(2);

impl Store {
    /// A store in Postgres. Connects when it is first used. Must be called on a Tokio runtime.
    ///
    /// # Errors
    /// When the configuration makes no sense (an address that is none, a password file that cannot be read).
    pub fn postgres(config: &PostgresConfig) -> Result<Self, StoreError> {
        Ok(Self(Backend::Postgres(PostgresStore::new(config)?)))
    }

    /// A store in the SQLite database at `path`, migrated.
    ///
    /// # Errors
    /// When the database cannot be opened or migrated.
    pub fn sqlite(path: &Path) -> BoxFuture<'_, Result<Self, StoreError>> {
        async move { Ok(Self(Backend::Sqlite(SqliteStore::open(path).await?))) }.boxed()
    }

    /// Runs the migrations; idempotent, and safe when several do it at once.
    ///
    /// # Errors
    /// When the database is away or a migration fails.
    pub fn migrate(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        async move {
            match &self.0 {
                Backend::Postgres(store) => store.migrate().await,
                Backend::Sqlite(store) => store.migrate().await,
            }
        }
        .boxed()
    }

    /// Removes pending versions older than `age`, and their points: what a crash left. Returns how many.
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

    /// The training points of a ready model: of `model`, or of the one that judges. An imported one has none here: `NoModel`.
    ///
    /// # Errors
    /// When the database does not answer, or the stored model cannot be read.
    pub fn training_points<'a>(
        &'a self,
        series: &'a SeriesId,
        model: Option<&'a VersionRef>,
    ) -> BoxFuture<'a, Result<TrainingPoints, StoreError>> {
        async move {
            let row = self.ready_model(series, model).await?;
            let Some(row) = row.filter(ModelRow::has_points) else {
                return Ok(TrainingPoints::NoModel);
            };
            let model = row.read(series)?;
            let expected = usize::try_from(model.model.points()).unwrap_or(usize::MAX);
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

    /// Stores the points of `batch` and moves the offsets of `group` with them. A message below the group's offset was applied
    /// before and changes nothing, whoever delivers it. Returns the number of points that are new.
    ///
    /// A transaction takes as many messages as have 200,000 points (in SQLite, where it holds up every other writer, 20,000) and
    /// moves the offsets of these.
    ///
    /// # Errors
    /// When not all of it was stored. What was, is known by the offsets: to apply the same batch again does the rest.
    pub fn apply_training_data<'a>(
        &'a self,
        group: &'a str,
        topic: &'a str,
        batch: &'a [Delivery<'a>],
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        async move {
            match &self.0 {
                Backend::Postgres(store) => store.apply_training_data(group, topic, batch).await,
                Backend::Sqlite(store) => store.apply_training_data(group, topic, batch).await,
            }
        }
        .boxed()
    }

    /// How far `group` got in `topic`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn offsets<'a>(
        &'a self,
        group: &'a str,
        topic: &'a str,
    ) -> BoxFuture<'a, Result<Vec<Offset>, StoreError>> {
        async move {
            match &self.0 {
                Backend::Postgres(store) => store.offsets(group, topic).await,
                Backend::Sqlite(store) => store.offsets(group, topic).await,
            }
        }
        .boxed()
    }

    /// What operators know the store as: `postgres`, or the name of the file that stands in for it.
    pub fn name(&self) -> &'static str {
        match &self.0 {
            Backend::Postgres(_) => "postgres",
            Backend::Sqlite(_) => "store",
        }
    }

    /// Whether the database answers, asked for at most two seconds.
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
            match tokio::time::timeout(PROBE, ping).await {
                Ok(answer) => answer,
                Err(_) => Err(StoreError::TimedOut(PROBE)),
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
            if tokio::time::timeout(PROBE, close).await.is_err() {
                tracing::warn!("a connection to the database was still in use when it was closed");
            }
        }
        .boxed()
    }
}

/// What the database wrote down as a version.
fn version(number: i64) -> Result<Version, StoreError> {
    u32::try_from(number)
        .ok()
        .and_then(Version::new)
        .ok_or_else(|| unreadable(format!("{number} is no version")))
}

/// A model as it lies in the database: its number and its document.
fn stored_model(
    series: &SeriesId,
    number: i64,
    document: &str,
) -> Result<VersionedModel, StoreError> {
    let version = version(number)?;
    match Model::from_json(document) {
        Ok(model) => Ok(VersionedModel { version, model }),
        Err(source) => Err(StoreError::Corrupt {
            series: series.clone(),
            version,
            source,
        }),
    }
}

/// The place that rows `(partition, next_offset)` name.
fn offsets(topic: &str, rows: Vec<(i32, i64)>) -> Vec<Offset> {
    rows.into_iter()
        .map(|(partition, next_offset)| Offset {
            topic: topic.to_owned(),
            partition,
            next_offset,
        })
        .collect()
}

fn unreadable(why: String) -> StoreError {
    StoreError::Unreadable(sqlx::Error::Decode(why.into()))
}
