//! Timestamps: which unit they count in, and how people read them and the time between them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The unit that timestamps count in, from 1970-01-01 00:00 UTC on.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TimeUnit {
    /// Seconds.
    #[serde(rename = "s")]
    Seconds,
    /// Thousandths of a second.
    #[serde(rename = "ms")]
    Milliseconds,
    /// Millionths of a second.
    #[serde(rename = "us")]
    Microseconds,
    /// Billionths of a second.
    #[serde(rename = "ns")]
    Nanoseconds,
}

/// A moment of the Gregorian calendar in UTC. Shown as `2023-08-31 05:20:00`, and with 3, 6 or 9
/// decimals where the second is not a whole one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UtcTime {
    year: i64,
    month: u8,
    day: u8,
    second_of_day: i64,
    nanosecond: i64,
}

const SECOND: i64 = 1_000_000_000;
/// Seconds from the year 1 to the end of the year 9999, counted from 1970.
const CALENDAR: std::ops::Range<i64> = -62_135_596_800..253_402_300_800;

/// Units of duration and their lengths in nanoseconds, the longest first.
const DURATIONS: [(i128, &str); 6] = [
    (604_800 * SECOND as i128, "week"),
    (86_400 * SECOND as i128, "day"),
    (3_600 * SECOND as i128, "hour"),
    (60 * SECOND as i128, "minute"),
    (SECOND as i128, "second"),
    (1_000_000, "millisecond"),
];

impl TimeUnit {
    /// The unit of `timestamp`, told by its size; `None` for a number that is more likely a
    /// counter.
    ///
    /// | digits | unit |
    /// |---|---|
    /// | 9 or 10 | seconds |
    /// | 12 or 13 | milliseconds |
    /// | 15 or 16 | microseconds |
    /// | 18 or 19 | nanoseconds |
    ///
    /// All of them are dates from March 1973 to November 2286 (nanoseconds in 64 bits end in 2262).
    /// These ranges are the widest whose units do not meet, so one number never has two units.
    /// Earlier dates are as small as counters, and stay numbers.
    pub const fn guess(timestamp: i64) -> Option<Self> {
        match timestamp {
            100_000_000..=9_999_999_999 => Some(Self::Seconds),
            100_000_000_000..=9_999_999_999_999 => Some(Self::Milliseconds),
            100_000_000_000_000..=9_999_999_999_999_999 => Some(Self::Microseconds),
            100_000_000_000_000_000.. => Some(Self::Nanoseconds),
            _ => None,
        }
    }

    /// All units, the longest first.
    pub const ALL: [Self; 4] = [
        Self::Seconds,
        Self::Milliseconds,
        Self::Microseconds,
        Self::Nanoseconds,
    ];

