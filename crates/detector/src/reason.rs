//! The reason of a verdict: one plain sentence with numbers.

use std::fmt;

use contract::Cause;
use serde::{Deserialize, Serialize};

use crate::{
    Band,
    text::{DECIMALS, Short, Span, When},
};

/// Shows the reason of a verdict: "22.5 is 10 above the 12.5 expected (limit 13.725)". The sentence
/// is never empty and needs no escaping in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Reason(pub(crate) ReasonKind);

/// The kinds of reasons.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) enum ReasonKind {
    /// The value lies beyond a limit.
    Beyond {
        value: f64,
        expected: f64,
        limit: f64,
    },
    /// The value lies within the limits.
    Within {
        value: f64,
        lower: Option<f64>,
        upper: Option<f64>,
    },
    /// The value belongs to an episode that has raised its alarm at this timestamp.
    Ongoing { value: f64, band: Band, since: i64 },
    /// The last points look like no earlier ones.
    Unseen { points: u64, history: Span },
    /// The last points are all this value, and no more than `longest` points in a row were equal.
    Stuck {
        value: f64,
        points: u64,
        longest: u64,
    },
    /// The level of the series changed.
    Moved { from: f64, to: f64, at: i64 },
    /// A value a few points ago lay beyond a limit.
    BeyondBefore {
        value: f64,
        expected: f64,
        limit: f64,
        ago: u64,
    },
}

impl Reason {
    /// The same where the time of the point that it is about stands beside it.
    pub(crate) fn at_its_point(self) -> Self {
        match self.0 {
            ReasonKind::BeyondBefore {
                value,
                expected,
                limit,
                ..
            } => Self(ReasonKind::Beyond {
                value,
                expected,
                limit,
            }),
            _ => self,
        }
    }

    /// The same as data, for a verdict on the point `at`. `about` is the timestamp of the point that
    /// an alarm is about.
    pub(crate) fn cause(&self, at: i64, about: i64) -> Cause {
        let beyond = |value, expected, limit, at| Cause::Beyond {
            at,
            value,
            expected,
            limit,
        };
        match self.0 {
            ReasonKind::Beyond {
                value,
                expected,
                limit,
            } => beyond(value, expected, limit, at),
            ReasonKind::BeyondBefore {
                value,
                expected,
                limit,
                ..
            } => beyond(value, expected, limit, about),
            ReasonKind::Within { .. } => Cause::Within,
            ReasonKind::Ongoing { since, .. } => Cause::Ongoing { since },
            ReasonKind::Unseen { points, .. } => Cause::Unseen { at, points },
            ReasonKind::Stuck {
                value,
                points,
                longest,
            } => Cause::Stuck {
                at,
                value,
                points,
                longest,
            },
            ReasonKind::Moved { from, to, at } => Cause::Moved { at, from, to },
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            ReasonKind::Beyond {
                value,
                expected,
                limit,
            } => beyond(value, expected, limit, f),
            ReasonKind::Within {
                value,
                lower,
                upper,
            } => within(value, lower, upper, f),
            ReasonKind::Ongoing { value, band, since } => {
                write!(f, "{}; episode since {}", band.reason(value), When(since))
            }
            ReasonKind::Unseen { points, history } => {
                write!(
                    f,
                    "the last {points} points look like nothing seen in {history}"
                )
            }
            ReasonKind::Stuck {
                value,
                points,
                longest,
            } => match longest {
                1 => write!(
                    f,
                    "the last {points} values are all {}, and no two in a row were equal before",
                    Short(value)
                ),
                _ => write!(
                    f,
                    "the last {points} values are all {}, and no more than {longest} in a row were equal before",
                    Short(value)
                ),
            },
            ReasonKind::Moved { from, to, at } => {
                write!(
                    f,
                    "level moved from {} to {} at {}",
                    Short(from),
                    Short(to),
                    When(at)
                )
            }
            ReasonKind::BeyondBefore {
                value,
                expected,
                limit,
                ago,
            } => {
                beyond(value, expected, limit, f)?;
                let points = if ago == 1 { "point" } else { "points" };
                write!(f, ", {ago} {points} ago")
            }
        }
    }
}

fn beyond(value: f64, expected: f64, limit: f64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    distance(value, expected, f)?;
    let digits = digits(value, value - expected);
    write!(f, " (limit {:.digits$})", Short(limit))
}

