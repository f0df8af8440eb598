//! The episodes of a session.

use contract::{Direction, Point, Severity};
use serde::{Deserialize, Serialize};

use crate::{
    Reason,
    online::{Alarm, Step},
};

/// An episode: alarms that belong together, and the abnormal points around them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Episode {
    /// The timestamp of the first abnormal point.
    pub began: i64,
    /// The timestamp of the point that raised the first alarm.
    pub start: i64,
    /// The timestamp of the last abnormal point: outside its range, with an alarm, or still as far
    /// from the level before as the alarm was about.
    pub end: i64,
    /// The timestamp of the point that the strongest alarm is about.
    pub peak: i64,
    /// The value of that point.
    pub value: f64,
    /// The value that was expected there.
    pub expected: f64,
    /// The side of its range on which that point lies, or a pattern.
    pub direction: Direction,
    /// The severity of the strongest alarm.
    pub severity: Severity,
    /// The strength of the strongest alarm; at least 1.
    pub ratio: f64,
    /// The number of alarms.
    pub alarms: u64,
    /// The reason of the strongest alarm.
    pub reason: Reason,
}

/// The number of finished episodes that are kept; if there are more, the oldest are forgotten.
const KEPT: usize = 4;

/// The number of normal points between two abnormal ones of an episode, at most.
const PAUSE: u64 = 24;

/// The number of normal points within a run of abnormal ones, at most, before the first alarm.
const SHORT_PAUSE: u64 = 3;

/// Groups alarms into episodes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EpisodeLog {
    closed: Vec<Episode>,
    open: Option<Box<Episode>>,
    /// The number of points since the last evidence of the running episode.
    quiet: u64,
    /// The number of points since the last abnormal one.
    normal: u64,
    /// The timestamp of the first of the last abnormal points.
    run: Option<i64>,
}

impl EpisodeLog {
    /// Records the outcome of `point`, at which the level `is_away` from that before the running
    /// episode. Returns the first alarm of the episode that the point belongs to.
    pub(super) fn note(&mut self, point: Point, step: &Step, is_away: bool) -> Option<i64> {
        self.quiet += 1;
        let begins = step.alarm.is_some_and(|alarm| !alarm.escalation);
        if begins || self.quiet > step.quiet_limit {
            self.close();
        }
        let is_abnormal = step.of_value.anomaly || step.alarm.is_some() || is_away;
        if is_abnormal && (self.run.is_none() || self.normal > SHORT_PAUSE) {
            self.run = Some(point.timestamp);
        }
        if let Some(alarm) = &step.alarm {
            self.record(point, alarm, step.emitted);
        }
        if step.strength >= 1.0 {
            self.quiet = 0;
        }
        let normal = self.normal;
        self.normal = if is_abnormal {
            0
        } else {
            normal.saturating_add(1)
        };
        let belongs = is_abnormal && (step.alarm.is_some() || normal <= PAUSE);
        let open = self.open.as_mut().filter(|_| belongs)?;
        open.end = point.timestamp;
        Some(open.start)
    }

    /// Records an alarm at `point`.
    fn record(&mut self, point: Point, alarm: &Alarm, strength: f64) {
        let about = alarm.about.timestamp;
        let run = self.run.unwrap_or(about).min(about);
        let open = self.open.get_or_insert_with(|| {
            Box::new(Episode {
                began: run,
                start: point.timestamp,
                end: point.timestamp,
                peak: about,
                value: alarm.about.value,
                expected: alarm.expected,
                direction: alarm.direction,
                severity: alarm.severity,
                ratio: strength,
                alarms: 0,
                reason: Reason(alarm.reason).at_its_point(),
            })
        });
        open.alarms += 1;
        if strength > open.ratio {
            **open = Episode {
                peak: about,
                value: alarm.about.value,
                expected: alarm.expected,
                direction: alarm.direction,
                severity: open.severity.max(alarm.severity),
                ratio: strength,
                reason: Reason(alarm.reason).at_its_point(),
                ..**open
            };
        }
    }

    fn close(&mut self) {
        if let Some(open) = self.open.take() {
            if self.closed.len() == KEPT {
                self.closed.remove(0);
            }
            self.closed.push(*open);
        }
    }

    /// The running episode.
    pub(super) fn open(&self) -> Option<Episode> {
        self.open.as_deref().copied()
    }

    /// Whether an episode is running.
    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// The finished episodes that were not taken yet, then the running one.
    pub(super) fn episodes(&self) -> impl Iterator<Item = Episode> {
        self.closed.iter().copied().chain(self.open())
    }

    /// Hands over the finished episodes.
    pub(super) fn take_closed(&mut self) -> Vec<Episode> {
        std::mem::take(&mut self.closed)
    }

    pub(super) fn heap_bytes(&self) -> usize {
        let open = usize::from(self.open.is_some());
        (self.closed.capacity() + open) * size_of::<Episode>()
    }

    pub(super) fn is_sound(&self) -> bool {
        self.closed.len() <= KEPT && self.episodes().all(|episode| episode.ratio >= 1.0)
    }
}
