//! Silences: nobody is told of anomalies of some series for some time.

use std::{fmt, str::FromStr};

use jiff::civil::{Date, date};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{
    IncidentId, Matcher, Moment, TimeUnit, TimeZone,
    fields::fields,
    json::{self, BadJson, Body, Notes},
    reference::as_text,
};

/// The most matchers of a silence.
pub const MAX_MATCHERS: usize = 32;
/// The most intervals of a silence.
pub const MAX_INTERVALS: usize = 32;
/// The longest text in a silence, in bytes.
pub const MAX_SILENCE_TEXT: usize = 4 << 10;

/// The id of a silence: 128 bits, written as 32 hexadecimal digits.
pub type SilenceId = IncidentId;

/// A silence.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Silence {
    /// The id.
    pub silence_id: SilenceId,
    /// The series that it is about: those that all of these match.
    pub matchers: Vec<Matcher>,
    /// When it begins.
    pub starts_at: Moment,
    /// When it ends; `null`: never.
    pub ends_at: Option<Moment>,
    /// The times at which it holds; all if there are none.
    #[serde(default)]
    pub intervals: Vec<Interval>,
    /// Why.
    pub comment: String,
    /// By whom; `null` if they did not say.
    pub created_by: Option<String>,
}

/// The reply of `GET /v1/silences`.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SilenceList {
    /// The silences, in the order of their beginnings.
    pub silences: Vec<Silence>,
}

/// The body of `POST /v1/silences`.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq)]
pub struct SilenceRequest {
    /// The series that it is about: those that all of these match. At least one.
    pub matchers: Vec<Matcher>,
    /// When it begins. `None`: at once.
    #[cfg_attr(
        feature = "schema",
        schemars(skip_serializing_if = "crate::schema::absent")
    )]
    pub starts_at: Option<Moment>,
    /// When it ends. `None`: never, if it has intervals.
    #[cfg_attr(
        feature = "schema",
        schemars(skip_serializing_if = "crate::schema::absent")
    )]
    pub ends_at: Option<Moment>,
    /// The times at which it holds; all if there are none.
    #[cfg_attr(
        feature = "schema",
        schemars(skip_serializing_if = "crate::schema::absent")
    )]
    pub intervals: Vec<Interval>,
    /// Why.
    #[cfg_attr(
        feature = "schema",
        schemars(skip_serializing_if = "crate::schema::absent")
    )]
    pub comment: String,
    /// By whom.
    #[cfg_attr(
        feature = "schema",
        schemars(skip_serializing_if = "crate::schema::absent")
    )]
    pub created_by: Option<String>,
}

fields! {
    /// The fields of a [`SilenceRequest`].
    struct SilenceFields {
        matchers: Option<Vec<Matcher>>,
        starts_at: Option<Moment>,
        ends_at: Option<Moment>,
        intervals: Option<Vec<Interval>>,
        comment: Option<String>,
        created_by: Option<String>,
    }
}

impl SilenceRequest {
    /// Reads a request body. An unknown field is refused.
    ///
    /// # Errors
    /// A message that names the field, line and column of the first fault.
    pub fn parse(body: &[u8]) -> Result<Self, BadJson> {
        json::parse(body).map(|parsed| parsed.body)
    }

    /// The silence with this id, made at `now`.
    pub fn silence(self, silence_id: SilenceId, now: Moment) -> Silence {
        Silence {
            silence_id,
            matchers: self.matchers,
            starts_at: self.starts_at.unwrap_or(now),
            ends_at: self.ends_at,
            intervals: self.intervals,
            comment: self.comment,
            created_by: self.created_by,
        }
    }
}

impl Body for SilenceRequest {
    type Fields = SilenceFields;
    const CONTENT: &'static str = "matchers, and ends_at or intervals";
    const STRICT: bool = true;

    fn build(fields: SilenceFields, _: &mut Notes) -> Result<Self, String> {
        let matchers = fields.matchers.ok_or("missing field `matchers`")?;
        let intervals = fields.intervals.unwrap_or_default();
        let comment = fields.comment.unwrap_or_default();
        if matchers.is_empty() {
            return Err("matchers: there are none".to_owned());
        }
        if matchers.len() > MAX_MATCHERS {
            return Err(format!("matchers: more than {MAX_MATCHERS}"));
        }
        if intervals.len() > MAX_INTERVALS {
            return Err(format!("intervals: more than {MAX_INTERVALS}"));
        }
        if fields.ends_at.is_none() && intervals.is_empty() {
            return Err("missing field `ends_at`: only intervals go on without end".to_owned());
        }
        if let Some((start, end)) = fields.starts_at.zip(fields.ends_at)
            && end <= start
        {
            return Err(format!("ends_at: {end} is not after starts_at"));
        }
        check_texts(&matchers, &comment, fields.created_by.as_deref())?;
        Ok(Self {
            matchers,
            starts_at: fields.starts_at,
            ends_at: fields.ends_at,
            intervals,
            comment,
            created_by: fields.created_by,
        })
    }
}

