//! Latencies by time: slots of ten seconds, and what they say about the last five minutes.

use std::ops::RangeInclusive;

use contract::{LatencyHistogram, LatencyMs, LoadFigures};

/// A kind of work whose latencies are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Fits.
    Training,
    /// Predictions.
    Inference,
}

impl Kind {
    /// The name of the kind where figures are kept.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Training => "training",
            Self::Inference => "inference",
        }
    }
}

/// The length of a slot, in milliseconds.
const SLOT_MS: i64 = 10_000;

/// The number of slots in five minutes: the one in progress and those before it, together 290 to
/// 300 s.
const SLOTS: i64 = 30;

/// The shortest time over which a rate is computed: one request two seconds ago is one a minute,
/// not thirty.
const SHORTEST_MS: i64 = 60_000;

/// The slot of a message that was published at `ms`.
pub(crate) fn slot_of(ms: i64) -> i64 {
    ms.div_euclid(SLOT_MS)
}

/// The slots of the last five minutes, and one that lies ahead: it holds messages of processes
/// whose clock is a little ahead of ours.
pub(crate) fn slots(now_ms: i64) -> RangeInclusive<i64> {
    let current = slot_of(now_ms);
    current - SLOTS + 1..=current + 1
}

/// The latencies of some period.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Latencies {
    /// How many there are.
    pub(crate) count: u64,
    /// Their sum in milliseconds.
    pub(crate) sum_ms: f64,
    /// Their distribution.
    pub(crate) histogram: LatencyHistogram,
}

impl Latencies {
    /// Adds `count` latencies with the mean `mean_ms` and the distribution `histogram`; without
    /// one, all are equal.
    pub(crate) fn record(
        &mut self,
        count: u64,
        mean_ms: f64,
        histogram: Option<&LatencyHistogram>,
    ) {
        self.count += count;
        self.sum_ms += mean_ms * count as f64;
        match histogram {
            Some(histogram) => self.histogram.merge(histogram),
            None => {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "checked events are from zero to a day"
                )]
                let nanos = (mean_ms * 1e6) as u64;
                self.histogram
                    .add(LatencyHistogram::bucket_of(nanos), count);
            }
        }
    }

    /// The figures of these latencies, if they are all those of [`slots`] and the first ever was at
    /// `first_ms`.
    pub(crate) fn figures(&self, first_ms: Option<i64>, now_ms: i64) -> LoadFigures {
        if self.count == 0 {
            return LoadFigures::default();
        }
        let oldest_ms = slots(now_ms).start() * SLOT_MS;
        let since_ms = first_ms.map_or(oldest_ms, |first| first.max(oldest_ms));
        let minutes = (now_ms - since_ms).max(SHORTEST_MS) as f64 / 60_000.0;
        LoadFigures {
            latency_ms: LatencyMs {
                avg: self.sum_ms / self.count as f64,
                p95: self.histogram.quantile(0.95) / 1e6,
            },
            per_minute: self.count as f64 / minutes,
            p50_ms: self.histogram.quantile(0.5) / 1e6,
            p99_ms: self.histogram.quantile(0.99) / 1e6,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_760_000_007_000;

    fn requests(count: u64) -> Latencies {
        let mut latencies = Latencies::default();
        latencies.record(count, 2.0, None);
        latencies
    }

    #[test]
    fn a_rate_is_over_the_time_since_the_first_request_but_no_less_than_a_minute() {
        let per_minute =
            |count, ago_ms| requests(count).figures(Some(NOW - ago_ms), NOW).per_minute;
        assert_eq!(per_minute(1, 2_000), 1.0);
        assert_eq!(per_minute(30, 59_999), 30.0);
        assert_eq!(per_minute(30, 120_000), 15.0);
        // The slots in sight began 297 s ago.
        assert_eq!(per_minute(297, 400_000), 60.0);
        assert_eq!(requests(297).figures(None, NOW).per_minute, 60.0);
    }

    #[test]
    fn the_slowest_requests_do_not_change_the_median() {
        let mut latencies = requests(98);
        latencies.record(2, 100.0, None);
        let figures = latencies.figures(None, NOW);
        let is_about = |one: f64, other: f64| (one / other - 1.0).abs() < 0.05;
        assert!(
            is_about(figures.p50_ms, 2.0) && is_about(figures.p99_ms, 100.0),
            "{figures:?}"
        );
    }

    #[test]
    fn five_minutes_are_never_more_than_five_minutes() {
        for now in NOW..NOW + 20_000 {
            let age = now - slots(now).start() * SLOT_MS;
            assert!((290_000..300_000).contains(&age), "{age}");
        }
    }
}
