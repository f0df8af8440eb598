//! Logs when Kafka stops answering and when it answers again: once each, however often the client
//! library reports it.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use rdkafka::{
    config::RDKafkaLogLevel,
    error::{KafkaError, RDKafkaErrorCode},
};

/// Whether Kafka answers one of our clients, as far as known.
#[derive(Default)]
pub(super) struct Connectivity {
    lost: AtomicBool,
    /// What was last said of one broker. It is the cause when none is left.
    broker: Mutex<String>,
}

impl Connectivity {
    /// A message was delivered or received.
    pub(super) fn works(&self) {
        if self.lost.load(Ordering::Relaxed) && self.lost.swap(false, Ordering::Relaxed) {
            tracing::info!("kafka answers again");
        }
    }

    /// The client library reports `error`. It recovers by itself from all but fatal ones.
    pub(super) fn failed(&self, error: &KafkaError, reason: &str) {
        match error.rdkafka_error_code() {
            // One broker of several: others take over.
            Some(RDKafkaErrorCode::BrokerTransportFailure | RDKafkaErrorCode::Resolve) => {
                tracing::debug!(%error, reason, "a kafka broker does not answer");
                reason.clone_into(&mut self.broker());
            }
            Some(RDKafkaErrorCode::Fatal) => tracing::error!(reason, "kafka client is broken"),
            _ if self.lost.swap(true, Ordering::Relaxed) => {
                tracing::debug!(%error, reason, "kafka still fails");
            }
            Some(RDKafkaErrorCode::AllBrokersDown) => {
                tracing::warn!(%error, reason, cause = *self.broker(), "kafka fails");
            }
            _ => tracing::warn!(%error, reason, "kafka fails"),
        }
    }

    fn broker(&self) -> MutexGuard<'_, String> {
        self.broker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Puts a line of the client library's log into ours.
pub(super) fn log(level: RDKafkaLogLevel, facility: &str, line: &str) {
    match (level, facility) {
        // These come as errors, too, and by the second; but GETPID, which says that the producer
        // asks for its id again. That goes on while Kafka starts, and then no event is acknowledged.
        (_, "FAIL" | "ERROR" | "REQTMOUT" | "GETPID") => {
            tracing::debug!(facility, "librdkafka: {line}")
        }
        (
            RDKafkaLogLevel::Emerg
            | RDKafkaLogLevel::Alert
            | RDKafkaLogLevel::Critical
            | RDKafkaLogLevel::Error
            | RDKafkaLogLevel::Warning,
            _,
        ) => tracing::warn!(facility, "librdkafka: {line}"),
        _ => tracing::debug!(facility, "librdkafka: {line}"),
    }
}
