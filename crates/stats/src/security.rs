//! How connections to Redis are secured.

use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser};

/// How connections to Redis are secured. By default they are not. An empty value is as good as none.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct RedisSecurity {
    /// User of Redis' access control list; overrides the one in `REDIS_URL`.
    #[arg(long, env = "REDIS_USERNAME")]
    pub redis_username: Option<String>,
    /// Whether to connect by TLS, where `REDIS_URL` is not given; an address with `rediss://` does.
    #[arg(long, env = "REDIS_TLS", action = clap::ArgAction::Set, default_value_t = false)]
    pub redis_tls: bool,
    /// File with the certificates (PEM) of the authorities that the server is trusted by; those of
    /// the system by default.
    #[arg(long, env = "REDIS_TLS_CA", value_parser = OsStringValueParser::new().map(PathBuf::from))]
    pub redis_tls_ca: Option<PathBuf>,
    /// File with our certificate (PEM), for a server that asks for one.
    #[arg(long, env = "REDIS_TLS_CERTIFICATE", requires = "redis_tls_key", value_parser = OsStringValueParser::new().map(PathBuf::from))]
    pub redis_tls_certificate: Option<PathBuf>,
    /// File with the private key (PEM) of our certificate.
    #[arg(long, env = "REDIS_TLS_KEY", requires = "redis_tls_certificate", value_parser = OsStringValueParser::new().map(PathBuf::from))]
    pub redis_tls_key: Option<PathBuf>,
}
