//! The address of Redis.

use std::{ffi::OsStr, fmt, path::PathBuf};

use crate::{redis::is_address, security::RedisSecurity};
use clap::{
    Arg, Command,
    builder::{OsStringValueParser, TypedValueParser},
    error::ErrorKind,
};

/// The address of Redis. Every service reads the same variables.
#[derive(Clone, clap::Args)]
pub struct RedisConfig {
    /// Whole address, `redis://user:password@host:port/db`, or `rediss://` for TLS; overrides the
    /// parts. Empty is as good as absent.
    #[arg(long, env = "REDIS_URL", hide_env_values = true, value_parser = RedisUrl)]
    pub redis_url: Option<String>,
    /// File that holds the password; overrides the one in `REDIS_URL`. Empty is as good as absent.
    #[arg(long, env = "REDIS_PASSWORD_FILE", value_parser = OsStringValueParser::new().map(PathBuf::from))]
    pub redis_password_file: Option<PathBuf>,
    /// Host.
    #[arg(long, env = "REDIS_HOST", default_value = "127.0.0.1")]
    pub redis_host: String,
    /// Port.
    #[arg(long, env = "REDIS_PORT", default_value_t = 6379)]
    pub redis_port: u16,
    /// Prefix of every key, so that several platforms can share one Redis.
    #[arg(long, env = "REDIS_KEY_PREFIX", default_value = "")]
    pub redis_key_prefix: String,
    /// How connections are secured.
    #[command(flatten)]
    pub security: RedisSecurity,
}

impl fmt::Debug for RedisConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisConfig")
            // It may contain a password.
            .field("redis_url", &self.redis_url.as_ref().map(|_| "…"))
            .field("redis_password_file", &self.redis_password_file)
            .field("redis_host", &self.redis_host)
            .field("redis_port", &self.redis_port)
            .field("redis_key_prefix", &self.redis_key_prefix)
            .field("security", &self.security)
            .finish()
    }
}

/// Checks an address without printing it as clap's own parsers would: it may contain a password.
#[derive(Clone)]
struct RedisUrl;

impl TypedValueParser for RedisUrl {
    type Value = String;

    fn parse_ref(
        &self,
        command: &Command,
        _: Option<&Arg>,
        value: &OsStr,
    ) -> Result<String, clap::Error> {
        let usable = |url: &&str| url.is_empty() || is_address(url);
        let Some(url) = value.to_str().filter(usable) else {
            let message =
                "REDIS_URL is not of the form redis://user:password@host:port/db or rediss://…\n";
            return Err(clap::Error::raw(ErrorKind::ValueValidation, message).with_cmd(command));
        };
        Ok(url.to_owned())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        redis: RedisConfig,
    }

    pub(crate) fn parse(args: &[&str]) -> Result<RedisConfig, clap::Error> {
        Cli::try_parse_from([&["x"], args].concat()).map(|cli| cli.redis)
    }

    #[test]
    fn passwords_are_never_printed() {
        let config = parse(&["--redis-url", "redis://:secret@h:1"]).unwrap();
        assert!(!format!("{config:?}").contains("secret"));
        for wrong in ["redis://:secret@h:port", "http://:secret@h", "secret"] {
            let refused = parse(&["--redis-url", wrong]).unwrap_err();
            assert_eq!(refused.exit_code(), 2);
            assert!(!format!("{refused} {refused:?}").contains("secret"));
        }
    }
}
