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
        "anomaly_metrics_consumer_events_buried_total",
        "Messages that could not be used and went to the dead letters."
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

pub(crate) static STATS_ERRORS: LazyLock<IntCounter> = LazyLock::new(|| {
    register_int_counter!(
        "anomaly_metrics_consumer_redis_errors_total",
        "Batches that could not be written, each try counted; they are tried again until they are."
    )
    .expect("registered once")
});

pub(crate) static LAG: LazyLock<IntGauge> = LazyLock::new(|| {
    register_int_gauge!(
        "anomaly_metrics_consumer_lag_messages",
        "Messages of the assigned partitions that are not counted yet."
    )
    .expect("registered once")
});

/// Registers every metric, so that it is visible before it first changes.
pub(crate) fn register() {
    for counter in [&APPLIED, &DEAD_LETTERS, &DEAD_LETTERS_LOST, &STATS_ERRORS] {
        LazyLock::force(counter);
    }
    LazyLock::force(&LAG);
    LazyLock::force(&CUT_LOGS);
}
