//! The API key as a header.

use ureq::http::{HeaderValue, header::InvalidHeaderValue};

/// `Bearer` and the key. Not shown when it is printed for debugging.
#[derive(Clone, Debug)]
pub(crate) struct ApiKeyHeader(pub(crate) HeaderValue);

impl ApiKeyHeader {
    /// The header for `key`.
    ///
    /// # Errors
    /// When a character of it cannot be in a header.
    pub(crate) fn parse(key: &str) -> Result<Self, InvalidHeaderValue> {
        let mut value = HeaderValue::try_from(format!("Bearer {}", key.trim()))?;
        value.set_sensitive(true);
        Ok(Self(value))
    }
}
