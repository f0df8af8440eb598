//! `GET /v1/system`: what runs, how well, and how the last hour was.

use serde::{Deserialize, Serialize};

use crate::{LoadFigures, verdict::words};

words! {
    /// How the platform is put together.
    PlatformForm {
        /// All services are one process.
        Standalone = "standalone",
        /// Each service has processes of its own.
        Distributed = "distributed",
    }
}

words! {
    /// How a service does.
    ServiceStatus {
        /// All of its processes answer, and none is behind.
        Ok = "ok",
        /// It has more to do than it should have.
        Behind = "behind",
        /// Some or all of its processes do not answer.
        Down = "down",
    }
}

/// The reply of `GET /v1/system`. Figures are at most two seconds old, and latencies are those of the
/// last five minutes.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SystemReply {
    /// The version of the gateway.
    pub version: String,
    /// The commit that the gateway was built from; `null` if it was not told when it was built.
    pub commit: Option<String>,
    /// How long the gateway has been running, in seconds.
    pub uptime_s: u64,
    /// How the platform is put together.
    pub form: PlatformForm,
    /// Where the metrics of the gateway are, if clients can reach them there; `null` otherwise.
    pub admin_url: Option<String>,
    /// The services, the gateway first.
    pub services: Vec<ServiceFigures>,
    /// What the services depend on; empty while the trainer does not answer.
    pub dependencies: Vec<DependencyFigures>,
    /// The last hour.
    pub history: SystemHistory,
}

/// The figures of one service. A figure is `null` where the service has none, or does not answer.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServiceFigures {
    /// Its name.
    pub name: String,
    /// The number of its processes that answer.
    pub up: u64,
    /// The number of its processes.
    pub of: u64,
    /// The median latency of its requests, in milliseconds.
    pub p50_ms: Option<f64>,
    /// The 99th percentile of latencies, in milliseconds.
    pub p99_ms: Option<f64>,
    /// The resident memory of all of its processes, in bytes.
    pub memory_bytes: Option<u64>,
    /// The CPU time of all of its processes, in per cent of one core.
    pub cpu_percent: Option<f64>,
    /// The number of requests that it is answering.
    pub in_flight: Option<u64>,
    /// The number of messages that wait for it.
    pub lag_messages: Option<u64>,
    /// The age of the oldest message that waits for it, in seconds.
    pub lag_s: Option<f64>,
    /// How it does.
    pub status: ServiceStatus,
    /// One sentence about a status that is not `ok`; else empty.
    pub detail: String,
}

impl ServiceFigures {
    /// A service of one process, which answers and is not behind, without figures.
    pub fn none(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            up: 1,
            of: 1,
            p50_ms: None,
            p99_ms: None,
            memory_bytes: None,
            cpu_percent: None,
            in_flight: None,
            lag_messages: None,
            lag_s: None,
            status: ServiceStatus::Ok,
            detail: String::new(),
        }
    }
}

/// The state of something that services depend on.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DependencyFigures {
    /// Its part: `store`, `events` or `figures`.
    pub name: String,
    /// Its kind: `Postgres`, `Kafka`, `Redis` or `SQLite`.
    pub kind: String,
    /// Whether it answers.
    pub ok: bool,
    /// How long the answer took, in milliseconds; `null` if there was none.
    pub ms: Option<f64>,
}

/// The last hour, a sample a minute: columns of the same length, at most 60. A sample is `null` where
/// nothing was known.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SystemHistory {
    /// The time of the first sample, in seconds since 1970; 0 if there is none.
    pub from: i64,
    /// The time between two samples, in seconds.
    pub step: i64,
    /// Predictions a minute, as the mean of the last five.
    pub predictions: Vec<Option<f64>>,
    /// The median latency of predictions in the last five minutes, in milliseconds.
    pub p50_ms: Vec<Option<f64>>,
    /// The 99th percentile, in milliseconds.
    pub p99_ms: Vec<Option<f64>>,
    /// The number of points and commands that wait to be judged.
    pub lag: Vec<Option<u64>>,
    /// The memory of all services, in bytes.
    pub memory: Vec<Option<u64>>,
}

/// What a process tells the gateway of itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ProcessFigures {
    /// Its resident memory, in bytes.
    pub memory_bytes: u64,
    /// Its CPU time since it was asked last, in per cent of one core.
    pub cpu_percent: f64,
    /// The latency and rate of its service, over all processes.
    #[serde(default)]
    pub load: Option<LoadFigures>,
    /// The number of messages that wait for it.
    #[serde(default)]
    pub lag_messages: Option<u64>,
    /// What it depends on.
    #[serde(default)]
    pub dependencies: Vec<DependencyFigures>,
}
