//! Sessions: points are judged online, in order, and learned from; one alarm for each episode.

mod changes;
mod detection;
mod log;
mod stored;

pub use changes::ChangePoint;
use changes::Changes;
use contract::{DetectorName, Point};
pub use detection::{Detection, detect};
pub use log::Episode;
use log::EpisodeLog;

use crate::{
    Model, Reason, Verdict, detectors::OnlineState, reason::ReasonKind, verdict::ScoringRule,
};

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

/// Judges the points of a series in order, and keeps learning.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    state: OnlineState,
    rule: ScoringRule,
    log: EpisodeLog,
    changes: Changes,
}

impl Session {
    pub(crate) fn new(model: &Model, rule: ScoringRule) -> Self {
        Self {
            state: model.detector.online(&rule),
            rule,
            log: EpisodeLog::default(),
            changes: Changes::default(),
        }
    }

    /// Judges `point` by what is known of it and all before it, and learns from it.
    pub fn update(&mut self, point: Point) -> Judged {
        let step = self.state.update(point, &self.rule);
        self.log.note(point, &step);
        let mut verdict = step.verdict;
        if let Some(ChangePoint {
            timestamp,
            from,
            to,
        }) = self.changes.note(&step, point.value)
            && !verdict.anomaly
        {
            let at = timestamp;
            verdict.reason = Reason(ReasonKind::Moved { from, to, at });
        }
        Judged {
            verdict,
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

    /// The changes of the level that have become known of late and were not taken; of very many, only the newest.
    pub fn change_points(&self) -> &[ChangePoint] {
        self.changes.known()
    }

    /// Hands over the changes of the level that have become known, each once.
    pub fn take_changes(&mut self) -> Vec<ChangePoint> {
        self.changes.take()
    }

    /// What it takes in memory, in bytes.
    pub fn memory_bytes(&self) -> usize {
        let heap = self.state.heap_bytes() + self.log.heap_bytes() + self.changes.heap_bytes();
        size_of::<Self>() + heap
    }

    /// The detector.
    pub fn detector(&self) -> DetectorName {
        self.state.name()
    }
}
