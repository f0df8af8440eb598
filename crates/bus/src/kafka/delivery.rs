//! What the client library reports of each event that was handed to it.

use std::sync::Arc;

use rdkafka::{
    ClientContext,
    config::RDKafkaLogLevel,
    error::KafkaError,
    producer::{DeliveryResult, ProducerContext, ThreadedProducer},
};
use tokio::sync::oneshot;

use super::connectivity::{self, Link};
use crate::budget::{Budget, Share};

/// The client library's producer, reporting to us.
pub(super) type Client = ThreadedProducer<Context>;

/// Somebody waits for this event, or nobody does; and what it takes of the budget until then.
pub(super) struct Parcel {
    pub(super) report: Option<oneshot::Sender<Result<(), KafkaError>>>,
    pub(super) _share: Share,
}

pub(super) struct Context {
    pub(super) budget: Arc<Budget>,
    pub(super) link: Arc<Link>,
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        connectivity::log(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.link.failed(&error, reason);
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
            self.link.works();
        }
        match parcel.report {
            // Whoever waited may have gone away.
            Some(report) => drop(report.send(delivered)),
            None if delivered.is_err() => self.budget.count_dropped(),
            None => {}
        }
    }
}
