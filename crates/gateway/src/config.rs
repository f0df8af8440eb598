//! Settings of the gateway.

use std::time::Duration;

use clap::{
    ArgAction,
    builder::{BoolishValueParser, RangedU64ValueParser},
};
use contract::endpoint::Class;
use http_client::Origins;
use http_server::{ServerConfig, TlsFiles, TokenConfig};
use service::{listen::ListenConfig, telemetry::TelemetryConfig};

use crate::{AccessSettings, AllowedOrigins};

/// The public door of the anomaly detection platform.
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "gateway", version)]
pub struct Config {
    /// Logs.
    #[command(flatten)]
    pub telemetry: TelemetryConfig,
    /// The HTTP server.
    #[command(flatten)]
    pub server: ServerConfig,
    /// TLS for clients.
    #[command(flatten)]
    pub tls: TlsFiles,
    /// The token that trainer and predictor need.
    #[command(flatten)]
    pub token: TokenConfig,
    /// Limits.
    #[command(flatten)]
    pub settings: Settings,
    /// The addresses to listen on.
    #[command(flatten)]
    pub listen: ListenConfig,
    /// Port for clients.
    #[arg(long, env = "APP_PORT", default_value_t = 8080)]
    pub app_port: u16,
    /// Where the trainer answers: `http://host:port`, several separated by commas.
    #[arg(long, env = "TRAINER_URL", default_value = "http://trainer:9000")]
    pub trainer_url: Origins,
    /// Where the predictor answers: `http://host:port`, several separated by commas.
    #[arg(long, env = "PREDICTOR_URL", default_value = "http://predictor:9000")]
    pub predictor_url: Origins,
    /// Where the observer answers: `http://host:port`, several separated by commas.
    #[arg(long, env = "OBSERVER_URL", default_value = "http://observer:9000")]
    pub observer_url: Origins,
}

/// The access to the gateway, its limits and timeouts.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct Settings {
    /// Who may call the API.
    #[command(flatten)]
    pub access: AccessSettings,
    /// Largest body of a fit, a batch, a detection or an import, in bytes.
    #[arg(long, env = "MAX_BODY_BYTES", default_value_t = Settings::default().max_body_bytes)]
    pub max_body_bytes: u64,
    /// Predictions in flight at once; further ones are refused.
    #[arg(long, env = "MAX_INFLIGHT_PREDICT", default_value_t = Settings::default().max_inflight_predict)]
    pub max_inflight_predict: usize,
    /// Observations in flight at once; further ones are refused.
    #[arg(long, env = "MAX_INFLIGHT_OBSERVE", default_value_t = Settings::default().max_inflight_observe)]
    pub max_inflight_observe: usize,
    /// Fits in flight at once; further ones are refused.
    #[arg(long, env = "MAX_INFLIGHT_FIT", default_value_t = Settings::default().max_inflight_fit)]
    pub max_inflight_fit: usize,
    /// Plots in flight at once; further ones are refused.
    #[arg(long, env = "MAX_INFLIGHT_PLOT", default_value_t = Settings::default().max_inflight_plot)]
    pub max_inflight_plot: usize,
    /// Batches and detections in flight at once, together; further ones are refused.
    #[arg(long, env = "MAX_INFLIGHT_DETECT", default_value_t = Settings::default().max_inflight_detect)]
    pub max_inflight_detect: usize,
    /// The part of each of these limits, but that of predictions, that one client address may take,
    /// in percent. Behind a proxy all clients have the address of the proxy.
    #[arg(long, env = "MAX_CLIENT_SHARE_PERCENT", default_value_t = Settings::default().max_client_share_percent, value_parser = percent())]
    pub max_client_share_percent: usize,
    /// Milliseconds that the predictor has to answer.
    #[arg(long, env = "PREDICT_TIMEOUT_MS", default_value_t = Settings::default().predict_timeout_ms)]
    pub predict_timeout_ms: u64,
    /// Milliseconds that the trainer has to answer once it has all of a fit, and that it may stall
    /// before.
    #[arg(long, env = "FIT_TIMEOUT_MS", default_value_t = Settings::default().fit_timeout_ms)]
    pub fit_timeout_ms: u64,
    /// Milliseconds that the trainer has to draw a plot.
    #[arg(long, env = "PLOT_TIMEOUT_MS", default_value_t = Settings::default().plot_timeout_ms)]
    pub plot_timeout_ms: u64,
    /// Milliseconds that the predictor has to begin the reply to a batch or a detection, and that
    /// it may stall.
    #[arg(long, env = "DETECT_TIMEOUT_MS", default_value_t = Settings::default().detect_timeout_ms)]
    pub detect_timeout_ms: u64,
    /// Milliseconds from which on a request leaves a line in the log, as one that fails does. 0: none
    /// is slow.
    #[arg(long, env = "SLOW_REQUEST_MS", default_value_t = Settings::default().slow_request_ms)]
    pub slow_request_ms: u64,
    /// Origins whose web pages may call the API from a browser, such as `https://app.example`,
    /// separated by commas; `*` allows all.
    #[arg(long, env = "CORS_ALLOWED_ORIGINS", default_value = "")]
    pub cors_allowed_origins: AllowedOrigins,
    /// Whether browsers get the dashboard at `/`; without it there is only the API.
    #[arg(long, env = "DASHBOARD", default_value = "true", action = ArgAction::Set, value_parser = BoolishValueParser::new())]
    pub dashboard: bool,
}

