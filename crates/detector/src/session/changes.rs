//! Lasting changes of the level.

use serde::{Deserialize, Serialize};

use crate::{
    online::Step,
    series::{quantile, scale},
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

/// Compares the level before an episode with the level since it began. A change becomes known some
/// points after it.
///
/// The season's part is subtracted first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Changes {
    /// The last levels outside of episodes, the oldest first.
    before: Vec<f64>,
    #[serde(rename = "since")]
    pending: Option<PendingChange>,
    known: Vec<ChangePoint>,
}

/// An episode whose level is watched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PendingChange {
    timestamp: i64,
    from: f64,
    /// The spread of the levels before.
    spread: f64,
    levels: Vec<f64>,
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

/// The number of changes that are kept; if there are more, the oldest are forgotten.
const KEPT: usize = 4;

impl Changes {
    /// Takes the level at the next point. Returns a change that has become known with it.
    pub(super) fn note(&mut self, step: &Step, value: f64) -> Option<ChangePoint> {
        let level = (value - step.season).clamp(-f64::MAX, f64::MAX);
        if step.is_alarm() && self.pending.is_none() && self.before.len() >= LEAST {
            self.pending = Some(PendingChange::new(step.peak, &self.before));
        }
        let Some(pending) = &mut self.pending else {
            if self.before.len() >= BEFORE {
                self.before.remove(0);
            }
            self.before.push(level);
            return None;
        };
        pending.levels.push(level);
        if pending.levels.len() < AFTER {
            return None;
        }
        let pending = self.pending.take()?;
        let change = pending.change();
        // The old level is over, or the series never left it.
        self.before.clear();
        self.before.extend(&pending.levels);
        if let Some(change) = change {
            if self.known.len() == KEPT {
                self.known.remove(0);
            }
            self.known.push(change);
        }
        change
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
        let pending = self
            .pending
            .as_ref()
            .map_or(0, |pending| pending.levels.capacity());
        (self.before.capacity() + pending) * size_of::<f64>()
            + self.known.capacity() * size_of::<ChangePoint>()
    }

    pub(super) fn is_sound(&self) -> bool {
        let after = self
            .pending
            .as_ref()
            .map_or(0, |pending| pending.levels.len());
        self.before.len() <= BEFORE && after < AFTER && self.known.len() <= KEPT
    }
}

impl PendingChange {
    fn new(timestamp: i64, before: &[f64]) -> Self {
        let mut sorted = before.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        Self {
            timestamp,
            from: quantile::median(&sorted),
            spread: scale::of_sorted(&sorted),
            levels: Vec::with_capacity(AFTER),
        }
    }

    fn change(&self) -> Option<ChangePoint> {
        let mut sorted = self.levels.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        let (from, to) = (self.from, quantile::median(&sorted));
        let middle = from / 2.0 + to / 2.0;
        let lasting = sorted
            .iter()
            .filter(|level| (**level > middle) == (to > from));
        let clear = (to / 2.0 - from / 2.0).abs() > CLEAR / 2.0 * self.spread;
        (clear && lasting.count() >= LASTING).then_some(ChangePoint {
            timestamp: self.timestamp,
            from,
            to,
        })
    }
}
