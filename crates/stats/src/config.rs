//! Where Redis is.

use std::{ffi::OsStr, fmt, path::PathBuf};

use clap::{
    Arg, Command,
    builder::{OsStringValueParser, TypedValueParser},
    error::ErrorKind,
};
use redis::{ConnectionInfo, IntoConnectionInfo, io::tcp::TcpSettings};

use crate::StatsError;

/// Where Redis is. The same variables in every service.
#[derive(Clone, clap::Args)]
pub struct RedisConfig {
    /// Whole address, `redis://:password@host:port/db`; overrides the parts. Empty is as good as absent.
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
    /// What every key begins with, so that several platforms can share one Redis.
    #[arg(long, env = "REDIS_KEY_PREFIX", default_value = "")]
    pub redis_key_prefix: String,
}

impl RedisConfig {
    /// How to connect.
    pub(crate) fn connection_info(&self) -> Result<ConnectionInfo, StatsError> {
        let url = self.redis_url.as_deref().filter(|url| !url.is_empty());
        let info = match url {
            Some(url) => url.into_connection_info(),
            None => (self.redis_host.as_str(), self.redis_port).into_connection_info(),
        };
        let info = info.map_err(StatsError::Config)?;
        // Without it every second small write waits up to 40 ms for an acknowledgement.
        let info = info.set_tcp_settings(TcpSettings::default().set_nodelay(true));
        let file = self.redis_password_file.as_ref();
        let Some(path) = file.filter(|path| !path.as_os_str().is_empty()) else {
            return Ok(info);
        };
        let password = std::fs::read_to_string(path)
            .map_err(|error| StatsError::PasswordFile(path.clone(), error))?;
        let settings = info.redis_settings().clone();
        Ok(info.set_redis_settings(settings.set_password(password.trim_end_matches(['\r', '\n']))))
    }
}

impl fmt::Debug for RedisConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisConfig")
            // May hold a password.
            .field("redis_url", &self.redis_url.as_ref().map(|_| "…"))
            .field("redis_password_file", &self.redis_password_file)
            .field("redis_host", &self.redis_host)
            .field("redis_port", &self.redis_port)
            .field("redis_key_prefix", &self.redis_key_prefix)
            .finish()
    }
}

/// Checks an address without ever printing it, as clap's own parsers would: it may hold a password.
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
        let usable = |url: &&str| url.is_empty() || url.into_connection_info().is_ok();
        let Some(url) = value.to_str().filter(usable) else {
            let message = "REDIS_URL is not of the form redis://:password@host:port/db\n";
            return Err(clap::Error::raw(ErrorKind::ValueValidation, message).with_cmd(command));
        };
        Ok(url.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use redis::ConnectionAddr;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        redis: RedisConfig,
    }

    fn parse(args: &[&str]) -> Result<RedisConfig, clap::Error> {
        Cli::try_parse_from([&["x"], args].concat()).map(|cli| cli.redis)
    }

    #[test]
    fn the_address_is_put_together_from_parts_unless_it_is_given_whole() -> anyhow::Result<()> {
        let parts = ["--redis-host", "redis", "--redis-port", "7"];
        let whole = ["--redis-url", "redis://:p%40ss@other:9/3"];
        let info = parse(&parts)?.connection_info()?;
        assert_eq!(*info.addr(), ConnectionAddr::Tcp("redis".to_owned(), 7));
        let empty = ["--redis-url", "", "--redis-password-file", ""];
        let info = parse(&[&parts[..], &empty].concat())?.connection_info()?;
        assert_eq!(*info.addr(), ConnectionAddr::Tcp("redis".to_owned(), 7));
        let info = parse(&[&parts[..], &whole].concat())?.connection_info()?;
        assert_eq!(*info.addr(), ConnectionAddr::Tcp("other".to_owned(), 9));
        assert_eq!(info.redis_settings().password(), Some("p@ss"));
        assert_eq!(info.redis_settings().db(), 3);
        assert!(info.tcp_settings().nodelay());
        Ok(())
    }

    #[test]
    fn the_password_of_the_file_is_the_one_without_its_line_end() -> anyhow::Result<()> {
        let file = tempfile::NamedTempFile::new()?;
        std::fs::write(file.path(), "from file \n")?;
        let mut config = parse(&["--redis-url", "redis://:from-url@h/2"])?;
        config.redis_password_file = Some(file.path().to_owned());
        let info = config.connection_info()?;
        assert_eq!(info.redis_settings().password(), Some("from file "));
        assert_eq!(info.redis_settings().db(), 2);

        config.redis_password_file = Some("/nonexistent/password".into());
        let missing = config.connection_info().unwrap_err();
        assert!(missing.to_string().contains("/nonexistent/password"));
        Ok(())
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