    /// The name of the unit in a sentence: `seconds`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Seconds => "seconds",
            Self::Milliseconds => "milliseconds",
            Self::Microseconds => "microseconds",
            Self::Nanoseconds => "nanoseconds",
        }
    }

    /// The unit that is a second divided by 10^`decimals`: 0, 3, 6 or 9 of them.
    pub const fn with_decimals(decimals: u32) -> Option<Self> {
        match decimals {
            0 => Some(Self::Seconds),
            3 => Some(Self::Milliseconds),
            6 => Some(Self::Microseconds),
            9 => Some(Self::Nanoseconds),
            _ => None,
        }
    }

    /// The inverse of [`Self::with_decimals`].
    pub const fn decimals(self) -> u32 {
        match self {
            Self::Seconds => 0,
            Self::Milliseconds => 3,
            Self::Microseconds => 6,
            Self::Nanoseconds => 9,
        }
    }

    /// Nanoseconds in one of this unit.
    pub const fn nanoseconds(self) -> i64 {
        match self {
            Self::Seconds => SECOND,
            Self::Milliseconds => 1_000_000,
            Self::Microseconds => 1_000,
            Self::Nanoseconds => 1,
        }
    }

    /// The number of points a minute at a distance of `step`, to three digits; `None` if that is not
    /// over 0.
    pub fn per_minute(self, step: i64) -> Option<f64> {
        let rate = 60.0 * self.per_second() as f64 / step as f64;
        let scale = 10_f64.powi(2 - rate.log10().floor() as i32);
        (step > 0).then(|| (rate * scale).round() / scale)
    }

    /// The number of this unit in a second.
    pub const fn per_second(self) -> i64 {
        SECOND / self.nanoseconds()
    }

    /// `timestamp`, which counts in this unit, in `other`; `None` if it is no whole number of those, or
    /// does not fit.
    pub fn convert(self, timestamp: i64, other: Self) -> Option<i64> {
        let nanoseconds = i128::from(timestamp) * i128::from(self.nanoseconds());
        let unit = i128::from(other.nanoseconds());
        let count = i64::try_from(nanoseconds / unit).ok()?;
        (nanoseconds % unit == 0).then_some(count)
    }

    /// `timestamp`, which counts in this unit, in `other`: the last whole one before it, or the nearest
    /// that fits.
    pub fn cut(self, timestamp: i64, other: Self) -> i64 {
        let nanoseconds = i128::from(timestamp) * i128::from(self.nanoseconds());
        let count = nanoseconds.div_euclid(i128::from(other.nanoseconds()));
        i64::try_from(count).unwrap_or(if count < 0 { i64::MIN } else { i64::MAX })
    }

    /// The moment of `timestamp`, if that lies in the years 1 to 9999.
    pub fn utc(self, timestamp: i64) -> Option<UtcTime> {
        let per_second = self.per_second();
        let seconds = timestamp.div_euclid(per_second);
        if !CALENDAR.contains(&seconds) {
            return None;
        }
        let (year, month, day) = civil(seconds.div_euclid(86_400));
        Some(UtcTime {
            year,
            month,
            day,
            second_of_day: seconds.rem_euclid(86_400),
            nanosecond: timestamp.rem_euclid(per_second) * self.nanoseconds(),
        })
    }

    /// `length`, which counts in this unit, in words: `1 week`, `36 hours`, `2.5 days`. The unit is
    /// the largest of which there is a whole number, or else at least two (from a second down,
    /// one). Less than a millisecond has no words.
    pub fn duration(self, length: i64) -> Option<impl fmt::Display> {
        let nanoseconds = i128::from(length) * i128::from(self.nanoseconds());
        let is_whole = |unit: i128| nanoseconds >= unit && nanoseconds % unit == 0;
        let fits =
            |unit: i128| nanoseconds >= 2 * unit || (unit <= SECOND.into() && nanoseconds >= unit);
        let mut units = DURATIONS.into_iter();
        let (unit, name) = units
            .clone()
            .find(|&(unit, _)| is_whole(unit) && nanoseconds < 100 * unit)
            .or_else(|| units.find(|&(unit, _)| fits(unit)))?;
        let tenths = (nanoseconds * 10 + unit / 2) / unit;
        Some(fmt::from_fn(move |f| {
            let (whole, tenth) = (tenths / 10, tenths % 10);
            let plural = if tenths == 10 { "" } else { "s" };
            match tenth {
                0 => write!(f, "{whole} {name}{plural}"),
                _ => write!(f, "{whole}.{tenth} {name}{plural}"),
            }
        }))
    }
}

impl fmt::Display for TimeUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl UtcTime {
    /// The moment in a sentence: `2023-08-31 05:45 UTC`, to the second where that is not a whole
    /// minute.
    pub fn brief(self) -> impl fmt::Display {
        fmt::from_fn(move |f| {
            self.write_minute(f)?;
            match self.second_of_day % 60 {
                0 => f.write_str(" UTC"),
                second => write!(f, ":{second:02} UTC"),
            }
        })
    }

    fn write_minute(self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let minute = self.second_of_day / 60;
        write!(
            f,
            "{:04}-{:02}-{:02} {:02}:{:02}",
            self.year,
            self.month,
            self.day,
            minute / 60,
            minute % 60
        )
    }
}

impl fmt::Display for UtcTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_minute(f)?;
        write!(f, ":{:02}", self.second_of_day % 60)?;
        match self.nanosecond {
            0 => Ok(()),
            ns if ns % 1_000_000 == 0 => write!(f, ".{:03}", ns / 1_000_000),
            ns if ns % 1_000 == 0 => write!(f, ".{:06}", ns / 1_000),
            ns => write!(f, ".{ns:09}"),
        }
    }
}

/// Year, month and day of the proleptic Gregorian calendar, `days` after 1970-01-01 (Howard
/// Hinnant, "chrono-compatible low-level date algorithms").
fn civil(days: i64) -> (i64, u8, u8) {
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    // Both are small: a month is at most 12, a day at most 31.
    (year, month as u8, day as u8)
}

#[cfg(test)]
mod tests {
    use super::TimeUnit::{self, *};

