//! Verdicts, and their JSON.

use std::io::Write as _;

use contract::{DetectorName, Direction, JudgeOptions, Severity, Sides, VerdictReply};

use serde::{Deserialize, Serialize};

use crate::Reason;

/// The judgement of one point: the fields of a [`VerdictReply`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verdict {
    /// Whether the point is an anomaly at the rate in force.
    pub anomaly: bool,
    /// A ranking in `[0, 1)`: the larger, the more unusual. 0.5 is a p-value of 0.001.
    pub score: f64,
    /// How far the point lies beyond the alarm level; [`Severity::None`] exactly where it is not an
    /// anomaly.
    pub severity: Severity,
    /// The probability that a normal point is at least as unusual, in `(0, 1]`.
    pub p_value: f64,
    /// The expected value.
    pub expected: Option<f64>,
    /// The smallest value that would have been normal; `None` if no value is too small.
    pub lower: Option<f64>,
    /// The largest value that would have been normal; `None` if no value is too large.
    pub upper: Option<f64>,
    /// Where an anomaly lies; [`Direction::None`] for other points.
    pub direction: Direction,
    /// The reason in a sentence.
    pub reason: Reason,
    /// The detector that judged.
    pub detector: DetectorName,
}

/// The normal range at a moment. A verdict turns at its bounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Band {
    /// The expected value.
    pub expected: f64,
    /// The smallest normal value; `None` if no value is too small.
    pub lower: Option<f64>,
    /// The largest normal value; `None` if no value is too large.
    pub upper: Option<f64>,
}

impl Verdict {
    /// The bound of the range beyond which the value lies, if it lies outside.
    pub(crate) fn limit(&self) -> Option<f64> {
        match self.direction {
            Direction::Above => self.upper,
            Direction::Below => self.lower,
            _ => None,
        }
    }

