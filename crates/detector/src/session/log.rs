//! The episodes of a session.

use contract::{Point, Severity};
use serde::{Deserialize, Serialize};

use crate::online::Step;

/// An episode: alarms that belong together.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Episode {
    /// The timestamp of the point that raised the alarm.
    pub start: i64,
    /// The timestamp of the last point with enough evidence for an alarm.
    pub end: i64,
    /// The timestamp of the point that the strongest alarm is about.
    pub peak: i64,
    /// The severity of the strongest alarm.
    pub severity: Severity,
    /// The strength of the strongest alarm; at least 1.
    pub ratio: f64,
}

/// The number of finished episodes that are kept; if there are more, the oldest are forgotten.
const KEPT: usize = 4;

/// Groups alarms into episodes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EpisodeLog {
    closed: Vec<Episode>,
    open: Option<Episode>,
    /// The number of points since the last evidence of the running episode.
    quiet: u64,
}

impl EpisodeLog {
    /// Records the outcome of `point`.
    pub(super) fn note(&mut self, point: Point, step: &Step) {
        let alarm = step.is_alarm();
        self.quiet += 1;
        if alarm && !step.escalation || self.quiet > step.quiet_limit {
            self.close();
        }
        if alarm && self.open.is_none() {
            self.open = Some(Episode {
                start: point.timestamp,
                end: point.timestamp,
                peak: step.peak,
                severity: step.verdict.severity,
                ratio: step.emitted,
            });
        }
        let Some(open) = &mut self.open else { return };
        if alarm || step.strength >= 1.0 {
            open.end = point.timestamp;
            self.quiet = 0;
        }
        if alarm && step.emitted > open.ratio {
            (open.peak, open.ratio) = (step.peak, step.emitted);
            open.severity = open.severity.max(step.verdict.severity);
        }
    }

    fn close(&mut self) {
        if let Some(open) = self.open.take() {
            if self.closed.len() == KEPT {
                self.closed.remove(0);
            }
            self.closed.push(open);
        }
    }

    /// The finished episodes that were not taken yet, then the running one.
    pub(super) fn episodes(&self) -> impl Iterator<Item = Episode> {
        self.closed.iter().copied().chain(self.open)
    }

    /// Hands over the finished episodes.
    pub(super) fn take_closed(&mut self) -> Vec<Episode> {
        std::mem::take(&mut self.closed)
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.closed.capacity() * size_of::<Episode>()
    }

    pub(super) fn is_sound(&self) -> bool {
        self.closed.len() <= KEPT && self.episodes().all(|episode| episode.ratio >= 1.0)
    }
}
