//! Stands in for `redis` in a program that is built without it, as standalone is, so that its first
//! build takes less time. No value of `RedisStats` can exist, so nothing here is ever called.

use std::collections::BTreeMap;

use contract::{Delivery, Figures, MetricsEvent, TopicLog};

use crate::{RedisConfig, StatsError};

/// The error of a client that was not compiled in.
pub(crate) use std::convert::Infallible as RedisError;

pub(crate) enum RedisStats {}

/// Accepts any address: none is used.
pub(crate) fn is_address(_: &str) -> bool {
    true
}

impl RedisStats {
    pub(crate) fn new(_: &RedisConfig) -> Result<Self, StatsError> {
        Err(StatsError::Absent)
    }

    pub(crate) async fn apply(
        &self,
        _: i64,
        _: &str,
        _: &str,
        _: &[Delivery<'_, MetricsEvent>],
    ) -> Result<(), StatsError> {
        match *self {}
    }

    pub(crate) async fn prepare(&self, _: &str, _: &TopicLog) -> Result<(), StatsError> {
        match *self {}
    }

    pub(crate) async fn offsets(&self, _: &str, _: &str) -> Result<BTreeMap<i32, i64>, StatsError> {
        match *self {}
    }

    pub(crate) async fn figures(&self, _: i64) -> Result<Figures, StatsError> {
        match *self {}
    }

    pub(crate) async fn ping(&self) -> Result<(), StatsError> {
        match *self {}
    }
}
