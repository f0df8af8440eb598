//! The new messages of a batch, added up to one change of the figures.

use std::collections::{BTreeMap, BTreeSet};

use contract::{Delivery, InferenceBatch, LatencyHistogram, MetricsEvent};

use crate::window::{Kind, Latencies, slot_of, slots};

/// The longest latency that is counted: a day, in milliseconds.
pub const MAX_LATENCY_MS: f64 = 86_400_000.0;

/// The largest count of one event that is counted. Sums of such counts never reach 64 bits.
pub const MAX_COUNT: u64 = 1_000_000_000;

/// Why an event cannot be counted.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum Unusable {
    /// The latency is negative, over [`MAX_LATENCY_MS`], or not a number.
    #[error("latency of {0} ms is not between 0 and {MAX_LATENCY_MS}")]
    Latency(f64),
    /// The count is over [`MAX_COUNT`].
    #[error("count of {0} is over {MAX_COUNT}")]
    Count(u64),
}

/// Checks that `event` can be counted. Events may come from other programs than ours.
///
/// # Errors
/// The first figure of the event that is out of range.
pub fn check(event: &MetricsEvent) -> Result<(), Unusable> {
    match event {
        MetricsEvent::Training { latency_ms, .. } => check_latency(*latency_ms),
        MetricsEvent::Inference(batch) => {
            check_latency(batch.latency_ms)?;
            check_count(batch.count.unwrap_or(1))?;
            check_count(batch.histogram.as_ref().map_or(0, LatencyHistogram::count))?;
            batch.usage.values().copied().try_for_each(check_count)
        }
    }
}

fn check_latency(ms: f64) -> Result<(), Unusable> {
    if (0.0..=MAX_LATENCY_MS).contains(&ms) {
        return Ok(());
    }
    Err(Unusable::Latency(ms))
}

fn check_count(count: u64) -> Result<(), Unusable> {
    if count <= MAX_COUNT {
        return Ok(());
    }
    Err(Unusable::Count(count))
}

/// One change of the figures.
#[derive(Debug, Default)]
pub(crate) struct Delta<'a> {
    /// Latencies by kind and slot.
    pub(crate) latencies: BTreeMap<(Kind, i64), Latencies>,
    /// The time at which the first message of each kind was published, in milliseconds since 1970.
    pub(crate) first_ms: BTreeMap<Kind, i64>,
    /// The series that were trained.
    pub(crate) trained: BTreeSet<&'a str>,
    /// The number of predictions by series.
    pub(crate) usage: BTreeMap<&'a str, u64>,
    /// The offsets after this change: the next one by partition. Empty when nothing is new.
    pub(crate) next_offsets: BTreeMap<i32, i64>,
}

impl<'a> Delta<'a> {
    /// Adds up the messages of `batch` that are not below the `stored` offsets, each once.
    pub(crate) fn of(
        batch: &[Delivery<'a, MetricsEvent>],
        stored: &BTreeMap<i32, i64>,
        now_ms: i64,
    ) -> Self {
        let mut in_order: Vec<_> = batch.iter().collect();
        in_order.sort_by_key(|delivery| (delivery.partition, delivery.offset));
        let mut delta = Self::default();
        for delivery in in_order {
            let next = delta
                .next_offsets
                .get(&delivery.partition)
                .or_else(|| stored.get(&delivery.partition));
            if next.is_some_and(|next| delivery.offset < *next) {
                continue;
            }
            delta
                .next_offsets
                .insert(delivery.partition, delivery.offset + 1);
            if let Some(event) = delivery.event.filter(|event| check(event).is_ok()) {
                delta.add(event, delivery.timestamp_ms.min(now_ms), now_ms);
            }
        }
        delta
    }

    fn add(&mut self, event: &'a MetricsEvent, at_ms: i64, now_ms: i64) {
        match event {
            MetricsEvent::Training {
                series_id,
                latency_ms,
            } => {
                self.trained.insert(series_id.as_str());
                let batch = InferenceBatch {
                    latency_ms: *latency_ms,
                    ..InferenceBatch::default()
                };
                self.add_latencies(Kind::Training, &batch, at_ms, now_ms);
            }
            MetricsEvent::Inference(batch) => {
                for (series_id, count) in &batch.usage {
                    *self.usage.entry(series_id.as_str()).or_default() += count;
                }
                self.add_latencies(Kind::Inference, batch, at_ms, now_ms);
            }
        }
    }

    fn add_latencies(&mut self, kind: Kind, batch: &InferenceBatch, at_ms: i64, now_ms: i64) {
        let count = batch.count.unwrap_or(1);
        if count == 0 {
            return;
        }
        let first_ms = self.first_ms.entry(kind).or_insert(at_ms);
        *first_ms = at_ms.min(*first_ms);
        let slot = slot_of(at_ms);
        // An older message, read after a long stop, has no slot that anybody would still ask for.
        if slots(now_ms).contains(&slot) {
            self.latencies.entry((kind, slot)).or_default().record(
                count,
                batch.latency_ms,
                batch.histogram.as_ref(),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(json: &str) -> MetricsEvent {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn what_would_spoil_the_figures_is_refused() {
        for json in [
            r#"{"type":"inference","latency_ms":-0.001}"#,
            r#"{"type":"inference","latency_ms":86400000.1}"#,
            r#"{"type":"training","series_id":"s","latency_ms":-1}"#,
            r#"{"type":"inference","latency_ms":1,"count":1000000001}"#,
            r#"{"type":"inference","latency_ms":1,"histogram":[[5,18446744073709551615],[6,9]]}"#,
            r#"{"type":"inference","latency_ms":1,"usage":{"s":18446744073709551615}}"#,
        ] {
            assert!(check(&event(json)).is_err(), "{json}");
        }
        for latency_ms in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let batch = InferenceBatch {
                latency_ms,
                ..InferenceBatch::default()
            };
            assert!(check(&MetricsEvent::Inference(batch)).is_err());
        }
        for json in [
            r#"{"type":"inference","latency_ms":0}"#,
            r#"{"type":"training","series_id":"s","latency_ms":86400000}"#,
            r#"{"type":"inference","latency_ms":1,"count":1000000000,"usage":{"s":0}}"#,
        ] {
            assert_eq!(check(&event(json)), Ok(()), "{json}");
        }
    }

    #[test]
    fn each_message_above_the_offset_is_added_once_in_whatever_order_it_comes() {
        let one = event(r#"{"type":"inference","latency_ms":1}"#);
        let batch: Vec<_> = [(0, 7), (1, 3), (0, 5), (0, 6), (0, 6), (0, 4), (1, 2)]
            .into_iter()
            .map(|(partition, offset)| Delivery {
                partition,
                offset,
                timestamp_ms: 0,
                event: Some(&one),
            })
            .collect();
        let delta = Delta::of(&batch, &[(0, 5)].into(), 0);
        assert_eq!(delta.latencies[&(Kind::Inference, 0)].count, 5);
        assert_eq!(delta.next_offsets, [(0, 8), (1, 4)].into());
    }
}
