//! Times as files write them, and as the platform takes them: integers.

use std::{
    str::FromStr,
    time::{SystemTime, UNIX_EPOCH},
};

use chrono::{DateTime, NaiveDate, NaiveDateTime};

/// A time as it was written: a number, or a date in seconds since 1970 (UTC).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Whole units, rounded down.
    whole: i64,
    /// Billionths of a unit, under a billion.
    billionths: u32,
    /// Whether it was written as a date.
    pub(crate) is_date: bool,
}

/// A text that is no time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a number, a date as 2024-05-31 13:45:00, or RFC 3339")]
pub(crate) struct InvalidStamp;

const BILLION: u32 = 1_000_000_000;

impl Stamp {
    /// The time `whole`, in any unit.
    pub(crate) fn number(whole: i64) -> Self {
        Self {
            whole,
            billionths: 0,
            is_date: false,
        }
    }

    /// The time of the call, in whole seconds.
    pub(crate) fn now() -> Self {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
        let seconds = since_1970.map_or(0, |time| time.as_secs());
        Self::number(i64::try_from(seconds).unwrap_or(i64::MAX))
    }

    /// The digits that its fraction needs: 0, 3, 6 or 9, as in seconds, ms, µs and ns.
    pub(crate) fn digits(self) -> u32 {
        match self.billionths {
            0 => 0,
            b if b % 1_000_000 == 0 => 3,
            b if b % 1_000 == 0 => 6,
            _ => 9,
        }
    }

    /// The time as an integer, in units with `digits` more digits; `None` if that has no room in 64 bits.
    pub(crate) fn ticks(self, digits: u32) -> Option<i64> {
        let fraction = self.billionths / 10_u32.pow(9 - digits);
        let whole = i128::from(self.whole) * 10_i128.pow(digits);
        i64::try_from(whole + i128::from(fraction)).ok()
    }

    /// The time as an integer, as fine as it was written if that has room in 64 bits, and how to show it.
    pub(crate) fn alone(self) -> (i64, Clock) {
        let exact = self.ticks(self.digits());
        let digits = exact.map_or(0, |_| self.digits());
        let clock = match self.is_date {
            true => Clock::Dates(digits),
            false => Clock::Numbers(digits),
        };
        (exact.unwrap_or(self.whole), clock)
    }

    fn date(date: NaiveDateTime) -> Self {
        let utc = date.and_utc();
        // A leap second is written as a 60th second: more than a billion billionths.
        let billionths = utc.timestamp_subsec_nanos();
        Self {
            whole: utc.timestamp() + i64::from(billionths / BILLION),
            billionths: billionths % BILLION,
            is_date: true,
        }
    }
}

impl FromStr for Stamp {
    type Err = InvalidStamp;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(whole) = text.parse() {
            return Ok(Self::number(whole));
        }
        decimal(text)
            .or_else(|| exponent(text))
            .or_else(|| date(text))
            .ok_or(InvalidStamp)
    }
}

/// A number with decimals; what is finer than a billionth is cut off.
fn decimal(text: &str) -> Option<Stamp> {
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
    Some(Stamp {
        whole,
        billionths,
        is_date: false,
    })
}

/// A whole number with an exponent, as `1.6934592e9`.
fn exponent(text: &str) -> Option<Stamp> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let number: f64 = text.parse().ok()?;
    let whole = number.fract() == 0.0 && number.abs() <= EXACT;
    whole.then(|| Stamp::number(number as i64))
}

fn date(text: &str) -> Option<Stamp> {
    const FORMS: [&str; 4] = [
        "%Y-%m-%d %H:%M:%S%.f",
        "%Y-%m-%dT%H:%M:%S%.f",
        "%Y-%m-%d %H:%M",
        "%Y-%m-%dT%H:%M",
    ];
    if let Ok(zoned) = DateTime::parse_from_rfc3339(text) {
        return Some(Stamp::date(zoned.naive_utc()));
    }
    let local = FORMS
        .iter()
        .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok());
    let midnight = || {
        NaiveDate::parse_from_str(text, "%Y-%m-%d")
            .ok()?
            .and_hms_opt(0, 0, 0)
    };
    local.or_else(midnight).map(Stamp::date)
}

/// How the timestamps of a series read to a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clock {
    /// There were none: rows counted from 0.
    Rows,
    /// Numbers, with this many decimals made part of the integer; shown as dates when their size says so.
    Numbers(u32),
    /// Seconds since 1970, with this many decimals made part of the integer.
    Dates(u32),
}

impl Clock {
    /// How many decimals were made part of the integers.
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
        let date = match self {
            Self::Rows => return format!("row {timestamp}"),
            Self::Dates(digits) => show_date(timestamp, digits),
            Self::Numbers(_) => {
                digits_by_size(timestamp).and_then(|digits| show_date(timestamp, digits))
            }
        };
        date.unwrap_or_else(|| match self {
            Self::Numbers(digits @ 1..) => show_decimal(timestamp, digits),
            _ => timestamp.to_string(),
        })
    }
}

/// A time of the platform's own, RFC 3339, to the second; as it is if it has another form.
pub(crate) fn to_the_second(rfc3339: &str) -> String {
    match DateTime::parse_from_rfc3339(rfc3339) {
        Ok(time) => time.naive_utc().format("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => rfc3339.to_owned(),
    }
}

/// Seconds, ms, µs or ns since 1970, told apart by size; `None` for numbers that are more likely counts.
fn digits_by_size(timestamp: i64) -> Option<u32> {
    match timestamp.unsigned_abs() {
        0..100_000_000 => None,
        100_000_000..100_000_000_000 => Some(0),
        100_000_000_000..100_000_000_000_000 => Some(3),
        100_000_000_000_000..100_000_000_000_000_000 => Some(6),
        100_000_000_000_000_000.. => Some(9),
    }
}

fn show_date(timestamp: i64, digits: u32) -> Option<String> {
    let unit = 10_i64.pow(digits);
    let billionths = timestamp.rem_euclid(unit) * 10_i64.pow(9 - digits);
    let date =
        DateTime::from_timestamp(timestamp.div_euclid(unit), u32::try_from(billionths).ok()?)?;
    let form = match billionths {
        0 => "%Y-%m-%d %H:%M:%S",
        _ => "%Y-%m-%d %H:%M:%S%.f",
    };
    Some(date.format(form).to_string())
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
        let stamp: Stamp = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
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
            "31.08.2023",
            "9223372036854775808",
        ] {
            assert_eq!(text.parse::<Stamp>(), Err(InvalidStamp), "{text}");
        }
    }

    #[test]
    fn a_unit_too_fine_for_64_bits_is_noticed() {
        assert_eq!(Stamp::number(i64::MAX).ticks(3), None);
        assert_eq!(Stamp::number(-4).ticks(3), Some(-4_000));
        let alone = |text: &str| text.parse::<Stamp>().unwrap().alone();
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
        assert_eq!(Clock::Numbers(3).show(-1_250), "-1.250");
        assert_eq!(Clock::Dates(0).show(i64::MAX), i64::MAX.to_string());
    }

    #[test]
    fn times_of_the_platform_are_shown_to_the_second() {
        let time = to_the_second("2024-05-31T13:45:00.123Z");
        assert_eq!(time, "2024-05-31 13:45:00");
        assert_eq!(to_the_second("soon"), "soon");
    }
}
