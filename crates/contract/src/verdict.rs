//! What a model says of a point, and the words it is said in.

use serde::{Deserialize, Serialize};

/// A text that is none of the words of an enumeration; the message lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is none of {0}")]
pub struct UnknownWord(pub(crate) &'static str);

/// An enumeration that is written as one lower-case word, in JSON, in queries and on the command line alike.
macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$of:meta])* $variant:ident = $word:literal,)+ } in $list:literal) => {
        $(#[$about])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
        )]
        #[serde(rename_all = "lowercase")]
        pub enum $name {
            $($(#[$of])* $variant,)+
        }

        impl $name {
            /// All there are, in order.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// Its word.
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
                    _ => Err($crate::UnknownWord($list)),
                }
            }
        }
    };
}

pub(crate) use words;

words! {
    /// The detectors there are.
    DetectorName {
        /// The streaming detector; under ten training points the recorded rule.
        Auto = "auto",
        /// The recorded rule: above mean + 3 standard deviations.
        Sigma = "sigma",
        /// Median and median absolute deviation.
        Robust = "robust",
        /// A profile by place in the season.
        Seasonal = "seasonal",
        /// Level and trend that follow the series.
        Ewma = "ewma",
    } in "auto, sigma, robust, seasonal, ewma"
}

words! {
    /// On which sides of what is expected a client wants to hear of anomalies.
    Sides {
        /// On both, and of shapes.
        Both = "both",
        /// Only of values that are too high.
        Above = "above",
        /// Only of values that are too low.
        Below = "below",
    } in "both, above, below"
}

words! {
    /// Where a point lies that deviates.
    Direction {
        /// Above what is expected.
        Above = "above",
        /// Below what is expected.
        Below = "below",
        /// Where it is expected, in a shape that is not.
        Pattern = "pattern",
        /// It does not deviate.
        None = "none",
    } in "above, below, pattern, none"
}

words! {
    /// How far beyond the alarm level a point lies. Ordered.
    Severity {
        /// Not beyond it.
        None = "none",
        /// Just beyond it.
        Low = "low",
        /// Clearly.
        Medium = "medium",
        /// Far.
        High = "high",
        /// As far as hardly anything.
        Critical = "critical",
    } in "none, low, medium, high, critical"
}

/// A verdict on one point.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VerdictReply {
    /// Whether the point is an anomaly at the rate in force.
    pub anomaly: bool,
    /// How unusual it is, in `[0, 1)`; for ranking, no threshold is implied.
    pub score: f64,
    /// How far beyond the alarm level.
    pub severity: Severity,
    /// Probability of a point at least as unusual in a normal series, in `(0, 1]`.
    pub p_value: f64,
    /// The value that was expected; absent (`null`) where nothing is, as before a first point.
    pub expected: Option<f64>,
    /// The smallest value that would have been normal; `null`: none is too small.
    pub lower: Option<f64>,
    /// The largest value that would have been normal; `null`: none is too large.
    pub upper: Option<f64>,
    /// Where the point lies.
    pub direction: Direction,
    /// Why, in one sentence.
    pub reason: String,
    /// Who says so.
    pub detector: DetectorName,
}

/// A verdict with the point that it is about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JudgedReply {
    /// The point's timestamp.
    pub timestamp: i64,
    /// The point's value.
    pub value: f64,
    /// The verdict.
    #[serde(flatten)]
    pub verdict: VerdictReply,
    /// Of a point judged online, the strength of the alarm that it raised: 0 for none, below 1 for one that was held back,
    /// 1 and more for an alarm. Absent where a point is judged by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ratio: Option<f64>,
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
