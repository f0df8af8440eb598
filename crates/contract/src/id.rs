//! Series ids, versions and points: the words every other message is made of.

use std::{borrow::Borrow, fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use smol_str::SmolStr;

/// The id of a series: 1 to 200 bytes of UTF-8 without control characters or `/`, and neither `.`
/// nor `..`.
///
/// Cheap to clone. Ids of up to 23 bytes are stored inline, because a predictor keeps two for each
/// model. Ids are opaque: `sensor_1`, `sensor_10` and `sensor_1_v2` are not related.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SeriesId(SmolStr);

/// Why a text is not a valid series id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSeriesId {
    /// The id has no bytes.
    #[error("series id is empty")]
    Empty,
    /// The id has more than [`SeriesId::MAX_BYTES`] bytes.
    #[error("series id is longer than 200 bytes")]
    TooLong,
    /// The id has a control character.
    #[error("series id has a control character")]
    ControlCharacter,
    /// The id has a `/`.
    #[error("series id has a slash")]
    Slash,
    /// The id is `.` or `..`.
    #[error("series id is a relative path")]
    RelativePath,
}

impl SeriesId {
    /// The longest id, in bytes.
    pub const MAX_BYTES: usize = 200;

    /// Checks `id`.
    ///
    /// # Errors
    /// The first rule that `id` breaks.
    pub fn new(id: &str) -> Result<Self, InvalidSeriesId> {
        Self::validate(id)?;
        Ok(Self(id.into()))
    }

    /// Checks `id` without making a series id of it.
    ///
    /// # Errors
    /// The first rule that `id` breaks.
    pub fn validate(id: &str) -> Result<(), InvalidSeriesId> {
        if id.is_empty() {
            return Err(InvalidSeriesId::Empty);
        }
        if id.len() > Self::MAX_BYTES {
            return Err(InvalidSeriesId::TooLong);
        }
        if id == "." || id == ".." {
            return Err(InvalidSeriesId::RelativePath);
        }
        for c in id.chars() {
            if c == '/' {
                return Err(InvalidSeriesId::Slash);
            }
            if c.is_control() {
                return Err(InvalidSeriesId::ControlCharacter);
            }
        }
        Ok(())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The heap memory of the id, in bytes; its clones share that.
    pub fn heap_bytes(&self) -> usize {
        match self.0.is_heap_allocated() {
            true => 2 * size_of::<usize>() + self.0.len(),
            false => 0,
        }
    }
}

impl fmt::Display for SeriesId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Borrow<str> for SeriesId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl FromStr for SeriesId {
    type Err = InvalidSeriesId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

impl Serialize for SeriesId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for SeriesId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::new(&text).map_err(de::Error::custom)
    }
}

/// The number of a model of one series, counted from 1 and written `v1`. Numbers never repeat;
/// there may be gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Version(u32);

/// A text that is not `v` followed by a number from 1 up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("version is not of the form v1, v2, …")]
pub struct InvalidVersion;

impl Version {
    /// The version numbered `number`; `None` for 0.
    pub fn new(number: u32) -> Option<Self> {
        (number > 0).then_some(Self(number))
    }

    /// The bare number, from 1 up.
    pub fn number(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.0)
    }
}

impl FromStr for Version {
    type Err = InvalidVersion;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.strip_prefix('v').ok_or(InvalidVersion)?;
        let canonical = digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
        let number = digits.parse().map_err(|_| InvalidVersion)?;
        Self::new(number)
            .filter(|_| canonical)
            .ok_or(InvalidVersion)
    }
}

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// One measurement of a series.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// The time of the measurement: any integer. For axes and texts it is taken as seconds, ms, µs
    /// or ns since 1970, by its size.
    pub timestamp: i64,
    /// The measured value: any finite number.
    pub value: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_clients_are_accepted() {
        for id in [
            "sensor_01",
            "a b",
            "été",
            "a.b",
            "a-b:c",
            "a+b",
            "...",
            &"l".repeat(200),
        ] {
            assert_eq!(SeriesId::new(id).unwrap().as_str(), id);
        }
    }

    #[test]
    fn ids_that_could_be_paths_or_break_a_log_are_refused() {
        for (id, why) in [
            ("", InvalidSeriesId::Empty),
            (".", InvalidSeriesId::RelativePath),
            ("..", InvalidSeriesId::RelativePath),
            ("../../etc", InvalidSeriesId::Slash),
            ("a\nb", InvalidSeriesId::ControlCharacter),
            ("a\u{85}", InvalidSeriesId::ControlCharacter),
            (&"l".repeat(201), InvalidSeriesId::TooLong),
        ] {
            assert_eq!(SeriesId::new(id), Err(why), "{id:?}");
        }
    }

    #[test]
    fn a_version_has_one_spelling() {
        assert_eq!("v12".parse::<Version>().unwrap().number(), 12);
        for text in [
            "",
            "v",
            "v0",
            "v01",
            "v+1",
            "V1",
            "1",
            "v1 ",
            "v4294967296",
            "v-1",
        ] {
            assert_eq!(text.parse::<Version>(), Err(InvalidVersion), "{text:?}");
        }
    }
}
