//! API keys as their file lists them: a JSON object on each line.
//!
//! The file has no secret, only the SHA-256 of each. A secret is 256 random bits, so it cannot be
//! searched for: a slow hash, as passwords need, would make every request slower and nothing safer.

use std::{
    fmt,
    str::FromStr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{
    SeriesId,
    endpoint::Scope,
    fields::fields,
    json::{self, BadJson, Body, Notes},
};

/// An API key without its secret: a line of the file.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ApiKey {
    /// Tells the keys of a file apart, and stands for the key in the audit log.
    pub id: KeyName,
    /// The holder. A key that replaces another has the same name, and both are valid meanwhile.
    pub name: KeyName,
    /// The SHA-256 of the secret.
    pub sha256: SecretHash,
    /// What the key may do; at least one scope.
    pub scopes: Vec<Scope>,
    /// The key is only for series whose ids begin with one of these; absent: for all series.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub series: Option<Vec<String>>,
    /// The moment from which the key is not valid any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<Expiry>,
    /// What the key may use. Absent members: as the settings of the platform say.
    #[serde(flatten)]
    pub limits: KeyLimits,
}

/// What one caller may use; `None`: no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct KeyLimits {
    /// Requests a second; as many may come at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_per_second: Option<f64>,
    /// Bytes of request bodies a second. After a body that is longer, nothing is taken until its
    /// bytes have come back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_per_second: Option<f64>,
    /// Seconds in a minute for which calls other than predictions may be in progress, added up: so
    /// 30 is half a call on average.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub work_seconds_per_minute: Option<f64>,
}

impl KeyLimits {
    /// These limits, and those of `others` where there is none.
    #[must_use]
    pub fn or(self, others: Self) -> Self {
        Self {
            requests_per_second: self.requests_per_second.or(others.requests_per_second),
            bytes_per_second: self.bytes_per_second.or(others.bytes_per_second),
            work_seconds_per_minute: self
                .work_seconds_per_minute
                .or(others.work_seconds_per_minute),
        }
    }
}

impl ApiKey {
    /// Reads a line of the file.
    ///
    /// # Errors
    /// A message that names the field and the column of the first fault.
    pub fn parse(line: &str) -> Result<Self, BadJson> {
        json::parse(line.as_bytes()).map(|parsed| parsed.body)
    }
}

fields! {
    /// The fields of a key.
    struct KeyFields {
        id: KeyName,
        name: KeyName,
        sha256: SecretHash,
        scopes: Vec<Scope>,
        series: Option<Vec<String>>,
        expires: Option<Expiry>,
        requests_per_second: Option<Limit>,
        bytes_per_second: Option<Limit>,
        work_seconds_per_minute: Option<Limit>,
    }
}

/// A number over 0.
#[derive(Clone, Copy)]
pub(crate) struct Limit(f64);

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = f64::deserialize(deserializer)?;
        match number > 0.0 && number.is_finite() {
            true => Ok(Self(number)),
            false => Err(de::Error::custom("it must be over 0")),
        }
    }
}

impl Body for ApiKey {
    type Fields = KeyFields;
    const CONTENT: &'static str = "the fields of an API key";
    const STRICT: bool = true;

    fn build(fields: KeyFields, _: &mut Notes) -> Result<Self, String> {
        if fields.scopes.is_empty() {
            return Err("scopes is empty: a key needs at least one".to_owned());
        }
        if fields.series.as_ref().is_some_and(Vec::is_empty) {
            return Err("series is empty: leave it out for all series".to_owned());
        }
        let prefixes = fields.series.iter().flatten();
        if prefixes.map(String::len).sum::<usize>() > MAX_PREFIX_BYTES {
            return Err(format!("series has more than {MAX_PREFIX_BYTES} bytes"));
        }
        let mut prefixes = fields.series.iter().flatten();
        if let Some(wrong) = prefixes.find(|prefix| !begins_an_id(prefix)) {
            return Err(format!("series: no series id begins with {wrong:?}"));
        }
        Ok(Self {
            id: fields.id,
            name: fields.name,
            sha256: fields.sha256,
            scopes: fields.scopes,
            series: fields.series,
            expires: fields.expires,
            limits: KeyLimits {
                requests_per_second: fields.requests_per_second.map(|limit| limit.0),
                bytes_per_second: fields.bytes_per_second.map(|limit| limit.0),
                work_seconds_per_minute: fields.work_seconds_per_minute.map(|limit| limit.0),
            },
        })
    }
}

/// The most bytes of all prefixes of a key: they travel in a header, percent-encoded.
const MAX_PREFIX_BYTES: usize = 4096;

/// Whether a series id can begin with `prefix`.
fn begins_an_id(prefix: &str) -> bool {
    // `.` and `..` are no ids, but begin some.
    SeriesId::validate(prefix).is_ok() || matches!(prefix, "." | "..")
}

/// A name for a key or its holder: 1 to 64 of letters, digits, `.`, `_` and `-`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeyName(String);

/// A text that is not a valid name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it must be 1 to 64 of a-z, A-Z, 0-9, ., _ and -")]
pub struct InvalidKeyName;