fn percent() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..=100)
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            access: AccessSettings::default(),
            max_body_bytes: 64 * 1024 * 1024,
            max_inflight_predict: 16_384,
            max_inflight_observe: 4_096,
            max_inflight_fit: 64,
            max_inflight_plot: 16,
            max_inflight_detect: 16,
            max_client_share_percent: 100,
            predict_timeout_ms: 5_000,
            fit_timeout_ms: 60_000,
            plot_timeout_ms: 60_000,
            detect_timeout_ms: 60_000,
            slow_request_ms: 1_000,
            cors_allowed_origins: AllowedOrigins::default(),
            dashboard: true,
        }
    }
}

/// How long the trainer may take for a call about the registry.
const REGISTRY_TIMEOUT: Duration = Duration::from_secs(15);

/// How long the observer may take: longer than a request may wait for its verdict.
const OBSERVE_TIMEOUT: Duration = Duration::from_secs(20);

/// How long the services may take to give their figures.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(2);

impl Settings {
    /// How long a service may take for a call of `class`.
    pub(crate) fn timeout(&self, class: Class) -> Duration {
        match class {
            Class::Predict => Duration::from_millis(self.predict_timeout_ms),
            Class::Observe => OBSERVE_TIMEOUT,
            Class::Fit => Duration::from_millis(self.fit_timeout_ms),
            Class::Detect => Duration::from_millis(self.detect_timeout_ms),
            Class::Plot => Duration::from_millis(self.plot_timeout_ms),
            Class::Registry => REGISTRY_TIMEOUT,
            Class::Health => HEALTH_TIMEOUT,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[test]
    fn the_gateway_starts_from_nothing_and_refuses_urls_it_would_misread() {
        let config = Config::try_parse_from(["gateway"]).unwrap();
        assert_eq!(
            config.listen.app_addr(config.app_port),
            "127.0.0.1:8080".parse().unwrap()
        );
        assert_eq!(
            config.listen.admin_addr(),
            "127.0.0.1:9090".parse().unwrap()
        );
        assert_eq!(config.settings.max_body_bytes, 67_108_864);
        for url in ["https://trainer", "http://trainer/api", "trainer:9000"] {
            let parsed = Config::try_parse_from(["gateway", "--trainer-url", url]);
            assert_eq!(parsed.unwrap_err().exit_code(), 2, "{url}");
        }
    }
}
