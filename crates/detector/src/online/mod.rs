//! The parts that detectors use to keep learning.

pub(crate) mod episode;
mod monitor;

use contract::{Direction, Point, Severity};
pub(crate) use episode::EpisodeGate;
pub(crate) use monitor::ForecastMonitor;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Reason, Verdict,
    reason::ReasonKind,
    verdict::{DEFAULT_RATE, ScoringRule},
};

/// A detector that keeps learning.
pub(crate) trait Online: Clone + PartialEq + Serialize + DeserializeOwned {
    /// Scores `point`, then learns from it.
    fn update(&mut self, point: Point, rule: &ScoringRule) -> Step;

    /// As [`Self::update`], for the last point of a series: no evidence waits for a later one.
    fn update_last(&mut self, point: Point, rule: &ScoringRule) -> Step {
        self.update(point, rule)
    }

    /// The size of the heap memory in bytes.
    fn heap_bytes(&self) -> usize;

    /// Whether a session could have reached this state.
    fn is_sound(&self) -> bool;
}

/// The outcome of a point in a session.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Step {
    /// The verdict on the value by itself: an anomaly exactly where it lies outside its range.
    pub(crate) of_value: Verdict,
    /// The alarm that is raised here: an episode begins, or has grown.
    pub(crate) alarm: Option<Alarm>,
    /// The evidence: 1 and more is enough for an alarm, raised or not.
    pub(crate) strength: f64,
    /// The strength of an alarm (1 and more), or of one that the level held back (below 1); else 0.
    pub(crate) emitted: f64,
    /// The number of points without evidence that ends an episode.
    pub(crate) quiet_limit: u64,
    /// The amount that the season adds to the level at this point; 0 without a season.
    pub(crate) season: f64,
}

/// An alarm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Alarm {
    pub(crate) severity: Severity,
    pub(crate) reason: ReasonKind,
    /// Whether it belongs to an episode that was running already.
    pub(crate) escalation: bool,
    /// The point that it is about, which may be some points back.
    pub(crate) about: Point,
    /// The value that was expected there.
    pub(crate) expected: f64,
    /// The side of its range on which that value lies, or a pattern.
    pub(crate) direction: Direction,
}

impl Alarm {
    /// The verdict on the row that raises it, given that on its `value`. The row is an anomaly, and
    /// its p-value is at most the rate. So in a session a row is an anomaly exactly where its p-value
    /// is at most the rate, and every value outside its range is one.
    pub(crate) fn raised(&self, of_value: Verdict, rule: &ScoringRule) -> Verdict {
        let direction = match of_value.direction {
            Direction::None => Direction::Pattern,
            side => side,
        };
        Verdict {
            anomaly: true,
            severity: of_value.severity.max(self.severity),
            p_value: of_value.p_value.min(rule.rate.unwrap_or(DEFAULT_RATE)),
            direction,
            reason: Reason(self.reason),
            ..of_value
        }
    }
}
