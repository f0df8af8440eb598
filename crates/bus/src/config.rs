//! Where Kafka is.

use crate::security::KafkaSecurity;

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
    /// Prefix of the name of every topic and group, to share one Kafka with others.
    #[arg(long, env = "KAFKA_TOPIC_PREFIX", default_value = "")]
    pub kafka_topic_prefix: String,
    /// Milliseconds of silence after which Kafka gives a consumer's partitions to others.
    #[arg(long, env = "KAFKA_SESSION_TIMEOUT_MS", default_value_t = 10_000)]
    pub kafka_session_timeout_ms: u32,
    /// How connections are secured.
    #[command(flatten)]
    pub security: KafkaSecurity,
}
