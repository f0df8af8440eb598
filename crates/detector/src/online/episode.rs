//! The episode rule: one alarm for each episode, and another only where its evidence has grown by
//! half.

use serde::{Deserialize, Serialize};

/// The prefix counts at most this long where times are set in fractions of it, in points.
pub(crate) const HORIZON: usize = 750;
/// The fraction of the prefix that has to pass without evidence until an episode is over.
const QUIET: f64 = 0.15;
/// How many times as strong as the last one an alarm must be to be raised again within an episode.
const AGAIN: f64 = 1.5;

/// The number of points without evidence that ends an episode, for the length of a prefix in
/// points.
pub(crate) fn quiet_limit(prefix: f64) -> u64 {
    (QUIET * prefix.min(HORIZON as f64)) as u64
}

/// The strongest evidence of an episode so far.
///
/// One is enough: a candidate enters only if it exceeds every other one, or is the first alarm after
/// ones that were none, and only the strongest is prolonged. So the newest is always the strongest,
/// and the last to be forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Candidate {
    /// The point at which it was emitted, or the last one with enough evidence to prolong the
    /// episode.
    pub(crate) point: u64,
    /// Its strength; 1 and more is an alarm.
    pub(crate) ratio: f64,
}

/// The outcome of the rule for a strength.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Passed {
    /// The strength, or 0 if it is held back.
    pub(crate) emitted: f64,
    /// Whether an episode was running before.
    pub(crate) running: bool,
}

/// Applies the rule to the `strength` of point number `now`, where 1 and more is enough for an
/// alarm.
#[inline]
pub(crate) fn pass(
    last: &mut Option<Candidate>,
    now: u64,
    strength: f64,
    quiet_limit: u64,
) -> Passed {
    *last = last.filter(|last| now - last.point <= quiet_limit);
    let largest = last.map_or(0.0, |last| last.ratio);
    let running = largest >= 1.0;
    // Evidence below the level holds no alarm back.
    let first = strength >= 1.0 && !running;
    if strength > 0.0 && (first || strength > AGAIN * largest) {
        *last = Some(Candidate {
            point: now,
            ratio: strength,
        });
        return Passed {
            emitted: strength,
            running,
        };
    }
    // While the evidence goes on, so does the episode.
    if let Some(last) = last.as_mut().filter(|_| running && strength >= 1.0) {
        last.point = now;
    }
    Passed {
        emitted: 0.0,
        running,
    }
}

/// The rule with its own count of points.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EpisodeGate {
    /// The number of points without evidence that ends an episode.
    #[serde(rename = "reach")]
    pub(crate) quiet_limit: u64,
    index: u64,
    #[serde(with = "pair")]
    last: Option<Candidate>,
}

impl EpisodeGate {
    /// A gate for a model that was fitted on this number of `points`.
    pub(crate) fn new(points: f64) -> Self {
        Self {
            quiet_limit: quiet_limit(points),
            index: 0,
            last: None,
        }
    }

    /// Takes the strength of the next point, where 1 and more is enough for an alarm.
    pub(crate) fn pass(&mut self, strength: f64) -> Passed {
        let now = self.index;
        self.index += 1;
        pass(&mut self.last, now, strength, self.quiet_limit)
    }

    /// A strength of at most 1 that raises no alarm: below 1 unless an episode is running.
    pub(crate) fn prolonging(&self, strength: f64) -> f64 {
        let is_running = self
            .last
            .is_some_and(|last| last.ratio >= 1.0 && self.index - last.point <= self.quiet_limit);
        match is_running {
            true => strength,
            false => strength.min(1.0_f64.next_down()),
        }
    }

    /// Whether a session could have reached this state.
    pub(crate) fn is_sound(&self) -> bool {
        self.last
            .is_none_or(|last| last.point < self.index && last.ratio > 0.0)
    }
}

/// The stored form of a candidate in a gate: `[point, ratio]`.
mod pair {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Candidate;

    pub(super) fn serialize<S: Serializer>(
        last: &Option<Candidate>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let pair = last.map(|last| (last.point, last.ratio));
        pair.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Candidate>, D::Error> {
        let pair = Option::<(u64, f64)>::deserialize(deserializer)?;
        Ok(pair.map(|(point, ratio)| Candidate { point, ratio }))
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
