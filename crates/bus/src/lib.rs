//! Events between services: Apache Kafka, or a log in SQLite for one process.
//!
//! `rdkafka` appears in this crate only.

use std::{future::Future, path::Path, pin::Pin, sync::Arc, time::Duration};

use contract::{Event, Topic};

/// Where Kafka is. The same variables in every service.
#[derive(Clone, Debug, clap::Args)]
pub struct KafkaConfig {
    /// Kafka's bootstrap servers, `host:port` separated by commas.
    #[arg(long, env = "KAFKA_BROKERS", default_value = "127.0.0.1:9092")]
    pub kafka_brokers: String,
    /// Name of the topic for metrics.
    #[arg(long, env = "KAFKA_TOPIC_METRICS", default_value = "metrics")]
    pub kafka_topic_metrics: String,
    /// Copies of each partition, when `init` creates the topics; 1 on a single node.
    #[arg(long, env = "KAFKA_REPLICATION", default_value_t = 3)]
    pub kafka_replication: i32,
    /// Put before the name of every topic and group, to share one Kafka with others.
    #[arg(long, env = "KAFKA_TOPIC_PREFIX", default_value = "")]
    pub kafka_topic_prefix: String,
    /// After how many milliseconds of silence Kafka gives a consumer's partitions to others.
    #[arg(long, env = "KAFKA_SESSION_TIMEOUT_MS", default_value_t = 10_000)]
    pub kafka_session_timeout_ms: u32,
}

/// Publishes and subscribes. Cheap to clone.
#[derive(Clone)]
pub struct Bus(());

/// What went wrong between us and the bus.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// TODO by the owner of this crate.
    #[error("bus does not answer")]
    Unavailable,
}

/// The W3C `traceparent` of the request that caused an event; travels in a header.
pub type TraceParent = Option<String>;

impl Bus {
    /// A bus over Kafka. Connects in the background; warms the idempotent producer up.
    ///
    /// # Errors
    /// When the configuration is refused by the client library; not when no broker answers.
    pub fn kafka(config: &KafkaConfig) -> Result<Self, BusError> {
        todo!("{config:?}")
    }

    /// A bus over a log in the SQLite database at `path`, for use within one process.
    ///
    /// # Errors
    /// When the database cannot be opened or migrated.
    pub async fn log(path: &Path) -> Result<Self, BusError> {
        todo!("{path:?}")
    }

    /// Creates the topics that do not exist yet; idempotent. On SQLite a no-op.
    ///
    /// # Errors
    /// When a topic cannot be created.
    pub async fn create_topics(&self) -> Result<(), BusError> {
        todo!()
    }

    /// Publishes `events` and returns once all of them are durable (acknowledged by all in-sync replicas).
    ///
    /// # Errors
    /// When one was not acknowledged in time (under 10 s); some of them may have been.
    pub async fn publish<E: Event>(
        &self,
        events: impl IntoIterator<Item = E>,
        trace: TraceParent,
    ) -> Result<(), BusError> {
        let _ = (events.into_iter(), trace);
        todo!()
    }

    /// Hands `event` over without waiting. `false`: the queue is full, and the event is dropped and counted in [`Self::dropped`].
    pub fn try_publish<E: Event>(&self, event: &E) -> bool {
        let _ = event;
        todo!()
    }

    /// How many events were dropped: queue full, or never acknowledged.
    pub fn dropped(&self) -> u64 {
        todo!()
    }

    /// Keeps a message that cannot be used, with where it came from and `reason` in headers; returns once that is durable.
    ///
    /// # Errors
    /// As [`Self::publish`].
    pub async fn bury<E: Event>(&self, message: &Message<E>, reason: &str) -> Result<(), BusError> {
        let _ = (message.offset, reason);
        todo!()
    }

    /// Joins `group` on `E`'s topic. Whenever a partition is assigned, `positions` is asked where to go on, until it answers.
    ///
    /// # Errors
    /// When the configuration is refused by the client library.
    pub fn subscribe<E: Event>(
        &self,
        group: &str,
        positions: Positions,
    ) -> Result<Subscription<E>, BusError> {
        let _ = (group, positions);
        todo!()
    }

    /// Reads all of `E`'s topic from now on, without a group: every caller sees every event.
    ///
    /// # Errors
    /// When the configuration is refused by the client library.
    pub fn tail<E: Event>(&self) -> Result<Subscription<E>, BusError> {
        todo!()
    }

    /// Whether the bus answers, asked for at most `timeout`.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self, timeout: Duration) -> Result<(), BusError> {
        todo!("{timeout:?}")
    }

    /// Waits until everything handed over was delivered or given up, for at most `timeout`.
    pub async fn flush(&self, timeout: Duration) {
        todo!("{timeout:?}")
    }

    /// The topic's name on this bus.
    pub fn name_of(&self, topic: Topic) -> &str {
        topic.name
    }
}

/// Where a group goes on in a topic: the next offset of each partition that has one. Kept by the database that holds the effects.
pub type Positions = Arc<dyn Fn(&str) -> PositionsFuture + Send + Sync>;

/// What [`Positions`] gives; an error means that the database does not answer and is asked again.
pub type PositionsFuture = Pin<
    Box<
        dyn Future<Output = Result<Vec<Position>, Box<dyn std::error::Error + Send + Sync>>> + Send,
    >,
>;

/// A place in a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The partition.
    pub partition: i32,
    /// The first offset that has not been applied.
    pub next_offset: i64,
}

/// A stream of the messages of one topic.
pub struct Subscription<E> {
    _of: std::marker::PhantomData<E>,
}

/// One message, readable or not.
#[derive(Clone, Debug)]
pub struct Message<E> {
    /// The topic it came from.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
    /// When it was published: milliseconds since 1970.
    pub timestamp_ms: i64,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// As it came.
    pub payload: Vec<u8>,
    /// The event, or why it is none.
    pub event: Result<E, String>,
    /// The request that caused it.
    pub trace: TraceParent,
    /// All its headers, in order, as text.
    pub headers: Vec<(String, String)>,
}

impl<E: Event> Subscription<E> {
    /// Waits for at least one message, then takes what comes within `max_wait`, up to `max` messages.
    /// Cancel safe: nothing is lost when the future is dropped.
    ///
    /// # Errors
    /// When the subscription can never go on.
    pub async fn next_batch(
        &mut self,
        max: usize,
        max_wait: Duration,
    ) -> Result<Vec<Message<E>>, BusError> {
        todo!("{max} {max_wait:?}")
    }

    /// Tells the bus how far the group got, for tools that show lag. Effects and their offsets are the database's.
    ///
    /// # Errors
    /// Never in a way that matters: log it.
    pub fn commit(&self, batch: &[Message<E>]) -> Result<(), BusError> {
        let _ = batch;
        todo!()
    }

    /// How many messages of the assigned partitions were published and not yet handed out, as far as is known.
    pub fn lag(&self) -> i64 {
        todo!()
    }

    /// Leaves the group.
    pub async fn close(self) {
        todo!()
    }
}
