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
    let settings: Vec<_> = topics
        .iter()
        .map(|(topic, _)| settings(topic, replication))
        .collect();
    let wanted: Vec<_> = topics
        .iter()
        .zip(&settings)
        .map(|((topic, name), settings)| describe(topic, name, settings, replication))
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

fn describe<'a>(
    topic: &Topic,
    name: &'a str,
    settings: &'a [(&'static str, String)],
    replication: i32,
) -> NewTopic<'a> {
    let wanted = NewTopic::new(name, topic.partitions, TopicReplication::Fixed(replication));
    settings.iter().fold(wanted, |wanted, (setting, value)| {
        wanted.set(setting, value)
    })
}

/// The settings that `topic` is created with.
fn settings(topic: &Topic, replication: i32) -> Vec<(&'static str, String)> {
    // With three copies one broker may die, and nothing stops or is lost.
    let in_sync = if replication >= 3 { "2" } else { "1" };
    let mut settings = vec![("min.insync.replicas", in_sync.to_owned())];
    if topic.compacted {
        settings.push(("cleanup.policy", "compact".to_owned()));
    }
    if topic.append_time {
        settings.push(("message.timestamp.type", "LogAppendTime".to_owned()));
    }
    if let Some(retention_ms) = topic.retention_ms {
        settings.push(("retention.ms", retention_ms.to_string()));
    }
    if *topic == DeadLetters::TOPIC {
        settings.push(("max.message.bytes", MAX_MESSAGE_BYTES.to_owned()));
    }
    settings
}

#[cfg(test)]
mod tests {
    use contract::{Event, ModelEvent, TrainingData};

    use super::*;

    fn of(topic: &Topic, replication: i32) -> Vec<(&'static str, String)> {
        let mut settings = settings(topic, replication);
        settings.sort_unstable();
        settings
    }

    #[test]
    fn topics_are_created_with_their_settings() {
        let pairs = |settings: Vec<(&'static str, String)>| {
            let pairs = settings.into_iter().map(|(k, v)| format!("{k}={v}"));
            pairs.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(pairs(of(&TrainingData::TOPIC, 3)), "min.insync.replicas=2");
        assert_eq!(
            pairs(of(&ModelEvent::TOPIC, 1)),
            "cleanup.policy=compact min.insync.replicas=1"
        );
        assert_eq!(
            pairs(of(&DeadLetters::TOPIC, 1)),
            "max.message.bytes=1200000 min.insync.replicas=1 retention.ms=2592000000"
        );
        let stream = Topic {
            append_time: true,
            retention_ms: Some(3_600_000),
            ..Topic::new("stream", 32)
        };
        assert_eq!(
            pairs(of(&stream, 1)),
            "message.timestamp.type=LogAppendTime min.insync.replicas=1 retention.ms=3600000"
        );
    }
}
