//! Logs.

use std::{
    any::Any,
    error::Error,
    io::{IsTerminal, stderr},
    panic::PanicHookInfo,
};

use anyhow::Context as _;
use tracing_subscriber::{
    Layer, filter::Targets, fmt, layer::SubscriberExt, util::SubscriberInitExt,
};

/// How logs look. The same variables in every service.
#[derive(Clone, Debug, clap::Args)]
pub struct TelemetryConfig {
    /// `text` for people, `json` for machines: one object per line.
    #[arg(long, env = "LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    /// The log level: `info`, or directives such as `info,gateway=debug`. At `debug` every request
    /// is logged.
    #[arg(long, env = "LOG_LEVEL", default_value = "info")]
    pub log_level: String,
}

/// How a log line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// Text for people.
    Text,
    /// One JSON object per line.
    Json,
}

/// `error` as a field of a log line, which shows it with all its sources.
pub fn with_sources<E: Error + 'static>(error: &E) -> &(dyn Error + 'static) {
    error
}

/// Starts logging to standard error. Panics are logged in the same format, so that machines can
/// read every line.
///
/// # Errors
/// When `log_level` is not understood, or logging was started before.
pub fn init(config: &TelemetryConfig) -> anyhow::Result<()> {
    let filter: Targets = config
        .log_level
        .parse()
        .with_context(|| format!("LOG_LEVEL {:?} is not understood", config.log_level))?;
    let lines = fmt::layer().with_writer(stderr);
    let lines = match config.log_format {
        LogFormat::Text => lines.with_ansi(stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    let started = tracing_subscriber::registry()
        .with(lines)
        .with(filter)
        .try_init();
    started.map_err(|error| anyhow::anyhow!("cannot start logging: {error}"))?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

fn log_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string);
    tracing::error!(
        thread = std::thread::current().name().unwrap_or_default(),
        place = place.unwrap_or_default(),
        "panic: {}",
        message(panic.payload())
    );
}

/// The message of a panic.
fn message(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("(no message)")
}
