//! The bus over Apache Kafka.

mod admin;
mod assignment;
mod callbacks;
mod connectivity;
mod consumer;
mod delivery;
mod prefetch;
mod probe;
mod producer;
mod security;
mod statistics;

use std::{sync::Arc, time::Duration};

use contract::{Event, MetricsEvent, Topic};
use rdkafka::ClientConfig;

use crate::{
    BusError, KafkaConfig, OffsetSource, SubscribeOptions, TOPICS, budget::Budget, cuts::Cuts,
    message::Record,
};

use self::{assignment::Mode, consumer::Reader, producer::Producer};

pub(crate) use self::consumer::KafkaSubscription;
pub(crate) use rdkafka::error::KafkaError;

/// Whether Kafka refuses the message or the caller, and will do so again.
pub(crate) fn is_permanent(error: &KafkaError) -> bool {
    use rdkafka::error::RDKafkaErrorCode as Code;
    matches!(
        error.rdkafka_error_code(),
        Some(
            Code::MessageSizeTooLarge
                | Code::InvalidMessage
                | Code::InvalidMessageSize
                | Code::InvalidRecord
                | Code::MessageBatchTooLarge
                | Code::TopicAuthorizationFailed
                | Code::ClusterAuthorizationFailed
        )
    )
}

/// Publishes to Kafka and subscribes there. Cheap to clone.
#[derive(Clone)]
pub(crate) struct KafkaBus(Arc<Inner>);

struct Inner {
    config: KafkaConfig,
    /// The settings that all our clients share.
    base: ClientConfig,
    names: Vec<(Topic, String)>,
    producer: Producer,
    cuts: Arc<Cuts>,
}

impl KafkaBus {
    pub(crate) fn new(config: &KafkaConfig) -> Result<Self, BusError> {
        let topics = TOPICS.iter();
        let names: Vec<_> = topics.map(|topic| (*topic, name(*topic, config))).collect();
        let base = base(config)?;
        let producer = Producer::new(base.clone())?;
        Ok(Self(Arc::new(Inner {
            config: config.clone(),
            base,
            names,
            producer,
            cuts: Arc::default(),
        })))
    }

    pub(crate) fn warm_up(&self) -> Result<(), BusError> {
        let names = self.0.names.iter().map(|(_, name)| name.clone());
        self.0.producer.warm_up(names.collect())
    }

    pub(crate) async fn create_topics(&self) -> Result<(), BusError> {
        let replication = self.0.config.kafka_replication;
        admin::create_topics(&self.0.base, &self.0.names, replication).await
    }

    pub(crate) async fn publish(
        &self,
        records: impl Iterator<Item = Result<Record, BusError>>,
    ) -> Result<(), BusError> {
        let named = records.map(|record| record.map(|r| (self.name_of(r.topic), r)));
        self.0.producer.publish(named).await
    }

    pub(crate) fn try_publish(&self, record: Result<Record, BusError>) -> bool {
        match record {
            Ok(record) => self
                .0
                .producer
                .try_publish(self.name_of(record.topic), &record),
            Err(error) => {
                tracing::error!(%error, "dropped an event");
                self.budget().count_dropped();
                false
            }
        }
    }

    pub(crate) fn subscribe(
        &self,
        topic: &str,
        group: &str,
        offsets: OffsetSource,
        options: SubscribeOptions,
    ) -> Result<KafkaSubscription, BusError> {
        let config = &self.0.config;
        let name = group.to_owned();
        let group = format!("{}{group}", config.kafka_topic_prefix);
        let runtime = tokio::runtime::Handle::try_current()
            .map_err(|error| BusError::Unusable(error.to_string()))?;
        let session = config.kafka_session_timeout_ms;
        let mut client = self.0.base.clone();
        client
            .set("group.id", group)
            .set("session.timeout.ms", session.to_string())
            .set("heartbeat.interval.ms", (session / 4).max(1).to_string());
        if let Some(instance) = &options.instance {
            // Of the same members it makes the same shares, so that none moves when one is back.
            client
                .set("group.instance.id", instance)
                .set("partition.assignment.strategy", "range");
        }
        let mode = Mode::Group {
            name,
            offsets,
            runtime,
            cuts: Arc::clone(&self.0.cuts),
        };
        Reader::start(client, topic, mode, options)
    }

    pub(crate) fn tail(&self, topic: &str) -> Result<KafkaSubscription, BusError> {
        let mut client = self.0.base.clone();
        // The client library wants a name here to assign partitions by hand; nothing joins or
        // commits under it.
        client
            .set("group.id", format!("{topic}.tail"))
            .set("auto.offset.reset", "latest");
        Reader::start(client, topic, Mode::Tail, SubscribeOptions::default())
    }

    pub(crate) async fn ping(&self, timeout: Duration) -> Result<(), BusError> {
        let names = self.0.names.iter().map(|(_, name)| name.clone());
        self.0.producer.ping(names.collect(), timeout).await
    }

    pub(crate) async fn partition_count(&self, topic: Topic) -> Result<i32, BusError> {
        self.0.producer.partition_count(self.name_of(topic)).await
    }

    pub(crate) fn cuts(&self) -> &Cuts {
        &self.0.cuts
    }

    pub(crate) fn budget(&self) -> &Budget {
        self.0.producer.budget()
    }

    pub(crate) fn name_of(&self, topic: Topic) -> &str {
        let known = self.0.names.iter().find(|(known, _)| *known == topic);
        known.map_or(topic.name, |(_, name)| name)
    }
}

fn name(topic: Topic, config: &KafkaConfig) -> String {
    let own = if topic == MetricsEvent::TOPIC {
        &config.kafka_topic_metrics
    } else {
        topic.name
    };
    format!("{}{own}", config.kafka_topic_prefix)
}

/// The settings that all our clients share. They notice quickly that a broker is gone or back, and
/// that a topic was created.
fn base(config: &KafkaConfig) -> Result<ClientConfig, BusError> {
    let mut client = ClientConfig::new();
    for (setting, value) in config.security.settings()? {
        client.set(setting, value);
    }
    client
        .set("bootstrap.servers", &config.kafka_brokers)
        .set("client.id", "anomaly")
        .set("allow.auto.create.topics", "false")
        .set("socket.nagle.disable", "true")
        .set("socket.keepalive.enable", "true")
        .set("socket.timeout.ms", "10000")
        .set("socket.connection.setup.timeout.ms", "5000")
        .set("reconnect.backoff.ms", "50")
        .set("reconnect.backoff.max.ms", "1000")
        .set("topic.metadata.refresh.interval.ms", "2000")
        .set("metadata.max.age.ms", "30000")
        .set("log.connection.close", "false");
    Ok(client)
}
