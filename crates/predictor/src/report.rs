//! Reports every 100 ms what was scored: to the platform as metrics events, and to Prometheus.
//!
//! An event that the bus cannot take is dropped and counted. No request waits for any of this.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bus::Bus;
use contract::{InferenceBatch, LatencyHistogram, MetricsEvent, SeriesId};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::{
    metrics,
    models::Models,
    recorder::{Recorder, Total},
};

/// How often the counts are reported.
const REPORT_EVERY: Duration = Duration::from_millis(100);

/// The most series in one event.
const MAX_SERIES: usize = 5_000;

/// The most bytes that the names and counts of series take in one event, which so stays under 900
/// KB.
const MAX_USAGE_BYTES: usize = 800_000;

/// Reports what a [`Recorder`] has counted.
pub(crate) struct Reporter {
    recorder: Arc<Recorder>,
    models: Models,
    bus: Bus,
    /// The number of events that the bus had dropped at the last report.
    dropped: u64,
}

impl Reporter {
    /// Reports what `recorder` counts to `bus`.
    pub(crate) fn new(recorder: Arc<Recorder>, models: Models, bus: Bus) -> Self {
        let dropped = bus.dropped();
        Self {
            recorder,
            models,
            bus,
            dropped,
        }
    }

    /// Reports until `stop` is cancelled, and then what is left.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut reports = interval(REPORT_EVERY);
        reports.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = reports.tick() => self.report(),
            }
        }
        self.report();
    }

    fn report(&mut self) {
        let total = self.recorder.take();
        metrics::PREDICTIONS.inc_by(total.count);
        metrics::ANOMALIES.inc_by(total.anomalies);
        metrics::CACHE_HITS.inc_by(total.hits);
        metrics::MODELS_HELD.set(i64::try_from(self.models.len()).unwrap_or(i64::MAX));
        for event in into_events(total) {
            self.bus.try_publish(&event, None);
        }
        let dropped = self.bus.dropped();
        metrics::EVENTS_DROPPED.inc_by(dropped.saturating_sub(self.dropped));
        self.dropped = dropped;
    }
}

/// `total` as events that are each complete: as many latencies as predictions, and at least as many
/// predictions as it counts by series. Which latencies are in which event has no meaning.
fn into_events(total: Total) -> Vec<MetricsEvent> {
    if total.count == 0 {
        return Vec::new();
    }
    let latency_ms = total.nanos as f64 / total.count as f64 / 1e6;
    let mut unnamed = total.count - total.usage.values().sum::<u64>().min(total.count);
    let mut latencies: Vec<(u16, u64)> = total.histogram.buckets().collect();
    let usages = in_parts(total.usage).into_iter();
    usages
        .map(|usage| {
            let count = usage.values().sum::<u64>() + std::mem::take(&mut unnamed);
            MetricsEvent::Inference(InferenceBatch {
                latency_ms,
                count: Some(count),
                histogram: Some(deal(&mut latencies, count)),
                usage,
            })
        })
        .collect()
}

/// Cuts `usage` so that each part, at least one, fits an event.
fn in_parts(usage: BTreeMap<SeriesId, u64>) -> Vec<BTreeMap<SeriesId, u64>> {
    let mut parts = Vec::new();
    let mut part = BTreeMap::new();
    let mut bytes = 0;
    for (series, used) in usage {
        // At worst every byte is escaped; quotes, colon, comma and 20 digits are added.
        let size = series.as_str().len() * 2 + 24;
        if part.len() == MAX_SERIES || bytes + size > MAX_USAGE_BYTES {
            parts.push(std::mem::take(&mut part));
            bytes = 0;
        }
        bytes += size;
        part.insert(series, used);
    }
    parts.push(part);
    parts
}

/// Takes `count` latencies off the end of `latencies`.
fn deal(latencies: &mut Vec<(u16, u64)>, mut count: u64) -> LatencyHistogram {
    let mut dealt = LatencyHistogram::default();
    while count > 0
        && let Some((bucket, left)) = latencies.last_mut()
    {
        let taken = count.min(*left);
        dealt.add(*bucket, taken);
        count -= taken;
        *left -= taken;
        if *left == 0 {
            latencies.pop();
        }
    }
    dealt
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batches(total: Total) -> Vec<InferenceBatch> {
        let batch = |event| match event {
            MetricsEvent::Inference(batch) => batch,
            MetricsEvent::Training { .. } => panic!("nothing was fitted"),
        };
        into_events(total).into_iter().map(batch).collect()
    }

    /// Two points of each of `series`, and `unnamed` more.
    fn total(series: impl IntoIterator<Item = String>, unnamed: u64) -> Total {
        let usage: BTreeMap<SeriesId, u64> = series
            .into_iter()
            .map(|id| (SeriesId::new(&id).unwrap(), 2))
            .collect();
        let mut total = Total {
            count: usage.len() as u64 * 2 + unnamed,
            usage,
            ..Total::default()
        };
        for i in 0..total.count {
            let nanos = (i % 997 + 1) * 1_000;
            total.nanos += nanos;
            total.histogram.record(nanos);
        }
        total
    }

    #[test]
    fn nothing_judged_is_no_event() {
        assert_eq!(into_events(Total::default()), []);
    }

    #[test]
    fn a_hundred_milliseconds_of_points_are_one_event() {
        let mut total = total(["a".to_owned(), "b".to_owned()], 0);
        total.nanos = 8_000_000;
        let [batch] = batches(total).try_into().unwrap();
        assert_eq!((batch.latency_ms, batch.count), (2.0, Some(4)));
        assert_eq!(batch.histogram.unwrap().count(), 4);
        assert_eq!(batch.usage.into_values().collect::<Vec<_>>(), [2, 2]);
    }

    #[test]
    fn many_series_make_several_events_that_merge_into_the_whole() {
        let whole = total((0..12_000).map(|i| format!("s{i}")), 7);
        let (count, nanos) = (whole.count, whole.nanos as f64);
        let (histogram, usage) = (whole.histogram.clone(), whole.usage.clone());
        let parts = batches(whole);
        assert_eq!(parts.len(), 3);
        let mut merged = (0, 0.0, LatencyHistogram::default(), BTreeMap::new());
        for part in parts {
            let (n, latencies) = (part.count.unwrap(), part.histogram.unwrap());
            assert_eq!(latencies.count(), n);
            assert!(part.usage.values().sum::<u64>() <= n && part.usage.len() <= MAX_SERIES);
            merged.0 += n;
            merged.1 += n as f64 * part.latency_ms * 1e6;
            merged.2.merge(&latencies);
            merged.3.extend(part.usage);
        }
        assert_eq!((merged.0, merged.2, merged.3), (count, histogram, usage));
        assert!((merged.1 / nanos - 1.0).abs() < 1e-9);
    }

    #[test]
    fn an_event_of_the_longest_names_stays_under_900_kilobytes() {
        let escaped = "\"".repeat(SeriesId::MAX_BYTES - 5);
        let mut whole = total((0..5_000).map(|i| format!("{escaped}{i:05}")), 0);
        whole
            .usage
            .values_mut()
            .for_each(|used| *used = u64::MAX / 10_000);
        whole.count = whole.usage.values().sum();
        let events = into_events(whole);
        assert!(events.len() > 1);
        for event in events {
            let bytes = serde_json::to_vec(&event).unwrap().len();
            assert!(bytes < 900_000, "{bytes}");
        }
    }
}
