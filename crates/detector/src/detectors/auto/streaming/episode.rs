//! From evidence to alarms: the episode rule, and a level that rises where alarms are common.

use serde::{Deserialize, Serialize};

use super::constants::{FATIGUE, FATIGUE_TAU, THETA};
use crate::online::episode::{self, Candidate};

/// The memory of earlier evidence.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AlarmState {
    /// The number of points so far.
    points: u64,
    /// The number of recent alarms, each counting less as time passes.
    alarms: f64,
    last: Option<Candidate>,
}

/// The outcome of the evidence at a point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Alarm {
    /// The evidence divided by the level.
    pub(super) ratio: f64,
    /// The ratio if the episode rule lets it through, else 0.
    pub(super) emitted: f64,
    /// Whether `emitted` is 1 or more.
    pub(super) is_alarm: bool,
    /// Whether the alarm came inside a running episode.
    pub(super) is_escalation: bool,
}

impl AlarmState {
    /// The state before the first point.
    pub(super) fn new() -> Self {
        Self {
            points: 0,
            alarms: 0.0,
            last: None,
        }
    }

    /// Takes the evidence `strength` of the next point; `prefix` is the length of the prefix in
    /// points, at most the horizon.
    pub(super) fn update(&mut self, strength: f64, prefix: u32) -> Alarm {
        let prefix = f64::from(prefix);
        self.alarms *= (-1.0 / (FATIGUE_TAU * prefix)).exp();
        let ratio = strength / (THETA * (1.0 + FATIGUE * self.alarms));
        let passed = episode::pass(
            &mut self.last,
            self.points,
            ratio,
            episode::quiet_limit(prefix),
        );
        let is_alarm = passed.emitted >= 1.0;
        if is_alarm {
            self.alarms += 1.0;
        }
        self.points += 1;
        Alarm {
            ratio,
            emitted: passed.emitted,
            is_alarm,
            is_escalation: is_alarm && passed.running,
        }
    }

    /// Whether an episode was running at the last point.
    pub(super) fn is_running(&self) -> bool {
        self.last.is_some_and(|last| last.ratio >= 1.0)
    }

    /// The number of recent alarms, each counting less as time passes.
    pub(super) fn alarms(&self) -> f64 {
        self.alarms
    }

    pub(super) fn check(&self) -> Result<(), &'static str> {
        let candidate = |c: &Candidate| c.point < self.points && (0.0..=1e12).contains(&c.ratio);
        let sound = self.points < 1 << 53
            && (0.0..=1e12).contains(&self.alarms)
            && self.last.as_ref().is_none_or(candidate);
        sound.then_some(()).ok_or("episode")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether each strength alarms, where 15 quiet points end an episode.
    fn alarms(strengths: &[f64]) -> Vec<(bool, bool)> {
        let mut episode = AlarmState::new();
        let judged = strengths.iter().map(|&s| episode.update(s, 100));
        judged.map(|a| (a.is_alarm, a.is_escalation)).collect()
    }

    #[test]
    fn an_episode_alarms_once_and_again_when_it_has_grown_by_half() {
        let found = alarms(&[0.5, 2.0, 2.5, 0.0, 4.0, 4.0]);
        let expected = [false, true, false, false, true, false];
        assert_eq!(found.iter().map(|a| a.0).collect::<Vec<_>>(), expected);
        assert_eq!(found.iter().position(|a| a.1), Some(4));
    }

    #[test]
    fn an_episode_lasts_while_there_is_evidence_and_a_while_longer() {
        for (quiet, again) in [(14, false), (15, true)] {
            let mut strengths = vec![2.0; 100];
            strengths.resize(100 + quiet, 0.0);
            strengths.push(2.0);
            assert_eq!(alarms(&strengths)[100 + quiet].0, again, "{quiet}");
        }
    }

    #[test]
    fn weak_evidence_holds_none_back() {
        assert_eq!(alarms(&[0.8, 1.0])[1], (true, false));
    }
}
