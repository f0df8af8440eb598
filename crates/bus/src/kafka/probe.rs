//! Asks Kafka whether it answers. Those who ask may be impatient; the question is not: a request that is given up makes the client
//! library drop its connection, and a broker that takes a second longer than every question would be away for ever.

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

/// How long a question may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

type Answer = Option<KafkaResult<()>>;

/// The question under way, if there is one: all who ask meanwhile wait for its answer.
#[derive(Default)]
pub(super) struct Probe {
    asked: Mutex<Option<watch::Receiver<Answer>>>,
}

impl Probe {
    /// Waits for an answer to a question about `topic`, for at most `timeout`.
    pub(super) async fn ping(
        &self,
        client: Arc<Client>,
        topic: String,
        timeout: Duration,
    ) -> Result<(), BusError> {
        let mut asked = self.ask(client, topic)?;
        let answer = tokio::time::timeout(timeout, asked.wait_for(Option::is_some)).await;
        match answer {
            Ok(Ok(answer)) => Ok(answer.clone().unwrap_or(Err(KafkaError::Canceled))?),
            Ok(Err(_)) => Err(BusError::Closed),
            Err(_) => Err(KafkaError::MetadataFetch(RDKafkaErrorCode::OperationTimedOut).into()),
        }
    }

    fn ask(&self, client: Arc<Client>, topic: String) -> Result<watch::Receiver<Answer>, BusError> {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        // Without an answer and with someone who will give it.
        let under_way = asked
            .as_ref()
            .filter(|answer| answer.borrow().is_none() && answer.has_changed().is_ok());
        if let Some(under_way) = under_way {
            return Ok(under_way.clone());
        }
        let (answer, answered) = watch::channel(None);
        // A thread of its own, which nobody waits for when the process stops.
        std::thread::Builder::new()
            .name("kafka-ping".to_owned())
            .spawn(move || {
                let metadata = client.client().fetch_metadata(Some(&topic), ANSWER_WITHIN);
                answer.send_replace(Some(metadata.map(drop)));
            })
            .map_err(|error| BusError::Unusable(error.to_string()))?;
        Ok(asked.insert(answered).clone())
    }
}
