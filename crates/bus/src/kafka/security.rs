//! What the client library has to know of how connections are secured.

use clap::ValueEnum;

use crate::{BusError, KafkaSecurity, SecurityProtocol};

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
        let password = settings::secret(self.kafka_sasl_password_file.as_deref())?;
        Ok(password.or_else(|| self.kafka_sasl_password.clone()))
    }
}

fn name_of(value: &impl ValueEnum) -> String {
    let named = value.to_possible_value();
    named.map_or_else(String::new, |value| value.get_name().to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use clap::Parser;

    use super::*;

    #[derive(Parser)]
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
}
