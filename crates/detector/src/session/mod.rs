//! Sessions: points are judged in order and learned from, with one alarm for each episode.

mod changes;
mod detection;
mod log;
mod short;
mod stored;

pub use changes::ChangePoint;
use changes::Changes;
use contract::{Cause, DetectorName, JudgeOptions, OnlineReply, Point};
pub use detection::{Detection, detect};
pub use log::Episode;
use log::EpisodeLog;
use serde::{Deserialize, Serialize};
pub use short::ShortJudged;

use crate::{
    Band, Model, Reason, Verdict, detectors::OnlineState, online::Step, reason::ReasonKind,
    verdict::ScoringRule,
};

/// A verdict in a session.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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
    /// The evidence: 1 and more is enough for an alarm, even where none is raised because its episode
    /// is running already.
    pub strength: f64,
    /// Whether the alarm belongs to an episode that was running already and has grown. Notify
    /// people on alarms that are not escalations.
    pub escalation: bool,
    /// The timestamp of the point that the alarm is about, which may be a few points back. Without
    /// an alarm, that of the point itself.
    pub peak_timestamp: i64,
}

/// Judges the points of a series in order, and keeps learning. What is read is checked, so that no
/// data make a session that could not have been.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "stored::Unchecked")]
pub struct Session {
    state: OnlineState,
    rule: ScoringRule,
    log: EpisodeLog,
    changes: Changes,
}

/// The reason for a verdict on a point of the episode that has raised its first alarm at `since`.
fn ongoing(verdict: &Verdict, value: f64, since: i64) -> Reason {
    let band = Band {
        expected: verdict.expected.unwrap_or(value),
        lower: verdict.lower,
        upper: verdict.upper,
    };
    Reason(ReasonKind::Ongoing { value, band, since })
}

impl Judged {
    /// A verdict on `point` by itself, without a session: it raises no alarm.
    pub fn by_itself(point: Point, verdict: Verdict) -> Self {
        Self {
            cause: verdict.reason.cause(point.timestamp, point.timestamp),
            verdict,
            alarm: false,
            ratio: 0.0,
            strength: 0.0,
            escalation: false,
            peak_timestamp: point.timestamp,
        }
    }

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
        self.judge(point, step)
    }

    /// As [`Self::update`], for the last point of a series, whose evidence waits for no later point.
    /// The session is not to go on after it.
    pub(crate) fn update_last(&mut self, point: Point) -> Judged {
        let step = self.state.update_last(point, &self.rule);
        self.judge(point, step)
    }

    /// Joins the outcome of `point` with its part in an episode and in a change of the level.
    fn judge(&mut self, point: Point, step: Step) -> Judged {
        let change = self.changes.note(&step, point, self.log.is_open());
        let is_away = self.log.is_open() && change.is_none() && self.changes.is_away(&self.rule);
        let since = self.log.note(point, &step, is_away);
        let mut verdict = step.of_value;
        if let Some(alarm) = &step.alarm {
            verdict = alarm.raised(verdict, &self.rule);
        } else if let Some(change) = change {
            verdict.reason = change.reason();
        } else if let Some(since) = since {
            verdict.reason = ongoing(&verdict, point.value, since);
        }
        let about = step.alarm.map_or(point, |alarm| alarm.about).timestamp;
        Judged {
            cause: verdict.reason.cause(point.timestamp, about),
            verdict,
            alarm: step.alarm.is_some(),
            ratio: step.emitted,
            strength: step.strength,
            escalation: step.alarm.is_some_and(|alarm| alarm.escalation),
            peak_timestamp: about,
        }
    }

    /// Judges by other options from the next point on. What they leave out, both sides, no smallest
    /// deviation, and the rate of the detector, is in force again.
    pub fn set_options(&mut self, judge: &JudgeOptions) {
        self.rule = ScoringRule::new(None, None, judge);
    }

    /// The running episode, if there is one.
    pub fn open_episode(&self) -> Option<Episode> {
        self.log.open()
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
