//! Lasting changes of the level.

use std::collections::VecDeque;

use contract::{Point, Sides};
use serde::{Deserialize, Serialize};

use crate::{
    Reason,
    online::Step,
    reason::ReasonKind,
    series::{quantile, scale},
    verdict::ScoringRule,
};

/// A moment at which the level of the series changed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangePoint {
    /// The timestamp of the first point at the new level.
    pub timestamp: i64,
    /// The level before: the median of the last points before it.
    pub from: f64,
    /// The level after: the median of the first points since.
    pub to: f64,
}

impl ChangePoint {
    /// The change in a sentence.
    pub fn reason(&self) -> Reason {
        Reason(ReasonKind::Moved {
            from: self.from,
            to: self.to,
            at: self.timestamp,
        })
    }
}

/// Compares the level before an episode with the level in it, and after a change with the level
/// before that: a return is a change too. A change becomes known some points after it.
///
/// The season's part is subtracted first. A move that has come and gone several times is no change:
/// so bursts are none, and a shift that stays is one however large others were.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Changes {
    /// The last levels, the oldest first.
    levels: VecDeque<f64>,
    /// The timestamps of the newest of them.
    timestamps: VecDeque<i64>,
    usual: Option<UsualLevel>,
    known: Vec<ChangePoint>,
    /// By how much each block of the last points lay above those before it, the oldest first.
    moves: VecDeque<f64>,
    /// The number of points since the last of them.
    since: usize,
}

/// The level that later ones are compared with.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct UsualLevel {
    median: f64,
    spread: f64,
    /// The level before the last change. Without an episode only a return to it is a change.
    former: Option<f64>,
}

/// The numbers of levels before and after that are compared.
const BEFORE: usize = 32;
const AFTER: usize = 24;

/// The smallest number of levels before that can be compared.
const LEAST: usize = 8;

/// The size of a change, at least, in spreads of the levels before.
const CLEAR: f64 = 3.0;

/// The number of levels after that must lie nearer to the new level than to the old one.
const LASTING: usize = 18;

/// The number of moves that are remembered, and the number of them each way from which on a move of
/// that size is ordinary.
const MOVES: usize = 128;
const OFTEN: usize = 2;

/// The number of changes that are kept; if there are more, the oldest are forgotten.
const KEPT: usize = 4;

/// Appends to the `newest`, of which at most this many are kept, in no more memory than those take.
fn push<T>(newest: &mut VecDeque<T>, next: T, kept: usize) {
    if newest.len() == kept {
        newest.pop_front();
    } else if newest.len() == newest.capacity() {
        newest.reserve_exact(newest.len().max(4).min(kept - newest.len()));
    }
    newest.push_back(next);
}

impl Changes {
    /// Takes the next point. Returns a change that has become known with it. `in_episode` says
    /// whether an episode was running before it.
    pub(super) fn note(
        &mut self,
        step: &Step,
        point: Point,
        in_episode: bool,
    ) -> Option<ChangePoint> {
        let level = (point.value - step.season).clamp(-f64::MAX, f64::MAX);
        push(&mut self.levels, level, BEFORE + AFTER);
        push(&mut self.timestamps, point.timestamp, AFTER);
        self.note_move();
        let mut watched = in_episode;
        if let Some(alarm) = &step.alarm {
            if !in_episode {
                self.usual = self.level_before(alarm.about.timestamp).or(self.usual);
            }
            watched = true;
        }
        let change = self.change(watched)?;
        if self.known.len() == KEPT {
            self.known.remove(0);
        }
        self.known.push(change);
        Some(change)
    }

    /// Whether the last level is clearly another than the usual one, on a side that counts.
    pub(super) fn is_away(&self, rule: &ScoringRule) -> bool {
        let (Some(usual), Some(level)) = (&self.usual, self.levels.back()) else {
            return false;
        };
        let side = match rule.sides {
            Sides::Both => true,
            Sides::Above => *level > usual.median,
            Sides::Below => *level < usual.median,
        };
        let distance = (level / 2.0 - usual.median / 2.0).abs();
        side && distance > (CLEAR * usual.spread).max(rule.min_deviation) / 2.0
    }