fn check_texts(matchers: &[Matcher], comment: &str, by: Option<&str>) -> Result<(), String> {
    let check = |field, text: &str| match text.len() > MAX_SILENCE_TEXT || text.contains('\0') {
        true => Err(format!(
            "{field}: longer than {MAX_SILENCE_TEXT} bytes, or has a NUL"
        )),
        false => Ok(()),
    };
    for matcher in matchers {
        check("matchers: value", &matcher.value)?;
        matcher
            .check()
            .map_err(|fault| format!("matchers: {fault}"))?;
    }
    check("comment", comment)?;
    check("created_by", by.unwrap_or_default())
}

impl Silence {
    /// Whether it holds at `at`, whatever the series.
    pub fn is_active(&self, at: Moment) -> bool {
        self.starts_at <= at
            && self.ends_at.is_none_or(|end| at < end)
            && (self.intervals.is_empty() || self.intervals.iter().any(|i| i.contains(at)))
    }
}

/// Times that come again, as Alertmanager has them: those that meet every condition that has
/// ranges.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Interval {
    /// Times of day.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub times: Vec<TimeRange>,
    /// Days of the week: `monday`, `monday:friday`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub weekdays: Vec<Weekdays>,
    /// Days of the month: `1:5`; `-1` is the last one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub days_of_month: Vec<MonthDays>,
    /// Months: `january`, `1:3`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub months: Vec<Months>,
    /// The time zone of all of these; absent: UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<TimeZone>,
}

/// A range of times of day, without its end.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeRange {
    /// Its first minute: `02:00`.
    pub start_time: MinuteOfDay,
    /// The minute after it: `04:00`, or `24:00`. Later than the start.
    pub end_time: MinuteOfDay,
}

/// A time of day in whole minutes, `00:00` to `24:00`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MinuteOfDay(pub u16);

/// A range of days of the week, from Sunday 0 to Saturday 6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weekdays(pub i8, pub i8);

/// A range of days of the month; below 0 they count from its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MonthDays(pub i8, pub i8);

/// A range of months.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Months(pub i8, pub i8);

/// A text that is not a part of an interval; the message says what would be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it must be {0}")]
pub struct InvalidInterval(&'static str);

impl Interval {
    /// Whether `at` is one of its times.
    pub fn contains(&self, at: Moment) -> bool {
        let seconds = match &self.location {
            Some(zone) => zone.local_seconds(at.0, TimeUnit::Milliseconds),
            None => at.0.div_euclid(1_000),
        };
        let (day, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        let Some(date) = civil(day) else { return false };
        let minute = second / 60;
        let is_in = |range: &TimeRange| {
            i64::from(range.start_time.0) <= minute && minute < i64::from(range.end_time.0)
        };
        let weekday = date.weekday().to_sunday_zero_offset();
        let meets = |is_met: bool, is_free: bool| is_free || is_met;
        meets(self.times.iter().any(is_in), self.times.is_empty())
            && meets(
                self.weekdays.iter().any(|w| (w.0..=w.1).contains(&weekday)),
                self.weekdays.is_empty(),
            )
            && meets(
                self.days_of_month.iter().any(|days| days.contains(date)),
                self.days_of_month.is_empty(),
            )
            && meets(
                self.months
                    .iter()
                    .any(|m| (m.0..=m.1).contains(&date.month())),
                self.months.is_empty(),
            )
    }
}

impl MonthDays {
    fn contains(self, date: Date) -> bool {
        let last = date.days_in_month();
        let day = |n: i8| if n < 0 { last + 1 + n } else { n };
        (day(self.0)..=day(self.1)).contains(&date.day())
    }
}

/// The date that is this many days after 1970-01-01.
fn civil(day: i64) -> Option<Date> {
    date(1970, 1, 1)
        .checked_add(jiff::Span::new().try_days(day).ok()?)
        .ok()
}

impl FromStr for MinuteOfDay {
    type Err = InvalidInterval;

    fn from_str(text: &str) -> Result<Self, InvalidInterval> {
        const FAULT: InvalidInterval = InvalidInterval("a time of day from 00:00 to 24:00");
        let (hour, minute) = text.split_once(':').ok_or(FAULT)?;
        let number = |text: &str| match text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit())
        {
            true => text.parse::<u16>().map_err(|_| FAULT),
            false => Err(FAULT),
        };
        let (hour, minute) = (number(hour)?, number(minute)?);
        let minutes = hour * 60 + minute;
        match minute < 60 && minutes <= 24 * 60 {
            true => Ok(Self(minutes)),
            false => Err(FAULT),
        }
    }
}

impl fmt::Display for MinuteOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

const WEEKDAYS: [&str; 7] = [
    "sunday",
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
];
const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// Reads `a` or `a:b`, each by `one`.
fn range(text: &str, one: impl Fn(&str) -> Option<i8>) -> Option<(i8, i8)> {
    let (from, to) = text.split_once(':').unwrap_or((text, text));
    Some((one(from)?, one(to)?))
}

/// The index of a word among `words`, from `first` on.
fn word(text: &str, words: &[&str], first: i8) -> Option<i8> {
    let at = words.iter().position(|word| *word == text)?;
    Some(i8::try_from(at).ok()? + first)
}

macro_rules! ranges {
    ($($kind:ident, $fault:literal, $one:expr, $name:expr;)+) => {$(
        impl FromStr for $kind {
            type Err = InvalidInterval;

            fn from_str(text: &str) -> Result<Self, InvalidInterval> {
                match range(text, $one) {
                    Some((from, to)) if is_range(from, to) => Ok(Self(from, to)),
                    _ => Err(InvalidInterval($fault)),
                }
            }
        }

        impl fmt::Display for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let name = $name;
                match self.0 == self.1 {
                    true => f.write_str(&name(self.0)),
                    false => write!(f, "{}:{}", name(self.0), name(self.1)),
                }
            }
        }
    )+};
}

