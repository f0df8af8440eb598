//! Stands in for `redis` in a program that is built without it, as standalone is, so that its first build takes less. No
//! `RedisStats` can be made here, so none is ever asked.

use std::collections::BTreeMap;

use contract::Figures;

use crate::{Delivery, RedisConfig, StatsError};

/// The error of a client that is not there.
pub(crate) use std::convert::Infallible as RedisError;

pub(crate) enum RedisStats {}

/// Nothing is refused that nobody uses.
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
        _: &[Delivery<'_>],
    ) -> Result<(), StatsError> {
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
