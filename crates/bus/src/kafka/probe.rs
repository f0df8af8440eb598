//! Asks Kafka whether it answers. Callers may give up early, the request does not: a request that
//! is given up makes the client library drop its connection, so a broker that is a second slower
//! than every caller would never answer.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rdkafka::{
    error::{KafkaError, RDKafkaErrorCode},
    producer::Producer as _,
};
use tokio::sync::{oneshot, watch};

use super::delivery::Client;
use crate::BusError;

/// How long Kafka may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// The outcome of a request; `None` while it is in flight.
type Outcome = Option<Result<(), Failure>>;

/// Why a request failed.
#[derive(Clone, Debug)]
enum Failure {
    Kafka(KafkaError),
    NoTopic(String),
}

/// The request in flight, if there is one: all who ask meanwhile wait for its outcome.
#[derive(Default)]
pub(super) struct Probe {
    in_flight: Mutex<Option<watch::Receiver<Outcome>>>,
}

impl Probe {
    /// Asks for the metadata of `topics`, or joins a request that does, and waits for at most
    /// `timeout`.
    pub(super) async fn ping(
        &self,
        client: Arc<Client>,
        topics: Vec<String>,
        timeout: Duration,
    ) -> Result<(), BusError> {
        let mut outcome = self.ask(client, topics)?;
        match tokio::time::timeout(timeout, outcome.wait_for(Option::is_some)).await {
            Ok(Ok(outcome)) => match outcome.clone() {
                Some(Ok(())) => Ok(()),
                Some(Err(failure)) => Err(failure.into()),
                None => Err(KafkaError::Canceled.into()),
            },
            Ok(Err(_)) => Err(BusError::Closed),
            Err(_) => Err(KafkaError::MetadataFetch(RDKafkaErrorCode::OperationTimedOut).into()),
        }
    }

    fn ask(
        &self,
        client: Arc<Client>,
        topics: Vec<String>,
    ) -> Result<watch::Receiver<Outcome>, BusError> {
        let mut in_flight = self
            .in_flight
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // Still without an outcome, and with a thread that will give one.
        let joined = in_flight
            .as_ref()
            .filter(|outcome| outcome.borrow().is_none() && outcome.has_changed().is_ok());
        if let Some(joined) = joined {
            return Ok(joined.clone());
        }
        let (report, outcome) = watch::channel(None);
        // Nobody waits for this thread when the process stops.
        std::thread::Builder::new()
            .name("kafka-ping".to_owned())
            .spawn(move || {
                let mut topics = topics.iter();
                let checked =
                    topics.try_for_each(|topic| find(&client, topic, ANSWER_WITHIN).map(drop));
                report.send_replace(Some(checked));
            })
            .map_err(|error| BusError::Unusable(error.to_string()))?;
        Ok(in_flight.insert(outcome).clone())
    }
}

impl From<Failure> for BusError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Kafka(error) => error.into(),
            Failure::NoTopic(topic) => Self::NoTopic(topic),
        }
    }
}

/// Checks that Kafka answers within `timeout` and has `topic`. Blocks.
pub(super) fn check_topic(client: &Client, topic: &str, timeout: Duration) -> Result<(), BusError> {
    find(client, topic, timeout)?;
    Ok(())
}

/// The number of partitions that `topic` has.
pub(super) async fn partition_count(client: Arc<Client>, topic: String) -> Result<i32, BusError> {
    let (report, count) = oneshot::channel();
    // Nobody waits for this thread when the process stops.
    std::thread::Builder::new()
        .name("kafka-partitions".to_owned())
        .spawn(move || report.send(find(&client, &topic, ANSWER_WITHIN)))
        .map_err(|error| BusError::Unusable(error.to_string()))?;
    Ok(count.await.map_err(|_| BusError::Closed)??)
}

/// The number of partitions of `topic`.
fn find(client: &Client, topic: &str, timeout: Duration) -> Result<i32, Failure> {
    let metadata = client.client().fetch_metadata(Some(topic), timeout);
    let metadata = metadata.map_err(Failure::Kafka)?;
    let known = metadata.topics().iter().find(|known| known.name() == topic);
    match known {
        Some(known) if !known.partitions().is_empty() => {
            Ok(i32::try_from(known.partitions().len()).unwrap_or(i32::MAX))
        }
        _ => Err(Failure::NoTopic(topic.to_owned())),
    }
}
