//! How connections to Kafka are secured.

use std::{fmt, path::PathBuf};

use clap::{
    ValueEnum,
    builder::{OsStringValueParser, TypedValueParser},
};

/// How connections to Kafka are secured. By default they are not. An empty value is as good as none.
#[derive(Clone, Default, clap::Args)]
pub struct KafkaSecurity {
    /// How connections are secured: whether by TLS (SSL), and whether with a user (SASL).
    #[arg(
        long,
        env = "KAFKA_SECURITY_PROTOCOL",
        value_enum,
        ignore_case = true,
        default_value_t
    )]
    pub kafka_security_protocol: SecurityProtocol,
    /// How the user proves who it is.
    #[arg(
        long,
        env = "KAFKA_SASL_MECHANISM",
        value_enum,
        ignore_case = true,
        default_value_t
    )]
    pub kafka_sasl_mechanism: SaslMechanism,
    /// User, for a protocol with SASL.
    #[arg(long, env = "KAFKA_SASL_USERNAME")]
    pub kafka_sasl_username: Option<String>,
    /// Password of the user.
    #[arg(long, env = "KAFKA_SASL_PASSWORD", hide_env_values = true)]
    pub kafka_sasl_password: Option<String>,
    /// File that holds the password; overrides `KAFKA_SASL_PASSWORD`.
    #[arg(long, env = "KAFKA_SASL_PASSWORD_FILE", value_parser = OsStringValueParser::new().map(PathBuf::from))]
    pub kafka_sasl_password_file: Option<PathBuf>,
    /// File with the certificates (PEM) of the authorities that brokers are trusted by; those of the
    /// system by default.
    #[arg(long, env = "KAFKA_SSL_CA", value_parser = OsStringValueParser::new().map(PathBuf::from))]
    pub kafka_ssl_ca: Option<PathBuf>,
    /// File with our certificate (PEM), for brokers that ask for one.
    #[arg(long, env = "KAFKA_SSL_CERTIFICATE", requires = "kafka_ssl_key", value_parser = OsStringValueParser::new().map(PathBuf::from))]
    pub kafka_ssl_certificate: Option<PathBuf>,
    /// File with the private key (PEM) of our certificate.
    #[arg(long, env = "KAFKA_SSL_KEY", requires = "kafka_ssl_certificate", value_parser = OsStringValueParser::new().map(PathBuf::from))]
    pub kafka_ssl_key: Option<PathBuf>,
}

/// How connections to Kafka are secured, in Kafka's own words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SecurityProtocol {
    /// Neither encrypted nor authenticated.
    #[default]
    Plaintext,
    /// TLS.
    Ssl,
    /// A user, without encryption.
    SaslPlaintext,
    /// A user, over TLS.
    SaslSsl,
}

/// How a user proves to Kafka who it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum SaslMechanism {
    /// With the password itself: only over TLS.
    #[default]
    #[value(name = "PLAIN")]
    Plain,
    /// Without telling the password (RFC 5802), by SHA-256.
    #[value(name = "SCRAM-SHA-256")]
    ScramSha256,
    /// The same by SHA-512.
    #[value(name = "SCRAM-SHA-512")]
    ScramSha512,
}

/// Leaves the password out.
impl fmt::Debug for KafkaSecurity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaSecurity")
            .field("kafka_security_protocol", &self.kafka_security_protocol)
            .field("kafka_sasl_username", &self.kafka_sasl_username)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        security: KafkaSecurity,
    }

    #[test]
    fn passwords_are_not_in_debug_output() {
        let cli = Cli::parse_from(["test", "--kafka-sasl-password=hunter2"]);
        assert!(!format!("{cli:?}").contains("hunter2"));
    }
}
