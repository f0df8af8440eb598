//! Verdicts in few bytes, for whoever keeps many.

use contract::{DetectorName, Direction, Point, Severity};
use serde::{Deserialize, Serialize};

use super::Judged;
use crate::{Reason, Verdict, reason::ReasonKind};

/// A verdict on a point within its normal range, without an alarm: as most are.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShortJudged {
    #[serde(rename = "s")]
    score: f64,
    #[serde(rename = "p")]
    p_value: f64,
    // NaN stands for none.
    #[serde(rename = "e")]
    expected: f64,
    #[serde(rename = "l")]
    lower: f64,
    #[serde(rename = "u")]
    upper: f64,
    #[serde(rename = "r")]
    ratio: f64,
    #[serde(rename = "t")]
    strength: f64,
    #[serde(rename = "d")]
    detector: DetectorName,
}

impl Judged {
    /// The verdict on `point` in few bytes; `None` for one that says more than they hold.
    pub fn short(&self, point: Point) -> Option<ShortJudged> {
        let verdict = &self.verdict;
        let short = ShortJudged {
            score: verdict.score,
            p_value: verdict.p_value,
            expected: verdict.expected.unwrap_or(f64::NAN),
            lower: verdict.lower.unwrap_or(f64::NAN),
            upper: verdict.upper.unwrap_or(f64::NAN),
            ratio: self.ratio,
            strength: self.strength,
            detector: verdict.detector,
        };
        let again = short.judged(point);
        // Equal numbers may differ in their sign, if they are zero.
        let is_same = bits(&again) == bits(self) && again == *self;
        is_same.then_some(short)
    }
}

/// The bits of the numbers that are in a verdict twice.
fn bits(judged: &Judged) -> [Option<u64>; 3] {
    match judged.verdict.reason.0 {
        ReasonKind::Within {
            value,
            lower,
            upper,
        } => [Some(value), lower, upper].map(|number| number.map(f64::to_bits)),
        _ => [None; 3],
    }
}

/// By what they say: NaN equals itself here.
impl PartialEq for ShortJudged {
    fn eq(&self, other: &Self) -> bool {
        let origin = Point {
            timestamp: 0,
            value: 0.0,
        };
        self.judged(origin) == other.judged(origin)
    }
}

impl ShortJudged {
    /// The verdict on `point` that it was made of.
    pub fn judged(&self, point: Point) -> Judged {
        let some = |number: f64| Some(number).filter(|number| !number.is_nan());
        let (lower, upper) = (some(self.lower), some(self.upper));
        let reason = Reason(ReasonKind::Within {
            value: point.value,
            lower,
            upper,
        });
        Judged {
            cause: reason.cause(point.timestamp, point.timestamp),
            verdict: Verdict {
                anomaly: false,
                score: self.score,
                severity: Severity::None,
                p_value: self.p_value,
                expected: some(self.expected),
                lower,
                upper,
                direction: Direction::None,
                reason,
                detector: self.detector,
            },
            alarm: false,
            ratio: self.ratio,
            strength: self.strength,
            escalation: false,
            peak_timestamp: point.timestamp,
        }
    }
}