    /// The level of the points before that at `timestamp`; `None` if there are too few.
    fn level_before(&self, timestamp: i64) -> Option<UsualLevel> {
        let newest = self.timestamps.iter().rev();
        let after = newest.take_while(|at| **at >= timestamp).count();
        let before = self.levels.iter().rev().skip(after.max(1)).take(BEFORE);
        let mut sorted: Vec<f64> = before.copied().collect();
        if sorted.len() < LEAST {
            return None;
        }
        sorted.sort_unstable_by(f64::total_cmp);
        Some(UsualLevel {
            median: quantile::median(&sorted),
            spread: scale::of_any(&sorted),
            former: None,
        })
    }

    /// The change that the last levels show, `watched` by an alarm or not.
    fn change(&mut self, watched: bool) -> Option<ChangePoint> {
        let usual = self.usual?;
        if self.levels.len() < AFTER || !(watched || usual.former.is_some()) {
            return None;
        }
        let newest = self.levels.range(self.levels.len() - AFTER..);
        let from = usual.median;
        let is_clear =
            |level: f64, times: f64| (level / 2.0 - from / 2.0).abs() > times * usual.spread / 2.0;
        // The window begins with the first point of the change. Most do not, which is cheap to see.
        let first = *newest.clone().next()?;
        if !is_clear(first, CLEAR / 2.0) {
            return None;
        }
        let mut sorted: Vec<f64> = newest.copied().collect();
        sorted.sort_unstable_by(f64::total_cmp);
        let to = quantile::median(&sorted);
        let middle = from / 2.0 + to / 2.0;
        let is_new = |level: f64| (level > middle) == (to > from);
        let lasting = sorted.iter().filter(|level| is_new(**level)).count();
        let returns = |former: f64| (to / 2.0 - former / 2.0).abs() < (to / 2.0 - from / 2.0).abs();
        let counts = watched || usual.former.is_some_and(returns);
        if !(counts && is_clear(to, CLEAR) && is_new(first) && lasting >= LASTING) {
            return None;
        }
        let is_return = usual.former.is_some_and(returns);
        if !is_return && (to / 2.0 - from / 2.0).abs() <= self.ordinary() / 2.0 {
            return None;
        }
        self.usual = Some(UsualLevel {
            median: to,
            // What comes after a return is no return.
            former: (!is_return).then_some(from),
            ..usual
        });
        Some(ChangePoint {
            timestamp: *self.timestamps.front()?,
            from,
            to,
        })
    }

    /// Notes the move of a block at its end.
    fn note_move(&mut self) {
        self.since += 1;
        if self.since < AFTER || self.levels.len() < BEFORE + AFTER {
            return;
        }
        self.since = 0;
        let last = self.last_move();
        push(&mut self.moves, last, MOVES);
    }

    /// By how much the last points lie above those before them; negative if they lie below.
    fn last_move(&self) -> f64 {
        let median = |range: std::ops::Range<usize>| {
            let mut sorted: Vec<f64> = self.levels.range(range).copied().collect();
            sorted.sort_unstable_by(f64::total_cmp);
            quantile::median(&sorted)
        };
        (median(BEFORE..BEFORE + AFTER) - median(0..BEFORE)).clamp(-f64::MAX, f64::MAX)
    }

    /// The largest move that has come and gone so often that it is no change.
    fn ordinary(&self) -> f64 {
        let largest = |sign: f64| {
            let mut sizes: Vec<f64> = self.moves.iter().map(|size| sign * size).collect();
            sizes.sort_unstable_by(|a, b| b.total_cmp(a));
            sizes.get(OFTEN - 1).copied().unwrap_or(0.0)
        };
        largest(1.0).min(largest(-1.0)).max(0.0)
    }

    /// The changes that were not taken yet.
    pub(super) fn known(&self) -> &[ChangePoint] {
        &self.known
    }

    /// Hands over the changes that are known.
    pub(super) fn take(&mut self) -> Vec<ChangePoint> {
        std::mem::take(&mut self.known)
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.levels.capacity() * size_of::<f64>()
            + self.timestamps.capacity() * size_of::<i64>()
            + self.known.capacity() * size_of::<ChangePoint>()
            + self.moves.capacity() * size_of::<f64>()
    }

    pub(super) fn is_sound(&self) -> bool {
        self.levels.len() <= BEFORE + AFTER
            && self.timestamps.len() == self.levels.len().min(AFTER)
            && self.known.len() <= KEPT
            && self.moves.len() <= MOVES
            && self.moves.iter().all(|size| size.is_finite())
            && self.usual.is_none_or(|usual| usual.spread >= 0.0)
    }
}
