//! Runs of equal values: a sensor that is stuck gives one value again and again.

use serde::{Deserialize, Serialize};

use crate::reason::ReasonKind;

/// The run of equal values that is going on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EqualValues {
    value: f64,
    length: u64,
    /// The length of the longest run that has ended; `None` where it is not known how long runs are.
    longest: Option<u64>,
}

/// A run that is longer than what came before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stuck {
    pub(super) points: u64,
    pub(super) longest: u64,
}

impl Stuck {
    /// The reason of an alarm at the last point of the run, whose points all have `value`.
    pub(super) fn reason(self, value: f64) -> ReasonKind {
        ReasonKind::Stuck {
            value,
            points: self.points,
            longest: self.longest,
        }
    }
}

/// The number of points by which a run must exceed twice the longest one. The longest of n random
/// runs grows with ln n, so twice as long a one takes about n times as many points.
const MORE: u64 = 4;

/// The number of times as long as its longest run a series must be to tell how long runs are.
const ENOUGH: u64 = 16;

/// The length of the longest run of equal values; `None` where one makes so much of the values that
/// longer ones are to be expected, as of a constant.
pub(super) fn longest_run(values: impl ExactSizeIterator<Item = f64>) -> Option<u64> {
    let all = values.len() as u64;
    let mut run = EqualValues::after(Some(0));
    values.for_each(|value| run.count(value));
    let longest = run.longest.max(Some(run.length));
    longest.filter(|longest| ENOUGH * longest <= all)
}

impl EqualValues {
    /// Before the first value of a series in which runs were at most this long, as far as is known.
    pub(super) fn after(longest: Option<u64>) -> Self {
        Self {
            value: 0.0,
            length: 0,
            longest,
        }
    }

    /// Takes the next value. Returns the run it belongs to, if that is too long.
    pub(super) fn note(&mut self, value: f64) -> Option<Stuck> {
        self.count(value);
        let points = self.length;
        let longest = self
            .longest
            .filter(|longest| points >= 2 * longest + MORE)?;
        Some(Stuck { points, longest })
    }

    fn count(&mut self, value: f64) {
        #[expect(clippy::float_cmp, reason = "equal values are the same number")]
        if value == self.value && self.length > 0 {
            self.length += 1;
        } else if value.is_finite() {
            self.longest = self.longest.map(|longest| longest.max(self.length));
            self.value = value;
            self.length = 1;
        }
    }

    pub(super) fn is_sound(&self) -> bool {
        self.value.is_finite() && self.length < 1 << 53 && self.longest < Some(1 << 53)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_too_long_from_twice_the_longest_and_four_on() {
        let mut run = EqualValues::after(Some(3));
        assert!((0..9).all(|_| run.note(5.0).is_none()));
        let (points, longest) = (10, 3);
        assert_eq!(run.note(5.0), Some(Stuck { points, longest }));
        assert_eq!(run.note(6.0), None);
        // One that came once is known.
        assert!((0..23).all(|_| run.note(5.0).is_none()));
        assert!(run.note(5.0).is_some());
    }

    #[test]
    fn how_long_runs_are_is_known_from_enough_of_them() {
        let run_at = |at: std::ops::Range<i32>| {
            let values = (0..48).map(|i| if at.contains(&i) { -1.0 } else { f64::from(i) });
            longest_run(values.collect::<Vec<_>>().into_iter())
        };
        assert_eq!(run_at(10..13), Some(3));
        assert_eq!(run_at(45..48), Some(3));
        assert_eq!(run_at(10..14), None);
        let mut run = EqualValues::after(None);
        assert!((0..1_000).all(|_| run.note(5.0).is_none()));
    }
}
