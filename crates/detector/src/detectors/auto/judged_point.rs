//! A point as a session of `auto` remembers it, and the range and severity that go with it.

use contract::{Direction, Point, Severity, Sides};
use serde::{Deserialize, Serialize};

use crate::{Band, verdict::ScoringRule};

/// A point and its forecast.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct JudgedPoint {
    pub(super) point: Point,
    pub(super) expected: f64,
    /// The usual distance from the expected value.
    pub(super) usual: f64,
}

impl JudgedPoint {
    pub(super) fn error(&self) -> f64 {
        (self.point.value - self.expected).clamp(-f64::MAX, f64::MAX)
    }

    /// The direction of an alarm about the point: a side if it is farther than usual from the
    /// expected value, else its pattern.
    pub(super) fn direction(&self) -> Direction {
        if self.error().abs() <= self.usual {
            Direction::Pattern
        } else if self.error() > 0.0 {
            Direction::Above
        } else {
            Direction::Below
        }
    }

    /// Whether the filters let an alarm about the point through.
    pub(super) fn counts(&self, rule: &ScoringRule) -> bool {
        let side = match (rule.sides, self.direction()) {
            (Sides::Both, _) => true,
            (Sides::Above, direction) => direction == Direction::Above,
            (Sides::Below, direction) => direction == Direction::Below,
        };
        side && self.error().abs() >= rule.min_deviation
    }
}

/// The usual range around the expected value, on the sides that are asked for.
pub(super) fn band(expected: f64, usual: f64, rule: &ScoringRule) -> Band {
    let half_width = usual.max(rule.min_deviation);
    let bound = |bound: f64, not: Sides| (bound.is_finite() && rule.sides != not).then_some(bound);
    Band {
        expected,
        lower: bound(expected - half_width, Sides::Above),
        upper: bound(expected + half_width, Sides::Below),
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