/// Whether the end is not before the start, as far as that can be told without a month.
fn is_range(from: i8, to: i8) -> bool {
    from <= to || (from > 0 && to < 0)
}

/// The name at `index` of `words`.
fn name_of(words: &[&str], index: i8) -> String {
    let at = usize::try_from(index).ok();
    let word = at.and_then(|at| words.get(at)).copied();
    word.unwrap_or_default().to_owned()
}

ranges! {
    Weekdays, "a day of the week such as monday, or a range such as monday:friday",
        |text| word(text, &WEEKDAYS, 0), |day: i8| name_of(&WEEKDAYS, day);
    MonthDays, "a day of the month from 1 to 31 or from -31 to -1, or a range such as 1:5",
        |text| text.parse().ok().filter(|n: &i8| *n != 0 && (-31..=31).contains(n)),
        |day: i8| day.to_string();
    Months, "a month such as january or 1, or a range such as january:march",
        |text| word(text, &MONTHS, 1).or_else(|| text.parse().ok().filter(|n| (1..=12).contains(n))),
        |month: i8| name_of(&MONTHS, month - 1);
}

as_text!(MinuteOfDay, Weekdays, MonthDays, Months);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Moment {
        text.parse().unwrap()
    }

    #[test]
    fn the_silence_of_the_manual_is_read_and_holds_on_sunday_nights_in_vienna() {
        let body = br#"{"matchers":[{"name":"host","op":"=~","value":"db.*"}],
            "starts_at":"2026-01-01T00:00:00Z","ends_at":"2027-01-01T00:00:00Z",
            "intervals":[{"weekdays":["sunday"],"times":[{"start_time":"02:00","end_time":"04:00"}],
            "location":"Europe/Vienna"}],"comment":"backup"}"#;
        let request = SilenceRequest::parse(body).unwrap();
        let silence = request.silence(IncidentId(1), at("2026-01-01T00:00:00Z"));
        let json = serde_json::to_string(&silence).unwrap();
        assert_eq!(serde_json::from_str::<Silence>(&json).unwrap(), silence);
        for (moment, is_active) in [
            // In summer 02:00 there is 00:00 here, in winter 01:00.
            ("2026-07-05T00:00:00Z", true),
            ("2026-07-04T23:59:59.999Z", false),
            ("2026-07-05T01:59:59.999Z", true),
            ("2026-07-05T02:00:00Z", false),
            ("2026-12-06T00:59:59Z", false),
            ("2026-12-06T01:00:00Z", true),
            ("2026-12-07T01:00:00Z", false),
            ("2027-07-04T00:00:00Z", false),
        ] {
            assert_eq!(silence.is_active(at(moment)), is_active, "{moment}");
        }
    }

    #[test]
    fn days_and_months_are_ranges() {
        let interval = |json: &str| serde_json::from_str::<Interval>(json).unwrap();
        let last = interval(r#"{"days_of_month":["-2:-1"],"months":["february","11:december"]}"#);
        for (moment, is_in) in [
            ("2024-02-28T12:00:00Z", true),
            ("2024-02-27T12:00:00Z", false),
            ("2026-02-27T12:00:00Z", true),
            ("2026-03-31T12:00:00Z", false),
            ("2026-12-31T23:59:00Z", true),
            ("2026-12-29T12:00:00Z", false),
        ] {
            assert_eq!(last.contains(at(moment)), is_in, "{moment}");
        }
        assert!(interval("{}").contains(at("2026-02-27T12:00:00Z")));
        let text = r#"{"times":[{"start_time":"00:00","end_time":"24:00"}],"weekdays":["monday:friday"],"months":["march"]}"#;
        assert_eq!(serde_json::to_string(&interval(text)).unwrap(), text);
    }

    #[test]
    fn faults_name_their_field() {
        for (body, fault) in [
            ("{}", "missing field `matchers`"),
            (
                r#"{"matchers":[],"ends_at":"2027-01-01T00:00:00Z"}"#,
                "matchers: there are none",
            ),
            (
                r#"{"matchers":[{"name":"a","op":"=","value":"b"}]}"#,
                "missing field `ends_at`",
            ),
            (
                r#"{"matchers":[{"name":"a","op":"==","value":"b"}]}"#,
                "matchers: unknown variant `==`",
            ),
            (
                r#"{"matchers":[{"name":"a","op":"=","value":"b","x":1}]}"#,
                "matchers: unknown field `x`",
            ),
            (
                r#"{"matchers":[{"name":"","op":"=","value":"b"}],"ends_at":"2027-01-01T00:00:00Z"}"#,
                "matchers: name `` is neither series nor the name of a label",
            ),
            (r#"{"ends_at":"tomorrow"}"#, "ends_at: it must be a moment"),
            (
                r#"{"intervals":[{"weekdays":["sonntag"]}]}"#,
                "intervals: it must be a day of the week",
            ),
            (
                r#"{"intervals":[{"weekdays":["friday:monday"]}]}"#,
                "intervals: it must be a day of the week",
            ),
            (
                r#"{"intervals":[{"times":[{"start_time":"24:01","end_time":"04:00"}]}]}"#,
                "intervals: it must be a time of day",
            ),
            (
                r#"{"intervals":[{"days_of_month":["0"]}]}"#,
                "intervals: it must be a day of the month",
            ),
            (
                r#"{"intervals":[{"location":"Wien"}]}"#,
                "intervals: \"Wien\" is not a time zone",
            ),
            (
                r#"{"matchers":[{"name":"a","op":"=","value":"b"}],"starts_at":"2027-01-01T00:00:00Z","ends_at":"2027-01-01T00:00:00Z"}"#,
                "is not after starts_at",
            ),
            (r#"{"until":1}"#, "unknown field `until`"),
        ] {
            let message = SilenceRequest::parse(body.as_bytes())
                .unwrap_err()
                .to_string();
            assert!(message.contains(fault), "{body}: {message}");
        }
    }

    #[test]
    fn a_matcher_that_no_series_can_meet_is_refused() {
        let parse = |name: &str, op: &str, value: &str| {
            let body = format!(
                r#"{{"matchers":[{{"name":"{name}","op":"{op}","value":"{value}"}}],"ends_at":"2027-01-01T00:00:00Z"}}"#
            );
            SilenceRequest::parse(body.as_bytes()).map_err(|fault| fault.to_string())
        };
        for (name, op, value, fault) in [
            (
                "a",
                "=~",
                "(b",
                "value `(b` of a is not a regular expression: unclosed group",
            ),
            ("a", "!~", "(x{900}){900}", "is not a regular expression"),
            ("a", "=~", "b)|(c", "is not a regular expression"),
            (
                "a-b",
                "=",
                "c",
                "name `a-b` is neither series nor the name of a label",
            ),
            (
                "series",
                "=",
                "a/b",
                "value `a/b` of series: series id has a slash",
            ),
        ] {
            let message = parse(name, op, value).unwrap_err();
            assert!(message.contains("matchers: "), "{message}");
            assert!(message.contains(fault), "{message}");
        }
        for (name, op, value) in [
            ("series", "!=", "a/b"),
            ("__name__", "=~", "up|a.*"),
            ("a", "=", ""),
        ] {
            assert!(parse(name, op, value).is_ok(), "{name}{op}{value}");
        }
    }
}