    #[test]
    fn units_are_told_by_the_number_of_digits() {
        let guess = TimeUnit::guess;
        for (unit, first) in [
            (Seconds, 100_000_000),
            (Milliseconds, 100_000_000_000),
            (Microseconds, 100_000_000_000_000),
            (Nanoseconds, 100_000_000_000_000_000),
        ] {
            // 1973 to 2286 in any unit; a year either side of them is a number.
            assert_eq!(guess(first - 1), None, "{unit:?}");
            assert_eq!(guess(first), Some(unit));
            match unit {
                Nanoseconds => assert_eq!(guess(i64::MAX), Some(unit)),
                _ => {
                    assert_eq!(guess(first * 100 - 1), Some(unit));
                    assert_eq!(guess(first * 100), None, "{unit:?}");
                }
            }
            assert_eq!(TimeUnit::with_decimals(unit.decimals()), Some(unit));
            let shown = unit.utc(first).map(|time| time.to_string());
            assert_eq!(shown.as_deref(), Some("1973-03-03 09:46:40"));
        }
        for counter in [0, 12, -1_693_459_200, i64::MIN] {
            assert_eq!(guess(counter), None, "{counter}");
        }
    }

    #[test]
    fn moments_are_shown_as_finely_as_they_are() {
        for (unit, timestamp, shown, brief) in [
            (
                Seconds,
                1_693_460_700,
                "2023-08-31 05:45:00",
                "2023-08-31 05:45 UTC",
            ),
            (
                Milliseconds,
                1_693_460_701_250,
                "2023-08-31 05:45:01.250",
                "2023-08-31 05:45:01 UTC",
            ),
            (
                Microseconds,
                951_782_400_000_001,
                "2000-02-29 00:00:00.000001",
                "2000-02-29 00:00 UTC",
            ),
            (
                Nanoseconds,
                1_735_689_599_000_000_001,
                "2024-12-31 23:59:59.000000001",
                "2024-12-31 23:59:59 UTC",
            ),
            (
                Milliseconds,
                -1_250,
                "1969-12-31 23:59:58.750",
                "1969-12-31 23:59:58 UTC",
            ),
            (
                Seconds,
                -62_135_596_800,
                "0001-01-01 00:00:00",
                "0001-01-01 00:00 UTC",
            ),
            (
                Seconds,
                253_402_300_799,
                "9999-12-31 23:59:59",
                "9999-12-31 23:59:59 UTC",
            ),
        ] {
            let time = unit.utc(timestamp).unwrap();
            assert_eq!(
                (time.to_string(), time.brief().to_string()),
                (shown.to_owned(), brief.to_owned())
            );
        }
        assert_eq!(Seconds.utc(253_402_300_800), None);
        assert_eq!(Seconds.utc(i64::MIN), None);
        assert!(Nanoseconds.utc(i64::MIN).is_some());
    }

    #[test]
    fn durations_are_said_in_the_largest_unit_that_suits() {
        const HOUR: i64 = 3_600_000;
        const DAY: i64 = 24 * HOUR;
        let text = |unit: TimeUnit, length| unit.duration(length).map(|text| text.to_string());
        for (milliseconds, words) in [
            (7 * DAY, "1 week"),
            (DAY, "1 day"),
            (3 * DAY, "3 days"),
            (20 * DAY, "20 days"),
            (36 * HOUR, "36 hours"),
            (60 * HOUR, "60 hours"),
            (23 * HOUR + 55 * 60_000, "23.9 hours"),
            (14 * DAY - 300_000, "14 days"),
            (5 * 60_000, "5 minutes"),
            (90_000, "90 seconds"),
            (1_500_000, "25 minutes"),
            (1_000, "1 second"),
            (1_200, "1.2 seconds"),
            (250, "250 milliseconds"),
            (1, "1 millisecond"),
            (52 * 7 * DAY, "52 weeks"),
            (365 * DAY, "52.1 weeks"),
        ] {
            assert_eq!(text(Milliseconds, milliseconds).as_deref(), Some(words));
        }
        assert_eq!(
            text(Microseconds, 1_500).as_deref(),
            Some("1.5 milliseconds")
        );
        for (unit, length) in [(Microseconds, 999), (Seconds, 0), (Seconds, -5)] {
            assert_eq!(text(unit, length), None);
        }
        assert!(text(Seconds, i64::MAX).is_some());
    }
}
