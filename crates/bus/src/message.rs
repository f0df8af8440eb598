//! Messages: as they are published, as they come, and where they lie.

use std::{future::Future, pin::Pin, sync::Arc};

use contract::{DeadLetters, Event, Topic};

use crate::BusError;

/// The W3C `traceparent` of the request that caused an event; travels in a header.
pub type TraceParent = Option<String>;

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

/// The header that holds the [`TraceParent`].
const TRACE: &str = "traceparent";
/// A reason is cut to so many characters.
const MAX_REASON: usize = 1_000;

/// A message on its way to the bus.
pub(crate) struct Record {
    pub(crate) topic: Topic,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) payload: Vec<u8>,
    pub(crate) headers: Vec<(String, String)>,
}

impl Record {
    /// `event` as it is published.
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

    /// `message` as it is kept for people to look at.
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

    /// What it costs on the way, in bytes.
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

/// A message as it came from the bus, not looked into.
pub(crate) struct Incoming {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) timestamp_ms: i64,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) payload: Vec<u8>,
    pub(crate) headers: Vec<(String, String)>,
}

impl Incoming {
    /// Looks into it.
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
