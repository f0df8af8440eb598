//! Dates as files write them.

use std::sync::LazyLock;

use chrono::{Datelike, NaiveDate, NaiveTime, Timelike, format};
use regex::{Captures, Regex};

/// Whether the day or the month stands first in dates such as 3/1/2024.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    DayFirst,
    MonthFirst,
}

/// A date with the time of day, as a clock on the wall shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CivilTime {
    /// Seconds from 1970-01-01 00:00 of the same clock.
    pub(crate) seconds: i64,
    /// Billionths of a second, under a billion.
    pub(crate) nanoseconds: u32,
    /// The decimals of the second that were written.
    pub(crate) decimals: usize,
    /// Seconds that the clock is ahead of UTC, if that was written.
    pub(crate) offset: Option<i64>,
    /// Whether there was a time of day.
    pub(crate) has_clock: bool,
}

const DAY: i64 = 86_400;
const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];

/// Year, month and day of what [`HEADS`] have found.
type ReadHead = fn(&Captures<'_>, Order) -> Option<NaiveDate>;

/// How a date begins, before its time of day.
static HEADS: LazyLock<[(Regex, ReadHead); 10]> = LazyLock::new(|| {
    let month = "(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*";
    let weekday = "(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*,? +)?";
    let head = |pattern: String, read: ReadHead| {
        let regex = Regex::new(&format!("(?i)^{pattern}"));
        (regex.expect("the pattern is a constant"), read)
    };
    [
        head(
            "([0-9]{4})([-/.])([0-9]{1,2})(?:([-/.])([0-9]{1,2}))?".to_owned(),
            year_first,
        ),
        head(
            "([0-9]{1,2})([-/.])([0-9]{1,2})([-/.])([0-9]{4}|[0-9]{2})".to_owned(),
            year_last,
        ),
        head(
            format!("{weekday}([0-9]{{1,2}})[-/. ]+{month}\\.?[-/ ,]+([0-9]{{4}}|[0-9]{{2}})"),
            |m, _| date_of(year(&m[3])?, month_of(&m[2])?, number(&m[1])?),
        ),
        head(
            format!("{weekday}{month}\\.? +([0-9]{{1,2}})(?:st|nd|rd|th)?,? +([0-9]{{4}})"),
            |m, _| date_of(year(&m[3])?, month_of(&m[1])?, number(&m[2])?),
        ),
        head(
            format!("{month}\\.?[-/ ,]+([0-9]{{4}}|[0-9]{{2}})$"),
            |m, _| date_of(year(&m[2])?, month_of(&m[1])?, 1),
        ),
        head(
            format!("([0-9]{{4}})[-/ ]{month}\\.?(?:[-/ ]([0-9]{{1,2}}))?"),
            |m, _| {
                date_of(
                    year(&m[1])?,
                    month_of(&m[2])?,
                    m.get(3).map_or(Some(1), |d| number(d.as_str()))?,
                )
            },
        ),
        head("([0-9]{4})[- ]?Q([1-4])$".to_owned(), |m, _| {
            date_of(year(&m[1])?, number::<i64>(&m[2])? * 3 - 2, 1)
        }),
        head("Q([1-4])[-/ ]?([0-9]{4})$".to_owned(), |m, _| {
            date_of(year(&m[2])?, number::<i64>(&m[1])? * 3 - 2, 1)
        }),
        head("([0-9]{4})-?W([0-9]{2})(?:-?([1-7]))?$".to_owned(), week),
        head("([0-9]{1,2})-([0-9]{2})$".to_owned(), |m, _| {
            date_of(year(&m[1])?, number(&m[2])?, 1)
        }),
    ]
});

/// How a date ends: the time of day and the zone.
static TAIL: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r"(?i)^(?:(?:T|[ ,:_]+)([0-9]{1,2})(?:[:.h]([0-9]{2})(?:[:.]([0-9]{2})(?:[.,]([0-9]{1,9})[0-9]*)?)?)?\s*(?:([ap])\.?m\.?)?)?\s*(?:(Z|UTC|GMT)|(?:UTC|GMT)?([+-])([0-9]{1,2})(?::?([0-9]{2}))?)?(?:\[[^\]]*\])?$";
    Regex::new(pattern).expect("the pattern is a constant")
});

