//! What the predictor is told when it starts.

use std::{net::IpAddr, num::NonZeroUsize};

use bus::KafkaConfig;
use service::{http::ServerConfig, telemetry::TelemetryConfig};
use stats::RedisConfig;
use store::PostgresConfig;

/// Everything that `predictor` can be told.
#[derive(Clone, Debug, clap::Parser)]
#[command(version, about = "Judges points from models in memory")]
pub struct Config {
    /// Address to listen on.
    #[arg(long, env = "APP_HOST", default_value = "127.0.0.1")]
    pub app_host: IpAddr,
    /// Port to listen on.
    #[arg(long, env = "APP_PORT", default_value_t = 9000)]
    pub app_port: u16,
    /// Port for operators: Prometheus metrics and health.
    #[arg(long, env = "ADMIN_PORT", default_value_t = 9090)]
    pub admin_port: u16,
    /// What is the predictor's own.
    #[command(flatten)]
    pub settings: Settings,
    /// Limits of the HTTP server.
    #[command(flatten)]
    pub server: ServerConfig,
    /// Where events go and come from.
    #[command(flatten)]
    pub kafka: KafkaConfig,
    /// Where models are.
    #[command(flatten)]
    pub postgres: PostgresConfig,
    /// Where the running figures are.
    #[command(flatten)]
    pub redis: RedisConfig,
    /// How logs look.
    #[command(flatten)]
    pub telemetry: TelemetryConfig,
}

/// The predictor's own settings.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct Settings {
    /// Models held in memory at once, about 300 bytes each; the least used ones make room.
    #[arg(long, env = "MODEL_CACHE_ENTRIES", default_value_t = DEFAULT_MODEL_CACHE_ENTRIES)]
    pub model_cache_entries: NonZeroUsize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            model_cache_entries: DEFAULT_MODEL_CACHE_ENTRIES,
        }
    }
}

const DEFAULT_MODEL_CACHE_ENTRIES: NonZeroUsize = NonZeroUsize::new(1_000_000).expect("not zero");

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    #[test]
    fn starts_from_nothing_and_refuses_a_cache_that_holds_nothing() {
        Config::command().debug_assert();
        let config = Config::try_parse_from(["predictor"]).unwrap();
        assert_eq!(config.app_port, 9000);
        assert_eq!(
            config.settings.model_cache_entries,
            Settings::default().model_cache_entries
        );
        assert!(Config::try_parse_from(["predictor", "--model-cache-entries", "0"]).is_err());
    }
}
