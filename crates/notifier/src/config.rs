//! Settings of the notifier.

use std::path::PathBuf;

use bus::KafkaConfig;
use clap::builder::{OsStringValueParser, TypedValueParser};
use contract::Severity;
use service::{listen::ListenConfig, telemetry::TelemetryConfig};
use store::PostgresConfig;

/// All settings of `notifier`.
#[derive(Clone, Debug, clap::Parser)]
#[command(version, about = "Tells people and programs of anomalies")]
pub struct Config {
    /// The addresses to listen on.
    #[command(flatten)]
    pub listen: ListenConfig,
    /// The notifier's own settings.
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

/// The notifier's own settings: where people are told of anomalies. Without any, only programs are.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct Settings {
    /// Address that is called for each event of an incident, in the form of Standard Webhooks.
    // It may have a token in it.
    #[arg(long, env = "WEBHOOK_URL", hide_env_values = true)]
    pub webhook_url: Option<String>,
    /// File that holds the secret that signs these calls: `whsec_` and Base64.
    #[arg(long, env = "WEBHOOK_SECRET_FILE", value_parser = OsStringValueParser::new().map(PathBuf::from))]
    pub webhook_secret_file: Option<PathBuf>,
    /// File that holds the address of an incoming webhook of Slack.
    #[arg(long, env = "SLACK_WEBHOOK_URL_FILE", value_parser = OsStringValueParser::new().map(PathBuf::from))]
    pub slack_webhook_url_file: Option<PathBuf>,
    /// Alertmanagers that are told all open anomalies: http://host:port, several separated by
    /// commas.
    #[arg(long, env = "ALERTMANAGER_URL", value_delimiter = ',')]
    pub alertmanager_url: Vec<String>,
    /// The least severity that people are told of: low, medium, high or critical.
    #[arg(long, env = "ALERT_MIN_SEVERITY", default_value_t = Severity::Low, value_parser = settings::in_any_case::<Severity>)]
    pub alert_min_severity: Severity,
    /// Days for which anomalies that are over are kept, and what was told of them; 0 keeps all.
    #[arg(long, env = "KEEP_ANOMALIES_DAYS", default_value_t = 90)]
    pub keep_anomalies_days: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            webhook_url: None,
            webhook_secret_file: None,
            slack_webhook_url_file: None,
            alertmanager_url: Vec::new(),
            alert_min_severity: Severity::Low,
            keep_anomalies_days: 90,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    #[test]
    fn starts_from_nothing_and_refuses_severities_that_do_not_exist() {
        Config::command().debug_assert();
        let config = Config::try_parse_from(["notifier"]).unwrap();
        assert_eq!(config.settings.alert_min_severity, Severity::Low);
        assert!(config.settings.alertmanager_url.is_empty());
        let worst = ["notifier", "--alert-min-severity", "worst"];
        assert_eq!(Config::try_parse_from(worst).unwrap_err().exit_code(), 2);
    }
}
