//! The Prometheus metrics of the predictor. Counts of requests come from the recorder, every 100
//! ms, not from each request.

use std::sync::LazyLock;

use contract::DURATION_BOUNDS;
use prometheus::{
    Histogram, IntCounter, IntGauge, register_histogram, register_int_counter, register_int_gauge,
};

pub(crate) static PREDICTIONS: LazyLock<IntCounter> = LazyLock::new(|| {
    counter(
        "anomaly_predictor_predictions_total",
        "Points that were judged.",
    )
});
pub(crate) static ANOMALIES: LazyLock<IntCounter> = LazyLock::new(|| {
    counter(
        "anomaly_predictor_anomalies_total",
        "Points that were judged to be anomalies.",
    )
});
pub(crate) static CACHE_HITS: LazyLock<IntCounter> = LazyLock::new(|| {
    counter(
        "anomaly_predictor_cache_hits_total",
        "Points that were judged by a model already in memory.",
    )
});
pub(crate) static CACHE_MISSES: LazyLock<IntCounter> = LazyLock::new(|| {
    counter(
        "anomaly_predictor_cache_misses_total",
        "Requests for a model that was not in memory, or not new enough there.",
    )
});
pub(crate) static MODEL_LOADS: LazyLock<IntCounter> = LazyLock::new(|| {
    counter(
        "anomaly_predictor_model_loads_total",
        "Models asked of the store.",
    )
});
pub(crate) static MODEL_LOAD_ERRORS: LazyLock<IntCounter> = LazyLock::new(|| {
    counter(
        "anomaly_predictor_model_load_errors_total",
        "Models that the store could not give.",
    )
});
pub(crate) static EVENTS_DROPPED: LazyLock<IntCounter> = LazyLock::new(|| {
    counter(
        "anomaly_predictor_events_dropped_total",
        "Metrics events that could not be sent and were dropped.",
    )
});
pub(crate) static DETECTIONS: LazyLock<IntCounter> = LazyLock::new(|| {
    counter(
        "anomaly_predictor_detections_total",
        "Series that were fitted and judged in one call.",
    )
});
pub(crate) static DETECTION_POINTS: LazyLock<IntCounter> = LazyLock::new(|| {
    counter(
        "anomaly_predictor_detection_points_total",
        "Points that were judged in such calls, also in those whose client left.",
    )
});
pub(crate) static MODEL_BYTES: LazyLock<IntGauge> = LazyLock::new(|| {
    register_int_gauge!(
        "anomaly_predictor_model_bytes",
        "What models take in memory, in bytes."
    )
    .expect("the name is valid and used once")
});
pub(crate) static MODELS_HELD: LazyLock<IntGauge> = LazyLock::new(|| {
    register_int_gauge!("anomaly_predictor_models_held", "Models in memory.")
        .expect("the name is valid and used once")
});
pub(crate) static REQUEST_DURATION: LazyLock<Histogram> = LazyLock::new(|| {
    histogram(
        "anomaly_predictor_request_duration_seconds",
        "From the head of a predict request to its reply, for points that were judged.",
    )
});
pub(crate) static BATCH_DURATION: LazyLock<Histogram> = LazyLock::new(|| {
    histogram(
        "anomaly_predictor_batch_duration_seconds",
        "From the head of a batch to the end of its work, without waiting for the client.",
    )
});
pub(crate) static DETECTION_DURATION: LazyLock<Histogram> = LazyLock::new(|| {
    histogram(
        "anomaly_predictor_detection_duration_seconds",
        "From the body of a detection to the end of its work, without waiting for the client.",
    )
});

fn histogram(name: &str, help: &str) -> Histogram {
    register_histogram!(name, help, DURATION_BOUNDS.to_vec())
        .expect("the name is valid and used once")
}

fn counter(name: &str, help: &str) -> IntCounter {
    register_int_counter!(name, help).expect("the name is valid and used once")
}

/// Makes every metric visible, with zeros, before the first request.
pub(crate) fn register() {
    let counters = [
        &PREDICTIONS,
        &ANOMALIES,
        &CACHE_HITS,
        &CACHE_MISSES,
        &MODEL_LOADS,
        &MODEL_LOAD_ERRORS,
        &EVENTS_DROPPED,
        &DETECTIONS,
        &DETECTION_POINTS,
    ];
    for counter in counters {
        LazyLock::force(counter);
    }
    for gauge in [&MODELS_HELD, &MODEL_BYTES] {
        LazyLock::force(gauge);
    }
    for histogram in [&REQUEST_DURATION, &BATCH_DURATION, &DETECTION_DURATION] {
        LazyLock::force(histogram);
    }
}
