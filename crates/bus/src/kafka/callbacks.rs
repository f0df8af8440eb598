//! The callbacks of the client library for a consumer, called on the thread that polls.

use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::{
    ClientConfig, ClientContext, TopicPartitionList,
    config::{FromClientConfigAndContext, RDKafkaLogLevel},
    consumer::{BaseConsumer, Consumer, ConsumerContext},
    error::{KafkaError, KafkaResult},
    types::RDKafkaRespErr,
};

use super::{
    connectivity::{self, Connectivity},
    prefetch::Prefetch,
    statistics::{KnownBrokers, Report},
};

/// What the callbacks need, and what they leave for the thread.
pub(super) struct Context {
    prefetch: Arc<Prefetch>,
    topic: String,
    pub(super) connectivity: Connectivity,
    pub(super) brokers: KnownBrokers,
    rebalanced: Mutex<Option<Rebalanced>>,
}

/// A consumer that reports to `prefetch`.
pub(super) fn connect(
    config: &ClientConfig,
    topic: &str,
    prefetch: &Arc<Prefetch>,
) -> KafkaResult<BaseConsumer<Context>> {
    let context = Context {
        prefetch: prefetch.clone(),
        topic: topic.to_owned(),
        connectivity: Connectivity::default(),
        brokers: KnownBrokers::default(),
        rebalanced: Mutex::new(None),
    };
    BaseConsumer::from_config_and_context(config, context)
}

/// What Kafka did to the partitions of a member.
pub(super) enum Rebalanced {
    Assigned(Vec<i32>),
    Revoked,
}

impl Context {
    pub(super) fn take_rebalance(&self) -> Option<Rebalanced> {
        let mut rebalanced = self
            .rebalanced
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        rebalanced.take()
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        connectivity::log(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.connectivity.failed(&error, reason);
    }

    fn stats_raw(&self, statistics: &[u8]) {
        let Some(report) = Report::read(statistics) else {
            return;
        };
        self.brokers.note(&report);
        for (partition, progress) in report.partitions(&self.topic) {
            self.prefetch
                .note_high(partition, progress.hi_offset, progress.next_offset);
        }
    }
}

impl ConsumerContext for Context {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        kind: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        let assigned = kind == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        let (done, rebalanced) = if assigned {
            // Joins with nothing to read. The database is asked where to begin outside of this
            // callback, while polling and so the membership continue.
            let partitions = partitions
                .elements()
                .iter()
                .map(|p| p.partition())
                .collect();
            let nothing = TopicPartitionList::new();
            (consumer.assign(&nothing), Rebalanced::Assigned(partitions))
        } else {
            self.prefetch.revoke();
            // A partition that comes back later must not come back paused.
            let resumed = consumer
                .assignment()
                .and_then(|list| consumer.resume(&list));
            (resumed.and(consumer.unassign()), Rebalanced::Revoked)
        };
        if let Err(error) = done {
            tracing::warn!(%error, "kafka rebalance failed");
        }
        *self
            .rebalanced
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(rebalanced);
    }
}
