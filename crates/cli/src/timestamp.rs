//! Times: read as files write them, turned into the integers that the platform takes, and shown.

use std::{
    str::FromStr,
    time::{SystemTime, UNIX_EPOCH},
};

use chrono::DateTime;
use contract::TimeUnit;

use crate::csv;

/// A time as it was written: a number, or a date in seconds since 1970 (UTC).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timestamp {
    /// Whole units, rounded down.
    whole: i64,
    /// Billionths of a unit, under a billion.
    billionths: u32,
    /// The decimals that were written, rounded up to 0, 3, 6 or 9.
    written: u32,
    /// Whether it was written as a date.
    pub(crate) is_date: bool,
}

/// The error of a text that is not a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a number, a date as 2024-05-31 13:45:00, or RFC 3339")]
pub(crate) struct InvalidTimestamp;

const BILLION: u32 = 1_000_000_000;

impl Timestamp {
    /// The time `whole`, in any unit.
    pub(crate) fn number(whole: i64) -> Self {
        Self {
            whole,
            billionths: 0,
            written: 0,
            is_date: false,
        }
    }

    /// The time of the call, in whole seconds.
    pub(crate) fn now() -> Self {
        Self::number(now(TimeUnit::Seconds))
    }

    /// The time `seconds` and `billionths` of one after 1970-01-01 00:00 UTC, written with so many
    /// `decimals`.
    pub(crate) fn date(seconds: i64, billionths: u32, decimals: usize) -> Self {
        Self {
            whole: seconds,
            billionths,
            written: written(decimals),
            is_date: true,
        }
    }

    /// The number that `text` is, in any unit.
    pub(crate) fn from_number(text: &str) -> Option<Self> {
        if let Ok(whole) = text.parse() {
            return Some(Self::number(whole));
        }
        decimal(text).or_else(|| exponent(text))
    }

    /// The digits of its fraction as it was written, where those that follow may need them.
    pub(crate) fn written_digits(self) -> u32 {
        self.written.max(self.digits())
    }

    /// The number of decimals that its fraction needs: 0, 3, 6 or 9, as in seconds, ms, µs and ns.
    pub(crate) fn digits(self) -> u32 {
        match self.billionths {
            0 => 0,
            b if b % 1_000_000 == 0 => 3,
            b if b % 1_000 == 0 => 6,
            _ => 9,
        }
    }

    /// The time as an integer with `digits` decimals made part of it; `None` if that does not fit
    /// into 64 bits.
    pub(crate) fn ticks(self, digits: u32) -> Option<i64> {
        let fraction = self.billionths / 10_u32.pow(9 - digits);
        let whole = i128::from(self.whole) * 10_i128.pow(digits);
        i64::try_from(whole + i128::from(fraction)).ok()
    }

    /// The time as an integer, as fine as it was written if that fits into 64 bits, and how to show
    /// it.
    pub(crate) fn alone(self) -> (i64, Clock) {
        let exact = self.ticks(self.digits());
        let digits = exact.map_or(0, |_| self.digits());
        let clock = match self.is_date {
            true => Clock::Dates(digits),
            false => Clock::Numbers(digits),
        };
        (exact.unwrap_or(self.whole), clock)
    }
}

impl FromStr for Timestamp {
    type Err = InvalidTimestamp;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let date = || {
            let time = csv::lone_date(text)?;
            let seconds = time.seconds - time.offset.unwrap_or(0);
            Some(Self::date(seconds, time.nanoseconds, time.decimals))
        };
        Self::from_number(text)
            .or_else(date)
            .ok_or(InvalidTimestamp)
    }
}

/// The time of the call, in `unit`.
pub(crate) fn now(unit: TimeUnit) -> i64 {
    let since_1970 = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let ticks = since_1970.as_nanos() / u128::from(unit.nanoseconds().unsigned_abs());
    i64::try_from(ticks).unwrap_or(i64::MAX)
}

/// `decimals` rounded up to 0, 3, 6 or 9.
fn written(decimals: usize) -> u32 {
    match decimals {
        0 => 0,
        1..=3 => 3,
        4..=6 => 6,
        _ => 9,
    }
}

