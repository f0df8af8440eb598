//! Messages on their way to and from the bus.

use std::{future::Future, pin::Pin, sync::Arc};

use contract::{DeadLetters, Delivery, Event, Topic, TopicLog, TopicOffset};
use sha2::{Digest, Sha256};
use trace::{Kind, Span};

use crate::BusError;

/// The W3C `traceparent` of the request that caused an event. It travels in a header.
pub type TraceParent = Option<String>;

/// Tells where a group continues in a log. It asks the database that holds the effects of the
/// group's messages, which keeps offsets by [`TopicLog::key`], and forgets those of a log that was
/// cut.
pub type OffsetSource = Arc<dyn Fn(&TopicLog) -> OffsetsFuture + Send + Sync>;

/// The answer of an [`OffsetSource`]: one offset for each partition of which a message was applied.
/// An error means that the database does not answer; it is asked again.
pub type OffsetsFuture =
    Pin<Box<dyn Future<Output = Result<Vec<TopicOffset>, OffsetsError>> + Send>>;

/// Why an [`OffsetSource`] has no answer.
pub type OffsetsError = Box<dyn std::error::Error + Send + Sync>;

/// Messages that were read under one assignment.
#[derive(Debug, Default)]
pub struct RawBatch {
    /// The [`generation`](crate::Assigned::generation) of the assignment.
    pub generation: u64,
    /// The messages, in the order of their offsets within each partition.
    pub messages: Vec<RawMessage>,
}

/// One message, readable or not.
#[derive(Clone, Debug)]
pub struct Message<E> {
    /// The name of its topic on the bus.
    pub topic: String,
    /// The log that it comes from: the [`TopicLog::key`] by which its offset is kept.
    pub log: String,
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

impl<E: Event> Message<E> {
    /// Begins the spans of the work on `messages`: one for each that a traced request caused.
    pub fn spans(messages: &[Self]) -> Vec<Span> {
        if !trace::is_on() {
            return Vec::new();
        }
        let traces = messages.iter().filter_map(|message| message.trace.as_ref());
        let name = || format!("process {}", E::TOPIC.name);
        traces
            .map(|trace| Span::start(Kind::Consumer, name, Some(trace)))
            .collect()
    }
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
/// The length of a `traceparent`, in bytes.
const TRACE_LENGTH: usize = 55;
/// The longest reason of a dead letter, in characters; longer ones are cut.
const MAX_REASON: usize = 1_000;

/// The longest trace that a dead letter takes along, in bytes; a `traceparent` has 55.
const MAX_TRACE: usize = 512;
/// The most bytes of key and payload that a dead letter keeps whole. Headers come on top.
const MAX_LETTER: usize = 1_100_000;
/// What it keeps of a longer one, in bytes.
const KEPT_OF_A_LARGE_LETTER: usize = 64 << 10;
/// What it keeps of the key of a longer one, in bytes.
const MAX_KEY: usize = 1 << 10;

/// A message on its way to the bus.
pub(crate) struct Record {
    pub(crate) topic: Topic,
    /// Its partition, if the event says which.
    pub(crate) partition: Option<i32>,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) payload: Vec<u8>,
    pub(crate) headers: Vec<(String, String)>,
}

impl Record {
    /// The record that publishes `event` with `headers`.
    ///
    /// # Errors
    /// When it has no JSON form, or wants a partition that no topic has.
    pub(crate) fn of<E: Event>(
        event: &E,
        headers: &[(&str, &str)],
        trace: Option<&str>,
    ) -> Result<Self, BusError> {
        let partition = event.partition();
        if let Some(partition @ ..0) = partition {
            return Err(no_partition(E::TOPIC.name, partition));
        }
        let headers = headers.iter().copied();
        let trace = event.traceparent().or(trace);
        let headers = headers.chain(trace.map(|trace| (TRACE, trace)));
        Ok(Self {
            topic: E::TOPIC,
            partition,
            key: event.key().map(|key| key.as_bytes().to_vec()),
            payload: serde_json::to_vec(event).map_err(BusError::Unwritable)?,
            headers: headers.map(owned).collect(),
        })
    }

    /// The record that keeps `message` for people to look at. Of what no broker would take it keeps
    /// the beginning, with length and SHA-256 of the whole in headers.
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
        let trace = message.trace.as_deref();
        let trace = trace.filter(|trace| trace.len() <= MAX_TRACE);
        headers.extend(trace.map(|trace| owned((TRACE, trace))));
        let key = message.key.as_deref().unwrap_or_default();
        let mut letter = Self {
            topic: DeadLetters::TOPIC,
            partition: None,
            key: message.key.clone(),
            payload: message.payload.clone(),
            headers,
        };
        if key.len() + message.payload.len() > MAX_LETTER {
            let digest = Sha256::digest(&message.payload);
            let digest = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            letter.headers.extend([
                ("length".to_owned(), message.payload.len().to_string()),
                ("sha256".to_owned(), digest),
            ]);
            letter.payload.truncate(KEPT_OF_A_LARGE_LETTER);
            if let Some(key) = &mut letter.key {
                key.truncate(MAX_KEY);
            }
        }
        letter
    }

