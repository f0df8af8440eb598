//! One alarm for each episode.

use serde::{Deserialize, Serialize};

/// Lets the first alarm of an episode through, and those that outgrow it. DETECTION.md, part B, 6, with one difference: what was no
/// alarm holds none back.
///
/// Of the alarms of an episode each is stronger than those before it and outlives them, so the last one is all there is to remember.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EpisodeGate {
    /// So many points without evidence end an episode.
    #[serde(rename = "reach")]
    pub(crate) quiet_limit: u64,
    index: u64,
    /// Index (moved on by evidence) and strength of the last thing emitted.
    last: Option<(u64, f64)>,
}

/// What becomes of a strength.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Passed {
    /// It, or 0 if it is held back.
    pub(crate) emitted: f64,
    /// Whether an episode was running before.
    pub(crate) running: bool,
}

/// Part of the prefix that has to pass without evidence until an episode is over.
const EPISODE: f64 = 0.15;
/// The prefix counts at most this long.
const HORIZON: f64 = 750.0;
/// So many times as strong as the last one, an alarm is raised again within an episode.
const AGAIN: f64 = 1.5;

impl EpisodeGate {
    /// For a model of so many `points`.
    pub(crate) fn new(points: f64) -> Self {
        Self {
            quiet_limit: (EPISODE * points.min(HORIZON)) as u64,
            index: 0,
            last: None,
        }
    }

    /// Takes the strength of the next point, 1 and more being an alarm.
    pub(crate) fn pass(&mut self, strength: f64) -> Passed {
        let oldest = self.index.saturating_sub(self.quiet_limit);
        self.last = self.last.filter(|(at, _)| *at >= oldest);
        let (at, largest) = self.last.unwrap_or((self.index, 0.0));
        let running = largest >= 1.0;
        let first = strength >= 1.0 && !running;
        let emitted = strength > 0.0 && (first || strength > AGAIN * largest);
        if emitted {
            self.last = Some((self.index, strength));
        } else if self.last.is_some() {
            // While the evidence goes on, so does the episode.
            let at = if running && strength >= 1.0 {
                self.index
            } else {
                at
            };
            self.last = Some((at, largest));
        }
        self.index += 1;
        Passed {
            emitted: if emitted { strength } else { 0.0 },
            running,
        }
    }

    pub(crate) fn is_sound(&self) -> bool {
        self.last
            .is_none_or(|(at, strength)| at < self.index && strength > 0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn emitted(strengths: &[f64]) -> Vec<f64> {
        let mut gate = EpisodeGate::new(20.0);
        strengths.iter().map(|s| gate.pass(*s).emitted).collect()
    }

    #[test]
    fn an_episode_has_one_alarm_and_more_only_as_it_grows() {
        assert_eq!(
            emitted(&[0.2, 2.0, 2.5, 3.5, 1.0, 1.0, 1.0, 1.0, 2.0]),
            [0.2, 2.0, 0.0, 3.5, 0.0, 0.0, 0.0, 0.0, 0.0]
        );
    }

    #[test]
    fn an_episode_ends_after_a_while_without_evidence() {
        assert_eq!(
            emitted(&[2.0, 0.1, 0.1, 0.1, 2.0]),
            [2.0, 0.0, 0.0, 0.0, 2.0]
        );
        assert_eq!(emitted(&[2.0, 0.1, 0.1, 2.0])[3], 0.0);
    }

    #[test]
    fn what_was_no_alarm_holds_none_back() {
        assert_eq!(emitted(&[0.9, 1.0]), [0.9, 1.0]);
        assert_eq!(emitted(&[0.5, 0.7, 0.8]), [0.5, 0.0, 0.8]);
    }
}
