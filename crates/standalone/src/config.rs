//! Settings of standalone.

use std::path::PathBuf;

use contract::{DetectorName, SeriesId};
use http_server::{ServerConfig, TlsFiles};
use service::{listen::ListenConfig, telemetry::TelemetryConfig};

/// The whole platform in one process.
#[derive(Clone, Debug, clap::Parser)]
#[command(
    name = "standalone",
    version,
    about = "The whole platform in one process, with one data folder"
)]
pub struct Config {
    /// What to do instead of serving.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The addresses to listen on.
    #[command(flatten)]
    pub listen: ListenConfig,
    /// Port for clients.
    #[arg(long, env = "APP_PORT", default_value_t = 8080)]
    pub app_port: u16,
    /// Folder for everything that is kept.
    #[arg(long, env = "DATA_DIR", default_value = "./data")]
    pub data_dir: PathBuf,
    /// Limits of the services.
    #[command(flatten)]
    pub settings: Settings,
    /// Limits of the HTTP server.
    #[command(flatten)]
    pub server: ServerConfig,
    /// TLS for clients.
    #[command(flatten)]
    pub tls: TlsFiles,
    /// How logs look.
    #[command(flatten)]
    pub telemetry: TelemetryConfig,
}

/// What standalone does instead of serving.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Command {
    /// Copies the data folder, also while standalone runs on it.
    Backup {
        /// The folder to make.
        to: PathBuf,
    },
    /// Removes every trace of a series from the data folder, while standalone does not run.
    Erase {
        /// Id of the series.
        series: SeriesId,
    },
}

/// The settings of the services within.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct Settings {
    /// The gateway's settings.
    #[command(flatten)]
    pub gateway: gateway::Settings,
    /// The memory of the predictor.
    #[command(flatten)]
    pub cache: predictor::CacheSettings,
    /// Memory of fits in flight at once, in bytes; further ones are refused. A fit takes its body,
    /// and about 120 bytes a point.
    #[arg(
        long,
        env = "MAX_INFLIGHT_FIT_BYTES",
        default_value_t = trainer::Settings::default().max_inflight_fit_bytes
    )]
    pub max_inflight_fit_bytes: usize,
    /// The detector for requests that do not name one.
    #[arg(long, env = "DEFAULT_DETECTOR", default_value_t = trainer::Settings::default().default_detector, value_parser = settings::in_any_case::<DetectorName>)]
    pub default_detector: DetectorName,
    /// Versions of a series that are kept, besides those that an alias names; older ones are
    /// deleted. 0 keeps all.
    #[arg(long, env = "KEEP_VERSIONS", default_value_t = trainer::Settings::default().keep_versions)]
    pub keep_versions: u32,
    /// The observer's settings.
    #[command(flatten)]
    pub observer: observer::Settings,
    /// Whom the notifier tells.
    #[command(flatten)]
    pub notifier: notifier::Settings,
    /// How much may be stored.
    #[command(flatten)]
    pub quotas: store::Quotas,
    /// The signatures of exports.
    #[command(flatten)]
    pub exports: trainer::ExportSettings,
    /// Bytes that fits and imports leave free on the disk of the data folder; while there are fewer,
    /// they are refused with 507. By default 67108864, or a twentieth of a smaller disk.
    // An empty value stands for the default.
    #[arg(long, env = "MIN_FREE_BYTES", value_parser = min_free_bytes)]
    pub min_free_bytes: Option<FreeBytes>,
}

/// A number of bytes; `None` if the setting is empty.
type FreeBytes = Option<u64>;

fn min_free_bytes(text: &str) -> Result<FreeBytes, std::num::ParseIntError> {
    match text {
        "" => Ok(None),
        number => number.parse().map(Some),
    }
}

impl Settings {
    /// The predictor's. It shares the largest body with the others, and clap takes each argument
    /// once.
    pub(crate) fn predictor(&self) -> predictor::Settings {
        predictor::Settings {
            cache: self.cache.clone(),
            detect: predictor::DetectSettings {
                default_detector: self.default_detector,
                max_body_bytes: self.max_body_bytes(),
            },
        }
    }

    /// The trainer's, likewise.
    pub(crate) fn trainer(&self, exports: trainer::Exports) -> trainer::Settings {
        trainer::Settings {
            exports,
            max_body_bytes: self.max_body_bytes(),
            max_inflight_fit_bytes: self.max_inflight_fit_bytes,
            default_detector: self.default_detector,
            keep_versions: self.keep_versions,
            quotas: self.quotas.clone(),
            min_free_bytes: self.min_free_bytes.flatten(),
        }
    }

    fn max_body_bytes(&self) -> usize {
        usize::try_from(self.gateway.max_body_bytes).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};
    use trainer::Exports;

    use super::*;

    #[test]
    fn starts_from_nothing_and_shares_the_largest_body() {
        Config::command().debug_assert();
        let config = Config::try_parse_from(["standalone", "--max-body-bytes", "1000"]).unwrap();
        assert_eq!((config.app_port, config.listen.admin_port), (8080, 9090));
        assert_eq!(
            config.settings.trainer(Exports::default()).max_body_bytes,
            1000
        );
        assert_eq!(config.settings.predictor().detect.max_body_bytes, 1000);
        assert_eq!(config.settings.gateway.max_body_bytes, 1000);
    }
}
