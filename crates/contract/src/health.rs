//! `GET /healthcheck`: the whole reply, and the parts that trainer and predictor contribute.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A latency in milliseconds over the last five minutes; zeros when there was none.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LatencyMs {
    /// The mean latency, in milliseconds.
    pub avg: f64,
    /// The 95th percentile of latencies, in milliseconds, within 5 %.
    pub p95: f64,
}

/// The share of the machine that a process uses.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SystemMetrics {
    /// The CPU time of the process since the last reading, in per cent of one core.
    pub cpu_percent: f64,
    /// The resident memory of the process, in per cent of the machine's memory.
    pub memory_percent: f64,
    /// The load averages of the machine over 1, 5 and 15 minutes.
    pub load_avg: [f64; 3],
}

/// Whether the figures of a reply are up to date.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// The figures are up to date.
    #[default]
    Ok,
    /// The figures are the last known ones, because the store of figures does not answer.
    Degraded,
}

/// Latency and rate of one kind of request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LoadFigures {
    /// The latency over the last five minutes.
    pub latency_ms: LatencyMs,
    /// The mean number of requests a minute, over the last five minutes or since the first request.
    pub per_minute: f64,
    /// The median latency over the last five minutes, in milliseconds, within 5 %.
    #[serde(default)]
    pub p50_ms: f64,
    /// The 99th percentile of latencies over the last five minutes, in milliseconds, within 5 %.
    #[serde(default)]
    pub p99_ms: f64,
}

/// The running figures of the platform.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// The number of series that were ever fitted.
    pub series_trained: u64,
    /// The figures of fits.
    pub training: LoadFigures,
    /// The figures of predictions.
    pub inference: LoadFigures,
    /// The number of predictions by series, for the 1,000 busiest.
    pub model_usage: BTreeMap<String, u64>,
}

/// The rate of one service.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ServiceRate {
    /// The mean number of requests a minute, over the last five minutes or since the first request.
    pub avg_per_minute: f64,
}

/// The trainer's part of the health check.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TrainerHealth {
    /// Whether the figures are up to date.
    pub status: Status,
    /// The number of series that were ever fitted.
    pub series_trained: u64,
    /// The latency of fits.
    pub training_latency_ms: LatencyMs,
    /// Rate of fits.
    pub throughput: ServiceRate,
    /// The trainer's use of its machine.
    pub system_metrics: SystemMetrics,
}

/// The predictor's part of the health check.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PredictorHealth {
    /// Whether the figures are up to date.
    pub status: Status,
    /// Latency of predictions.
    pub inference_latency_ms: LatencyMs,
    /// Rate of predictions.
    pub throughput: ServiceRate,
    /// Predictions by series, counts as text, the 1,000 busiest.
    pub model_usage: BTreeMap<String, String>,
    /// The predictor's use of its machine.
    pub system_metrics: SystemMetrics,
}

/// One figure of each service.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", schemars(rename = "ThroughputOf{T}"))]
pub struct Throughput<T> {
    /// The trainer's.
    pub trainer: T,
    /// The predictor's.
    pub predictor: T,
}

/// The reply of the gateway's health check.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HealthReply {
    /// `degraded` if any part is.
    pub status: Status,
    /// The number of series that were ever fitted.
    pub series_trained: u64,
    /// Latency of predictions.
    pub inference_latency_ms: LatencyMs,
    /// Latency of fits.
    pub training_latency_ms: LatencyMs,
    /// Rates of both services.
    pub throughput: Throughput<ServiceRate>,
    /// Predictions by series, counts as text, the 1,000 busiest.
    pub model_usage: BTreeMap<String, String>,
    /// Machine use of both services.
    pub system_metrics: Throughput<SystemMetrics>,
}

impl HealthReply {
    /// Puts the two parts together, with figures that people can read: latencies to the nanosecond,
    /// because a prediction takes about a microsecond, and rates to two decimals.
    pub fn of(trainer: TrainerHealth, predictor: PredictorHealth) -> Self {
        let degraded = trainer.status == Status::Degraded || predictor.status == Status::Degraded;
        Self {
            status: if degraded {
                Status::Degraded
            } else {
                Status::Ok
            },
            series_trained: trainer.series_trained,
            inference_latency_ms: predictor.inference_latency_ms.rounded(),
            training_latency_ms: trainer.training_latency_ms.rounded(),
            throughput: Throughput {
                trainer: trainer.throughput.rounded(),
                predictor: predictor.throughput.rounded(),
            },
            model_usage: predictor.model_usage,
            system_metrics: Throughput {
                trainer: trainer.system_metrics,
                predictor: predictor.system_metrics,
            },
        }
    }
}

impl LatencyMs {
    fn rounded(self) -> Self {
        Self {
            avg: rounded(self.avg, 1e6),
            p95: rounded(self.p95, 1e6),
        }
    }
}

impl ServiceRate {
    fn rounded(self) -> Self {
        Self {
            avg_per_minute: rounded(self.avg_per_minute, 1e2),
        }
    }
}

/// `value` to the nearest multiple of `1 / scale`, as it is written in decimals.
fn rounded(value: f64, scale: f64) -> f64 {
    (value * scale).round() / scale
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_no_dust_of_floating_point() {
        let predictor = PredictorHealth {
            inference_latency_ms: LatencyMs {
                avg: 0.000_800_000_000_000_000_3,
                p95: 3.935_402_999_999_999_5,
            },
            throughput: ServiceRate {
                avg_per_minute: 20.0 / 3.0,
            },
            ..PredictorHealth::default()
        };
        let reply = HealthReply::of(TrainerHealth::default(), predictor);
        let latency = reply.inference_latency_ms;
        assert_eq!(latency.avg.to_string(), "0.0008");
        assert_eq!(latency.p95.to_string(), "3.935403");
        let rate = reply.throughput.predictor.avg_per_minute;
        assert_eq!(rate.to_string(), "6.67");
    }

    #[test]
    fn an_empty_platform_reports_zeros() {
        let reply = serde_json::to_string(&HealthReply::default()).unwrap();
        let system = r#"{"cpu_percent":0.0,"memory_percent":0.0,"load_avg":[0.0,0.0,0.0]}"#;
        let expected = format!(
            concat!(
                r#"{{"status":"ok","series_trained":0,"inference_latency_ms":{{"avg":0.0,"p95":0.0}},"#,
                r#""training_latency_ms":{{"avg":0.0,"p95":0.0}},"throughput":{{"trainer":{{"avg_per_minute":0.0}},"#,
                r#""predictor":{{"avg_per_minute":0.0}}}},"model_usage":{{}},"system_metrics":{{"trainer":{0},"predictor":{0}}}}}"#
            ),
            system
        );
        assert_eq!(reply, expected);
    }
}
