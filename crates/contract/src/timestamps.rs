//! Timestamps as requests write them: integers, numbers with a fraction, or dates of RFC 3339.
//!
//! A series counts its timestamps in one unit, as 64-bit integers. What is written in another way is
//! turned into such integers here, in the coarsest unit that loses nothing.

use std::{fmt, str::FromStr};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, SeqAccess, Visitor},
};

use crate::TimeUnit;

/// What a request may write, for messages.
const EXPECTED: &str =
    "an integer, seconds since 1970 with a fraction, or a date such as \"2023-08-31T05:45:00Z\"";

/// The timestamps of a request, which count in one unit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Timestamps {
    /// The timestamps.
    pub(crate) counts: Vec<i64>,
    /// Their unit; `None` if all were written as integers, whose unit is told by their size.
    pub(crate) unit: Option<TimeUnit>,
}

/// One timestamp of a request, in a body or a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timestamp {
    /// The timestamp.
    pub count: i64,
    /// Its unit, if it was written as a date or with a fraction; `None`: it was an integer, whose unit
    /// is told by its size.
    pub unit: Option<TimeUnit>,
}

/// A text that is not a timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is not {EXPECTED}")]
pub struct InvalidTimestamp;

/// One timestamp as it was written.
#[derive(Clone, Copy)]
enum Written {
    Integer(i64),
    /// Nanoseconds since 1970, of a number with a fraction.
    Fraction(i128),
    /// Nanoseconds since 1970, of a date.
    Date(i128),
}

impl Written {
    /// Nanoseconds since 1970. An integer counts in the unit that its size tells, or else in seconds.
    fn nanoseconds(self) -> i128 {
        match self {
            Self::Integer(count) => {
                let unit = TimeUnit::guess(count).unwrap_or(TimeUnit::Seconds);
                i128::from(count) * i128::from(unit.nanoseconds())
            }
            Self::Fraction(nanoseconds) | Self::Date(nanoseconds) => nanoseconds,
        }
    }

    /// Reads a date.
    fn date(text: &str) -> Option<Self> {
        let moment: jiff::Timestamp = text.parse().ok()?;
        Some(Self::Date(moment.as_nanosecond()))
    }

    /// A number that may have a fraction, of the unit that its size tells. Counters have none.
    fn number(number: f64) -> Option<Self> {
        // Saturates, and what is near the end of the range has no fraction that could be told.
        let count = number.trunc() as i64;
        let unit = TimeUnit::guess(count).filter(|_| count < i64::MAX)?;
        if number.fract() == 0.0 {
            return Some(Self::Integer(count));
        }
        // The digits that were written, rather than those of the binary fraction.
        let text = number.to_string();
        let (_, digits) = text.split_once('.')?;
        let digits = &digits[..digits.len().min(9)];
        let billionths: i128 = format!("{digits:0<9}").parse().ok()?;
        let fraction = billionths * i128::from(unit.nanoseconds()) / 1_000_000_000;
        let whole = i128::from(count) * i128::from(unit.nanoseconds());
        Some(Self::Fraction(whole + fraction))
    }
}

impl Timestamps {
    fn unify(written: &[Written]) -> Result<Self, String> {
        let is_date = |written: &Written| matches!(written, Written::Date(_));
        if written.iter().any(is_date) && !written.iter().all(is_date) {
            return Err("some are dates and some are numbers".to_owned());
        }
        let all = || written.iter().map(|one| one.nanoseconds());
        let is_exact = |unit: &TimeUnit| all().all(|ns| ns % i128::from(unit.nanoseconds()) == 0);
        let unit = TimeUnit::ALL.into_iter().find(is_exact);
        let unit = unit.unwrap_or(TimeUnit::Nanoseconds);
        let count = |ns: i128| i64::try_from(ns / i128::from(unit.nanoseconds()));
        let counts = all().map(count).collect::<Result<_, _>>();
        Ok(Self {
            counts: counts.map_err(|_| format!("a time does not fit into 64 bits of {unit}"))?,
            unit: Some(unit),
        })
    }

