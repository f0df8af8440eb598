//! Delivery reports: the client library says of each event whether it was acknowledged.

use std::sync::Arc;

use rdkafka::{
    ClientContext,
    config::RDKafkaLogLevel,
    error::KafkaError,
    producer::{DeliveryResult, ProducerContext, ThreadedProducer},
};
use tokio::sync::oneshot;

use super::{
    connectivity::{self, Connectivity},
    statistics::{KnownBrokers, Report},
};
use crate::budget::{Budget, Permit};

/// The client library's producer, reporting to us.
pub(super) type Client = ThreadedProducer<Context>;

/// Travels with an event until it is acknowledged or given up: who waits for it, if anybody, and
/// its permit.
pub(super) struct Parcel {
    pub(super) report: Option<oneshot::Sender<Result<(), KafkaError>>>,
    pub(super) _permit: Permit,
}

/// The callbacks of the client library.
pub(super) struct Context {
    pub(super) budget: Arc<Budget>,
    pub(super) connectivity: Arc<Connectivity>,
    pub(super) brokers: KnownBrokers,
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        connectivity::log(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.connectivity.failed(&error, reason);
    }

    fn stats_raw(&self, statistics: &[u8]) {
        if let Some(report) = Report::read(statistics) {
            self.brokers.note(&report);
        }
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = Box<Parcel>;

    fn delivery(&self, delivered: &DeliveryResult<'_>, parcel: Box<Parcel>) {
        let delivered = match delivered {
            Ok(_) => Ok(()),
            Err((error, _)) => Err(error.clone()),
        };
        if delivered.is_ok() {
            self.connectivity.works();
        }
        match parcel.report {
            // Whoever waited may have gone away.
            Some(report) => drop(report.send(delivered)),
            None if delivered.is_err() => self.budget.count_dropped(),
            None => {}
        }
    }
}
