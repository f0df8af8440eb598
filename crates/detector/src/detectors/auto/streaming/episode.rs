//! From evidence to alarms: one for each episode, fewer where alarms are common.

use serde::{Deserialize, Serialize};

use super::constants::{AGAIN, EPISODE, FATIGUE, FATIGUE_TAU, SUSTAIN, THETA};

/// What is remembered of earlier evidence.
///
/// The specification keeps a list of candidates. A candidate enters only if it exceeds every other one, and only the largest is
/// prolonged: so the newest is always the largest too, the last to go, and the only one that is ever looked at. One is enough.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AlarmState {
    /// Points so far.
    points: u64,
    /// Recent alarms, each counting less as time passes.
    alarms: f64,
    last: Option<Candidate>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Candidate {
    point: u64,
    ratio: f64,
}

/// What evidence amounts to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Alarm {
    /// Evidence over the level.
    pub(super) ratio: f64,
    /// Whether it exceeds what was seen in this episode.
    pub(super) is_emitted: bool,
    pub(super) is_alarm: bool,
    /// Whether the alarm came inside a running episode.
    pub(super) is_escalation: bool,
}

impl AlarmState {
    /// Nothing remembered.
    pub(super) fn new() -> Self {
        Self {
            points: 0,
            alarms: 0.0,
            last: None,
        }
    }

    /// Judges the evidence `strength` of the next point; `prefix` is the length of the prefix in points, at most the horizon.
    pub(super) fn judge(&mut self, strength: f64, prefix: u32) -> Alarm {
        let prefix = f64::from(prefix);
        self.alarms *= (-1.0 / (FATIGUE_TAU * prefix)).exp();
        let ratio = strength / (THETA * (1.0 + FATIGUE * self.alarms));
        let quiet_limit = (EPISODE * prefix) as u64;
        self.last = self
            .last
            .filter(|last| self.points - last.point <= quiet_limit);
        let is_running = self.last.is_some_and(|last| last.ratio >= 1.0);
        if let Some(last) = self
            .last
            .as_mut()
            .filter(|_| is_running && ratio >= SUSTAIN)
        {
            last.point = self.points;
        }
        let largest = self.last.map_or(0.0, |last| last.ratio);
        let is_emitted = strength > 0.0 && ratio > AGAIN * largest;
        if is_emitted {
            let point = self.points;
            self.last = Some(Candidate { point, ratio });
        }
        let is_alarm = is_emitted && ratio >= 1.0;
        if is_alarm {
            self.alarms += 1.0;
        }
        self.points += 1;
        Alarm {
            ratio,
            is_emitted,
            is_alarm,
            is_escalation: is_alarm && is_running,
        }
    }

    /// Recent alarms, each counting less as time passes.
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

    /// Whether each strength alarms, with a reach of 15 points.
    fn alarms(strengths: &[f64]) -> Vec<(bool, bool)> {
        let mut episode = AlarmState::new();
        let judged = strengths.iter().map(|&s| episode.judge(s, 100));
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
    fn weak_evidence_must_grow_too() {
        assert!(!alarms(&[0.8, 1.19])[1].0);
        assert!(alarms(&[0.8, 1.21])[1].0);
    }
}
