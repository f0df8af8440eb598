//! What the metrics of all services have in common: bounds of durations, and names that are going.

/// The upper bounds of the buckets that durations are counted in, in seconds: from 10 µs, since most
/// predictions are answered from memory, to a minute, since a fit on a million points takes seconds.
pub const DURATION_BOUNDS: [f64; 20] = [
    1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 0.2, 0.5, 1.0,
    2.0, 5.0, 10.0, 60.0,
];

/// Metrics that have another name now, each with that. `/metrics` shows both in version 0.1.0; the
/// former names go with the next one.
pub const RENAMED_METRICS: [(&str, &str); 6] = [
    (
        "anomaly_gateway_request_seconds",
        "anomaly_gateway_request_duration_seconds",
    ),
    (
        "anomaly_training_data_consumer_lag",
        "anomaly_training_data_consumer_lag_messages",
    ),
    (
        "anomaly_observer_lag_records",
        "anomaly_observer_lag_messages",
    ),
    (
        "anomaly_metrics_consumer_events_buried_total",
        "anomaly_metrics_consumer_dead_letters_total",
    ),
    (
        "anomaly_metrics_consumer_redis_errors_total",
        "anomaly_metrics_consumer_retries_total",
    ),
    (
        "anomaly_observer_session_cache_misses_total",
        "anomaly_observer_cache_misses_total",
    ),
];
