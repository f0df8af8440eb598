//! Timestamps and spans of time, whose unit is told by size.

use std::fmt;

use super::Short;

/// The unit of timestamps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Too small or too large to be a time of our days: just numbers.
    None,
    /// So many to the second, since 1970.
    PerSecond(i64),
}

/// 1990 in seconds: before it, numbers are taken for counters.
const EARLIEST: i64 = 631_152_000;
/// 2100 in seconds.
const LATEST: i64 = 4_102_444_800;

impl Unit {
    /// The unit of `timestamp`: seconds, ms, µs or ns since 1970 where that gives a year from 1990 to 2100.
    pub(crate) fn of(timestamp: i64) -> Self {
        [1, 1_000, 1_000_000, 1_000_000_000]
            .into_iter()
            .find(|per| (EARLIEST..LATEST).contains(&timestamp.div_euclid(*per)))
            .map_or(Self::None, Self::PerSecond)
    }
}

/// Shows a timestamp: as a moment in UTC where its unit is recognisable, else as the number it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct When(pub(crate) i64);

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Unit::PerSecond(per) = Unit::of(self.0) else {
            return write!(f, "timestamp {}", self.0);
        };
        let seconds = self.0.div_euclid(per);
        let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        let (year, month, day) = civil(days);
        let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}")?;
        if second != 0 {
            write!(f, ":{second:02}")?;
        }
        f.write_str(" UTC")
    }
}

/// Year, month and day of the proleptic Gregorian calendar, `days` after 1970-01-01 (Howard Hinnant, "chrono-compatible low-level
/// date algorithms").
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

/// Shows how long a stretch of a series is: in time where the unit is recognisable, else in points.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Span {
    /// From this timestamp.
    pub(crate) from: i64,
    /// To this one.
    pub(crate) to: i64,
    /// The number of points in it.
    pub(crate) points: u64,
}

/// Names of spans and their lengths in seconds, longest first.
const NAMES: [(&str, f64); 5] = [
    ("weeks", 604_800.0),
    ("days", 86_400.0),
    ("hours", 3_600.0),
    ("minutes", 60.0),
    ("seconds", 1.0),
];

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Unit::PerSecond(per) = Unit::of(self.from) else {
            return write!(f, "{} points", self.points);
        };
        let seconds = self.to.saturating_sub(self.from) as f64 / per as f64;
        // Two of a unit at least, so that the number says something: 36 hours rather than 1.5 days.
        let (name, length) = NAMES
            .into_iter()
            .find(|(_, length)| seconds >= 2.0 * length)
            .unwrap_or(("seconds", 1.0));
        let count = seconds / length;
        let count = if count < 10.0 {
            (count * 10.0).round() / 10.0
        } else {
            count.round()
        };
        write!(f, "{} {name}", Short(count))
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
            (i64::MAX, "timestamp 9223372036854775807"),
        ] {
            assert_eq!(When(timestamp).to_string(), text);
        }
    }

    #[test]
    fn spans_are_counted_in_what_they_hold_two_of() {
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
        assert_eq!(span(20 * 86_400), "2.9 weeks");
        assert_eq!(span(1), "1 seconds");
        let counted = Span {
            from: 0,
            to: i64::MAX,
            points: 7,
        };
        assert_eq!(counted.to_string(), "7 points");
    }
}