    /// The bytes that it is charged while in flight.
    pub(crate) fn size(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(k, v)| k.len() + v.len()).sum();
        self.payload.len() + self.key.as_ref().map_or(0, Vec::len) + headers
    }
}

fn owned((name, value): (&str, &str)) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

/// The error of an event that wants a partition that its topic does not have.
pub(crate) fn no_partition(topic: &str, partition: i32) -> BusError {
    BusError::NoPartition {
        topic: topic.to_owned(),
        partition,
    }
}

/// One message, not parsed yet: to be parsed where there is time for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawMessage {
    /// The name of its topic on the bus.
    pub topic: Arc<str>,
    /// The log that it comes from: the [`TopicLog::key`] by which its offset is kept.
    pub log: Arc<str>,
    /// The number of its partition.
    pub partition: i32,
    /// Its offset in the partition.
    pub offset: i64,
    /// When it was published, in milliseconds since 1970; when it was appended, if its topic says
    /// so ([`Topic::append_time`]).
    pub timestamp_ms: i64,
    /// The key that chose its partition, if it has one.
    pub key: Option<Vec<u8>>,
    /// The bytes that were published.
    pub payload: Vec<u8>,
    /// All its headers, in order, as text.
    pub headers: Vec<(String, String)>,
}

impl RawMessage {
    /// The value of its first header named `name`.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// The `traceparent` of the request that caused it, unless its length shows that it is none.
    pub fn traceparent(&self) -> Option<&str> {
        self.header(TRACE)
            .filter(|trace| trace.len() == TRACE_LENGTH)
    }

    /// The event in the payload, or why it cannot be read.
    ///
    /// # Errors
    /// When it is not the JSON of one.
    pub fn event<E: Event>(&self) -> Result<E, String> {
        serde_json::from_slice(&self.payload).map_err(|error| error.to_string())
    }

    /// Parses the payload.
    pub fn read<E: Event>(self) -> Message<E> {
        let event = self.event();
        let trace = self.header(TRACE).map(str::to_owned);
        Message {
            topic: self.topic.to_string(),
            log: self.log.to_string(),
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

    /// The bytes of memory that it takes, about.
    pub(crate) fn size(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(k, v)| k.len() + v.len()).sum();
        size_of::<Self>() + self.payload.len() + self.key.as_ref().map_or(0, Vec::len) + headers
    }
}

#[cfg(test)]
mod tests {
    use contract::TrainingData;

    use super::*;

    fn message(payload: usize, key: usize, trace: usize) -> Message<TrainingData> {
        let incoming = RawMessage {
            topic: "training-data".into(),
            log: "training-data".into(),
            partition: 0,
            offset: 7,
            timestamp_ms: 0,
            key: Some(vec![b'k'; key]),
            payload: vec![b'x'; payload],
            headers: vec![(TRACE.to_owned(), "t".repeat(trace))],
        };
        incoming.read()
    }

    #[test]
    fn a_dead_letter_is_never_too_large_to_be_kept() {
        for (payload, key, trace) in [(3 << 20, 9, 55), (10, 3 << 20, 55), (10, 9, 2 << 20)] {
            let letter = Record::dead_letter(&message(payload, key, trace), &"r".repeat(5 << 20));
            assert!(letter.size() < 1_150_000, "{payload} {key} {trace}");
        }
        let whole = Record::dead_letter(&message(1_050_000, 9, 55), "why");
        assert_eq!((whole.payload.len(), whole.headers.len()), (1_050_000, 5));
    }

    #[test]
    fn of_a_large_one_it_keeps_the_beginning_and_what_identifies_it() {
        let letter = Record::dead_letter(&message(2_000_000, 9, 55), "why");
        let header = |name: &str| {
            letter
                .headers
                .iter()
                .find(|(n, _)| n == name)
                .map(|(_, v)| &**v)
        };
        assert_eq!(letter.payload, [b'x'; 65_536]);
        assert_eq!(header("length"), Some("2000000"));
        let digest = Sha256::digest(vec![b'x'; 2_000_000]);
        let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(header("sha256"), Some(&*digest));
        assert_eq!(
            (header("reason"), header("offset")),
            (Some("why"), Some("7"))
        );
    }
}
