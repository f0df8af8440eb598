//! How to connect to the configured Redis.

use redis::{ConnectionInfo, IntoConnectionInfo, io::tcp::TcpSettings};

use crate::{RedisConfig, StatsError};

/// Whether `url` is a whole address.
pub(crate) fn is_address(url: &str) -> bool {
    url.into_connection_info().is_ok()
}

/// The address of Redis, and the password.
pub(super) fn connection_info(config: &RedisConfig) -> Result<ConnectionInfo, StatsError> {
    let url = config.redis_url.as_deref().filter(|url| !url.is_empty());
    let info = match url {
        Some(url) => url.into_connection_info(),
        None => (config.redis_host.as_str(), config.redis_port).into_connection_info(),
    };
    let info = info.map_err(StatsError::Config)?;
    // Without it every second small write waits up to 40 ms for an acknowledgement.
    let info = info.set_tcp_settings(TcpSettings::default().set_nodelay(true));
    let file = config.redis_password_file.as_ref();
    let Some(path) = file.filter(|path| !path.as_os_str().is_empty()) else {
        return Ok(info);
    };
    let password = std::fs::read_to_string(path)
        .map_err(|error| StatsError::PasswordFile(path.clone(), error))?;
    let settings = info.redis_settings().clone();
    Ok(info.set_redis_settings(settings.set_password(password.trim_end_matches(['\r', '\n']))))
}

#[cfg(test)]
mod tests {
    use redis::ConnectionAddr;

    use super::*;
    use crate::config::tests::parse;

    #[test]
    fn the_address_is_put_together_from_parts_unless_it_is_given_whole() -> anyhow::Result<()> {
        let parts = ["--redis-host", "redis", "--redis-port", "7"];
        let whole = ["--redis-url", "redis://:p%40ss@other:9/3"];
        let info = connection_info(&parse(&parts)?)?;
        assert_eq!(*info.addr(), ConnectionAddr::Tcp("redis".to_owned(), 7));
        let empty = ["--redis-url", "", "--redis-password-file", ""];
        let info = connection_info(&parse(&[&parts[..], &empty].concat())?)?;
        assert_eq!(*info.addr(), ConnectionAddr::Tcp("redis".to_owned(), 7));
        let info = connection_info(&parse(&[&parts[..], &whole].concat())?)?;
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
        let info = connection_info(&config)?;
        assert_eq!(info.redis_settings().password(), Some("from file "));
        assert_eq!(info.redis_settings().db(), 2);

        config.redis_password_file = Some("/nonexistent/password".into());
        let missing = connection_info(&config).unwrap_err();
        assert!(missing.to_string().contains("/nonexistent/password"));
        Ok(())
    }
}
