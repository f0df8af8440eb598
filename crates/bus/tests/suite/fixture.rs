//! Where a bus can lie: a fresh one for every test, that no other test sees.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::Context;
use bus::{Bus, KafkaConfig, KafkaSecurity};
use contract::{
    AnomalyEvent, DeadLetters, Event, MetricsEvent, ModelEvent, PointsRecord, Topic, TrainingData,
};
use rdkafka::{mocking::MockCluster, producer::DefaultProducerContext};

use crate::database::PATIENCE;

pub(crate) const TOPICS: [Topic; 6] = [
    MetricsEvent::TOPIC,
    TrainingData::TOPIC,
    ModelEvent::TOPIC,
    PointsRecord::TOPIC,
    AnomalyEvent::TOPIC,
    DeadLetters::TOPIC,
];

/// A backend with nothing in it.
pub(crate) struct Fixture {
    pub(crate) bus: Bus,
    pub(crate) at: At,
}

pub(crate) type Cluster = MockCluster<'static, DefaultProducerContext>;

pub(crate) enum At {
    Log(tempfile::TempDir),
    Mock(Cluster, KafkaConfig),
    Kafka(KafkaConfig),
}

impl Fixture {
    pub(crate) async fn log() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let bus = Bus::sqlite(&folder.path().join("log.db")).await?;
        Ok(Self {
            bus,
            at: At::Log(folder),
        })
    }

    pub(crate) fn mock() -> anyhow::Result<Self> {
        let cluster = MockCluster::new(1)?;
        for topic in TOPICS {
            cluster.create_topic(topic.name, topic.partitions, 1)?;
        }
        let config = config(cluster.bootstrap_servers(), String::new());
        Ok(Self {
            bus: Bus::kafka(&config)?,
            at: At::Mock(cluster, config),
        })
    }

    pub(crate) async fn kafka() -> anyhow::Result<Self> {
        Self::kafka_with(config(brokers()?, unique_prefix()?)).await
    }

    pub(crate) async fn kafka_with(config: KafkaConfig) -> anyhow::Result<Self> {
        let bus = Bus::kafka(&config)?;
        bus.create_topics().await?;
        // A broker tells of new topics a moment after they were created.
        let known = async { while bus.ping(PATIENCE).await.is_err() {} };
        tokio::time::timeout(PATIENCE, known).await?;
        Ok(Self {
            bus,
            at: At::Kafka(config),
        })
    }

    /// The brokers themselves, to break things.
    pub(crate) fn cluster(&self) -> anyhow::Result<&Cluster> {
        match &self.at {
            At::Mock(cluster, _) => Ok(cluster),
            At::Log(_) | At::Kafka(_) => anyhow::bail!("not a mock cluster"),
        }
    }

    /// The same bus as a process finds it that starts after this one died.
    pub(crate) async fn reopen(self) -> anyhow::Result<Self> {
        let Self { bus, at } = self;
        drop(bus);
        let bus = match &at {
            At::Log(folder) => Bus::sqlite(&folder.path().join("log.db")).await?,
            At::Mock(_, config) | At::Kafka(config) => Bus::kafka(config)?,
        };
        Ok(Self { bus, at })
    }

    /// A bus like this one that takes events and can deliver none of them, for as long as the guard
    /// lives.
    pub(crate) async fn stuck(&self) -> anyhow::Result<(Bus, Option<Jam>)> {
        let At::Log(folder) = &self.at else {
            let nobody = config("127.0.0.1:1".to_owned(), String::new());
            return Ok((Bus::kafka(&nobody)?, None));
        };
        let path = folder.path().join("stuck.db");
        let bus = Bus::sqlite(&path).await?;
        Ok((bus, Some(Jam::new(path).await?)))
    }
}

/// Keeps the log from being written, as a hanging disk would.
pub(crate) struct Jam {
    _transaction: sqlite::Write,
}

impl Jam {
    async fn new(path: PathBuf) -> anyhow::Result<Self> {
        let database = sqlite::open(&path, sqlite::Durability::Normal).await?;
        Ok(Self {
            _transaction: database.begin().await?,
        })
    }
}

pub(crate) fn config(brokers: String, prefix: String) -> KafkaConfig {
    KafkaConfig {
        kafka_brokers: brokers,
        kafka_topic_metrics: "metrics".to_owned(),
        kafka_replication: 1,
        kafka_topic_prefix: prefix,
        kafka_session_timeout_ms: 6_000,
        security: KafkaSecurity::default(),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test has no command line to take settings from"
)]
pub(crate) fn brokers() -> anyhow::Result<String> {
    std::env::var("TEST_KAFKA_BROKERS").context("TEST_KAFKA_BROKERS")
}

pub(crate) fn unique_prefix() -> anyhow::Result<String> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos();
    Ok(format!("test-{now}-{}-{count}-", std::process::id()))
}