fn distance(value: f64, expected: f64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let (side, distance) = if value < expected {
        ("below", expected - value)
    } else {
        ("above", value - expected)
    };
    let digits = digits(value, distance);
    let (value, distance, expected) = (Short(value), Short(distance), Short(expected));
    write!(
        f,
        "{value:.digits$} is {distance} {side} the {expected:.digits$} expected"
    )
}

/// The number of digits after the first one that tell values near `value` apart if they lie
/// `distance` from each other.
fn digits(value: f64, distance: f64) -> usize {
    let ratio = value.abs() / 100.0 / distance.abs();
    if ratio <= 1.0 || !ratio.is_finite() {
        return DECIMALS;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "from 0 to 631"
    )]
    let more = ratio.log10().ceil() as usize;
    DECIMALS + more
}

fn within(
    value: f64,
    lower: Option<f64>,
    upper: Option<f64>,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    let room = |limit: Option<f64>| limit.map_or(f64::INFINITY, |limit| (value - limit).abs());
    let digits = digits(value, room(lower).min(room(upper)));
    write!(f, "{:.digits$} is within the expected ", Short(value))?;
    match (lower, upper) {
        (Some(lower), Some(upper)) => {
            write!(f, "{:.digits$} to {:.digits$}", Short(lower), Short(upper))
        }
        (Some(lower), None) => write!(f, "range from {:.digits$} up", Short(lower)),
        (None, Some(upper)) => write!(f, "range up to {:.digits$}", Short(upper)),
        (None, None) => f.write_str("range, which has no limit on the sides asked for"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deviation_names_value_expectation_and_limit() {
        let beyond = |value, expected, limit| {
            let cause = ReasonKind::Beyond {
                value,
                expected,
                limit,
            };
            Reason(cause).to_string()
        };
        assert_eq!(
            beyond(22.5, 12.5, 13.72474),
            "22.5 is 10 above the 12.5 expected (limit 13.725)"
        );
        assert_eq!(
            beyond(-1.0, 0.5, 0.0),
            "-1 is 1.5 below the 0.5 expected (limit 0)"
        );
        assert_eq!(
            beyond(1_000_001.34, 1_000_000.0, 1_000_001.0),
            "1000001.34 is 1.34 above the 1000000 expected (limit 1000001)"
        );
        let ongoing = ReasonKind::Ongoing {
            value: 22.5,
            band: Band {
                expected: 20.0,
                lower: None,
                upper: Some(21.0),
            },
            since: 1_700_000_000,
        };
        assert_eq!(
            Reason(ongoing).to_string(),
            "22.5 is 2.5 above the 20 expected (limit 21); episode since 2023-11-14 22:13:20 UTC"
        );
    }

    #[test]
    fn what_is_normal_names_the_range() {
        for (lower, upper, range) in [
            (Some(20.0), Some(25.0), "20 to 25"),
            (None, Some(25.0), "range up to 25"),
            (Some(20.0), None, "range from 20 up"),
        ] {
            let within = ReasonKind::Within {
                value: 22.5,
                lower,
                upper,
            };
            let sentence = format!("22.5 is within the expected {range}");
            assert_eq!(Reason(within).to_string(), sentence);
        }
    }

    #[test]
    fn evidence_of_an_earlier_point_is_said_so() {
        let before = ReasonKind::BeyondBefore {
            value: 22.5,
            expected: 20.0,
            limit: 21.0,
            ago: 2,
        };
        assert_eq!(
            Reason(before).to_string(),
            "22.5 is 2.5 above the 20 expected (limit 21), 2 points ago"
        );
    }

    #[test]
    fn patterns_and_levels_name_times() {
        let history = Span {
            from: 1_700_000_000,
            to: 1_700_259_200,
            points: 900,
        };
        let moved = ReasonKind::Moved {
            from: 40.0,
            to: 55.0,
            at: 1_700_050_000,
        };
        let points = 14;
        for (cause, sentence) in [
            (
                ReasonKind::Unseen { points, history },
                "the last 14 points look like nothing seen in 3 days",
            ),
            (
                ReasonKind::Stuck {
                    value: 42.0,
                    points: 10,
                    longest: 3,
                },
                "the last 10 values are all 42, and no more than 3 in a row were equal before",
            ),
            (
                ReasonKind::Stuck {
                    value: 41.5,
                    points: 6,
                    longest: 1,
                },
                "the last 6 values are all 41.5, and no two in a row were equal before",
            ),
            (
                moved,
                "level moved from 40 to 55 at 2023-11-15 12:06:40 UTC",
            ),
        ] {
            assert_eq!(Reason(cause).to_string(), sentence);
        }
    }
}
