//! Asks Kafka whether it answers. Callers may give up early, the request does not: a request that
//! is given up makes the client library drop its connection, so a broker that is a second slower
//! than every caller would never answer.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rdkafka::{
    error::{KafkaError, KafkaResult, RDKafkaErrorCode},
    producer::Producer as _,
};
use tokio::sync::watch;

use super::delivery::Client;
use crate::BusError;

/// How long Kafka may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// The outcome of a request; `None` while it is in flight.
type Outcome = Option<KafkaResult<()>>;

/// The request in flight, if there is one: all who ask meanwhile wait for its outcome.
#[derive(Default)]
pub(super) struct Probe {
    in_flight: Mutex<Option<watch::Receiver<Outcome>>>,
}

impl Probe {
    /// Asks for the metadata of `topic`, or joins a request that does, and waits for at most
    /// `timeout`.
    pub(super) async fn ping(
        &self,
        client: Arc<Client>,
        topic: String,
        timeout: Duration,
    ) -> Result<(), BusError> {
        let mut outcome = self.ask(client, topic)?;
        match tokio::time::timeout(timeout, outcome.wait_for(Option::is_some)).await {
            Ok(Ok(outcome)) => Ok(outcome.clone().unwrap_or(Err(KafkaError::Canceled))?),
            Ok(Err(_)) => Err(BusError::Closed),
            Err(_) => Err(KafkaError::MetadataFetch(RDKafkaErrorCode::OperationTimedOut).into()),
        }
    }

    fn ask(
        &self,
        client: Arc<Client>,
        topic: String,
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
                let metadata = client.client().fetch_metadata(Some(&topic), ANSWER_WITHIN);
                report.send_replace(Some(metadata.map(drop)));
            })
            .map_err(|error| BusError::Unusable(error.to_string()))?;
        Ok(in_flight.insert(outcome).clone())
    }
}