    /// Appends the JSON members of a [`VerdictReply`], without braces: byte for byte what serde
    /// writes of [`Self::to_reply`].
    pub fn write_fields(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(if self.anomaly {
            br#""anomaly":true,"score":"#
        } else {
            br#""anomaly":false,"score":"#
        });
        number(self.score, out);
        out.extend_from_slice(br#","severity":""#);
        out.extend_from_slice(self.severity.as_str().as_bytes());
        out.extend_from_slice(br#"","p_value":"#);
        number(self.p_value, out);
        let bounds: [(&[u8], Option<f64>); 3] = [
            (br#","expected":"#, self.expected),
            (br#","lower":"#, self.lower),
            (br#","upper":"#, self.upper),
        ];
        for (name, bound) in bounds {
            out.extend_from_slice(name);
            match bound {
                Some(bound) => number(bound, out),
                None => out.extend_from_slice(b"null"),
            }
        }
        out.extend_from_slice(br#","direction":""#);
        out.extend_from_slice(self.direction.as_str().as_bytes());
        out.extend_from_slice(br#"","reason":""#);
        write!(out, "{}", self.reason).expect("memory takes what is written to it");
        out.extend_from_slice(br#"","detector":""#);
        out.extend_from_slice(self.detector.as_str().as_bytes());
        out.push(b'"');
    }

    /// The verdict as a type of the contract.
    pub fn to_reply(&self) -> VerdictReply {
        VerdictReply {
            anomaly: self.anomaly,
            score: self.score,
            severity: self.severity,
            p_value: self.p_value,
            expected: self.expected,
            lower: self.lower,
            upper: self.upper,
            direction: self.direction,
            reason: self.reason.to_string(),
            detector: self.detector,
        }
    }
}

/// Writes a finite number as serde does.
fn number(number: f64, out: &mut Vec<u8>) {
    serde_json::to_writer(out, &number).expect("memory takes what is written to it");
}

/// The fraction of normal points that may be called anomalies where nobody asks for another.
pub const DEFAULT_RATE: f64 = 0.001;

/// How a point is to be scored: the rate at which a verdict turns, and the filters on it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScoringRule {
    /// The false-alarm rate, if the fit or the request named one.
    pub(crate) rate: Option<f64>,
    /// The sides that count.
    pub(crate) sides: Sides,
    /// The smallest distance that counts.
    pub(crate) min_deviation: f64,
}

impl ScoringRule {
    /// The options of a request; where it has none, those of the model. A rate below the smallest
    /// p-value means the same as that: what is computed from it would have no digits left.
    pub(crate) fn new(rate: Option<f64>, sides: Option<Sides>, judge: &JudgeOptions) -> Self {
        let rate = judge.false_alarm_rate.or(rate).filter(is_rate);
        Self {
            rate: rate.map(|rate| rate.max(f64::MIN_POSITIVE)),
            sides: judge.direction.or(sides).unwrap_or(Sides::Both),
            min_deviation: judge.min_deviation.unwrap_or(0.0).clamp(0.0, f64::MAX),
        }
    }

    /// Whether a request could have asked for it.
    pub(crate) fn is_sound(&self) -> bool {
        self.rate.as_ref().is_none_or(is_rate) && (0.0..=f64::MAX).contains(&self.min_deviation)
    }
}

/// Whether a number can be a false-alarm rate.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "it is a filter")]
pub(crate) fn is_rate(rate: &f64) -> bool {
    *rate > 0.0 && *rate <= 0.5
}

/// A score from the logarithm of a p-value: 0 for 1, 0.5 for [`DEFAULT_RATE`], ever closer to 1.
pub(crate) fn score(ln_p: f64) -> f64 {
    // Not a negation, which would make of 0 a score of -0.
    let evidence = 0.0 - ln_p;
    // Not rounded, as p-values are: scores rank points, and the largest would become equal.
    (evidence / (evidence - DEFAULT_RATE.ln())).clamp(0.0, LARGEST_SCORE)
}

/// A p-value in ten significant digits: 0.0008, not 0.0008000000000000003. Never decreases where
/// `p`, which is over 0, increases.
pub(crate) fn readable(p: f64) -> f64 {
    if p >= 0.1 {
        return nearest_whole(p * 1e10) / 1e10;
    }
    for power in POWERS {
        let scaled = p * power;
        if scaled >= 1e9 {
            // The quotient of two exact numbers is the number nearest to the decimal fraction.
            return nearest_whole(scaled) / power;
        }
    }
    by_text(p)
}

/// Powers of ten that are exact.
const POWERS: [f64; 12] = [
    1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

/// The whole number nearest to `number`, which is from 0 to 2^51. Two additions, where `round` is a
/// call on most processors.
fn nearest_whole(number: f64) -> f64 {
    const WHOLE: f64 = (1_u64 << 52) as f64;
    number + WHOLE - WHOLE
}

/// [`readable`] for numbers so small that no exact power of ten brings them up.
#[cold]
fn by_text(p: f64) -> f64 {
    let mut text = [0; 32];
    let mut rest = &mut text[..];
    let written = write!(rest, "{p:.9e}");
    let length = 32 - rest.len();
    let digits = written
        .ok()
        .and_then(|()| str::from_utf8(&text[..length]).ok());
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(p)
}

/// The p-value `p` of a normal point, moved above the `rate` if rounding has brought it there or
/// below.
fn at_least_above(p: f64, rate: f64) -> f64 {
    // Beyond what `readable` can give for a number just above the rate.
    if p > rate * (1.0 + 3e-9) {
        return p;
    }
    p.max(readable(rate * (1.0 + 1.6e-9)))
}

/// A p-value as people read it, on the side of the rate on which the value is of its range,
/// whatever the rounding.
pub(crate) fn on_its_side(p: f64, rate: f64, is_outside: bool) -> f64 {
    let p = readable(p);
    if is_outside {
        p.min(rate)
    } else {
        at_least_above(p, rate)
    }
}

/// The largest number below 1.
pub(crate) const LARGEST_SCORE: f64 = 1.0 - f64::EPSILON / 2.0;

/// The severity of an anomaly: medium from a tenth of the rate in force, high from a thousandth,
/// critical from a millionth.
pub(crate) fn severity(ln_p: f64, rate: f64) -> Severity {
    match (rate.ln() - ln_p) / std::f64::consts::LN_10 {
        decades if decades >= 6.0 => Severity::Critical,
        decades if decades >= 3.0 => Severity::High,
        decades if decades >= 1.0 => Severity::Medium,
        _ => Severity::Low,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::reason::ReasonKind;

    proptest! {
        #[test]
        fn the_json_is_what_serde_writes(
            anomaly in any::<bool>(),
            numbers in prop::array::uniform5(prop::num::f64::NORMAL | prop::num::f64::ZERO | prop::num::f64::SUBNORMAL),
            bounded in any::<bool>(),
        ) {
            let verdict = Verdict {
                anomaly,
                score: numbers[0],
                severity: if anomaly { Severity::High } else { Severity::None },
                p_value: numbers[1],
                expected: Some(numbers[2]),
                lower: bounded.then_some(numbers[3]),
                upper: Some(numbers[4]),
                direction: if anomaly { Direction::Pattern } else { Direction::None },
                reason: Reason(ReasonKind::Beyond { value: numbers[2], expected: numbers[3], limit: numbers[4] }),
                detector: DetectorName::Auto,
            };
            let mut written = b"{".to_vec();
            verdict.write_fields(&mut written);
            written.push(b'}');
            prop_assert_eq!(written, serde_json::to_vec(&verdict.to_reply()).unwrap());
        }
    }

    #[test]
    fn p_values_have_no_digits_that_mean_nothing() {
        for (p, text) in [
            (0.000_800_000_000_000_000_3, "0.0008"),
            (0.1 + 0.2, "0.3"),
            (1.0 / 3.0, "0.3333333333"),
            (0.099_999_999_999, "0.1"),
            (1.0, "1"),
        ] {
            assert_eq!(readable(p).to_string(), text);
        }
        assert_eq!(readable(1.2e-20 * (1.0 + 1e-15)), 1.2e-20);
        assert!(readable(f64::MIN_POSITIVE) >= f64::MIN_POSITIVE);
        assert_eq!(at_least_above(0.001, 0.001).to_string(), "0.001000000002");
    }

    proptest! {
        #[test]
        fn readable_numbers_keep_their_order_and_their_side_of_the_rate(
            digits in 1.0..10.0_f64,
            exponent in -307..0_i32,
            step in 0.0..4e-9_f64,
        ) {
            let p = digits * 10_f64.powi(exponent);
            let more = p * (1.0 + step);
            prop_assert!((readable(p) / p - 1.0).abs() <= 5.1e-10);
            prop_assert!(readable(p) <= readable(more));
            prop_assert!(at_least_above(readable(p), p) > p);
            prop_assert!(at_least_above(readable(p), p) <= at_least_above(readable(more), p));
        }
    }

    #[test]
    fn scores_and_severities_follow_the_p_value() {
        assert_eq!(score(0.0).to_bits(), 0.0_f64.to_bits());
        assert!((score(DEFAULT_RATE.ln()) - 0.5).abs() < 1e-12);
        assert!(score(-1e300) < 1.0 && score(-800.0) > score(-700.0));
        let of = |p: f64| severity(p.ln(), 1e-3);
        assert_eq!(of(0.9e-3), Severity::Low);
        assert_eq!(of(0.9e-4), Severity::Medium);
        assert_eq!(of(0.9e-6), Severity::High);
        assert_eq!(of(0.9e-9), Severity::Critical);
    }
}
