//! Verdicts on points, and the enumerations in them.

use serde::{Deserialize, Serialize};

/// A text that is not one of the words of an enumeration; the message lists these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is not one of {}", .0.join(", "))]
pub struct UnknownWord(pub(crate) &'static [&'static str]);

/// An enumeration that is written as one lower-case word, in JSON, in queries and on the command
/// line alike.
macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$of:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$about])*
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
        )]
        #[serde(rename_all = "lowercase")]
        pub enum $name {
            $($(#[$of])* $variant,)+
        }

        impl $name {
            /// All variants, in the order of their declaration.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The word that stands for this variant.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::UnknownWord;

            fn from_str(text: &str) -> Result<Self, $crate::UnknownWord> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err($crate::UnknownWord(&[$($word),+])),
                }
            }
        }
    };
}

pub(crate) use words;

words! {
    /// The name of a detector.
    DetectorName {
        /// The streaming detector; with fewer than ten training points it uses the rule of `sigma`.
        Auto = "auto",
        /// Above mean + 3 standard deviations: the rule of the system that this one replaces.
        Sigma = "sigma",
        /// The distance from the median, in median absolute deviations.
        Robust = "robust",
        /// The distance from a seasonal profile.
        Seasonal = "seasonal",
        /// The distance from a level and a trend that follow the series.
        Ewma = "ewma",
    }
}

words! {
    /// The sides of the expected value on which deviations count as anomalies.
    Sides {
        /// Both sides, and unusual shapes.
        Both = "both",
        /// Only values that are too high.
        Above = "above",
        /// Only values that are too low.
        Below = "below",
    }
}

words! {
    /// How a point deviates from the expected value.
    Direction {
        /// The value is too high.
        Above = "above",
        /// The value is too low.
        Below = "below",
        /// The value is as expected, but the shape of the last points is not.
        Pattern = "pattern",
        /// The point does not deviate.
        None = "none",
    }
}

words! {
    /// How far beyond the alarm level a point lies, in steps from `none` to `critical`.
    Severity {
        /// Not beyond the alarm level.
        None = "none",
        /// Just beyond the alarm level.
        Low = "low",
        /// Clearly beyond the alarm level.
        Medium = "medium",
        /// Far beyond the alarm level.
        High = "high",
        /// Farther beyond the alarm level than almost all anomalies.
        Critical = "critical",
    }
}

/// The reason of a verdict as data.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Cause {
    /// A value lies beyond a bound of its normal range.
    Beyond {
        /// The timestamp of the value.
        at: i64,
        /// The value, in the unit of the series.
        value: f64,
        /// The value that was expected there.
        expected: f64,
        /// The bound.
        limit: f64,
    },
    /// The value lies within its normal range.
    Within,
    /// The point belongs to an episode that has raised its alarm.
    Ongoing {
        /// The timestamp of the first alarm of the episode.
        since: i64,
    },
    /// The last points look like no earlier ones.
    Unseen {
        /// The timestamp of the last of these points.
        at: i64,
        /// The number of these points.
        points: u64,
    },
    /// The last points are equal, more of them in a row than ever before.
    Stuck {
        /// The timestamp of the last of these points.
        at: i64,
        /// The value that they have, in the unit of the series.
        value: f64,
        /// The number of these points.
        points: u64,
        /// The number of points of the longest such run before.
        longest: u64,
    },
    /// The level of the series has changed.
    Moved {
        /// The timestamp of the first point at the new level.
        at: i64,
        /// The level before, in the unit of the series.
        from: f64,
        /// The level after, in the unit of the series.
        to: f64,
    },
}

/// A verdict on one point.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VerdictReply {
    /// Whether the point is an anomaly at the false-alarm rate in force.
    pub anomaly: bool,
    /// How unusual the point is, in `[0, 1)`. For ranking points; it does not imply a threshold.
    pub score: f64,
    /// How far beyond the alarm level the point lies.
    pub severity: Severity,
    /// The probability of a point at least as unusual in a normal series, in `(0, 1]`.
    pub p_value: f64,
    /// The expected value, in the unit of the series; `null` if the model does not expect any, as
    /// before the first point.
    pub expected: Option<f64>,
    /// The smallest value that would have been normal; `null` if no value is too small.
    pub lower: Option<f64>,
    /// The largest value that would have been normal; `null` if no value is too large.
    pub upper: Option<f64>,
    /// How the point deviates.
    pub direction: Direction,
    /// The reason for the verdict, in one sentence.
    pub reason: String,
    /// The detector that gave the verdict.
    pub detector: DetectorName,
}

/// A point with its verdict.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JudgedReply {
    /// The timestamp of the point.
    pub timestamp: i64,
    /// The value of the point.
    pub value: f64,
    /// The verdict on the point.
    #[serde(flatten)]
    pub verdict: VerdictReply,
    /// The fields that a session adds; absent for a point that was scored by itself.
    #[serde(flatten)]
    pub online: Option<OnlineReply>,
}

/// The part of a verdict that only a session gives.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OnlineReply {
    /// Whether an alarm is raised here: an episode begins, or the running one has grown by half.
    #[serde(default)]
    pub alarm: bool,
    /// The strength of the evidence, as a multiple of the strength that raises an alarm: 0 without
    /// evidence, at least 1 for an alarm.
    pub ratio: f64,
    /// The timestamp of the point that the alarm is about; absent without an alarm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<i64>,
    /// The reason of the verdict as data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_the_same_everywhere() {
        for name in DetectorName::ALL {
            assert_eq!(name.as_str().parse(), Ok(*name));
            let json = serde_json::to_string(name).unwrap();
            assert_eq!(json, format!("\"{name}\""));
        }
        let refused = "Auto".parse::<DetectorName>().unwrap_err().to_string();
        for name in DetectorName::ALL {
            assert!(refused.contains(name.as_str()), "{refused}");
        }
        assert!(Severity::None < Severity::Low && Severity::High < Severity::Critical);
    }
}