    /// Brings the timestamps of two parts of a request to one unit, which is returned; `None` if all
    /// were written as integers.
    ///
    /// # Errors
    /// When one part are integers that are no dates and the other are dates, or a time does not fit.
    pub(crate) fn align(&mut self, other: &mut Self) -> Result<Option<TimeUnit>, String> {
        if self.unit == other.unit || self.counts.is_empty() || other.counts.is_empty() {
            return Ok(self.unit.or(other.unit));
        }
        let unit_of = |times: &Self| times.unit.or(TimeUnit::guess(*times.counts.last()?));
        let (Some(first), Some(second)) = (unit_of(self), unit_of(other)) else {
            return Err("some are dates and some are numbers".to_owned());
        };
        let unit = if first.nanoseconds() < second.nanoseconds() {
            first
        } else {
            second
        };
        for (times, from) in [(self, first), (other, second)] {
            for count in &mut times.counts {
                let converted = from.convert(*count, unit);
                *count = converted.ok_or("a time does not fit into 64 bits")?;
            }
            times.unit = Some(unit);
        }
        Ok(Some(unit))
    }
}

impl From<i64> for Timestamp {
    fn from(count: i64) -> Self {
        Self { count, unit: None }
    }
}

impl FromIterator<i64> for Timestamps {
    fn from_iter<I: IntoIterator<Item = i64>>(counts: I) -> Self {
        Self {
            counts: counts.into_iter().collect(),
            unit: None,
        }
    }
}

/// The unit is left out.
impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.count.serialize(serializer)
    }
}

/// The unit is left out.
impl Serialize for Timestamps {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.counts.serialize(serializer)
    }
}

impl From<Timestamp> for Timestamps {
    fn from(one: Timestamp) -> Self {
        Self {
            counts: vec![one.count],
            unit: one.unit,
        }
    }
}

/// Reads a timestamp of a query. An integer has no plus sign, for that stands for a space there.
impl FromStr for Timestamp {
    type Err = InvalidTimestamp;

    fn from_str(text: &str) -> Result<Self, InvalidTimestamp> {
        if text.starts_with('+') {
            return Err(InvalidTimestamp);
        }
        let written = match (text.parse(), text.parse()) {
            (Ok(count), _) => Some(Written::Integer(count)),
            (_, Ok(number)) => Written::number(number),
            _ => Written::date(text),
        };
        Self::new(written.ok_or(InvalidTimestamp)?).map_err(|_| InvalidTimestamp)
    }
}

impl Timestamp {
    /// The timestamp in the unit of a series, cut to a whole one, for the end of a range. An integer
    /// stays as it is, and so does any timestamp of a series whose unit is not known.
    pub fn in_unit(self, unit: Option<TimeUnit>) -> i64 {
        match (self.unit, unit) {
            (Some(from), Some(to)) => from.cut(self.count, to),
            _ => self.count,
        }
    }

    /// Whether this is later than `other`.
    pub fn is_after(self, other: Self) -> bool {
        let nanoseconds = |time: Self| {
            let unit = time.unit.or(TimeUnit::guess(time.count));
            i128::from(time.count) * unit.map_or(1, |unit| i128::from(unit.nanoseconds()))
        };
        match self.unit == other.unit {
            true => self.count > other.count,
            false => nanoseconds(self) > nanoseconds(other),
        }
    }

    fn new(written: Written) -> Result<Self, String> {
        if let Written::Integer(count) = written {
            return Ok(Self { count, unit: None });
        }
        let Timestamps { counts, unit } = Timestamps::unify(&[written])?;
        Ok(Self {
            count: counts[0],
            unit,
        })
    }
}

struct WrittenVisitor;

