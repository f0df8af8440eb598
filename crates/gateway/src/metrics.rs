//! The gateway's metrics for Prometheus.

use std::{
    sync::LazyLock,
    time::{Duration, Instant},
};

use contract::{DURATION_BOUNDS, ENDPOINTS, Endpoint, ProblemCode};
use http::StatusCode;
use prometheus::{
    Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, core::Collector,
    register_histogram_vec, register_int_counter, register_int_counter_vec, register_int_gauge_vec,
};

/// The label of requests whose path or method does not exist.
const OTHER: &str = "other";

/// By the first digit of the status.
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

static REQUESTS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!(
        "anomaly_gateway_requests_total",
        "Requests answered, by route and class of status.",
        &["route", "status"]
    )
    .expect("registered once")
});

/// The number of requests so far that took no longer than each of [`DURATION_BOUNDS`], and of all.
pub(crate) type Buckets = Vec<u64>;

static SECONDS: LazyLock<HistogramVec> = LazyLock::new(|| {
    register_histogram_vec!(
        "anomaly_gateway_request_duration_seconds",
        "Time from the head of a request to the head of its reply, by route.",
        &["route"],
        DURATION_BOUNDS.to_vec()
    )
    .expect("registered once")
});

static IN_FLIGHT: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    register_int_gauge_vec!(
        "anomaly_gateway_in_flight",
        "Requests being answered, by route.",
        &["route"]
    )
    .expect("registered once")
});

static SHED: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!(
        "anomaly_gateway_shed_total",
        "Requests refused because too many were in flight, by route.",
        &["route"]
    )
    .expect("registered once")
});

/// The counters of calls to services.
static UPSTREAM: LazyLock<http_client::Metrics> = LazyLock::new(|| http_client::Metrics {
    connects: counter(
        "anomaly_gateway_upstream_connects_total",
        "Connections to services that were tried.",
    ),
    connect_errors: counter(
        "anomaly_gateway_upstream_connect_errors_total",
        "Connections to services that came to nothing.",
    ),
    retries: counter(
        "anomaly_gateway_upstream_retries_total",
        "Calls repeated because a used connection had ended.",
    ),
    misses: counter(
        "anomaly_gateway_upstream_misses_total",
        "Calls asked again on another connection because the service had to wait for the answer.",
    ),
});

fn counter(name: &str, help: &str) -> IntCounter {
    register_int_counter!(name, help).expect("registered once")
}

/// The counters for calls to services.
pub(crate) fn of_upstreams() -> http_client::Metrics {
    UPSTREAM.clone()
}

/// Calls without a reply, by kind of failure.
pub(crate) static FAILURES: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!(
        "anomaly_gateway_upstream_failures_total",
        "Calls to services that got no reply, by the code that the client was given.",
        &["code"]
    )
    .expect("registered once")
});

/// The codes of [`FAILURES`].
const NO_REPLY: [ProblemCode; 3] = [
    ProblemCode::UpstreamUnavailable,
    ProblemCode::UpstreamTimeout,
    ProblemCode::BadGateway,
];

/// The figures of one route, looked up once.
struct RouteFigures {
    requests: [IntCounter; CLASSES.len()],
    seconds: Histogram,
    in_flight: IntGauge,
    shed: IntCounter,
}

impl RouteFigures {
    fn of(label: &str) -> Self {
        Self {
            requests: CLASSES.map(|class| REQUESTS.with_label_values(&[label, class])),
            seconds: SECONDS.with_label_values(&[label]),
            in_flight: IN_FLIGHT.with_label_values(&[label]),
            shed: SHED.with_label_values(&[label]),
        }
    }
}

/// By the name of the call. Those with the same label count into the same figures.
static FIGURES: LazyLock<Vec<RouteFigures>> = LazyLock::new(|| {
    let labels = ENDPOINTS.iter().map(|endpoint| endpoint.label);
    labels.map(RouteFigures::of).collect()
});

static OTHER_FIGURES: LazyLock<RouteFigures> = LazyLock::new(|| RouteFigures::of(OTHER));

/// Shows every figure from the start: one that is missing cannot be told from zero.
pub(crate) fn register() {
    LazyLock::force(&FIGURES);
    LazyLock::force(&OTHER_FIGURES);
    LazyLock::force(&UPSTREAM);
    for code in NO_REPLY {
        FAILURES.with_label_values(&[code.as_str()]);
    }
}

/// The requests so far, of all routes.
pub(crate) fn request_buckets() -> Buckets {
    let mut sums = vec![0; DURATION_BOUNDS.len() + 1];
    for family in SECONDS.collect() {
        for histogram in family
            .get_metric()
            .iter()
            .map(|metric| metric.get_histogram())
        {
            let buckets = histogram.get_bucket().iter();
            let counts = buckets.map(|bucket| bucket.cumulative_count());
            let counts = counts
                .take(DURATION_BOUNDS.len())
                .chain([histogram.get_sample_count()]);
            sums.iter_mut()
                .zip(counts)
                .for_each(|(sum, count)| *sum += count);
        }
    }
    sums
}

/// The requests that are being answered, on all routes.
pub(crate) fn in_flight() -> u64 {
    let families = IN_FLIGHT.collect();
    let metrics = families.iter().flat_map(|family| family.get_metric());
    let gauges = metrics.map(|metric| metric.get_gauge().get_value());
    gauges.sum::<f64>().max(0.0) as u64
}

fn figures(endpoint: &Endpoint) -> &'static RouteFigures {
    &FIGURES[endpoint.name as usize]
}

/// Counts a request to `endpoint` that was refused because too many are in flight.
pub(crate) fn count_shed(endpoint: &Endpoint) {
    figures(endpoint).shed.inc();
}

/// A request being answered. Dropped without an answer (the client went away), it counts as ended
/// only.
pub(crate) struct Measured {
    figures: &'static RouteFigures,
    since: Instant,
}

impl Measured {
    /// A request to `endpoint` begins.
    pub(crate) fn start(endpoint: &Endpoint) -> Self {
        Self::since(endpoint, Instant::now())
    }

    /// A request to `endpoint` began at `since`.
    pub(crate) fn since(endpoint: &Endpoint, since: Instant) -> Self {
        Self::start_with(figures(endpoint), since)
    }

    /// A request to a route that does not exist begins.
    pub(crate) fn start_other() -> Self {
        Self::start_with(&OTHER_FIGURES, Instant::now())
    }

    fn start_with(figures: &'static RouteFigures, since: Instant) -> Self {
        figures.in_flight.inc();
        Self { figures, since }
    }

    /// Counts the reply, which has this `status`. Returns how long it took.
    pub(crate) fn answered(self, status: StatusCode) -> Duration {
        let took = self.since.elapsed();
        self.figures.seconds.observe(took.as_secs_f64());
        let class = usize::from(status.as_u16() / 100).clamp(1, CLASSES.len());
        self.figures.requests[class - 1].inc();
        took
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        self.figures.in_flight.dec();
    }
}
