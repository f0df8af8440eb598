//! Logs.

use std::{
    any::Any,
    error::Error,
    io::{IsTerminal, stderr},
    panic::PanicHookInfo,
    str::FromStr,
};

use tracing_subscriber::{
    Layer,
    filter::{LevelFilter, Targets},
    fmt,
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

/// How logs look. The same variables in every service.
#[derive(Clone, Debug, clap::Args)]
pub struct TelemetryConfig {
    /// `text` for people, `json` for machines: one object per line.
    #[arg(long, env = "LOG_FORMAT", value_enum, ignore_case = true, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    /// The log level: `off`, `error`, `warn`, `info`, `debug` or `trace`, and others by module:
    /// `info,gateway=debug`. At `debug` every request is logged.
    #[arg(long, env = "LOG_LEVEL", default_value = "info")]
    pub log_level: LogLevel,
    /// Where traces go, by OTLP over HTTP: the address of a collector, such as
    /// `http://collector:4318`. Without it there are none.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT")]
    pub otel_exporter_otlp_endpoint: Option<String>,
    /// What this program is called in traces; its own name by default.
    #[arg(long, env = "OTEL_SERVICE_NAME")]
    pub otel_service_name: Option<String>,
}

/// The target of the audit log.
const AUDIT: &str = "audit";

/// Which events are logged.
#[derive(Clone, Debug)]
pub struct LogLevel(Targets);

/// Why a text is not a log level.
#[derive(Debug, thiserror::Error)]
#[error(
    "{0:?} is neither off, error, warn, info, debug or trace, nor a module with one of them, such \
     as gateway=debug"
)]
pub struct InvalidLogLevel(String);

impl FromStr for LogLevel {
    type Err = InvalidLogLevel;

    /// `Targets` would take any word for a module, and then log nothing else.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // What is not named stays as it is. The audit log has a switch of its own: a level for
        // everything does not silence it.
        let mut filter = Targets::new()
            .with_default(LevelFilter::INFO)
            .with_target(AUDIT, LevelFilter::INFO);
        for directive in text.split(',').map(str::trim) {
            let invalid = || InvalidLogLevel(directive.to_owned());
            let (module, word) = match directive.split_once('=') {
                Some((module, word)) => (Some(module.trim()), word.trim()),
                None => (None, directive),
            };
            let level = level(word).ok_or_else(invalid)?;
            filter = match module {
                None => filter.with_default(level),
                Some("") => return Err(invalid()),
                Some(module) => filter.with_target(module.replace('-', "_"), level),
            };
        }
        Ok(Self(filter))
    }
}

fn level(word: &str) -> Option<LevelFilter> {
    Some(match &*word.to_ascii_lowercase() {
        "off" | "none" => LevelFilter::OFF,
        "error" => LevelFilter::ERROR,
        "warn" | "warning" => LevelFilter::WARN,
        "info" => LevelFilter::INFO,
        "debug" => LevelFilter::DEBUG,
        "trace" => LevelFilter::TRACE,
        _ => return None,
    })
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
/// When logging was started before.
pub fn init(config: &TelemetryConfig) -> anyhow::Result<()> {
    let lines = fmt::layer().with_writer(stderr);
    let lines = match config.log_format {
        LogFormat::Text => lines.with_ansi(stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    let started = tracing_subscriber::registry()
        .with(lines)
        .with(config.log_level.0.clone())
        .try_init();
    started.map_err(|error| anyhow::anyhow!("cannot start logging: {error}"))?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// Exports traces of `program`, if `config` says where to.
///
/// # Errors
/// When the address is no URL.
pub(crate) fn export_traces(config: &TelemetryConfig, program: &str) -> anyhow::Result<()> {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let Some(endpoint) = given(&config.otel_exporter_otlp_endpoint) else {
        return Ok(());
    };
    if !trace::IS_BUILT_IN {
        tracing::warn!(
            "this program was built without traces: OTEL_EXPORTER_OTLP_ENDPOINT is ignored"
        );
        return Ok(());
    }
    let service = given(&config.otel_service_name);
    trace::export(&endpoint, service.unwrap_or_else(|| program.to_owned()))
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

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    fn logs(text: &str, module: &str, level: Level) -> bool {
        let LogLevel(filter) = text.parse().unwrap();
        filter.would_enable(module, &level)
    }

    #[test]
    fn a_level_is_understood_in_any_case_and_under_the_names_of_other_languages() {
        for warn in ["warn", "WARN", "Warning", "WARNING"] {
            assert!(logs(warn, "gateway", Level::WARN), "{warn}");
            assert!(!logs(warn, "gateway", Level::INFO), "{warn}");
        }
        assert!(!logs("off", "gateway", Level::ERROR));
    }

    #[test]
    fn a_module_has_its_own_level_and_the_others_keep_theirs() {
        let text = "http-server=DEBUG, gateway=off";
        assert!(logs(text, "http_server::connection", Level::DEBUG));
        assert!(!logs(text, "gateway", Level::ERROR));
        assert!(logs(text, "trainer", Level::INFO));
        assert!(!logs(text, "trainer", Level::DEBUG));
        assert!(!logs("warn,gateway=debug", "trainer", Level::INFO));
    }

    #[test]
    fn the_audit_log_has_a_level_of_its_own() {
        for text in ["info", "warn", "off", "error,gateway=warn"] {
            assert!(logs(text, "audit", Level::INFO), "{text}");
        }
        assert!(!logs("info,audit=off", "audit", Level::ERROR));
    }

    #[test]
    fn what_would_silence_the_log_by_mistake_is_refused_with_the_choices() {
        for wrong in [
            "verbose",
            "gateway",
            "info,,debug",
            "gateway=loud",
            "=info",
            "3",
        ] {
            let refused = wrong.parse::<LogLevel>().unwrap_err().to_string();
            assert!(refused.contains("error, warn, info"), "{wrong}: {refused}");
        }
    }
}
