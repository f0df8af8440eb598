//! Logs.

/// How logs look. The same variables in every service.
#[derive(Clone, Debug, clap::Args)]
pub struct TelemetryConfig {
    /// `text` for people, `json` for machines: one object a line.
    #[arg(long, env = "LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    /// What is logged: `info`, or directives such as `info,gateway=debug`. At `debug` every request is.
    #[arg(long, env = "LOG_LEVEL", default_value = "info")]
    pub log_level: String,
}

/// How a log line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts logging to standard error.
///
/// # Errors
/// When `log_level` is not understood, or logging was started before.
pub fn init(config: &TelemetryConfig) -> anyhow::Result<()> {
    todo!("{config:?}")
}
