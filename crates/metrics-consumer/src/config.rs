//! Settings of the metrics consumer.

use std::num::NonZeroUsize;

use bus::KafkaConfig;
use service::{listen::ListenConfig, telemetry::TelemetryConfig};
use stats::RedisConfig;

/// All settings of `metrics-consumer`.
#[derive(Clone, Debug, clap::Parser)]
#[command(
    version,
    about = "Counts what services measured into the running figures"
)]
pub struct Config {
    /// Logs.
    #[command(flatten)]
    pub telemetry: TelemetryConfig,
    /// Kafka.
    #[command(flatten)]
    pub kafka: KafkaConfig,
    /// Redis.
    #[command(flatten)]
    pub redis: RedisConfig,
    /// How it works.
    #[command(flatten)]
    pub settings: Settings,
    /// The addresses to listen on.
    #[command(flatten)]
    pub listen: ListenConfig,
}

/// How the consumer works.
#[derive(Clone, Debug, clap::Args)]
// Without an argument group: its name would clash with that of the other services' settings in
// `standalone`.
#[group(skip)]
pub struct Settings {
    /// The most metrics messages that are counted in one transaction.
    #[arg(long, env = "METRICS_BATCH_MESSAGES", default_value_t = Settings::default().metrics_batch_messages)]
    pub metrics_batch_messages: NonZeroUsize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            metrics_batch_messages: const { NonZeroUsize::new(1_000).expect("not zero") },
        }
    }
}
