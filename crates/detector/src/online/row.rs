//! The verdict on the row of a point: that of its value, joined with the alarm that is raised there.

use contract::{Direction, Severity};

use crate::{
    Band, Reason, Verdict,
    reason::ReasonKind,
    verdict::{DEFAULT_RATE, ScoringRule},
};

/// The part of a point in the episodes of a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Episodic {
    /// It has none.
    No,
    /// It belongs to the episode that has raised its alarm at this timestamp.
    Ongoing(i64),
    /// It raises an alarm.
    Alarm(Severity, ReasonKind),
}

/// The verdict on the row of `value`, given the verdict `of_value` by itself.
///
/// An alarm makes an anomaly of a value inside its range, and lowers the p-value to the rate. So a
/// row is an anomaly exactly where its p-value is at most the rate, and every value outside its
/// range is one.
pub(crate) fn row_verdict(
    of_value: Verdict,
    value: f64,
    episodic: Episodic,
    rule: &ScoringRule,
) -> Verdict {
    let mut verdict = of_value;
    match episodic {
        Episodic::No => {}
        Episodic::Ongoing(since) => {
            let band = Band {
                expected: verdict.expected.unwrap_or(value),
                lower: verdict.lower,
                upper: verdict.upper,
            };
            verdict.reason = Reason(ReasonKind::Ongoing { value, band, since });
        }
        Episodic::Alarm(severity, reason) => {
            if !verdict.anomaly {
                verdict.direction = Direction::Pattern;
            }
            verdict.anomaly = true;
            verdict.severity = verdict.severity.max(severity);
            verdict.p_value = verdict.p_value.min(rule.rate.unwrap_or(DEFAULT_RATE));
            verdict.reason = Reason(reason);
        }
    }
    verdict
}