impl KeyName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for KeyName {
    type Err = InvalidKeyName;

    fn from_str(text: &str) -> Result<Self, InvalidKeyName> {
        let known = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        let is_name = (1..=64).contains(&text.len()) && text.bytes().all(known);
        is_name.then(|| Self(text.to_owned())).ok_or(InvalidKeyName)
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The SHA-256 of a secret, 64 hexadecimal digits as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SecretHash(pub [u8; 32]);

/// A text that is not a SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it must be a SHA-256 of 64 hexadecimal digits")]
pub struct InvalidSecretHash;

impl FromStr for SecretHash {
    type Err = InvalidSecretHash;

    fn from_str(text: &str) -> Result<Self, InvalidSecretHash> {
        let digits: Option<Vec<_>> = text.chars().map(|c| c.to_digit(16)).collect();
        let digits = digits
            .filter(|digits| digits.len() == 64)
            .ok_or(InvalidSecretHash)?;
        let mut hash = [0; 32];
        for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = u8::try_from(pair[0] << 4 | pair[1]).map_err(|_| InvalidSecretHash)?;
        }
        Ok(Self(hash))
    }
}

impl fmt::Display for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A moment, written as RFC 3339 in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expiry(Timestamp);

/// A text that is not a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it must be a moment such as 2030-12-31T00:00:00Z")]
pub struct InvalidExpiry;

impl Expiry {
    /// The moment as the clock of the system tells it, in whole seconds; at the earliest 1970.
    pub fn time(self) -> SystemTime {
        let seconds = u64::try_from(self.0.as_second()).unwrap_or_default();
        UNIX_EPOCH + Duration::from_secs(seconds)
    }
}

impl FromStr for Expiry {
    type Err = InvalidExpiry;

    fn from_str(text: &str) -> Result<Self, InvalidExpiry> {
        text.parse().map(Self).map_err(|_| InvalidExpiry)
    }
}

impl fmt::Display for Expiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

crate::reference::as_text!(KeyName, SecretHash, Expiry);

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = concat!(
        r#"{"id":"k1","name":"shop","sha256":"00000000000000000000000000000000000000000000000000000000000000ff","#,
        r#""scopes":["predict","read"],"series":["shop.","web-"],"expires":"2030-12-31T00:00:00Z","requests_per_second":0.5,"bytes_per_second":1000.0,"#,
        r#""work_seconds_per_minute":30.0}"#
    );

    #[test]
    fn a_line_is_written_as_it_is_read() {
        let key = ApiKey::parse(LINE).unwrap();
        assert_eq!(serde_json::to_string(&key).unwrap(), LINE);
        assert_eq!((key.sha256.0[0], key.sha256.0[31]), (0, 255));
        let least = LINE.replace(
            &LINE[LINE.find(r#","series""#).unwrap()..LINE.len() - 1],
            "",
        );
        let key = ApiKey::parse(&least).unwrap();
        assert_eq!((key.series, key.expires), (None, None));
        assert_eq!(key.limits, KeyLimits::default());
    }

    #[test]
    fn a_fault_is_named() {
        for (from, to, said) in [
            (r#""id":"k1","#, "", "missing field `id`"),
            (r#""id":"k1""#, r#""id":"k 1""#, "id: it must be 1 to 64"),
            (
                r#""name":"shop""#,
                r#""name":"""#,
                "name: it must be 1 to 64",
            ),
            ("00ff", "0ff", "sha256: it must be a SHA-256 of 64"),
            ("00ff", "00fg", "sha256: it must be a SHA-256 of 64"),
            (r#"["predict","read"]"#, "[]", "scopes is empty"),
            (
                r#""read"]"#,
                r#""write"]"#,
                "scopes: unknown variant `write`",
            ),
            (r#"["shop.","web-"]"#, "[]", "series is empty"),
            (r#""web-""#, r#""""#, r#"no series id begins with """#),
            (r#""web-""#, r#""a/b""#, r#"no series id begins with "a/b""#),
            (
                "2030-12-31T00:00:00Z",
                "2030-12-31",
                "expires: it must be a moment",
            ),
            (
                r#""id":"k1""#,
                r#""id":"k1","id":"k2""#,
                "duplicate field `id`",
            ),
            (
                r#""id":"k1""#,
                r#""id":"k1","prefix":"a""#,
                "unknown field `prefix`",
            ),
            ("0.5", "0", "requests_per_second: it must be over 0"),
            ("30.0", "-1", "work_seconds_per_minute: it must be over 0"),
            ("30.0}", "30.0} {}", "trailing"),
        ] {
            let line = LINE.replacen(from, to, 1);
            assert_ne!(line, LINE);
            let fault = ApiKey::parse(&line).unwrap_err().to_string();
            assert!(fault.contains(said), "{line}: {fault}");
        }
    }

    #[test]
    fn what_begins_an_id_may_be_a_prefix() {
        for prefix in ["a", ".", "..", "é ", "%"] {
            let line = LINE.replace("web-", prefix);
            assert!(ApiKey::parse(&line).is_ok(), "{prefix:?}");
        }
    }
}
