//! Moments: when something happened, by the clock of the platform.

use std::{fmt, str::FromStr};

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::reference::as_text;

/// A moment in milliseconds since 1970, written as RFC 3339 in UTC with milliseconds:
/// `2023-11-14T22:13:20.123Z`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Moment(pub i64);

/// A text that is not a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it must be a moment such as 2030-12-31T00:00:00Z")]
pub struct InvalidMoment;

impl FromStr for Moment {
    type Err = InvalidMoment;

    fn from_str(text: &str) -> Result<Self, InvalidMoment> {
        let parsed: Timestamp = text.parse().map_err(|_| InvalidMoment)?;
        Ok(Self(parsed.as_millisecond()))
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Timestamp::from_millisecond(self.0) {
            Ok(time) => write!(f, "{time:.3}"),
            // Beyond the year 9999.
            Err(_) => self.0.fmt(f),
        }
    }
}

as_text!(Moment);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_reads_what_it_writes() {
        for (moment, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (1_700_000_000_123, "2023-11-14T22:13:20.123Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(Moment(moment).to_string(), text);
            assert_eq!(text.parse(), Ok(Moment(moment)));
        }
        assert_eq!(
            "2030-01-01T02:00:00+02:00".parse(),
            "2030-01-01T00:00:00Z".parse::<Moment>()
        );
        assert_eq!("yesterday".parse::<Moment>(), Err(InvalidMoment));
    }
}
