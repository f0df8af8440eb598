//! Stands in for `kafka` in a program that is built without it, as standalone is: the client
//! library takes a fifth of a first build. No value of these types can exist, so nothing here is
//! ever called.

use std::time::Duration;

use contract::Topic;
use tokio::sync::watch;

use crate::{
    Assigned, BusError, KafkaConfig, OffsetSource, SubscribeOptions,
    budget::Budget,
    cuts::Cuts,
    message::{RawBatch, Record},
};

/// The error of a client that was not compiled in.
pub(crate) use std::convert::Infallible as KafkaError;

/// Never called: no such error can exist.
pub(crate) fn is_permanent(error: &KafkaError) -> bool {
    match *error {}
}

#[derive(Clone, Copy)]
pub(crate) enum KafkaBus {}

#[derive(Clone, Copy)]
pub(crate) enum KafkaSubscription {}

impl KafkaBus {
    pub(crate) fn new(_: &KafkaConfig) -> Result<Self, BusError> {
        let why = "this program was built without Kafka (feature `kafka`)";
        Err(BusError::Unusable(why.to_owned()))
    }

    pub(crate) fn warm_up(self) -> Result<(), BusError> {
        match self {}
    }

    pub(crate) async fn create_topics(self) -> Result<(), BusError> {
        match self {}
    }

    pub(crate) async fn publish(
        self,
        _: impl Iterator<Item = Result<Record, BusError>>,
    ) -> Result<(), BusError> {
        match self {}
    }

    pub(crate) fn try_publish(self, _: Result<Record, BusError>) -> bool {
        match self {}
    }

    pub(crate) fn subscribe(
        self,
        _: &str,
        _: &str,
        _: OffsetSource,
        _: SubscribeOptions,
    ) -> Result<KafkaSubscription, BusError> {
        match self {}
    }

    pub(crate) fn tail(self, _: &str) -> Result<KafkaSubscription, BusError> {
        match self {}
    }

    pub(crate) async fn ping(self, _: Duration) -> Result<(), BusError> {
        match self {}
    }

    pub(crate) async fn partition_count(self, _: Topic) -> Result<i32, BusError> {
        match self {}
    }

    pub(crate) fn cuts(&self) -> &Cuts {
        match *self {}
    }

    pub(crate) fn budget(&self) -> &Budget {
        match *self {}
    }

    pub(crate) fn name_of(&self, _: Topic) -> &str {
        match *self {}
    }
}

impl KafkaSubscription {
    pub(crate) async fn next_batch(self, _: usize, _: Duration) -> Result<RawBatch, BusError> {
        match self {}
    }

    pub(crate) fn commit(self, _: i32, _: i64) {
        match self {}
    }

    pub(crate) fn lag(self) -> i64 {
        match self {}
    }

    pub(crate) fn assignment(&self) -> watch::Receiver<Assigned> {
        match *self {}
    }

    pub(crate) fn reread(self) {
        match self {}
    }

    pub(crate) async fn close(self) {
        match self {}
    }
}
