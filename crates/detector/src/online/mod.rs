//! The parts that detectors use to keep learning.

pub(crate) mod episode;
mod monitor;
mod row;

use contract::Point;
pub(crate) use episode::EpisodeGate;
pub(crate) use monitor::ForecastMonitor;
pub(crate) use row::{Episodic, row_verdict};
use serde::{Serialize, de::DeserializeOwned};

use crate::{Verdict, verdict::ScoringRule};

/// A detector that keeps learning.
pub(crate) trait Online: Clone + PartialEq + Serialize + DeserializeOwned {
    /// Scores `point`, then learns from it.
    fn update(&mut self, point: Point, rule: &ScoringRule) -> Step;

    /// The size of the heap memory in bytes.
    fn heap_bytes(&self) -> usize;

    /// Whether a session could have reached this state.
    fn is_sound(&self) -> bool;
}

/// The outcome of a point in a session.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Step {
    /// The verdict on the point: an anomaly if its value lies outside its range, or an alarm is
    /// raised here.
    pub(crate) verdict: Verdict,
    /// The evidence: 1 and more is enough for an alarm, raised or not.
    pub(crate) strength: f64,
    /// The strength of an alarm (1 and more), or of one that the level held back (below 1); else 0.
    pub(crate) emitted: f64,
    /// Whether the alarm belongs to an episode that was running already.
    pub(crate) escalation: bool,
    /// The timestamp of the point that an alarm is about; without one, that of the point itself.
    pub(crate) peak: i64,
    /// The number of points without evidence that ends an episode.
    pub(crate) quiet_limit: u64,
    /// The amount that the season adds to the level at this point; 0 without a season.
    pub(crate) season: f64,
}

impl Step {
    /// Whether an alarm is raised: an episode begins, or has grown.
    pub(crate) fn is_alarm(&self) -> bool {
        self.emitted >= 1.0
    }
}
