//! The Prometheus metrics of the metrics consumer.

use std::sync::LazyLock;

use prometheus::{IntCounter, IntGauge, register_int_counter, register_int_gauge};

pub(crate) static APPLIED: LazyLock<IntCounter> = LazyLock::new(|| {
    register_int_counter!(
        "anomaly_metrics_consumer_events_applied_total",
        "Events counted into the figures."
    )
    .expect("registered once")
});

pub(crate) static DEAD_LETTERS: LazyLock<IntCounter> = LazyLock::new(|| {
    register_int_counter!(
        "anomaly_metrics_consumer_dead_letters_total",
        "Messages that could not be used and were kept as dead letters."
    )
    .expect("registered once")
});

pub(crate) static DEAD_LETTERS_LOST: LazyLock<IntCounter> = LazyLock::new(|| {
    register_int_counter!(
        "anomaly_metrics_consumer_dead_letters_lost_total",
        "Messages that could not be used, and not be kept as dead letters either."
    )
    .expect("registered once")
});

pub(crate) static CUT_LOGS: LazyLock<IntGauge> = LazyLock::new(|| {
    register_int_gauge!(
        "anomaly_metrics_consumer_cut_logs",
        "Topics that end before the offsets of their group: a part of the log is gone."
    )
    .expect("registered once")
});

pub(crate) static RETRIES: LazyLock<IntCounter> = LazyLock::new(|| {
    register_int_counter!(
        "anomaly_metrics_consumer_retries_total",
        "Attempts that failed and were made again."
    )
    .expect("registered once")
});

pub(crate) static LAG: LazyLock<IntGauge> = LazyLock::new(|| {
    register_int_gauge!(
        "anomaly_metrics_consumer_lag_messages",
        "Messages of the assigned partitions that were published and not yet handled."
    )
    .expect("registered once")
});

/// Registers every metric, so that it is visible before it first changes.
pub(crate) fn register() {
    for counter in [&APPLIED, &DEAD_LETTERS, &DEAD_LETTERS_LOST, &RETRIES] {
        LazyLock::force(counter);
    }
    LazyLock::force(&LAG);
    LazyLock::force(&CUT_LOGS);
}
