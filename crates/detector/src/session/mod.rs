//! Sessions: points are judged in order and learned from, with one alarm for each episode.

mod changes;
mod detection;
mod log;
mod stored;

pub use changes::ChangePoint;
use changes::Changes;
use contract::{Cause, DetectorName, OnlineReply, Point};
pub use detection::{Detection, detect};
pub use log::Episode;
use log::EpisodeLog;

use crate::{
    Model, Reason, Verdict, detectors::OnlineState, reason::ReasonKind, verdict::ScoringRule,
};

/// A verdict in a session.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Judged {
    /// The verdict on this point: an anomaly if its value lies outside its normal range, or an alarm
    /// is raised here.
    pub verdict: Verdict,
    /// Whether an alarm is raised: an episode begins, or the running one has grown by half.
    pub alarm: bool,
    /// The reason of the verdict as data.
    pub cause: Cause,
    /// The strength of the alarm: 1 and more for one that was raised, below 1 for one that the
    /// level held back, 0 for none.
    pub ratio: f64,
    /// Whether the alarm belongs to an episode that was running already and has grown. Notify
    /// people on alarms that are not escalations.
    pub escalation: bool,
    /// The timestamp of the point that the alarm is about, which may be a few points back. Without
    /// an alarm, that of the point itself.
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

impl Judged {
    /// The part of the verdict that only a session gives, as a type of the contract.
    pub fn to_reply(&self) -> OnlineReply {
        OnlineReply {
            alarm: self.alarm,
            ratio: self.ratio,
            about: self.alarm.then_some(self.peak_timestamp),
            cause: Some(self.cause),
        }
    }
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

    /// Judges `point` by the points up to it, and learns from it.
    pub fn update(&mut self, point: Point) -> Judged {
        let step = self.state.update(point, &self.rule);
        self.log.note(point, &step);
        let alarm = step.is_alarm();
        let mut verdict = step.verdict;
        if let Some(ChangePoint {
            timestamp,
            from,
            to,
        }) = self.changes.note(&step, point.value)
            && !alarm
        {
            let at = timestamp;
            verdict.reason = Reason(ReasonKind::Moved { from, to, at });
        }
        Judged {
            cause: verdict.reason.cause(point.timestamp, step.peak),
            verdict,
            alarm,
            ratio: step.emitted,
            escalation: step.escalation,
            peak_timestamp: step.peak,
        }
    }

    /// The last episodes, in order; the last one may still be running. Episodes that were taken are
    /// left out; of many that were not, only the newest are kept.
    pub fn episodes(&self) -> Vec<Episode> {
        self.log.episodes().collect()
    }

    /// Hands over the finished episodes, each once. Call it regularly where a session runs for
    /// long.
    pub fn take_closed(&mut self) -> Vec<Episode> {
        self.log.take_closed()
    }

    /// The last changes of the level that were not taken; of many, only the newest are kept.
    pub fn change_points(&self) -> &[ChangePoint] {
        self.changes.known()
    }

    /// Hands over the changes of the level, each once.
    pub fn take_changes(&mut self) -> Vec<ChangePoint> {
        self.changes.take()
    }

    /// The memory that the session takes, in bytes.
    pub fn memory_bytes(&self) -> usize {
        let heap = self.state.heap_bytes() + self.log.heap_bytes() + self.changes.heap_bytes();
        size_of::<Self>() + heap
    }

    /// The detector of the session.
    pub fn detector(&self) -> DetectorName {
        self.state.name()
    }
}
