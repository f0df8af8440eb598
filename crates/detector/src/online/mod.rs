//! Detectors that keep learning: what they have in common.

pub(crate) mod episode;
mod monitor;

use contract::Point;
pub(crate) use episode::EpisodeGate;
pub(crate) use monitor::ForecastMonitor;
use serde::{Serialize, de::DeserializeOwned};

use crate::{Verdict, verdict::ScoringRule};

/// A detector that keeps learning.
pub(crate) trait Online: Clone + PartialEq + Serialize + DeserializeOwned {
    /// Judges `point`, then learns from it.
    fn update(&mut self, point: Point, rule: &ScoringRule) -> Step;

    /// Bytes in memory beyond its own size.
    fn heap_bytes(&self) -> usize;

    /// Whether a session could have reached this state.
    fn is_sound(&self) -> bool;
}

/// What a detector makes of a point online.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Step {
    /// The verdict; an anomaly only where an alarm is raised.
    pub(crate) verdict: Verdict,
    /// Evidence: 1 and more is enough for an alarm, raised or not.
    pub(crate) strength: f64,
    /// The strength of an alarm or of what would be one at a lower level; else 0.
    pub(crate) emitted: f64,
    /// Whether an alarm is of an episode that runs already.
    pub(crate) escalation: bool,
    /// The timestamp of the point to which the evidence points.
    pub(crate) peak: i64,
    /// So many points without evidence end an episode.
    pub(crate) quiet_limit: u64,
    /// What the season adds to the level at this point; 0 where there is none.
    pub(crate) season: f64,
}
