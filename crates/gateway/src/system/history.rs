//! The last hour, a sample a minute.

use std::{collections::VecDeque, time::Duration};

use contract::SystemHistory;

use crate::metrics::{Buckets, request_buckets};

/// The time between two samples.
pub(super) const STEP: Duration = Duration::from_secs(60);

/// The samples of an hour.
const SAMPLES: usize = 60;

/// The samples that latencies are about.
const RECENT: usize = 5;

/// The platform at one moment. `None`: not known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sample {
    /// When, in seconds since 1970.
    pub(super) at: i64,
    /// Predictions a minute.
    pub(super) predictions: Option<f64>,
    /// The median latency of predictions, in milliseconds.
    pub(super) p50_ms: Option<f64>,
    /// The 99th percentile.
    pub(super) p99_ms: Option<f64>,
    /// Messages that wait for the observers.
    pub(super) lag: Option<u64>,
    /// The memory of all services, in bytes.
    pub(super) memory: Option<u64>,
}

/// The samples of the last hour, and the latencies of the last minutes.
#[derive(Default)]
pub(crate) struct History {
    samples: VecDeque<Sample>,
    /// The requests so far at the last samples, by latency.
    buckets: VecDeque<Buckets>,
}

impl History {
    pub(super) fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// Adds a sample, with the requests so far.
    pub(super) fn add(&mut self, sample: Sample) {
        self.add_with(sample, request_buckets());
    }

    fn add_with(&mut self, sample: Sample, buckets: Buckets) {
        self.samples.push_back(sample);
        self.buckets.push_back(buckets);
        let excess = self.samples.len().saturating_sub(SAMPLES);
        self.samples.drain(..excess);
        let excess = self.buckets.len().saturating_sub(RECENT);
        self.buckets.drain(..excess);
    }

    /// The requests five minutes ago, by latency; `None` as long as there were none.
    pub(super) fn buckets_before(&self) -> Option<&Buckets> {
        self.buckets
            .front()
            .filter(|_| self.buckets.len() == RECENT)
    }

    /// The samples, column by column.
    pub(super) fn columns(&self) -> SystemHistory {
        let samples = || self.samples.iter();
        SystemHistory {
            from: samples().next().map_or(0, |first| first.at),
            step: STEP.as_secs().cast_signed(),
            predictions: samples().map(|sample| sample.predictions).collect(),
            p50_ms: samples().map(|sample| sample.p50_ms).collect(),
            p99_ms: samples().map(|sample| sample.p99_ms).collect(),
            lag: samples().map(|sample| sample.lag).collect(),
            memory: samples().map(|sample| sample.memory).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_is_kept_and_no_more() {
        let mut history = History::default();
        assert_eq!((history.columns().from, history.columns().step), (0, 60));
        assert!(history.is_empty() && history.buckets_before().is_none());
        for minute in 0..100 {
            let sample = Sample {
                at: 60 * minute,
                predictions: Some(minute as f64),
                p50_ms: None,
                p99_ms: None,
                lag: None,
                memory: None,
            };
            history.add_with(sample, vec![minute.cast_unsigned()]);
        }
        let columns = history.columns();
        assert_eq!((columns.from, columns.predictions.len()), (60 * 40, 60));
        assert_eq!(columns.predictions.last(), Some(&Some(99.0)));
        assert_eq!(columns.memory, [None; 60]);
        assert_eq!(history.buckets_before(), Some(&vec![95]));
    }
}
