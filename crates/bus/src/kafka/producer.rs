//! One idempotent producer for a process.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use rdkafka::{
    ClientConfig,
    config::FromClientConfigAndContext,
    error::{KafkaError, RDKafkaErrorCode},
    message::{Header, OwnedHeaders},
    producer::{BaseRecord, Producer as _},
};
use tokio::sync::oneshot;

use super::{
    connectivity::Connectivity,
    delivery::{Client, Context, Parcel},
    probe::{self, Probe, check_topic},
    statistics::{self, KnownBrokers},
};
use crate::{
    BusError,
    budget::{Budget, Permit},
    limits::MAX_MESSAGE_BYTES,
    message::{Record, no_partition},
};

/// How long the metadata of a topic may take at the start.
const WARM_UP: Duration = Duration::from_secs(5);

/// Publishes to Kafka. A client that is broken for good, or has lost all brokers, is replaced.
pub(super) struct Producer {
    client: RwLock<Arc<Client>>,
    config: ClientConfig,
    budget: Arc<Budget>,
    connectivity: Arc<Connectivity>,
    probe: Probe,
}

impl Producer {
    pub(super) fn new(mut config: ClientConfig) -> Result<Self, BusError> {
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("compression.type", "lz4")
            .set("partitioner", "murmur2_random")
            .set("linger.ms", "0")
            .set("message.timeout.ms", "15000")
            .set("request.timeout.ms", "5000")
            // A topic that is not there is not waited for: init creates them before we start.
            .set("topic.metadata.propagation.max.ms", "1000")
            .set("message.max.bytes", MAX_MESSAGE_BYTES)
            // More than the budget, so that the budget is the limit.
            .set("queue.buffering.max.kbytes", "65536")
            .set("statistics.interval.ms", statistics::EVERY_MS);
        let (budget, connectivity) = (Arc::default(), Arc::default());
        let client = RwLock::new(connect(&config, &budget, &connectivity)?);
        Ok(Self {
            client,
            config,
            budget,
            connectivity,
            probe: Probe::default(),
        })
    }

    /// Fetches the metadata of the topics in the background. By that the client connects and gets
    /// its producer id, so the first event does not wait a second for both.
    pub(super) fn warm_up(&self, topics: Vec<String>) -> Result<(), BusError> {
        let client = self.current();
        let work = move || {
            for topic in topics {
                match check_topic(&client, &topic, WARM_UP) {
                    Ok(()) => {}
                    Err(error @ BusError::NoTopic(_)) => {
                        tracing::error!(%error, "a topic is missing")
                    }
                    Err(error) => {
                        let error: &dyn std::error::Error = &error;
                        tracing::warn!(error, "kafka does not answer yet");
                        return;
                    }
                }
            }
        };
        std::thread::Builder::new()
            .name("kafka-warm-up".to_owned())
            .spawn(work)
            .map(drop)
            .map_err(|error| BusError::Unusable(error.to_string()))
    }

    /// Publishes all of `records` at once, as far as the budget allows. Returns when all are
    /// acknowledged.
    pub(super) async fn publish(
        &self,
        records: impl Iterator<Item = Result<(&str, Record), BusError>>,
    ) -> Result<(), BusError> {
        let mut reports = FuturesUnordered::new();
        for record in records {
            let (topic, record) = record?;
            let to = Destination {
                topic,
                partition: record.partition,
            };
            let permit = self.budget.acquire(record.size());
            tokio::pin!(permit);
            let permit = loop {
                tokio::select! {
                    Some(report) = reports.next() => acknowledged(report)?,
                    permit = &mut permit => break permit?,
                }
            };
            let (report, reported) = oneshot::channel();
            self.send(topic, &record, Some(report), permit)
                .map_err(|error| to.failed(error))?;
            reports.push(async move { (to, reported.await) });
        }
        while let Some(report) = reports.next().await {
            acknowledged(report)?;
        }
        Ok(())
    }

    pub(super) fn try_publish(&self, topic: &str, record: &Record) -> bool {
        let Some(permit) = self.budget.try_acquire(record.size()) else {
            return false;
        };
        let sent = self.send(topic, record, None, permit);
        if let Err(error) = &sent {
            tracing::debug!(%error, "dropped an event");
            self.budget.count_dropped();
        }
        sent.is_ok()
    }

