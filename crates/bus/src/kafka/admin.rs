//! Creating the topics.

use std::time::Duration;

use contract::{DeadLetters, Topic};
use rdkafka::{
    ClientConfig, ClientContext,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    config::{FromClientConfigAndContext, RDKafkaLogLevel},
    error::{KafkaError, RDKafkaErrorCode},
};

use super::connectivity;
use crate::{BusError, limits::MAX_MESSAGE_BYTES};

/// How long Kafka may take to answer, and then to have the topics on all brokers.
const TIMEOUT: Duration = Duration::from_secs(15);

struct Context;

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        connectivity::log(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "kafka fails");
    }
}

/// Creates the missing ones of `topics`, with `replication` copies each.
///
/// # Errors
/// The first topic that could not be created.
pub(super) async fn create_topics(
    config: &ClientConfig,
    topics: &[(Topic, String)],
    replication: i32,
) -> Result<(), BusError> {
    let client = AdminClient::from_config_and_context(config, Context)?;
    let wanted: Vec<_> = topics
        .iter()
        .map(|(topic, name)| describe(*topic, name, replication))
        .collect();
    let options = AdminOptions::new()
        .request_timeout(Some(TIMEOUT))
        .operation_timeout(Some(TIMEOUT));
    for created in client.create_topics(&wanted, &options).await? {
        match created {
            Ok(name) => tracing::info!(topic = name, "created"),
            Err((name, RDKafkaErrorCode::TopicAlreadyExists)) => {
                tracing::debug!(topic = name, "exists");
            }
            Err((name, code)) => {
                tracing::error!(topic = name, %code, "cannot be created");
                return Err(KafkaError::AdminOp(code).into());
            }
        }
    }
    Ok(())
}

fn describe(topic: Topic, name: &str, replication: i32) -> NewTopic<'_> {
    // With three copies one broker may die, and nothing stops or is lost.
    let in_sync = if replication >= 3 { "2" } else { "1" };
    let wanted = NewTopic::new(name, topic.partitions, TopicReplication::Fixed(replication))
        .set("min.insync.replicas", in_sync);
    if topic.compacted {
        wanted.set("cleanup.policy", "compact")
    } else if topic == DeadLetters::TOPIC {
        // Kept for 30 days.
        wanted
            .set("max.message.bytes", MAX_MESSAGE_BYTES)
            .set("retention.ms", "2592000000")
    } else {
        wanted
    }
}
