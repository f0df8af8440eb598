//! Settings of the access to the API.

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
};

use clap::{
    ArgAction,
    builder::{BoolishValueParser, OsStringValueParser, TypedValueParser as _},
};
use contract::KeyLimits;

/// Who may call the API, and how often.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct AccessSettings {
    /// File with the API keys, each on a line as `anomaly key new` prints it. It is read again when
    /// it changes. With it, every call needs a key. Empty is as good as absent.
    #[arg(long, env = "API_KEYS_FILE", value_parser = OsStringValueParser::new().map(PathBuf::from))]
    pub api_keys_file: Option<PathBuf>,
    /// Whether everyone may call everything although other machines can reach the port. Does nothing
    /// where there are API keys.
    #[arg(long, env = "ALLOW_ANONYMOUS", default_value = "false", action = ArgAction::Set, value_parser = BoolishValueParser::new())]
    pub allow_anonymous: bool,
    /// Whether changes and refusals are logged, by the module `audit`.
    #[arg(long, env = "AUDIT_LOG", default_value = "true", action = ArgAction::Set, value_parser = BoolishValueParser::new())]
    pub audit_log: bool,
    /// Requests a second of one API key, or without keys of one client address. 0: no limit.
    #[arg(long, env = "MAX_CLIENT_REQUESTS_PER_SECOND", default_value_t = 0)]
    pub max_client_requests_per_second: u32,
    /// Bytes of request bodies a second, likewise. 0: no limit.
    #[arg(long, env = "MAX_CLIENT_BYTES_PER_SECOND", default_value_t = 0)]
    pub max_client_bytes_per_second: u32,
    /// Seconds in a minute for which calls other than predictions may be in progress, added up,
    /// likewise. 0: no limit.
    #[arg(long, env = "MAX_CLIENT_WORK_SECONDS_PER_MINUTE", default_value_t = 0)]
    pub max_client_work_seconds_per_minute: u32,
}

impl Default for AccessSettings {
    fn default() -> Self {
        Self {
            api_keys_file: None,
            allow_anonymous: false,
            audit_log: true,
            max_client_requests_per_second: 0,
            max_client_bytes_per_second: 0,
            max_client_work_seconds_per_minute: 0,
        }
    }
}

impl AccessSettings {
    /// Says in the log if everyone who reaches `address` may do everything, and that is meant.
    ///
    /// # Errors
    /// When it is not: other machines can reach the address, there are no keys, and the settings do
    /// not allow that.
    pub fn check(&self, address: IpAddr) -> anyhow::Result<()> {
        if address.to_canonical().is_loopback() || self.keys_file().is_some() {
            return Ok(());
        }
        anyhow::ensure!(
            self.allow_anonymous,
            "other machines can reach APP_HOST={address}, and there are no API keys: set \
             API_KEYS_FILE, or ALLOW_ANONYMOUS=true to let everyone do everything"
        );
        tracing::warn!(
            %address,
            "ALLOW_ANONYMOUS=true: everyone who reaches this address may do everything"
        );
        Ok(())
    }

    /// The file with the keys, if there is one.
    pub(super) fn keys_file(&self) -> Option<&Path> {
        settings::named(self.api_keys_file.as_deref())
    }

    /// What a caller may use that has no limits of its own.
    pub(super) fn limits(&self) -> KeyLimits {
        let limit = |number: u32| (number > 0).then(|| f64::from(number));
        KeyLimits {
            requests_per_second: limit(self.max_client_requests_per_second),
            bytes_per_second: limit(self.max_client_bytes_per_second),
            work_seconds_per_minute: limit(self.max_client_work_seconds_per_minute),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_others_reach_needs_keys_or_a_decision() {
        let [own, mapped, all, v6] =
            ["127.0.0.2", "::ffff:127.0.0.1", "0.0.0.0", "::"].map(|text| text.parse().unwrap());
        let with = |file: Option<&str>, allow_anonymous| AccessSettings {
            api_keys_file: file.map(PathBuf::from),
            allow_anonymous,
            ..AccessSettings::default()
        };
        for file in [None, Some("")] {
            for address in [own, mapped] {
                assert!(with(file, false).check(address).is_ok(), "{address}");
            }
            for address in [all, v6] {
                let refused = with(file, false).check(address).unwrap_err().to_string();
                assert!(
                    refused.contains("API_KEYS_FILE, or ALLOW_ANONYMOUS=true"),
                    "{refused}"
                );
                assert!(with(file, true).check(address).is_ok(), "{address}");
            }
        }
        assert!(with(Some("keys"), false).check(all).is_ok());
    }
}
