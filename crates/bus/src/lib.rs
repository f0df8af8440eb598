//! Events between services: Apache Kafka, or a log in SQLite for one process.
//!
//! Both promise the same: events of one key stay in order, [`Bus::publish`] returns when they are durable, and a group of
//! subscribers shares the partitions of a topic. Messages may come twice; what was applied is known to the database that
//! holds the effects, and it says where to go on ([`Positions`]). `rdkafka` appears in this crate only.

mod budget;
mod config;
#[cfg(feature = "kafka")]
mod kafka;
#[cfg(not(feature = "kafka"))]
#[path = "without_kafka.rs"]
mod kafka;
mod limits;
mod message;
mod sqlite;
mod subscription;

use std::{path::Path, sync::Arc, time::Duration};

use contract::{DeadLetters, Event, MetricsEvent, ModelEvent, Topic, TrainingData};

use crate::{
    kafka::{KafkaBus, KafkaError},
    message::Record,
    sqlite::SqliteLog,
};

pub use crate::{
    config::KafkaConfig,
    message::{Message, Position, Positions, PositionsFuture, TraceParent},
    subscription::Subscription,
};

/// All topics there are.
const TOPICS: [Topic; 4] = [
    MetricsEvent::TOPIC,
    TrainingData::TOPIC,
    ModelEvent::TOPIC,
    DeadLetters::TOPIC,
];

/// Publishes and subscribes. Cheap to clone.
#[derive(Clone)]
pub struct Bus(Backend);

#[derive(Clone)]
enum Backend {
    Kafka(KafkaBus),
    Log(SqliteLog),
}