/// A number with decimals. Decimals beyond the ninth are cut off.
fn decimal(text: &str) -> Option<Timestamp> {
    let (whole, fraction) = text.split_once('.')?;
    if !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let kept = &fraction[..fraction.len().min(9)];
    let billionths = format!("{kept:0<9}").parse::<u32>().ok()?;
    let toward_zero: i64 = whole.parse().ok()?;
    let (whole, billionths) = match (whole.starts_with('-'), billionths) {
        (true, 1..) => (toward_zero.checked_sub(1)?, BILLION - billionths),
        _ => (toward_zero, billionths),
    };
    Some(Timestamp {
        whole,
        billionths,
        written: written(fraction.len()),
        is_date: false,
    })
}

/// A whole number with an exponent, as `1.6934592e9`.
fn exponent(text: &str) -> Option<Timestamp> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let number: f64 = text.parse().ok()?;
    let whole = number.fract() == 0.0 && number.abs() <= EXACT;
    whole.then(|| Timestamp::number(number as i64))
}

/// The way to show the timestamps of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clock {
    /// There were no times: rows are counted from 0.
    Rows,
    /// Numbers, with this many decimals made part of the integer. Shown as dates where
    /// [`TimeUnit::guess`] finds a unit.
    Numbers(u32),
    /// Seconds since 1970, with this many decimals made part of the integer.
    Dates(u32),
}

impl Clock {
    /// The number of decimals that were made part of the integers.
    pub(crate) fn digits(self) -> u32 {
        match self {
            Self::Rows => 0,
            Self::Numbers(digits) | Self::Dates(digits) => digits,
        }
    }

    /// The same for integers that have `digits` decimals.
    pub(crate) fn with_digits(self, digits: u32) -> Self {
        match self {
            Self::Rows => self,
            Self::Numbers(_) => Self::Numbers(digits),
            Self::Dates(_) => Self::Dates(digits),
        }
    }

    /// The time `timestamp`, as text.
    pub(crate) fn show(self, timestamp: i64) -> String {
        let unit = match self {
            Self::Rows => return format!("row {timestamp}"),
            Self::Dates(digits) => TimeUnit::with_decimals(digits),
            Self::Numbers(_) => TimeUnit::guess(timestamp),
        };
        match (unit.and_then(|unit| unit.utc(timestamp)), self) {
            (Some(time), _) => time.to_string(),
            (None, Self::Numbers(digits @ 1..)) => show_decimal(timestamp, digits),
            (None, _) => timestamp.to_string(),
        }
    }

    /// `time` in the unit of the series, one of whose timestamps is `sample`. A date is understood
    /// even where the series has numbers, if [`TimeUnit::guess`] finds their unit.
    pub(crate) fn ticks(self, time: Timestamp, sample: i64) -> i64 {
        let digits = match self {
            Self::Numbers(0) if time.is_date => {
                TimeUnit::guess(sample).map_or(0, TimeUnit::decimals)
            }
            _ => self.digits(),
        };
        time.ticks(digits).unwrap_or(time.whole)
    }
}

