//! The Prometheus metrics of the observer. No series id is ever a label.

use std::sync::LazyLock;

use contract::{AnomalyEventKind, AnomalyKind, DURATION_BOUNDS, PointStatus, Severity};
use prometheus::{
    Histogram, IntCounter, IntCounterVec, IntGauge, register_histogram, register_int_counter,
    register_int_counter_vec, register_int_gauge,
};
use stream::Finding;

macro_rules! counters {
    ($($name:ident = $metric:literal, $help:literal;)+) => {$(
        pub(crate) static $name: LazyLock<IntCounter> = LazyLock::new(|| {
            register_int_counter!($metric, $help).expect("the name is valid and used once")
        });
    )+};
}

macro_rules! gauges {
    ($($name:ident = $metric:literal, $help:literal;)+) => {$(
        pub(crate) static $name: LazyLock<IntGauge> = LazyLock::new(|| {
            register_int_gauge!($metric, $help).expect("the name is valid and used once")
        });
    )+};
}

counters! {
    PANICS = "anomaly_observer_panics_total", "Records whose judging panicked; their streams began anew.";
    DAMAGED = "anomaly_observer_damaged_streams_total", "Stored streams that could not be read and began anew.";
    RECORDS_LOST = "anomaly_observer_records_lost_total", "Records that the log no longer had when they were to be judged.";
    PASSED_ON = "anomaly_observer_records_passed_on_total", "Records that lay in another partition than their series.";
    DEAD_LETTERS = "anomaly_observer_dead_letters_total", "Records that could not be judged.";
    SESSION_MISSES = "anomaly_observer_cache_misses_total", "Streams that were loaded or begun because they were not in memory.";
    REFUSED_STREAMS = "anomaly_observer_streams_refused_total", "Times that a stream could not begin because there are as many as may be.";
    COMMITS = "anomaly_observer_commits_total", "Transactions that stored effects and states.";
    CHECKPOINT_BYTES = "anomaly_observer_checkpoint_bytes_total", "Bytes of states that were stored.";
    POINTS_NOT_KEPT = "anomaly_observer_points_not_kept_total", "Points that people cannot look at, because the database did not take them in time.";
    LOST = "anomaly_observer_partitions_lost_total", "Times that another observer had judged a partition meanwhile.";
}

gauges! {
    LAG = "anomaly_observer_lag_messages", "Messages of the assigned partitions that were published and not yet handled.";
    PARTITIONS = "anomaly_observer_partitions", "Partitions that this observer judges.";
    SESSION_BYTES = "anomaly_observer_session_bytes", "Memory of the streams, in bytes.";
    STREAMS = "anomaly_observer_streams", "Streams that there are, as counted last.";
}

static POINTS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!(
        "anomaly_observer_points_total",
        "Points by what became of them.",
        &["status"]
    )
    .expect("the name is valid and used once")
});

static SAMPLES: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!(
        "anomaly_observer_remote_write_samples_total",
        "Samples of remote write by what became of them.",
        &["result"]
    )
    .expect("the name is valid and used once")
});

static ANOMALIES: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!(
        "anomaly_observer_anomalies_total",
        "Anomalies that were opened, by kind and severity.",
        &["kind", "severity"]
    )
    .expect("the name is valid and used once")
});

pub(crate) static COMMIT_DURATION: LazyLock<Histogram> = LazyLock::new(|| {
    register_histogram!(
        "anomaly_observer_commit_duration_seconds",
        "Storing effects and states.",
        DURATION_BOUNDS.to_vec()
    )
    .expect("the name is valid and used once")
});

/// The counter of each status, since a look-up for every point would cost as much as judging it.
static BY_STATUS: LazyLock<Vec<IntCounter>> = LazyLock::new(|| {
    let all = PointStatus::ALL.iter();
    all.map(|status| POINTS.with_label_values(&[status.as_str()]))
        .collect()
});

/// Counts a point.
pub(crate) fn count(status: PointStatus) {
    let at = PointStatus::ALL.iter().position(|known| *known == status);
    if let Some(counter) = at.and_then(|at| BY_STATUS.get(at)) {
        counter.inc();
    }
}

/// The points so far.
pub(crate) fn points() -> u64 {
    BY_STATUS.iter().map(IntCounter::get).sum()
}

/// The sample is in the log.
const TAKEN: &str = "taken";
/// The sample says that its series has no more.
const STALE: &str = "stale";
/// The sample is not finite.
const SKIPPED: &str = "skipped";

/// Counts samples of remote write.
pub(crate) fn count_samples(taken: u64, stale: u64, skipped: u64) {
    for (result, count) in [(TAKEN, taken), (STALE, stale), (SKIPPED, skipped)] {
        SAMPLES.with_label_values(&[result]).inc_by(count);
    }
}

/// Counts an anomaly that was opened.
pub(crate) fn found(finding: &Finding) {
    if finding.event == Some(AnomalyEventKind::Opened) {
        let anomaly = &finding.anomaly;
        let labels = [anomaly.kind.as_str(), anomaly.severity.as_str()];
        ANOMALIES.with_label_values(&labels).inc();
    }
}

/// Makes the metrics known before anything happens.
pub(crate) fn register() {
    count_samples(0, 0, 0);
    LazyLock::force(&BY_STATUS);
    for (kind, severity) in AnomalyKind::ALL
        .iter()
        .flat_map(|kind| Severity::ALL.iter().map(move |severity| (kind, severity)))
    {
        ANOMALIES.with_label_values(&[kind.as_str(), severity.as_str()]);
    }
    LazyLock::force(&COMMIT_DURATION);
    let counters = [
        &PANICS,
        &DAMAGED,
        &RECORDS_LOST,
        &PASSED_ON,
        &DEAD_LETTERS,
        &SESSION_MISSES,
        &REFUSED_STREAMS,
        &COMMITS,
        &CHECKPOINT_BYTES,
        &LOST,
        &POINTS_NOT_KEPT,
    ];
    counters.iter().for_each(|counter| {
        LazyLock::force(counter);
    });
    for gauge in [&LAG, &PARTITIONS, &SESSION_BYTES, &STREAMS] {
        LazyLock::force(gauge);
    }
}
