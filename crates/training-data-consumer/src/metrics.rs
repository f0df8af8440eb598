//! The Prometheus metrics of the consumer.

use std::sync::LazyLock;

use prometheus::{IntCounter, IntGauge, register_int_counter, register_int_gauge};

pub(crate) static ROWS_STORED: LazyLock<IntCounter> = LazyLock::new(|| {
    counter(
        "anomaly_training_data_consumer_points_stored_total",
        "Training points that were new to the store.",
    )
});
pub(crate) static BATCHES: LazyLock<IntCounter> = LazyLock::new(|| {
    counter(
        "anomaly_training_data_consumer_batches_total",
        "Batches of messages that were handled.",
    )
});
pub(crate) static DEAD_LETTERS: LazyLock<IntCounter> = LazyLock::new(|| {
    counter(
        "anomaly_training_data_consumer_dead_letters_total",
        "Messages that could not be used and were kept as dead letters.",
    )
});
pub(crate) static DEAD_LETTERS_LOST: LazyLock<IntCounter> = LazyLock::new(|| {
    counter(
        "anomaly_training_data_consumer_dead_letters_lost_total",
        "Messages that could not be used, and not be kept as dead letters either.",
    )
});
pub(crate) static CUT_LOGS: LazyLock<IntGauge> = LazyLock::new(|| {
    register_int_gauge!(
        "anomaly_training_data_consumer_cut_logs",
        "Topics that end before the offsets of their group: a part of the log is gone."
    )
    .expect("the name is valid and used once")
});
pub(crate) static RETRIES: LazyLock<IntCounter> = LazyLock::new(|| {
    counter(
        "anomaly_training_data_consumer_retries_total",
        "Attempts that failed and were made again.",
    )
});
pub(crate) static LAG: LazyLock<IntGauge> = LazyLock::new(|| {
    register_int_gauge!(
        "anomaly_training_data_consumer_lag_messages",
        "Messages of the assigned partitions that were published and not yet handled."
    )
    .expect("the name is valid and used once")
});

fn counter(name: &str, help: &str) -> IntCounter {
    register_int_counter!(name, help).expect("the name is valid and used once")
}

/// Registers every metric, so that it is visible before it first changes.
pub(crate) fn register() {
    for counter in [
        &ROWS_STORED,
        &BATCHES,
        &DEAD_LETTERS,
        &DEAD_LETTERS_LOST,
        &RETRIES,
    ] {
        LazyLock::force(counter);
    }
    LazyLock::force(&LAG);
    LazyLock::force(&CUT_LOGS);
}