/// A date in digits, with or without a time of day.
static COMPACT: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = "(?i)^([0-9]{4})([0-9]{2})([0-9]{2})(?:T?([0-9]{2})([0-9]{2})([0-9]{2})?)?(Z)?$";
    Regex::new(pattern).expect("the pattern is a constant")
});

/// The date that `text` holds. `order` counts where it begins with two short numbers.
pub(crate) fn date(text: &str, order: Order) -> Option<CivilTime> {
    for (head, read) in HEADS.iter() {
        if let Some(found) = head.captures(text) {
            let date = read(&found, order);
            if let Some(time) = date.and_then(|date| with_tail(date, &text[found[0].len()..])) {
                return Some(time);
            }
        }
    }
    let found = COMPACT.captures(text)?;
    let date = date_of(number(&found[1])?, number(&found[2])?, number(&found[3])?)?;
    let part = |i: usize| found.get(i).map_or(Some(0), |m| number(m.as_str()));
    Some(CivilTime {
        seconds: midnight(date) + second_of_day([part(4)?, part(5)?, part(6)?])?,
        nanoseconds: 0,
        decimals: 0,
        offset: found.get(7).map(|_| 0),
        has_clock: found.get(4).is_some(),
    })
}

/// The date that `text` holds, where no others tell whether day or month stands first.
pub(crate) fn lone_date(text: &str) -> Option<CivilTime> {
    let order = match order(text) {
        Some(Some(order)) => order,
        _ if text.contains('/') => Order::MonthFirst,
        _ => Order::DayFirst,
    };
    date(text, order)
}

/// The time of day that `text` holds: seconds and nanoseconds.
pub(crate) fn clock(text: &str) -> Option<(i64, u32)> {
    let text = format!(" {text}");
    let parts = TAIL.captures(&text)?;
    // An hour alone is a number.
    parts.get(2)?;
    time_of_day(&parts)
}

/// The date that `text` holds in the form `format`, in the signs of `strftime`.
pub(crate) fn formatted(text: &str, format: &str) -> Option<CivilTime> {
    let mut parsed = format::Parsed::new();
    format::parse(&mut parsed, text, format::StrftimeItems::new(format)).ok()?;
    let time = parsed.to_naive_time();
    let date = parsed.to_naive_date().ok().or_else(|| {
        // A month or a year alone begins on its first day.
        let year = parsed
            .year()
            .or_else(|| Some(in_full(parsed.year_mod_100()?)))?;
        date_of(year, i64::from(parsed.month().unwrap_or(1)), 1)
    });
    if let Some(seconds) = parsed.timestamp() {
        return Some(CivilTime {
            seconds,
            nanoseconds: parsed.nanosecond().unwrap_or(0),
            decimals: 0,
            offset: Some(0),
            has_clock: true,
        });
    }
    let has_clock = time.is_ok();
    let hour_alone = || {
        let hour = parsed.hour_div_12()? * 12 + parsed.hour_mod_12()?;
        NaiveTime::from_hms_opt(hour, 0, 0)
    };
    let time = time.ok().or_else(hour_alone).unwrap_or_default();
    Some(CivilTime {
        seconds: midnight(date?) + i64::from(time.num_seconds_from_midnight()),
        nanoseconds: time.nanosecond() % 1_000_000_000,
        decimals: if time.nanosecond() == 0 { 0 } else { 9 },
        offset: parsed.offset().map(i64::from),
        has_clock,
    })
}

/// The order of day and month in `text`: `None` where it has no such date, `Some(None)` where it
/// may be either.
pub(crate) fn order(text: &str) -> Option<Option<Order>> {
    let (head, _) = &HEADS[1];
    let found = head.captures(text)?;
    let (first, second): (i64, i64) = (number(&found[1])?, number(&found[3])?);
    Some(match (first > 12, second > 12) {
        (true, _) => Some(Order::DayFirst),
        (_, true) => Some(Order::MonthFirst),
        _ => None,
    })
}

