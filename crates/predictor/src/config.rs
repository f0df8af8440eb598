//! The settings of the predictor.

use std::num::NonZeroUsize;

use bus::KafkaConfig;
use contract::DetectorName;
use http_server::{ServerConfig, TokenConfig};
use service::{listen::ListenConfig, telemetry::TelemetryConfig};
use stats::RedisConfig;
use store::PostgresConfig;

/// All settings of `predictor`.
#[derive(Clone, Debug, clap::Parser)]
#[command(version, about = "Scores points by models in memory")]
pub struct Config {
    /// The addresses to listen on.
    #[command(flatten)]
    pub listen: ListenConfig,
    /// Port to listen on.
    #[arg(long, env = "APP_PORT", default_value_t = 9000)]
    pub app_port: u16,
    /// Settings that only the predictor has.
    #[command(flatten)]
    pub settings: Settings,
    /// Limits of the HTTP server.
    #[command(flatten)]
    pub server: ServerConfig,
    /// The token that callers need.
    #[command(flatten)]
    pub token: TokenConfig,
    /// The connection to Kafka, for events.
    #[command(flatten)]
    pub kafka: KafkaConfig,
    /// The connection to Postgres, for models.
    #[command(flatten)]
    pub postgres: PostgresConfig,
    /// The connection to Redis, for the running figures.
    #[command(flatten)]
    pub redis: RedisConfig,
    /// The form and level of logs.
    #[command(flatten)]
    pub telemetry: TelemetryConfig,
}

/// Settings that only the predictor has.
#[derive(Clone, Debug, Default, clap::Args)]
#[group(skip)]
pub struct Settings {
    /// Limits of the models in memory.
    #[command(flatten)]
    pub cache: CacheSettings,
    /// Defaults and limits of batches and detections.
    #[command(flatten)]
    pub detect: DetectSettings,
}

/// Limits of the models in memory.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct CacheSettings {
    /// The most models in memory; the least used ones make room.
    #[arg(long, env = "MODEL_CACHE_ENTRIES", default_value_t = DEFAULT_MODEL_CACHE_ENTRIES)]
    pub model_cache_entries: NonZeroUsize,
    /// The most bytes of all models in memory: about 400 each, for the detector auto up to 100,000.
    /// An eighth is for versions that requests name.
    #[arg(
        long,
        env = "MODEL_CACHE_BYTES",
        default_value_t = DEFAULT_MODEL_CACHE_BYTES,
        value_parser = clap::value_parser!(u64).range(MIN_MODEL_CACHE_BYTES..)
    )]
    pub model_cache_bytes: u64,
}

/// Defaults and limits of batches and detections.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct DetectSettings {
    /// The detector of detections that do not name one.
    #[arg(long, env = "DEFAULT_DETECTOR", default_value_t = DetectorName::Auto, value_parser = settings::in_any_case::<DetectorName>)]
    pub default_detector: DetectorName,
    /// The largest body of a batch or a detection, in bytes.
    #[arg(long, env = "MAX_BODY_BYTES", default_value_t = DEFAULT_MAX_BODY_BYTES)]
    pub max_body_bytes: usize,
}

impl Default for CacheSettings {
    fn default() -> Self {
        Self {
            model_cache_entries: DEFAULT_MODEL_CACHE_ENTRIES,
            model_cache_bytes: DEFAULT_MODEL_CACHE_BYTES,
        }
    }
}

impl Default for DetectSettings {
    fn default() -> Self {
        Self {
            default_detector: DetectorName::Auto,
            max_body_bytes: DEFAULT_MAX_BODY_BYTES,
        }
    }
}

const DEFAULT_MODEL_CACHE_ENTRIES: NonZeroUsize = NonZeroUsize::new(1_000_000).expect("not zero");
const DEFAULT_MODEL_CACHE_BYTES: u64 = 256 << 20;
/// With less, some models would never find room.
const MIN_MODEL_CACHE_BYTES: u64 = 4 << 20;
const DEFAULT_MAX_BODY_BYTES: usize = 64 << 20;

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    #[test]
    fn starts_from_nothing_and_refuses_a_cache_that_holds_nothing() {
        Config::command().debug_assert();
        let config = Config::try_parse_from(["predictor"]).unwrap();
        assert_eq!(config.app_port, 9000);
        assert_eq!(config.settings.cache.model_cache_bytes, 268_435_456);
        assert_eq!(config.settings.detect.max_body_bytes, 67_108_864);
        for wrong in [
            ["predictor", "--model-cache-entries", "0"],
            ["predictor", "--model-cache-bytes", "4194303"],
            ["predictor", "--default-detector", "magic"],
        ] {
            let refused = Config::try_parse_from(wrong).unwrap_err();
            assert_eq!(refused.exit_code(), 2, "{wrong:?}");
        }
    }
}
