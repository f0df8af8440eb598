//! How to connect to the configured Redis.

use std::{
    fs,
    path::{Path, PathBuf},
};

use redis::{
    Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, TlsCertificates,
    io::tcp::TcpSettings,
};

use crate::{RedisConfig, StatsError};

/// Whether `url` is a whole address.
pub(crate) fn is_address(url: &str) -> bool {
    url.into_connection_info().is_ok()
}

/// A client of the configured Redis. It has not connected yet.
///
/// # Errors
/// When the address is not valid, or a file cannot be read or holds no certificate or key.
pub(super) fn client(config: &RedisConfig) -> Result<Client, StatsError> {
    let info = connection_info(config)?;
    let security = &config.security;
    let read = |path: &Option<PathBuf>| {
        let named = path.as_deref().filter(|path| !path.as_os_str().is_empty());
        named.map(bytes).transpose()
    };
    let root_cert = read(&security.redis_tls_ca)?;
    let client_cert = read(&security.redis_tls_certificate)?;
    let client_key = read(&security.redis_tls_key)?;
    let client_tls = client_cert
        .zip(client_key)
        .map(|(client_cert, client_key)| ClientTlsConfig {
            client_cert,
            client_key,
        });
    let client = match info.addr() {
        ConnectionAddr::TcpTls { .. } if root_cert.is_some() || client_tls.is_some() => {
            let certificates = TlsCertificates {
                client_tls,
                root_cert,
            };
            Client::build_with_tls(info, certificates)
        }
        _ => Client::open(info),
    };
    client.map_err(StatsError::Config)
}

/// The address of Redis, the user and the password.
fn connection_info(config: &RedisConfig) -> Result<ConnectionInfo, StatsError> {
    let url = config.redis_url.as_deref().filter(|url| !url.is_empty());
    let (host, port) = (config.redis_host.as_str(), config.redis_port);
    let info = match url {
        Some(url) => url.into_connection_info(),
        None if config.security.redis_tls => ConnectionAddr::TcpTls {
            host: host.to_owned(),
            port,
            insecure: false,
            tls_params: None,
        }
        .into_connection_info(),
        None => (host, port).into_connection_info(),
    };
    let info = info.map_err(StatsError::Config)?;
    // Without it every second small write waits up to 40 ms for an acknowledgement.
    let info = info.set_tcp_settings(TcpSettings::default().set_nodelay(true));
    let mut settings = info.redis_settings().clone();
    let user = config.security.redis_username.as_ref();
    if let Some(user) = user.filter(|user| !user.is_empty()) {
        settings = settings.set_username(user);
    }
    if let Some(password) = settings::secret(config.redis_password_file.as_deref())? {
        settings = settings.set_password(password);
    }
    Ok(info.set_redis_settings(settings))
}

fn bytes(path: &Path) -> Result<Vec<u8>, StatsError> {
    fs::read(path).map_err(|error| StatsError::File(path.to_owned(), error))
}

#[cfg(test)]
mod tests {
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
    fn tls_and_a_user_come_from_the_address_or_from_parts() -> anyhow::Result<()> {
        let is_tls = |info: &ConnectionInfo| matches!(info.addr(), ConnectionAddr::TcpTls { .. });
        let url = connection_info(&parse(&["--redis-url", "rediss://u:p@h:6380"])?)?;
        assert!(is_tls(&url));
        assert_eq!(url.redis_settings().username(), Some("u"));
        let parts = ["--redis-tls", "true", "--redis-username", "writer"];
        let info = connection_info(&parse(&parts)?)?;
        assert!(is_tls(&info));
        assert_eq!(info.redis_settings().username(), Some("writer"));

        let no_ca = ["--redis-tls", "true", "--redis-tls-ca", "/nonexistent/ca"];
        let refused = client(&parse(&no_ca)?).unwrap_err().to_string();
        assert!(refused.contains("/nonexistent/ca"), "{refused}");
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
