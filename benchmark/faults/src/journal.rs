//! What the clients of one run asked for, and what was acknowledged.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use contract::Version;
use serde_json::Value;

/// How long the gateway lets a predictor take before it asks another.
const SECOND_ASKED_AFTER: Duration = Duration::from_millis(400);

/// What clients asked for in one run, and what they were told.
#[derive(Default)]
pub(crate) struct Journal {
    /// Fits that were acknowledged.
    pub(crate) fits: Vec<Fit>,
    /// Series and number of points of the fits that were not: they may have happened or not.
    pub(crate) open_fits: BTreeSet<(String, usize)>,
    /// When each prediction was answered.
    pub(crate) answered: Vec<Instant>,
    /// Predictions without an answer: they may have been counted or not.
    pub(crate) unanswered: usize,
    /// The verdicts of the points of each stream, in order.
    pub(crate) streams: BTreeMap<String, Vec<Value>>,
    /// Changes of the registry.
    pub(crate) registry: Registry,
    /// Every fit and prediction, as readiness is compared with them.
    pub(crate) calls: Vec<Call>,
    /// Replies that no platform may give.
    pub(crate) wrong: Vec<String>,
}

impl Journal {
    /// Predictions that took so long that the gateway may have asked a second predictor. A busy
    /// machine is enough for that.
    pub(crate) fn slow_predictions(&self) -> usize {
        let is_slow = |call: &&Call| {
            call.kind == Kind::Predict && call.ended - call.started >= SECOND_ASKED_AFTER
        };
        self.calls.iter().filter(is_slow).count()
    }
}

/// An acknowledged fit. No two fits of a run have the same number of points.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Fit {
    pub(crate) series: String,
    pub(crate) version: Version,
    pub(crate) points: usize,
}

/// What is known of the series that one client promotes and deletes versions of.
#[derive(Default)]
pub(crate) struct Registry {
    /// What `champion` may name: the last acknowledged version first, then those whose promotion
    /// was not acknowledged since.
    pub(crate) champion: Vec<Version>,
    /// Promotions that were acknowledged.
    pub(crate) promotions: usize,
    /// Versions whose deletion was acknowledged.
    pub(crate) deleted: BTreeSet<Version>,
    /// Versions whose deletion was asked for.
    pub(crate) doomed: BTreeSet<Version>,
}

/// A kind of request, by what it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It needs the store and the log of events.
    Fit,
    /// It needs a predictor.
    Predict,
}

/// A request and its outcome.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    pub(crate) kind: Kind,
    pub(crate) started: Instant,
    pub(crate) ended: Instant,
    pub(crate) end: End,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It did what it was to do.
    Worked,
    /// It was refused for want of space. A platform may say so and call itself ready, or not ready.
    NoSpace,
    /// Anything else.
    Failed,
}
