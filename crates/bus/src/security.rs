//! How connections to Kafka are secured.

use std::{fmt, fs, path::PathBuf};

use clap::{
    ValueEnum,
    builder::{OsStringValueParser, TypedValueParser},
};

use crate::BusError;

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

impl KafkaSecurity {
    /// What the client library has to know to connect: its settings with their values.
    ///
    /// # Errors
    /// When settings contradict each other, or the password file cannot be read.
    pub(crate) fn settings(&self) -> Result<Vec<(&'static str, String)>, BusError> {
        let protocol = self.kafka_security_protocol;
        let mut settings = vec![("security.protocol", name_of(&protocol))];
        let files = [
            ("ssl.ca.location", &self.kafka_ssl_ca),
            ("ssl.certificate.location", &self.kafka_ssl_certificate),
            ("ssl.key.location", &self.kafka_ssl_key),
        ];
        for (setting, file) in files {
            if let Some(file) = file.as_ref().filter(|file| !file.as_os_str().is_empty()) {
                settings.push((setting, file.display().to_string()));
            }
        }
        let has_user = matches!(
            protocol,
            SecurityProtocol::SaslPlaintext | SecurityProtocol::SaslSsl
        );
        let user = self.kafka_sasl_username.as_ref();
        match (has_user, user.filter(|user| !user.is_empty())) {
            (false, None) => {}
            (false, Some(_)) => {
                return Err(BusError::Security(
                    "KAFKA_SASL_USERNAME needs KAFKA_SECURITY_PROTOCOL=SASL_SSL",
                ));
            }
            (true, None) => return Err(BusError::Security("KAFKA_SASL_USERNAME is missing")),
            (true, Some(user)) => {
                let missing = BusError::Security("KAFKA_SASL_PASSWORD is missing");
                settings.push(("sasl.mechanism", name_of(&self.kafka_sasl_mechanism)));
                settings.push(("sasl.username", user.clone()));
                settings.push(("sasl.password", self.password()?.ok_or(missing)?));
            }
        }
        Ok(settings)
    }

    fn password(&self) -> Result<Option<String>, BusError> {
        let file = self.kafka_sasl_password_file.as_ref();
        let Some(file) = file.filter(|file| !file.as_os_str().is_empty()) else {
            return Ok(self.kafka_sasl_password.clone());
        };
        let password = fs::read_to_string(file)
            .map_err(|error| BusError::PasswordFile(file.clone(), error))?;
        Ok(Some(password.trim_end_matches(['\r', '\n']).to_owned()))
    }
}

fn name_of(value: &impl ValueEnum) -> String {
    let named = value.to_possible_value();
    named.map_or_else(String::new, |value| value.get_name().to_owned())
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

    fn settings(args: &[&str]) -> Result<Vec<(&'static str, String)>, BusError> {
        let args = std::iter::once(&"test").chain(args);
        Cli::parse_from(args).security.settings()
    }

    #[test]
    fn nothing_is_secured_unless_asked_for() -> anyhow::Result<()> {
        let plain = [("security.protocol", "PLAINTEXT".to_owned())];
        assert_eq!(settings(&[])?, plain);
        Ok(())
    }

    #[test]
    fn a_user_comes_with_its_password() -> anyhow::Result<()> {
        let file = tempfile::NamedTempFile::new()?;
        fs::write(file.path(), "pass word \r\n")?;
        let args = [
            "--kafka-security-protocol=sasl_ssl",
            "--kafka-sasl-mechanism=scram-sha-512",
            "--kafka-sasl-username=u",
            "--kafka-sasl-password=other",
            "--kafka-sasl-password-file",
            file.path().to_str().unwrap_or_default(),
            "--kafka-ssl-ca=ca.pem",
        ];
        let pairs = [
            ("security.protocol", "SASL_SSL"),
            ("ssl.ca.location", "ca.pem"),
            ("sasl.mechanism", "SCRAM-SHA-512"),
            ("sasl.username", "u"),
            ("sasl.password", "pass word "),
        ];
        let pairs = pairs.map(|(key, value)| (key, value.to_owned()));
        assert_eq!(settings(&args)?, pairs);
        Ok(())
    }

    #[test]
    fn what_contradicts_itself_is_refused_by_name() {
        let user = "--kafka-sasl-username=u";
        let sasl = "--kafka-security-protocol=SASL_SSL";
        let missing = "--kafka-sasl-password-file=/nowhere/at/all";
        for (args, fault) in [
            (&[user][..], "KAFKA_SECURITY_PROTOCOL"),
            (&[sasl], "KAFKA_SASL_USERNAME"),
            (&[sasl, user], "KAFKA_SASL_PASSWORD"),
            (&[sasl, user, missing], "/nowhere/at/all"),
        ] {
            let refused = settings(args).unwrap_err().to_string();
            assert!(refused.contains(fault), "{refused}");
        }
        let alone = ["test", "--kafka-ssl-certificate=c.pem"];
        assert!(Cli::try_parse_from(alone).is_err());
    }

    #[test]
    fn passwords_are_not_in_debug_output() {
        let cli = Cli::parse_from(["test", "--kafka-sasl-password=hunter2"]);
        assert!(!format!("{cli:?}").contains("hunter2"));
    }
}