    /// Checks that Kafka answers and has `topics`.
    pub(super) async fn ping(
        &self,
        topics: Vec<String>,
        timeout: Duration,
    ) -> Result<(), BusError> {
        self.probe.ping(self.current(), topics, timeout).await
    }

    pub(super) async fn partition_count(&self, topic: &str) -> Result<i32, BusError> {
        probe::partition_count(self.current(), topic.to_owned()).await
    }

    pub(super) fn budget(&self) -> &Budget {
        &self.budget
    }

    fn current(&self) -> Arc<Client> {
        let read = || self.client.read().unwrap_or_else(PoisonError::into_inner);
        let client = read().clone();
        if !client.context().brokers.are_lost() {
            return client;
        }
        self.replace(client.clone()).unwrap_or(client)
    }

    fn send(
        &self,
        topic: &str,
        record: &Record,
        report: Option<oneshot::Sender<Result<(), KafkaError>>>,
        permit: Permit,
    ) -> Result<(), KafkaError> {
        let parcel = Parcel {
            report,
            _permit: permit,
        };
        let client = self.current();
        let Err((error, refused)) = client.send(outgoing(topic, record, Box::new(parcel))) else {
            return Ok(());
        };
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::Fatal) {
            return Err(error);
        }
        let fresh = self.replace(client)?;
        fresh.send(refused).map_err(|(error, _)| error)
    }

    /// Replaces the client `broken` by a new one, unless that was done already.
    fn replace(&self, broken: Arc<Client>) -> Result<Arc<Client>, KafkaError> {
        let mut current = self.client.write().unwrap_or_else(PoisonError::into_inner);
        if Arc::ptr_eq(&current, &broken) {
            *current = connect(&self.config, &self.budget, &self.connectivity)?;
            tracing::info!("replaced the kafka producer");
            // Dropping it takes half a second, for it waits for its thread.
            std::thread::spawn(move || drop(broken));
        }
        Ok(current.clone())
    }
}

fn connect(
    config: &ClientConfig,
    budget: &Arc<Budget>,
    connectivity: &Arc<Connectivity>,
) -> Result<Arc<Client>, KafkaError> {
    let context = Context {
        budget: budget.clone(),
        connectivity: connectivity.clone(),
        brokers: KnownBrokers::default(),
    };
    Client::from_config_and_context(config, context).map(Arc::new)
}

fn outgoing<'a>(
    topic: &'a str,
    record: &'a Record,
    parcel: Box<Parcel>,
) -> BaseRecord<'a, [u8], [u8], Box<Parcel>> {
    let mut headers = OwnedHeaders::new_with_capacity(record.headers.len());
    for (key, value) in &record.headers {
        let value = Some(value);
        headers = headers.insert(Header { key, value });
    }
    let message = BaseRecord::with_opaque_to(topic, parcel)
        .payload(record.payload.as_slice())
        .headers(headers);
    let message = match &record.key {
        Some(key) => message.key(key.as_slice()),
        None => message,
    };
    match record.partition {
        Some(partition) => message.partition(partition),
        None => message,
    }
}

/// Where a record was to go.
#[derive(Clone, Copy)]
struct Destination<'a> {
    topic: &'a str,
    partition: Option<i32>,
}

impl Destination<'_> {
    fn failed(self, error: KafkaError) -> BusError {
        use RDKafkaErrorCode as Code;
        match (error.rdkafka_error_code(), self.partition) {
            (Some(Code::UnknownPartition), Some(partition)) => no_partition(self.topic, partition),
            (
                Some(Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition),
                _,
            ) => BusError::NoTopic(self.topic.to_owned()),
            _ => error.into(),
        }
    }
}

fn acknowledged(
    (to, report): (
        Destination<'_>,
        Result<Result<(), KafkaError>, oneshot::error::RecvError>,
    ),
) -> Result<(), BusError> {
    match report {
        Ok(report) => report.map_err(|error| to.failed(error)),
        // The client was dropped before it could report.
        Err(_) => Err(BusError::Closed),
    }
}
