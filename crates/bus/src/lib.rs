//! Events between services: Apache Kafka, or a log in SQLite for one process.
//!
//! Both promise the same: events of one key stay in order, [`Bus::publish`] returns when they are
//! durable, and a group of subscribers shares the partitions of a topic. A message may be delivered
//! twice. The database that holds the effects knows what was applied, and says where the group
//! continues ([`OffsetSource`]). `rdkafka` appears in this crate only.

mod assigned;
mod budget;
mod config;
mod cuts;
#[cfg(feature = "kafka")]
mod kafka;
#[cfg(not(feature = "kafka"))]
#[path = "without_kafka.rs"]
mod kafka;
mod limits;
mod message;
mod options;
mod security;
mod sqlite;
mod subscription;

use std::{path::Path, sync::Arc, time::Duration};

use ::sqlite::Fault;
use ::trace::{Kind, Span};
use contract::{
    AnomalyEvent, DeadLetters, Event, MetricsEvent, ModelEvent, PointsRecord, Topic, TrainingData,
};

use crate::{
    kafka::{KafkaBus, KafkaError},
    message::Record,
    sqlite::SqliteLog,
};

pub use crate::{
    assigned::Assigned,
    config::KafkaConfig,
    message::{
        Message, OffsetSource, OffsetsError, OffsetsFuture, RawBatch, RawMessage, TraceParent,
    },
    options::SubscribeOptions,
    security::{KafkaSecurity, SaslMechanism, SecurityProtocol},
    subscription::Subscription,
};

/// All topics.
const TOPICS: &[Topic] = &[
    MetricsEvent::TOPIC,
    TrainingData::TOPIC,
    ModelEvent::TOPIC,
    PointsRecord::TOPIC,
    AnomalyEvent::TOPIC,
    DeadLetters::TOPIC,
];

/// Publishes and subscribes. Cheap to clone.
#[derive(Clone)]
pub struct Bus(Backend);

#[derive(Clone)]
enum Backend {
    Kafka(KafkaBus),
    Sqlite(SqliteLog),
}

