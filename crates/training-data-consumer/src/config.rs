//! Settings of the training-data consumer.

use std::num::NonZeroUsize;

use bus::KafkaConfig;
use service::{listen::ListenConfig, telemetry::TelemetryConfig};
use store::PostgresConfig;

/// All settings of `training-data-consumer`.
#[derive(Clone, Debug, clap::Parser)]
#[command(version, about = "Stores the points that models were fitted on")]
pub struct Config {
    /// The addresses to listen on.
    #[command(flatten)]
    pub listen: ListenConfig,
    /// The consumer's own settings.
    #[command(flatten)]
    pub settings: Settings,
    /// The address of Kafka.
    #[command(flatten)]
    pub kafka: KafkaConfig,
    /// The address of Postgres.
    #[command(flatten)]
    pub postgres: PostgresConfig,
    /// The form of logs.
    #[command(flatten)]
    pub telemetry: TelemetryConfig,
}

/// The consumer's own settings.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct Settings {
    /// Training points stored in one transaction, about; a single message may have more.
    #[arg(long, env = "TRAINING_DATA_BATCH_POINTS", default_value_t = DEFAULT_BATCH_POINTS)]
    pub training_data_batch_points: NonZeroUsize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            training_data_batch_points: DEFAULT_BATCH_POINTS,
        }
    }
}

const DEFAULT_BATCH_POINTS: NonZeroUsize = NonZeroUsize::new(50_000).expect("not zero");

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    #[test]
    fn starts_from_nothing_and_refuses_batches_of_nothing() {
        Config::command().debug_assert();
        let config = Config::try_parse_from(["training-data-consumer"]).unwrap();
        assert_eq!(config.listen.admin_port, 9090);
        let nothing = [
            "training-data-consumer",
            "--training-data-batch-points",
            "0",
        ];
        assert_eq!(Config::try_parse_from(nothing).unwrap_err().exit_code(), 2);
    }
}
