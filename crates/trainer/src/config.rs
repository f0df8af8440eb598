//! Settings of the trainer.

use bus::KafkaConfig;
use contract::DetectorName;
use http_server::{ServerConfig, TokenConfig};
use service::{listen::ListenConfig, telemetry::TelemetryConfig};
use stats::RedisConfig;
use store::{PostgresConfig, Quotas};

use crate::{ExportSettings, Exports};

/// All settings of `trainer`.
#[derive(Clone, Debug, clap::Parser)]
#[command(version, about = "Fits models, numbers versions, draws plots")]
pub struct Config {
    /// The addresses to listen on.
    #[command(flatten)]
    pub listen: ListenConfig,
    /// Port to listen on.
    #[arg(long, env = "APP_PORT", default_value_t = 9000)]
    pub app_port: u16,
    /// The trainer's own settings.
    #[command(flatten)]
    pub settings: Settings,
    /// The signatures of exports.
    #[command(flatten)]
    pub exports: ExportSettings,
    /// Limits of the HTTP server.
    #[command(flatten)]
    pub server: ServerConfig,
    /// The token that callers need.
    #[command(flatten)]
    pub token: TokenConfig,
    /// The address of Kafka.
    #[command(flatten)]
    pub kafka: KafkaConfig,
    /// The address of Postgres.
    #[command(flatten)]
    pub postgres: PostgresConfig,
    /// The address of Redis.
    #[command(flatten)]
    pub redis: RedisConfig,
    /// The form of logs.
    #[command(flatten)]
    pub telemetry: TelemetryConfig,
}

/// The trainer's own settings.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct Settings {
    /// Largest body of a fit, in bytes.
    #[arg(long, env = "MAX_BODY_BYTES", default_value_t = DEFAULT_MAX_BODY_BYTES)]
    pub max_body_bytes: usize,
    /// Memory of fits in flight at once, in bytes; further ones are refused. A fit takes its body,
    /// and about 120 bytes a point.
    #[arg(long, env = "MAX_INFLIGHT_FIT_BYTES", default_value_t = DEFAULT_MAX_INFLIGHT_FIT_BYTES)]
    pub max_inflight_fit_bytes: usize,
    /// The detector of a request that names none.
    #[arg(long, env = "DEFAULT_DETECTOR", default_value_t = DetectorName::Auto, value_parser = settings::in_any_case::<DetectorName>)]
    pub default_detector: DetectorName,
    /// Versions of a series that are kept, besides those that an alias names; older ones are
    /// deleted. 0 keeps all.
    #[arg(long, env = "KEEP_VERSIONS", default_value_t = DEFAULT_KEEP_VERSIONS)]
    pub keep_versions: u32,
    /// How much may be stored.
    #[command(flatten)]
    pub quotas: Quotas,
    /// Bytes that a fit or an import leaves free on the disk of the store, if that is ours. `None`:
    /// 64 MiB, or a twentieth of a smaller disk.
    #[arg(skip)]
    pub min_free_bytes: Option<u64>,
    /// Signs exports, and knows whose may be imported.
    #[arg(skip)]
    pub exports: Exports,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_body_bytes: DEFAULT_MAX_BODY_BYTES,
            max_inflight_fit_bytes: DEFAULT_MAX_INFLIGHT_FIT_BYTES,
            default_detector: DetectorName::Auto,
            keep_versions: DEFAULT_KEEP_VERSIONS,
            quotas: Quotas::default(),
            min_free_bytes: None,
            exports: Exports::default(),
        }
    }
}

const DEFAULT_MAX_BODY_BYTES: usize = 64 << 20;
const DEFAULT_KEEP_VERSIONS: u32 = 10;
const DEFAULT_MAX_INFLIGHT_FIT_BYTES: usize = 512 << 20;

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    #[test]
    fn starts_from_nothing() {
        Config::command().debug_assert();
        let config = Config::try_parse_from(["trainer"]).unwrap();
        assert_eq!((config.app_port, config.listen.admin_port), (9000, 9090));
        assert_eq!(config.settings.max_body_bytes, 67_108_864);
        let wrong = Config::try_parse_from(["trainer", "--max-body-bytes", "64M"]);
        assert_eq!(wrong.unwrap_err().exit_code(), 2);
    }

    #[test]
    fn a_detector_that_there_is_not_is_refused_with_those_that_there_are() {
        let parse = |name| Config::try_parse_from(["trainer", "--default-detector", name]);
        for robust in ["robust", "Robust", "ROBUST"] {
            let config = parse(robust).unwrap();
            assert_eq!(config.settings.default_detector, DetectorName::Robust);
        }
        let refused = parse("magic").unwrap_err();
        assert_eq!(refused.exit_code(), 2);
        assert!(refused.to_string().contains("seasonal"), "{refused}");
    }
}