/// A failure of the bus.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// Kafka does not answer, does not acknowledge in time, or refuses.
    #[error("kafka failed")]
    Kafka(#[source] KafkaError),
    /// The log cannot be read or written.
    #[error("event log failed")]
    Log(#[source] Arc<sqlx::Error>),
    /// The log was written by a version of this program whose form this one cannot read.
    #[error("event log cannot be migrated")]
    Migrate(#[source] sqlx::migrate::MigrateError),
    /// The settings of the connection contradict each other.
    #[error("{0}")]
    Security(&'static str),
    /// The file with the password cannot be read.
    #[error(transparent)]
    PasswordFile(#[from] settings::UnreadableSecret),
    /// A topic does not exist.
    #[error("topic {0} does not exist: run init, or check KAFKA_TOPIC_PREFIX")]
    NoTopic(String),
    /// An event wants a partition that its topic does not have.
    #[error("topic {topic} has no partition {partition}")]
    NoPartition {
        /// The name of the topic on the bus.
        topic: String,
        /// The partition of the event.
        partition: i32,
    },
    /// A newer member of the group has the same instance id.
    #[error(
        "another process has joined group {group} as {instance}, and this one is shut out: each \
         needs a name of its own"
    )]
    Fenced {
        /// The name of the group on the bus.
        group: String,
        /// The instance id of both ([`SubscribeOptions::instance`]).
        instance: String,
    },
    /// A part of the log is gone. The text says of what.
    #[error("{0}")]
    Cut(String),
    /// Too many bytes wait to be acknowledged; the event was not published.
    #[error("events published earlier are still waiting to be acknowledged")]
    Busy,
    /// The event cannot be written as JSON.
    #[error("event cannot be written as JSON")]
    Unwritable(#[source] serde_json::Error),
    /// The bus has no thread or runtime to work on, or was not compiled in.
    #[error("bus cannot work here: {0}")]
    Unusable(String),
    /// The bus is closing.
    #[error("bus is closed")]
    Closed,
}

impl BusError {
    /// Whether the disk of the log has no more space.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Log(error) if Fault::of(error) == Some(Fault::Full))
    }

    /// Whether the same call can never succeed, because the bus refuses the message or the caller.
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Kafka(error) => kafka::is_permanent(error),
            Self::Unwritable(_) | Self::NoPartition { .. } | Self::Fenced { .. } => true,
            _ => false,
        }
    }
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
    /// A bus over Kafka. It connects and warms up the idempotent producer in the background.
    ///
    /// # Errors
    /// When the client library refuses the configuration; not when no broker answers.
    pub fn kafka(config: &KafkaConfig) -> Result<Self, BusError> {
        let bus = KafkaBus::new(config)?;
        bus.warm_up()?;
        Ok(Self(Backend::Kafka(bus)))
    }

    /// A bus over a Kafka that may have no topics yet, for [`Self::create_topics`].
    ///
    /// # Errors
    /// As [`Self::kafka`].
    pub fn kafka_without_topics(config: &KafkaConfig) -> Result<Self, BusError> {
        KafkaBus::new(config).map(|bus| Self(Backend::Kafka(bus)))
    }

    /// A bus over a log in the SQLite database at `path`, for use within one process. It works on
    /// the caller's runtime.
    ///
    /// # Errors
    /// When the database cannot be opened or migrated.
    pub async fn sqlite(path: &Path) -> Result<Self, BusError> {
        let log = SqliteLog::open(path).await?;
        Ok(Self(Backend::Sqlite(log)))
    }

    /// Creates the topics that do not exist yet. Idempotent; SQLite needs none.
    ///
    /// # Errors
    /// When a topic cannot be created.
    pub async fn create_topics(&self) -> Result<(), BusError> {
        match &self.0 {
            Backend::Kafka(bus) => bus.create_topics().await,
            Backend::Sqlite(_) => Ok(()),
        }
    }

    /// Publishes `events` and returns once all of them are durable (acknowledged by all in-sync
    /// replicas).
    ///
    /// # Errors
    /// When one of them was not acknowledged within about 15 s; others may have been.
    pub async fn publish<E: Event>(
        &self,
        events: impl IntoIterator<Item = E>,
        trace: TraceParent,
    ) -> Result<(), BusError> {
        self.publish_with(events, &[], trace).await
    }

    /// As [`Self::publish`], with `headers` on each record, which come with its
    /// [`Message::headers`].
    ///
    /// # Errors
    /// As [`Self::publish`].
    pub async fn publish_with<E: Event>(
        &self,
        events: impl IntoIterator<Item = E>,
        headers: &[(&str, &str)],
        trace: TraceParent,
    ) -> Result<(), BusError> {
        let mut span = match &trace {
            Some(trace) => Span::start(
                Kind::Producer,
                || format!("send {}", E::TOPIC.name),
                Some(trace),
            ),
            None => Span::default(),
        };
        let trace = span.traceparent().or(trace);
        let records = events
            .into_iter()
            .map(|event| Record::of(&event, headers, trace.as_deref()));
        let published = match &self.0 {
            Backend::Kafka(bus) => bus.publish(records).await,
            Backend::Sqlite(log) => log.publish(records).await,
        };
        if published.is_err() {
            span.fail();
        }
        published
    }

    /// Hands `event` over without waiting, as a part of `trace` if that is given. Returns `false`
    /// when the queue is full: the event is dropped and counted in [`Self::dropped`].
    pub fn try_publish<E: Event>(&self, event: &E, trace: Option<&str>) -> bool {
        match &self.0 {
            Backend::Kafka(bus) => bus.try_publish(Record::of(event, &[], trace)),
            Backend::Sqlite(log) => log.try_publish(Record::of(event, &[], trace)),
        }
    }

    /// The number of events of [`Self::try_publish`] that were dropped because the queue was full
    /// or nothing acknowledged them.
    pub fn dropped(&self) -> u64 {
        match &self.0 {
            Backend::Kafka(bus) => bus.budget().dropped(),
            Backend::Sqlite(log) => log.budget().dropped(),
        }
    }

    /// Publishes a message that cannot be used to the dead letters, with its origin and `reason` in
    /// headers. Returns once that is durable.
    ///
    /// # Errors
    /// As [`Self::publish`].
    pub async fn dead_letter<E: Event>(
        &self,
        message: &Message<E>,
        reason: &str,
    ) -> Result<(), BusError> {
        let record = [Ok(Record::dead_letter(message, reason))];
        match &self.0 {
            Backend::Kafka(bus) => bus.publish(record.into_iter()).await,
            Backend::Sqlite(log) => log.publish(record.into_iter()).await,
        }
    }

    /// Joins `group` on `E`'s topic. Whenever a partition is assigned, `offsets` is asked where to
    /// continue, until it answers; a partition that it does not name is read from its beginning.
    /// Call this on the runtime that `offsets` needs.
    ///
    /// # Errors
    /// When the client library refuses the configuration.
    pub fn subscribe<E: Event>(
        &self,
        group: &str,
        offsets: OffsetSource,
    ) -> Result<Subscription<E>, BusError> {
        self.subscribe_with(group, offsets, SubscribeOptions::default())
    }

    /// As [`Self::subscribe`], with `options`.
    ///
    /// # Errors
    /// As [`Self::subscribe`].
    pub fn subscribe_with<E: Event>(
        &self,
        group: &str,
        offsets: OffsetSource,
        options: SubscribeOptions,
    ) -> Result<Subscription<E>, BusError> {
        match &self.0 {
            Backend::Kafka(bus) => {
                let name = self.name_of(E::TOPIC);
                let source = bus.subscribe(name, group, offsets, options)?;
                Ok(Subscription::kafka(source))
            }
            Backend::Sqlite(log) => {
                let source = log.subscribe(E::TOPIC, group, offsets);
                Ok(Subscription::sqlite(source))
            }
        }
    }

    /// Reads all of `E`'s topic from now on, without a group: each caller sees every event.
    ///
    /// # Errors
    /// When the client library refuses the configuration.
    pub fn tail<E: Event>(&self) -> Result<Subscription<E>, BusError> {
        match &self.0 {
            Backend::Kafka(bus) => Ok(Subscription::kafka(bus.tail(self.name_of(E::TOPIC))?)),
            Backend::Sqlite(log) => Ok(Subscription::sqlite(log.tail(E::TOPIC))),
        }
    }

    /// The name of the bus in health checks: `kafka`, or `events` after the file that stands in for
    /// it.
    pub fn name(&self) -> &'static str {
        match &self.0 {
            Backend::Kafka(_) => "kafka",
            Backend::Sqlite(_) => "events",
        }
    }

    /// The number of topics and groups of which a part of the log is gone. Each group starts over
    /// after ten seconds.
    pub fn cut_logs(&self) -> usize {
        match &self.0 {
            Backend::Kafka(bus) => bus.cuts().len(),
            Backend::Sqlite(log) => log.cuts().len(),
        }
    }

    /// Checks that the bus answers within `timeout`, that all topics exist, and that no part of a
    /// log is gone that a group of this process was to read.
    ///
    /// # Errors
    /// When it is not so.
    pub async fn ping(&self, timeout: Duration) -> Result<(), BusError> {
        let (answer, cut) = match &self.0 {
            Backend::Kafka(bus) => (bus.ping(timeout).await, bus.cuts().first()),
            Backend::Sqlite(log) => (log.ping(timeout).await, log.cuts().first()),
        };
        answer?;
        match cut {
            Some(what) => Err(BusError::Cut(what)),
            None => Ok(()),
        }
    }

    /// The number of partitions that `topic` has. It may have been created with another number than
    /// it would be today.
    ///
    /// # Errors
    /// When Kafka does not answer within 10 s, or the topic does not exist.
    pub async fn partition_count(&self, topic: Topic) -> Result<i32, BusError> {
        match &self.0 {
            Backend::Kafka(bus) => bus.partition_count(topic).await,
            Backend::Sqlite(_) => Ok(topic.partitions),
        }
    }

    /// Waits until every event was delivered or given up, for at most `timeout`.
    pub async fn flush(&self, timeout: Duration) {
        match &self.0 {
            Backend::Kafka(bus) => bus.budget().drained(timeout).await,
            Backend::Sqlite(log) => log.budget().drained(timeout).await,
        }
    }

    /// The topic's name on this bus.
    pub fn name_of(&self, topic: Topic) -> &str {
        match &self.0 {
            Backend::Kafka(bus) => bus.name_of(topic),
            Backend::Sqlite(_) => topic.name,
        }
    }
}
