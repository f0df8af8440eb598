//! A point as a session of `auto` remembers it for the alarms that may be about it, and the severity
//! of an alarm.

use contract::{Direction, Point, Severity, Sides};
use serde::{Deserialize, Serialize};

use crate::{Verdict, verdict::ScoringRule};

/// A point, and what is known of its value alone.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct JudgedPoint {
    pub(super) point: Point,
    /// Its number in the series, training included.
    pub(super) index: u64,
    pub(super) expected: f64,
    /// The bound of the range beyond which the value lies, if it lies outside.
    pub(super) limit: Option<f64>,
    p_value: f64,
}

impl JudgedPoint {
    pub(super) fn new(point: Point, index: u64, verdict: &Verdict) -> Self {
        Self {
            point,
            index,
            expected: verdict.expected.unwrap_or(point.value),
            limit: verdict.limit(),
            p_value: verdict.p_value,
        }
    }

    /// The side of the range on which the value lies; a pattern if it is inside.
    pub(super) fn direction(&self) -> Direction {
        match self.limit {
            Some(limit) if limit < self.point.value => Direction::Above,
            Some(_) => Direction::Below,
            None => Direction::Pattern,
        }
    }

    /// The less probable of two points; of equally probable ones, the one that deviates more; of
    /// equal ones, `self`.
    pub(super) fn odder(self, other: Self) -> Self {
        let less_probable = self.p_value.total_cmp(&other.p_value);
        let deviates_more = other.deviation().total_cmp(&self.deviation());
        match less_probable.then(deviates_more).is_gt() {
            true => other,
            false => self,
        }
    }

    fn deviation(&self) -> f64 {
        (self.point.value - self.expected).abs().min(f64::MAX)
    }

    /// Whether the filters let an alarm about the point through.
    pub(super) fn counts(&self, rule: &ScoringRule) -> bool {
        let side = match rule.sides {
            Sides::Both => true,
            // The range has a bound only on the side that was asked for.
            Sides::Above | Sides::Below => self.limit.is_some(),
        };
        side && self.deviation() >= rule.min_deviation
    }

    pub(super) fn is_sound(&self) -> bool {
        let numbers = [self.point.value, self.expected, self.p_value];
        numbers.into_iter().chain(self.limit).all(f64::is_finite)
    }
}

/// The severity of an alarm, whose strength is at least 1.
pub(super) fn severity(strength: f64) -> Severity {
    match strength {
        strength if strength >= 8.0 => Severity::Critical,
        strength if strength >= 4.0 => Severity::High,
        strength if strength >= 2.0 => Severity::Medium,
        _ => Severity::Low,
    }
}