fn year_first(m: &Captures<'_>, _: Order) -> Option<NaiveDate> {
    let day = match (m.get(4), m.get(5)) {
        (Some(again), Some(day)) if again.as_str() == &m[2] => number(day.as_str())?,
        // 2024.05 is a number.
        (None, _) if &m[2] != "." => 1,
        _ => return None,
    };
    date_of(number(&m[1])?, number(&m[3])?, day)
}

fn year_last(m: &Captures<'_>, order: Order) -> Option<NaiveDate> {
    let (first, second) = (number(&m[1])?, number(&m[3])?);
    let (day, month) = match order {
        Order::DayFirst => (first, second),
        Order::MonthFirst => (second, first),
    };
    (m[2] == m[4])
        .then(|| date_of(year(&m[5])?, month, day))
        .flatten()
}

fn week(m: &Captures<'_>, _: Order) -> Option<NaiveDate> {
    let day: i64 = m.get(3).map_or(Some(1), |day| number(day.as_str()))?;
    let monday = NaiveDate::from_isoywd_opt(number(&m[1])?, number(&m[2])?, chrono::Weekday::Mon)?;
    monday.checked_add_signed(chrono::TimeDelta::days(day - 1))
}

fn with_tail(date: NaiveDate, tail: &str) -> Option<CivilTime> {
    let parts = TAIL.captures(tail)?;
    let (second, nanoseconds) = time_of_day(&parts)?;
    let part = |i: usize| parts.get(i).map_or(Some(0_i64), |m| number(m.as_str()));
    let offset = match parts.get(7) {
        Some(sign) => {
            let size = part(8)? * 3_600 + part(9)? * 60;
            Some(if sign.as_str() == "-" { -size } else { size })
        }
        None => parts.get(6).map(|_| 0),
    };
    Some(CivilTime {
        seconds: midnight(date) + second,
        nanoseconds,
        decimals: parts.get(4).map_or(0, |fraction| fraction.len()),
        offset,
        has_clock: parts.get(1).is_some(),
    })
}

/// Seconds and nanoseconds of the day in what [`TAIL`] has found.
fn time_of_day(parts: &Captures<'_>) -> Option<(i64, u32)> {
    let part = |i: usize| parts.get(i).map_or(Some(0_i64), |m| number(m.as_str()));
    let hour = match (part(1)?, parts.get(5)) {
        (hour, None) => hour,
        (hour @ 1..=12, Some(half)) => {
            hour % 12
                + if half.as_str().eq_ignore_ascii_case("p") {
                    12
                } else {
                    0
                }
        }
        _ => return None,
    };
    let fraction = parts.get(4).map_or("", |m| m.as_str());
    let nanoseconds = format!("{fraction:0<9}").parse().ok()?;
    Some((second_of_day([hour, part(2)?, part(3)?])?, nanoseconds))
}

/// The second of the day; 24:00 is the end of it, and a leap second the next minute.
fn second_of_day([hour, minute, second]: [i64; 3]) -> Option<i64> {
    let of_day = hour * 3_600 + minute * 60 + second;
    let fits = minute < 60 && second <= 60 && of_day <= DAY;
    fits.then_some(of_day)
}

fn midnight(date: NaiveDate) -> i64 {
    let since = date.num_days_from_ce() - NaiveDate::default().num_days_from_ce();
    i64::from(since) * DAY
}

fn date_of(year: i32, month: i64, day: i64) -> Option<NaiveDate> {
    NaiveDate::from_ymd_opt(year, month.try_into().ok()?, day.try_into().ok()?)
}

fn month_of(name: &str) -> Option<i64> {
    let found = MONTHS
        .iter()
        .position(|month| month.eq_ignore_ascii_case(name))?;
    i64::try_from(found + 1).ok()
}

fn number<T: std::str::FromStr>(digits: &str) -> Option<T> {
    digits.parse().ok()
}

/// A year of four digits, or of one or two: 50 is 1950, and 49 is 2049.
fn year(digits: &str) -> Option<i32> {
    let year = number(digits)?;
    Some(if digits.len() > 2 {
        year
    } else {
        in_full(year)
    })
}

fn in_full(short: i32) -> i32 {
    short + if short < 50 { 2000 } else { 1900 }
}
