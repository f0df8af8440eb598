//! Reads the settings of a program from its command line and the environment.
//!
//! Variables come from shells, from `.env` files with or without quotes, from files with the line
//! ends of Windows, and from orchestrators that set all of them, even to nothing. So a value is
//! taken without blanks around it and without a pair of quotes, and a blank one counts as absent.
//! Passwords are taken as they are.
//!
//! Kubernetes sets `REDIS_PORT=tcp://10.96.1.2:6379` in every pod beside a service named `redis`.
//! Such a value is not meant for us: it counts as absent, too, and is reported.

mod secret;

use std::{env, ffi::OsString, str::FromStr};

use clap::{Command, Parser};

pub use secret::{UnreadableSecret, named, secret};

/// The settings that were read, and what has to be said about them once the log is open.
#[derive(Debug)]
pub struct Read<C> {
    /// The settings.
    pub config: C,
    /// A sentence for each variable that was ignored because Kubernetes seems to have set it.
    pub warnings: Vec<String>,
}

/// Reads the settings of this program. With a wrong one, or for `--help`, prints a message and ends
/// the process.
pub fn read<C: Parser>() -> Read<C> {
    let (mut command, warnings) = with_environment(C::command(), |name| env::var_os(name));
    let matches = command.get_matches_mut();
    let config = C::from_arg_matches(&matches).unwrap_or_else(|e| e.format(&mut command).exit());
    Read { config, warnings }
}

/// Parses `text` as a word in small letters: for settings whose values are such words.
///
/// # Errors
/// Those of the word.
pub fn in_any_case<T: FromStr>(text: &str) -> Result<T, T::Err> {
    text.to_ascii_lowercase().parse()
}

/// `command` with the values that `variable` gives for its variables, as they are meant.
fn with_environment(
    mut command: Command,
    variable: impl Fn(&str) -> Option<OsString>,
) -> (Command, Vec<String>) {
    let mut warnings = Vec::new();
    let named = |arg: &clap::Arg| {
        let name = arg.get_env()?.to_str()?.to_owned();
        Some((arg.get_id().clone(), name))
    };
    let variables: Vec<_> = command.get_arguments().filter_map(named).collect();
    for (id, name) in variables {
        // What is not UTF-8 can only be a path, and is taken as it is.
        let Some(raw) = variable(&name).and_then(|value| value.into_string().ok()) else {
            continue;
        };
        let value = meant(&name, &raw);
        if value == Some(&raw) {
            continue;
        }
        if value.is_none() && is_service_link(&name, &raw) {
            warnings.push(format!(
                "{name}={raw} is ignored: Kubernetes sets it for a service of that name; \
                 enableServiceLinks: false in the pod's spec prevents that"
            ));
        }
        // A command line lives as long as its program.
        let value = value.map(|value| &*value.to_owned().leak());
        // A default instead of the variable: the command line still overrides it.
        command = command.mut_arg(id, |arg| match value {
            Some(value) => arg
                .env(None::<&str>)
                .default_value(value)
                .hide_default_value(true),
            None => arg.env(None::<&str>),
        });
    }
    (command, warnings)
}

/// What `raw` means as the value of the variable `name`; `None` if it counts as absent.
fn meant<'a>(name: &str, raw: &'a str) -> Option<&'a str> {
    if name.ends_with("_PASSWORD") {
        // Postgres and Redis themselves take theirs literally.
        return Some(raw).filter(|password| !password.is_empty());
    }
    if is_service_link(name, raw) {
        return None;
    }
    let value = raw.trim();
    let quoted = |quote| value.strip_prefix(quote)?.strip_suffix(quote);
    let value = quoted('"').or_else(|| quoted('\'')).unwrap_or(value).trim();
    Some(value).filter(|value| !value.is_empty())
}

/// Whether Kubernetes has set the variable `name` to the address of a service.
fn is_service_link(name: &str, raw: &str) -> bool {
    let is_place = name.ends_with("_PORT") || name.ends_with("_HOST");
    is_place && (raw.starts_with("tcp://") || raw.starts_with("udp://"))
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, FromArgMatches};

    use super::*;

    #[derive(Debug, PartialEq, Parser)]
    struct Config {
        #[arg(long, env = "TEST_REDIS_PORT", default_value_t = 6379)]
        port: u16,
        #[arg(long, env = "TEST_LEVEL", default_value = "info")]
        level: String,
        #[arg(long, env = "TEST_URL")]
        url: Option<String>,
        #[arg(long, env = "TEST_PASSWORD")]
        password: Option<String>,
    }

    /// The settings with these variables and arguments.
    fn with(
        variables: &[(&str, &str)],
        args: &[&str],
    ) -> Result<(Config, Vec<String>), clap::Error> {
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| OsString::from(value))
        };
        let (command, warnings) = with_environment(Config::command(), variable);
        let args = ["program"].iter().chain(args);
        let matches = command.try_get_matches_from(args)?;
        Ok((Config::from_arg_matches(&matches)?, warnings))
    }

    #[test]
    fn quotes_blanks_and_carriage_returns_are_not_part_of_a_value() {
        for level in [
            " debug",
            "debug\r",
            "\"debug\"",
            "'debug'\r\n",
            "\" debug \"",
        ] {
            let (config, warnings) = with(&[("TEST_LEVEL", level)], &[]).unwrap();
            assert_eq!(config.level, "debug", "{level:?}");
            assert!(warnings.is_empty());
        }
        // A lone quote, or one within, is part of it.
        let (config, _) = with(&[("TEST_LEVEL", " \"de\"bug")], &[]).unwrap();
        assert_eq!(config.level, "\"de\"bug");
    }

    #[test]
    fn a_blank_value_is_absent() {
        let plain = with(&[], &[]).unwrap().0;
        for blank in ["", " ", "\r", "\"\"", "''", "' '"] {
            let variables = ["TEST_REDIS_PORT", "TEST_LEVEL", "TEST_URL"].map(|name| (name, blank));
            assert_eq!(with(&variables, &[]).unwrap().0, plain, "{blank:?}");
        }
        assert_eq!(with(&[("TEST_PASSWORD", "")], &[]).unwrap().0, plain);
    }

    #[test]
    fn the_address_of_a_kubernetes_service_is_ignored_with_a_warning() {
        let link = "tcp://10.96.1.2:6379";
        let (config, warnings) = with(&[("TEST_REDIS_PORT", link)], &[]).unwrap();
        assert_eq!(config.port, 6379);
        let [warning] = &warnings[..] else {
            panic!("{warnings:?}");
        };
        assert!(
            warning.contains("TEST_REDIS_PORT=tcp://10.96.1.2:6379"),
            "{warning}"
        );
        assert!(warning.contains("enableServiceLinks: false"), "{warning}");
        // Only of a port or a host: an address may well be meant.
        let (config, warnings) = with(&[("TEST_URL", "'tcp://x'")], &[]).unwrap();
        assert_eq!(
            (config.url.as_deref(), warnings.len()),
            (Some("tcp://x"), 0)
        );
    }

    #[test]
    fn the_command_line_overrides_the_environment_and_a_wrong_value_names_its_setting() {
        let variables = [("TEST_REDIS_PORT", "'70000'")];
        let (config, _) = with(&variables, &["--port", "7"]).unwrap();
        assert_eq!(config.port, 7);
        let refused = with(&variables, &[]).unwrap_err();
        assert_eq!(refused.exit_code(), 2);
        assert!(
            refused.to_string().contains("'70000' for '--port"),
            "{refused}"
        );
    }
}
