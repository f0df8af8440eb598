//! Messages on their way to and from the bus.

use std::{future::Future, pin::Pin, sync::Arc};

use contract::{DeadLetters, Delivery, Event, Topic, TopicOffset};

use crate::BusError;

/// The W3C `traceparent` of the request that caused an event. It travels in a header.
pub type TraceParent = Option<String>;

/// Tells where a group continues in the topic of this name. It asks the database that holds the
/// effects of the group's messages.
pub type OffsetSource = Arc<dyn Fn(&str) -> OffsetsFuture + Send + Sync>;

/// The answer of an [`OffsetSource`]: one offset for each partition of which a message was applied.
/// An error means that the database does not answer; it is asked again.
pub type OffsetsFuture =
    Pin<Box<dyn Future<Output = Result<Vec<TopicOffset>, OffsetsError>> + Send>>;

/// Why an [`OffsetSource`] has no answer.
pub type OffsetsError = Box<dyn std::error::Error + Send + Sync>;

/// One message, readable or not.
#[derive(Clone, Debug)]
pub struct Message<E> {
    /// The name of its topic on the bus.
    pub topic: String,
    /// The number of its partition.
    pub partition: i32,
    /// Its offset in the partition.
    pub offset: i64,
    /// When it was published, in milliseconds since 1970.
    pub timestamp_ms: i64,
    /// The key that chose its partition, if it has one.
    pub key: Option<Vec<u8>>,
    /// The bytes that were published.
    pub payload: Vec<u8>,
    /// The event in the payload, or why it cannot be read.
    pub event: Result<E, String>,
    /// The trace of the request that caused it.
    pub trace: TraceParent,
    /// All its headers, in order, as text.
    pub headers: Vec<(String, String)>,
}

impl<E> Message<E> {
    /// The delivery by which a database applies `event` of this message; `None` moves the offset
    /// only.
    pub fn delivery<'m>(&'m self, event: Option<&'m E>) -> Delivery<'m, E> {
        Delivery {
            partition: self.partition,
            offset: self.offset,
            timestamp_ms: self.timestamp_ms,
            event,
        }
    }
}

/// The header that holds the [`TraceParent`].
const TRACE: &str = "traceparent";
/// The longest reason of a dead letter, in characters; longer ones are cut.
const MAX_REASON: usize = 1_000;

/// A message on its way to the bus.
pub(crate) struct Record {
    pub(crate) topic: Topic,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) payload: Vec<u8>,
    pub(crate) headers: Vec<(String, String)>,
}

impl Record {
    /// The record that publishes `event`.
    ///
    /// # Errors
    /// When it has no JSON form.
    pub(crate) fn of<E: Event>(event: &E, trace: Option<&str>) -> Result<Self, BusError> {
        Ok(Self {
            topic: E::TOPIC,
            key: event.key().map(|key| key.as_bytes().to_vec()),
            payload: serde_json::to_vec(event).map_err(BusError::Unwritable)?,
            headers: trace_header(trace),
        })
    }

    /// The record that keeps `message` for people to look at.
    pub(crate) fn dead_letter<E>(message: &Message<E>, reason: &str) -> Self {
        let mut headers = vec![
            ("topic".to_owned(), message.topic.clone()),
            ("partition".to_owned(), message.partition.to_string()),
            ("offset".to_owned(), message.offset.to_string()),
            (
                "reason".to_owned(),
                reason.chars().take(MAX_REASON).collect(),
            ),
        ];
        headers.extend(trace_header(message.trace.as_deref()));
        Self {
            topic: DeadLetters::TOPIC,
            key: message.key.clone(),
            payload: message.payload.clone(),
            headers,
        }
    }

    /// The bytes that it is charged while in flight.
    pub(crate) fn size(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(k, v)| k.len() + v.len()).sum();
        self.payload.len() + self.key.as_ref().map_or(0, Vec::len) + headers
    }
}

fn trace_header(trace: Option<&str>) -> Vec<(String, String)> {
    trace
        .map(|trace| (TRACE.to_owned(), trace.to_owned()))
        .into_iter()
        .collect()
}

/// A message from the bus, not parsed yet.
pub(crate) struct Incoming {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) timestamp_ms: i64,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) payload: Vec<u8>,
    pub(crate) headers: Vec<(String, String)>,
}

impl Incoming {
    /// Parses the payload.
    pub(crate) fn read<E: Event>(self, topic: &str) -> Message<E> {
        let event = serde_json::from_slice(&self.payload).map_err(|error| error.to_string());
        let trace = self
            .headers
            .iter()
            .find(|(name, _)| name == TRACE)
            .map(|(_, value)| value.clone());
        Message {
            topic: topic.to_owned(),
            partition: self.partition,
            offset: self.offset,
            timestamp_ms: self.timestamp_ms,
            key: self.key,
            payload: self.payload,
            event,
            trace,
            headers: self.headers,
        }
    }
}