impl Visitor<'_> for WrittenVisitor {
    type Value = Written;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(EXPECTED)
    }

    fn visit_i64<E>(self, count: i64) -> Result<Written, E> {
        Ok(Written::Integer(count))
    }

    fn visit_u64<E: de::Error>(self, count: u64) -> Result<Written, E> {
        let count = i64::try_from(count);
        count.map(Written::Integer).map_err(|_| {
            E::custom("a timestamp has at most 19 digits, and is below 9223372036854775808")
        })
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Written, E> {
        let unexpected = de::Unexpected::Float(number);
        Written::number(number).ok_or_else(|| E::invalid_value(unexpected, &self))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Written, E> {
        let unexpected = de::Unexpected::Str(text);
        Written::date(text).ok_or_else(|| E::invalid_value(unexpected, &self))
    }
}

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WrittenVisitor)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(Written::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

struct TimestampsVisitor;

impl<'de> Visitor<'de> for TimestampsVisitor {
    type Value = Timestamps;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sequence of timestamps")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Timestamps, A::Error> {
        let mut counts = Vec::with_capacity(seq.size_hint().unwrap_or(0).min(4_096));
        let other = loop {
            match seq.next_element()? {
                Some(Written::Integer(count)) => counts.push(count),
                Some(other) => break other,
                None => return Ok(Timestamps { counts, unit: None }),
            }
        };
        let mut written: Vec<Written> = counts.into_iter().map(Written::Integer).collect();
        written.push(other);
        while let Some(next) = seq.next_element()? {
            written.push(next);
        }
        Timestamps::unify(&written).map_err(de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Timestamps {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(TimestampsVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::{TimeUnit::*, *};

    fn read(text: &str) -> Result<Timestamps, String> {
        serde_json::from_str(text).map_err(|error: serde_json::Error| error.to_string())
    }

    #[test]
    fn times_count_in_the_coarsest_unit_that_loses_nothing() {
        for (text, counts, unit) in [
            ("[1,2,-3]", vec![1, 2, -3], None),
            // Floats that are whole, as many languages write them.
            (
                "[1693460700.0,1693460760.0]",
                vec![1_693_460_700, 1_693_460_760],
                None,
            ),
            (
                r#"["2023-08-31T05:45:00Z","2023-08-31T07:46:00+02:00"]"#,
                vec![1_693_460_700, 1_693_460_760],
                Some(Seconds),
            ),
            (
                r#"["2023-08-31T05:45:00Z","2023-08-31T05:45:00.250Z"]"#,
                vec![1_693_460_700_000, 1_693_460_700_250],
                Some(Milliseconds),
            ),
            (
                r#"["1949-01-01T00:00:00Z"]"#,
                vec![-662_688_000],
                Some(Seconds),
            ),
            (
                r#"["1969-12-31T23:59:59.5Z"]"#,
                vec![-500],
                Some(Milliseconds),
            ),
            (
                "[1693460700,1693460700.5]",
                vec![1_693_460_700_000, 1_693_460_700_500],
                Some(Milliseconds),
            ),
            (
                "[1693460700.123456]",
                vec![1_693_460_700_123_456],
                Some(Microseconds),
            ),
            // A fraction of a millisecond.
            (
                "[1693460700123.5]",
                vec![1_693_460_700_123_500],
                Some(Microseconds),
            ),
        ] {
            assert_eq!(read(text), Ok(Timestamps { counts, unit }), "{text}");
        }
    }

    #[test]
    fn a_fault_is_told_in_the_words_of_a_user() {
        for (text, fault) in [
            (
                r#"["yesterday"]"#,
                "\"yesterday\", expected an integer, seconds since 1970 with a fraction, or a date",
            ),
            (r#"["2023-08-31T05:45:00"]"#, "expected an integer"),
            (r#"["2023-08-31"]"#, "expected an integer"),
            (
                r#"["2023-08-31T05:45:00Z",1693460700]"#,
                "some are dates and some are numbers",
            ),
            ("[9223372036854775808]", "at most 19 digits"),
            ("[1e30]", "expected an integer"),
            // Counters are integers.
            (
                "[1.5]",
                "floating point `1.5`, expected an integer, seconds since 1970 with a fraction",
            ),
            ("[1.0]", "floating point `1.0`, expected an integer"),
            ("[-0.5]", "expected an integer"),
            ("[null]", "expected an integer"),
            (
                r#"["2263-01-01T00:00:00.000000001Z"]"#,
                "does not fit into 64 bits of nanoseconds",
            ),
        ] {
            let said = read(text).unwrap_err();
            assert!(said.contains(fault), "{text}: {said}");
        }
    }

    #[test]
    fn two_parts_of_a_request_come_to_one_unit() {
        let aligned = |one: &str, other: &str| {
            let (mut one, mut other) = (read(one).unwrap(), read(other).unwrap());
            let unit = one.align(&mut other)?;
            Ok::<_, String>((one.counts, other.counts, unit))
        };
        assert_eq!(aligned("[1]", "[2]"), Ok((vec![1], vec![2], None)));
        assert_eq!(
            aligned(
                r#"["2023-08-31T05:45:00Z"]"#,
                r#"["2023-08-31T05:44:00.5Z"]"#
            ),
            Ok((
                vec![1_693_460_700_000],
                vec![1_693_460_640_500],
                Some(Milliseconds)
            ))
        );
        assert_eq!(
            aligned("[1693460700]", r#"["2023-08-31T05:44:00Z"]"#),
            Ok((vec![1_693_460_700], vec![1_693_460_640], Some(Seconds)))
        );
        assert!(aligned("[7]", r#"["2023-08-31T05:44:00Z"]"#).is_err());
        assert_eq!(
            aligned("[]", r#"["2023-08-31T05:44:00Z"]"#),
            Ok((vec![], vec![1_693_460_640], Some(Seconds)))
        );
    }
}
