//! Moments and stretches of time in sentences, in the unit that the size of a timestamp tells.

use std::fmt;

use contract::TimeUnit;
use serde::{Deserialize, Serialize};

/// Shows a timestamp: as a moment in UTC where its unit is recognisable, else as the number it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct When(pub(crate) i64);

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match TimeUnit::guess(self.0).and_then(|unit| unit.utc(self.0)) {
            Some(time) => write!(f, "{}", time.brief()),
            None => write!(f, "timestamp {}", self.0),
        }
    }
}

/// Shows the length of a stretch of a series: in time where the unit is recognisable, else in
/// points.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Span {
    /// The first timestamp.
    pub(crate) from: i64,
    /// The last timestamp.
    pub(crate) to: i64,
    /// The number of points in it.
    pub(crate) points: u64,
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = self.to.saturating_sub(self.from);
        match TimeUnit::guess(self.from).and_then(|unit| unit.duration(length)) {
            Some(duration) => write!(f, "{duration}"),
            None => write!(f, "{} points", self.points),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_told_by_size() {
        for (timestamp, text) in [
            (1_693_460_700, "2023-08-31 05:45 UTC"),
            (1_693_460_701_250, "2023-08-31 05:45:01 UTC"),
            (951_782_400_000_000, "2000-02-29 00:00 UTC"),
            (1_735_689_599_000_000_000, "2024-12-31 23:59:59 UTC"),
            (12, "timestamp 12"),
            (i64::MIN, "timestamp -9223372036854775808"),
            (315_532_800, "1980-01-01 00:00 UTC"),
        ] {
            assert_eq!(When(timestamp).to_string(), text);
        }
    }

    #[test]
    fn spans_are_times_where_timestamps_are_and_points_elsewhere() {
        let span = |seconds: i64| {
            let from = 1_700_000_000;
            let span = Span {
                from,
                to: from + seconds,
                points: 7,
            };
            span.to_string()
        };
        assert_eq!(span(3 * 86_400), "3 days");
        assert_eq!(span(36 * 3_600), "36 hours");
        assert_eq!(span(20 * 86_400), "20 days");
        assert_eq!(span(1), "1 second");
        let counted = Span {
            from: 0,
            to: i64::MAX,
            points: 7,
        };
        assert_eq!(counted.to_string(), "7 points");
    }
}