/// A time of the platform, which is RFC 3339, to the second; unchanged if it has another form.
pub(crate) fn to_the_second(rfc3339: &str) -> String {
    match DateTime::parse_from_rfc3339(rfc3339) {
        Ok(time) => time.naive_utc().format("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => rfc3339.to_owned(),
    }
}

fn show_decimal(timestamp: i64, digits: u32) -> String {
    let sign = if timestamp < 0 { "-" } else { "" };
    let unit = 10_u64.pow(digits);
    let size = timestamp.unsigned_abs();
    let width = digits as usize;
    format!("{sign}{}.{:0width$}", size / unit, size % unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticks(text: &str) -> (i64, u32) {
        let stamp: Timestamp = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
        let digits = stamp.digits();
        (stamp.ticks(digits).unwrap(), digits)
    }

    #[test]
    fn numbers_stay_what_they_are() {
        assert_eq!(ticks("0"), (0, 0));
        assert_eq!(ticks("-9223372036854775808"), (i64::MIN, 0));
        assert_eq!(ticks("1693459200123456789"), (1_693_459_200_123_456_789, 0));
        assert_eq!(ticks("1693459200.0"), (1_693_459_200, 0));
        assert_eq!(ticks("1.6934592e9"), (1_693_459_200, 0));
    }

    #[test]
    fn a_fraction_makes_the_unit_finer() {
        assert_eq!(ticks("1693459200.5"), (1_693_459_200_500, 3));
        assert_eq!(ticks("1.0000019999999"), (1_000_001_999, 9));
        assert_eq!(ticks("-1.5"), (-1_500, 3));
        assert_eq!(ticks("-0.25"), (-250, 3));
    }

    #[test]
    fn dates_are_utc_unless_they_say_otherwise() {
        for text in [
            "2023-08-31 05:20:00",
            "2023-08-31T05:20:00",
            "2023-08-31 05:20",
            "2023-08-31 05:20:00.000",
            "2023-08-31T05:20:00Z",
            "2023-08-31 07:20:00+02:00",
            "2023-08-30T22:20:00-07:00",
        ] {
            assert_eq!(ticks(text), (1_693_459_200, 0), "{text}");
        }
        assert_eq!(ticks("2023-08-31"), (1_693_440_000, 0));
        assert_eq!(ticks("1969-12-31 23:59:58.750"), (-1_250, 3));
        assert_eq!(ticks("2016-12-31 23:59:60"), ticks("2017-01-01 00:00:00"));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "now",
            "nan",
            "inf",
            "1e300",
            "1.5e0",
            "1.2.3",
            "1.-5",
            "2023-13-01",
            "2023-02-30 00:00:00",
            "31.13.2023",
            "9223372036854775808",
        ] {
            assert_eq!(text.parse::<Timestamp>(), Err(InvalidTimestamp), "{text}");
        }
    }

    #[test]
    fn a_unit_too_fine_for_64_bits_is_noticed() {
        assert_eq!(Timestamp::number(i64::MAX).ticks(3), None);
        assert_eq!(Timestamp::number(-4).ticks(3), Some(-4_000));
        let alone = |text: &str| text.parse::<Timestamp>().unwrap().alone();
        assert_eq!(alone("0.5"), (500, Clock::Numbers(3)));
        assert_eq!(
            alone("9223372036854775807.5"),
            (i64::MAX, Clock::Numbers(0))
        );
    }

    #[test]
    fn times_are_shown_as_dates_where_they_are_dates() {
        assert_eq!(Clock::Rows.show(7), "row 7");
        assert_eq!(Clock::Dates(0).show(1_693_459_200), "2023-08-31 05:20:00");
        assert_eq!(Clock::Dates(3).show(-1_250), "1969-12-31 23:59:58.750");
        assert_eq!(Clock::Dates(0).show(60), "1970-01-01 00:01:00");
        for timestamp in [1_693_459_200, 1_693_459_200_000, 1_693_459_200_000_000_000] {
            assert_eq!(Clock::Numbers(0).show(timestamp), "2023-08-31 05:20:00");
        }
        assert_eq!(Clock::Numbers(0).show(-60), "-60");
        assert_eq!(Clock::Numbers(0).show(-1_693_459_200), "-1693459200");
        assert_eq!(Clock::Numbers(3).show(-1_250), "-1.250");
        assert_eq!(Clock::Dates(0).show(i64::MAX), i64::MAX.to_string());
    }

    #[test]
    fn a_date_is_put_into_the_unit_of_the_series() {
        let ticks = |clock: Clock, text: &str, sample| clock.ticks(text.parse().unwrap(), sample);
        let seconds = 1_693_459_200;
        for (clock, sample, expected) in [
            (Clock::Dates(0), seconds, seconds),
            (Clock::Dates(3), seconds * 1_000, seconds * 1_000),
            (Clock::Numbers(0), seconds, seconds),
            (Clock::Numbers(0), seconds * 1_000_000, seconds * 1_000_000),
            (Clock::Numbers(3), seconds * 1_000, seconds * 1_000),
        ] {
            assert_eq!(ticks(clock, "2023-08-31 05:20", sample), expected);
        }
        assert_eq!(ticks(Clock::Rows, "7", 0), 7);
        assert_eq!(ticks(Clock::Numbers(0), "1700", 1_000), 1_700);
        assert_eq!(ticks(Clock::Dates(3), "2.5", 0), 2_500);
    }

    #[test]
    fn times_of_the_platform_are_shown_to_the_second() {
        let time = to_the_second("2024-05-31T13:45:00.123Z");
        assert_eq!(time, "2024-05-31 13:45:00");
        assert_eq!(to_the_second("soon"), "soon");
    }
}
