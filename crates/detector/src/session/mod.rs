//! Sessions: points are judged online, in order, and learned from; one alarm for each episode.

mod detection;
mod follower;
mod gate;
mod log;
mod stored;

use contract::{DetectorName, Point};
pub use detection::{Detection, detect};
pub(crate) use follower::Follower;
pub(crate) use gate::Gate;
pub use log::Episode;
use log::Log;
use serde::{Serialize, de::DeserializeOwned};

use crate::{Model, Verdict, learned::Learner, verdict::Ask};

/// A detector that keeps learning.
pub(crate) trait Online: Clone + PartialEq + Serialize + DeserializeOwned {
    /// Judges `point`, then learns from it.
    fn update(&mut self, point: Point, ask: &Ask) -> Step;

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
    pub(crate) reach: u64,
}

/// A verdict reached online.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Judged {
    /// The verdict. An anomaly is an alarm: one for each episode, and more only where it grows.
    pub verdict: Verdict,
    /// The strength of the alarm that was raised: 0 for none, below 1 for one held back, 1 and more for an alarm.
    pub ratio: f64,
    /// Whether the alarm is about an episode that runs already and grew. Notify on alarms without it.
    pub escalation: bool,
    /// The timestamp of the point the alarm is about, which may lie a little earlier; the point's own where there is none.
    pub peak_timestamp: i64,
}

/// A moment at which the level of the series changed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChangePoint {
    /// Timestamp of the first point at the new level.
    pub timestamp: i64,
    /// The level before.
    pub from: f64,
    /// The level after.
    pub to: f64,
}

/// Judges the points of a series in order, and keeps learning.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    learner: Learner,
    ask: Ask,
    log: Log,
}

impl Session {
    pub(crate) fn new(model: &Model, ask: Ask) -> Self {
        Self {
            learner: model.learned.online(&ask),
            ask,
            log: Log::default(),
        }
    }

    /// Judges `point` by what is known of it and all before it, and learns from it.
    pub fn update(&mut self, point: Point) -> Judged {
        let step = self.learner.update(point, &self.ask);
        self.log.note(point, &step);
        Judged {
            verdict: step.verdict,
            ratio: step.emitted,
            escalation: step.escalation,
            peak_timestamp: step.peak,
        }
    }

    /// The episodes of late, in order; the last one may not be over. Those that were taken are not among them, and of very many that
    /// were not, only the newest are.
    pub fn episodes(&self) -> Vec<Episode> {
        self.log.episodes().collect()
    }

    /// Hands over the episodes that are over, each once. For whoever keeps a session for long.
    pub fn take_closed(&mut self) -> Vec<Episode> {
        self.log.take_closed()
    }

    /// Hands over the changes of the level that have become known, each once.
    pub fn take_changes(&mut self) -> Vec<ChangePoint> {
        Vec::new()
    }

    /// The detector.
    pub fn detector(&self) -> DetectorName {
        self.learner.name()
    }
}