/// What went wrong between us and the bus.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// Kafka does not answer, does not acknowledge in time, or refuses.
    #[error("kafka failed")]
    Kafka(#[source] KafkaError),
    /// The log cannot be read or written.
    #[error("event log failed")]
    Log(#[source] Arc<sqlx::Error>),
    /// The log is of a version that this one cannot read.
    #[error("event log cannot be migrated")]
    Migrate(#[source] sqlx::migrate::MigrateError),
    /// So much waits to be published that an event did not get its turn.
    #[error("events published earlier are still waiting to be acknowledged")]
    Busy,
    /// An event has no JSON form.
    #[error("event cannot be written as JSON")]
    Unwritable(#[source] serde_json::Error),
    /// The bus has no thread or runtime to work on.
    #[error("bus cannot work here: {0}")]
    Unusable(String),
    /// The bus is closing.
    #[error("bus is closed")]
    Closed,
}

impl From<KafkaError> for BusError {
    fn from(error: KafkaError) -> Self {
        Self::Kafka(error)
    }
}

impl From<sqlx::Error> for BusError {
    fn from(error: sqlx::Error) -> Self {
        Self::Log(Arc::new(error))
    }
}

impl Bus {
    /// A bus over Kafka. Connects in the background; warms the idempotent producer up.
    ///
    /// # Errors
    /// When the configuration is refused by the client library; not when no broker answers.
    pub fn kafka(config: &KafkaConfig) -> Result<Self, BusError> {
        KafkaBus::new(config).map(|bus| Self(Backend::Kafka(bus)))
    }

    /// A bus over a log in the SQLite database at `path`, for use within one process. It works on the runtime of the caller.
    ///
    /// # Errors
    /// When the database cannot be opened or migrated.
    pub async fn log(path: &Path) -> Result<Self, BusError> {
        let log = SqliteLog::open(path).await?;
        Ok(Self(Backend::Log(log)))
    }

    /// Creates the topics that do not exist yet; idempotent. On SQLite a no-op.
    ///
    /// # Errors
    /// When a topic cannot be created.
    pub async fn create_topics(&self) -> Result<(), BusError> {
        match &self.0 {
            Backend::Kafka(bus) => bus.create_topics().await,
            Backend::Log(_) => Ok(()),
        }
    }

    /// Publishes `events` and returns once all of them are durable (acknowledged by all in-sync replicas).
    ///
    /// # Errors
    /// When one was not acknowledged within about 15 s; some of them may have been.
    pub async fn publish<E: Event>(
        &self,
        events: impl IntoIterator<Item = E>,
        trace: TraceParent,
    ) -> Result<(), BusError> {
        let records = events
            .into_iter()
            .map(|event| Record::of(&event, trace.as_deref()));
        match &self.0 {
            Backend::Kafka(bus) => bus.publish(records).await,
            Backend::Log(log) => log.publish(records).await,
        }
    }

    /// Hands `event` over without waiting. `false`: the queue is full, and the event is dropped and counted in [`Self::dropped`].
    pub fn try_publish<E: Event>(&self, event: &E) -> bool {
        match &self.0 {
            Backend::Kafka(bus) => bus.try_publish(Record::of(event, None)),
            Backend::Log(log) => log.try_publish(Record::of(event, None)),
        }
    }

    /// How many events of [`Self::try_publish`] were dropped: queue full, or never acknowledged.
    pub fn dropped(&self) -> u64 {
        match &self.0 {
            Backend::Kafka(bus) => bus.budget().dropped(),
            Backend::Log(log) => log.budget().dropped(),
        }
    }

    /// Keeps a message that cannot be used, with where it came from and `reason` in headers; returns once that is durable.
    ///
    /// # Errors
    /// As [`Self::publish`].
    pub async fn bury<E: Event>(&self, message: &Message<E>, reason: &str) -> Result<(), BusError> {
        let record = [Ok(Record::dead_letter(message, reason))];
        match &self.0 {
            Backend::Kafka(bus) => bus.publish(record.into_iter()).await,
            Backend::Log(log) => log.publish(record.into_iter()).await,
        }
    }

    /// Joins `group` on `E`'s topic. Whenever a partition is assigned, `positions` is asked where to go on, until it answers;
    /// a partition that it does not name is read from its beginning. Call it on the runtime that `positions` needs.
    ///
    /// # Errors
    /// When the configuration is refused by the client library.
    pub fn subscribe<E: Event>(
        &self,
        group: &str,
        positions: Positions,
    ) -> Result<Subscription<E>, BusError> {
        let name = self.name_of(E::TOPIC);
        match &self.0 {
            Backend::Kafka(bus) => Ok(Subscription::kafka(
                name,
                bus.subscribe(name, group, positions)?,
            )),
            Backend::Log(log) => Ok(Subscription::log(
                name,
                log.subscribe(E::TOPIC, group, positions),
            )),
        }
    }

    /// Reads all of `E`'s topic from now on, without a group: every caller sees every event.
    ///
    /// # Errors
    /// When the configuration is refused by the client library.
    pub fn tail<E: Event>(&self) -> Result<Subscription<E>, BusError> {
        let name = self.name_of(E::TOPIC);
        match &self.0 {
            Backend::Kafka(bus) => Ok(Subscription::kafka(name, bus.tail(name)?)),
            Backend::Log(log) => Ok(Subscription::log(name, log.tail(E::TOPIC))),
        }
    }

    /// What operators know the bus as: `kafka`, or the name of the file that stands in for it.
    pub fn name(&self) -> &'static str {
        match &self.0 {
            Backend::Kafka(_) => "kafka",
            Backend::Log(_) => "events",
        }
    }

    /// Whether the bus answers, asked for at most `timeout`.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self, timeout: Duration) -> Result<(), BusError> {
        match &self.0 {
            Backend::Kafka(bus) => bus.ping(timeout).await,
            Backend::Log(log) => log.ping(timeout).await,
        }
    }

    /// Waits until everything handed over was delivered or given up, for at most `timeout`.
    pub async fn flush(&self, timeout: Duration) {
        match &self.0 {
            Backend::Kafka(bus) => bus.budget().drained(timeout).await,
            Backend::Log(log) => log.budget().drained(timeout).await,
        }
    }

    /// The topic's name on this bus.
    pub fn name_of(&self, topic: Topic) -> &str {
        match &self.0 {
            Backend::Kafka(bus) => bus.name_of(topic),
            Backend::Log(_) => topic.name,
        }
    }
}
