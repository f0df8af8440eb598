//! The token by which the services of a platform know each other.

use std::{fmt, path::PathBuf, sync::Arc};

use anyhow::ensure;
use clap::builder::{OsStringValueParser, TypedValueParser};
use contract::header;
use http::HeaderMap;
use subtle::ConstantTimeEq;

/// The lengths that a token may have, in bytes.
const LENGTHS: std::ops::RangeInclusive<usize> = 16..=512;

/// The token that the gateway sends, and that trainer and predictor demand.
#[derive(Clone, Debug, Default, clap::Args)]
#[group(skip)]
pub struct TokenConfig {
    /// Secret that the services share: 16 to 512 visible ASCII characters. The gateway sends it,
    /// and trainer and predictor answer nobody without it. Empty: they answer everybody.
    #[arg(
        long,
        env = "SERVICE_TOKEN",
        hide_env_values = true,
        default_value = ""
    )]
    pub service_token: String,
    /// File that contains this secret; overrides it.
    #[arg(long, env = "SERVICE_TOKEN_FILE", value_parser = OsStringValueParser::new().map(PathBuf::from))]
    pub service_token_file: Option<PathBuf>,
}

impl TokenConfig {
    /// The token, if there is one.
    ///
    /// # Errors
    /// When the file cannot be read, or the token is too short, too long or not visible ASCII.
    pub fn read(&self) -> anyhow::Result<Option<ServiceToken>> {
        let text = match settings::secret(self.service_token_file.as_deref())? {
            Some(secret) => secret,
            None if self.service_token.is_empty() => return Ok(None),
            None => self.service_token.clone(),
        };
        let text = text.trim();
        let (least, most) = LENGTHS.into_inner();
        ensure!(
            LENGTHS.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()),
            "the service token has to be {least} to {most} visible ASCII characters"
        );
        Ok(Some(ServiceToken(text.into())))
    }
}

/// A secret that services share. Cheap to clone.
#[derive(Clone)]
pub struct ServiceToken(Arc<str>);

impl ServiceToken {
    /// The secret, for a request to a service.
    pub fn secret(&self) -> &str {
        &self.0
    }

    /// Whether a request whose header has the value `given` comes from a service. Takes the same
    /// time wherever a wrong one differs.
    pub(super) fn admits(&self, given: Option<&[u8]>) -> bool {
        given.is_some_and(|given| given.ct_eq(self.0.as_bytes()).into())
    }

    /// Whether a request with `headers` comes from a service.
    pub(super) fn admits_headers(&self, headers: &HeaderMap) -> bool {
        let given = headers.get(header::SERVICE_TOKEN);
        self.admits(given.map(|given| given.as_bytes()))
    }
}

impl fmt::Debug for ServiceToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServiceToken(…)")
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use anyhow::Context;

    use super::*;

    #[test]
    fn a_token_is_read_without_the_line_end_of_its_file() -> anyhow::Result<()> {
        let file = tempfile::NamedTempFile::new()?;
        fs::write(file.path(), "0123456789abcdef\n")?;
        let config = TokenConfig {
            service_token: "overridden by the file".to_owned(),
            service_token_file: Some(file.path().to_owned()),
        };
        let token = config.read()?.context("a token")?;
        assert!(token.admits(Some(b"0123456789abcdef")));
        for wrong in [&b"0123456789abcdeF"[..], b"0123456789abcde", b""] {
            assert!(!token.admits(Some(wrong)));
        }
        assert!(!token.admits(None));
        assert!(!format!("{token:?}").contains("0123"));
        Ok(())
    }

    #[test]
    fn a_token_that_cannot_be_sent_or_guessed_easily_is_refused() {
        let read = |token: &str| {
            let config = TokenConfig {
                service_token: token.to_owned(),
                service_token_file: Some("".into()),
            };
            config.read().map(|token| token.is_some())
        };
        assert!(matches!(read(""), Ok(false)));
        assert!(matches!(read("0123456789abcdef"), Ok(true)));
        for wrong in ["short", "0123456789 abcdef", "0123456789äbcdef"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
