//! The part that changes with every point, whether or not it is learned: the last points and the
//! values that are held.

use serde::{Deserialize, Serialize};

use super::{
    StreamMemory, StreamParams,
    cells::Cells,
    constants::{NOVELTY_HOLD, PHASES, SLOTS},
    episode::AlarmState,
    points::Predictions,
    window::Window,
};

/// The context of the next point: cheap to make, a few kilobytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamState {
    pub(super) window: Window,
    /// The last slot.
    pub(super) slot: i64,
    pub(super) held: [f64; SLOTS],
    /// The largest joint score in the cell that is filling.
    pub(super) largest: f64,
    pub(super) cells: Cells,
    pub(super) novelty: NoveltyState,
    pub(super) episode: AlarmState,
    pub(super) errors: RecentErrors,
}

impl StreamState {
    /// The context of a first point, which may come any time after those that `memory` has learned.
    pub fn fresh(params: &StreamParams, memory: &StreamMemory) -> Self {
        Self::starting_at(params, memory.blocks.next())
    }

    /// As [`Self::fresh`], where the first cell has the number `cell`.
    pub(super) fn starting_at(params: &StreamParams, cell: u64) -> Self {
        Self {
            window: Window::new(params.points.lookback()),
            slot: -1,
            held: [0.0; SLOTS],
            largest: 0.0,
            cells: Cells::starting_at(cell),
            novelty: NoveltyState::default(),
            episode: AlarmState::new(),
            errors: RecentErrors::default(),
        }
    }

    /// Forgets the last points before a gap of this many points: what it tore into two would look
    /// like nothing before. The episode goes on.
    pub(super) fn restart(&mut self, params: &StreamParams, missing: u64) {
        let cells = self.cells.after_gap(missing, params.block_scale.cell());
        *self = Self {
            slot: self.slot,
            episode: self.episode,
            ..Self::starting_at(params, cells.number())
        };
        self.cells = cells;
    }

    /// The number of last points that are known, at most as many as any part looks back.
    pub fn known(&self) -> usize {
        self.window.len()
    }

    /// The predictions for a point at `timestamp`.
    pub fn predict(
        &self,
        params: &StreamParams,
        memory: &StreamMemory,
        timestamp: i64,
    ) -> Predictions {
        let slot = params.clock.slot(timestamp, self.slot);
        params.points.predict(&memory.season, &self.window, slot)
    }

    /// The memory in bytes, heap included.
    pub fn memory_bytes(&self) -> usize {
        size_of::<Self>()
            + self.window.memory_bytes()
            + self.cells.memory_bytes()
            + self.errors.memory_bytes()
    }

    pub(super) fn check(
        &self,
        params: &StreamParams,
        memory: &StreamMemory,
    ) -> Result<(), &'static str> {
        self.cells.check(params.block_scale.cell())?;
        self.episode.check()?;
        let scores = self.held.iter().chain(&self.novelty.phases);
        let mut scores = scores.chain([&self.largest, &self.novelty.ratio, &self.novelty.held]);
        let sound = scores.all(|score| (0.0..=1e12).contains(score))
            && self.window.keep() == params.points.lookback()
            && self.cells.number() >= memory.blocks.next()
            && self.errors.last.len() <= params.block_length()
            && self.errors.last.iter().all(|error| error.is_finite());
        sound.then_some(()).ok_or("context")
    }
}

/// The last results of the block path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NoveltyState {
    /// The last ratio of each phase.
    #[serde(rename = "spoken")]
    phases: [f64; PHASES],
    /// The median of the phases when the last cell ended.
    ratio: f64,
    /// The logarithm of the median, held for a while.
    held: f64,
}

impl NoveltyState {
    /// Records the ratio of a phase and returns the median of all.
    pub(super) fn record(&mut self, phase: usize, ratio: f64) -> f64 {
        self.phases[phase] = ratio;
        let [a, b, c] = self.phases;
        self.ratio = a.max(b).min(a.min(b).max(c));
        self.ratio
    }

    /// The logarithm that is held.
    pub(super) fn held(&self) -> f64 {
        self.held
    }

    /// Moves on by a point and returns the held logarithm.
    pub(super) fn step(&mut self) -> f64 {
        self.held = self.ratio.ln_1p().max(NOVELTY_HOLD * self.held);
        self.held
    }
}

/// Errors of the chosen predictor over the last block, newest last, in the unit of the values.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct RecentErrors {
    last: Vec<f64>,
}

impl RecentErrors {
    /// Takes an error; keeps the last `count`.
    pub(super) fn push(&mut self, error: f64, count: usize) {
        if self.last.len() >= count {
            self.last.remove(0);
        }
        self.last.push(error);
    }

    /// The error that is largest in size (the oldest of such), and how many points ago it was.
    pub(super) fn largest(&self) -> (f64, u32) {
        let mut largest = (0.0_f64, 0);
        for (i, &error) in self.last.iter().enumerate() {
            if error.abs() > largest.0.abs() {
                largest = (error, (self.last.len() - 1 - i) as u32);
            }
        }
        largest
    }

    fn memory_bytes(&self) -> usize {
        self.last.capacity() * size_of::<f64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_the_phases_is_the_one_between() {
        let mut novelty = NoveltyState::default();
        assert_eq!(novelty.record(0, 3.0), 0.0);
        assert_eq!(novelty.record(1, 5.0), 3.0);
        assert_eq!(novelty.record(2, 4.0), 4.0);
        assert_eq!(novelty.record(1, 1.0), 3.0);
    }

    #[test]
    fn the_largest_error_is_found_among_the_last() {
        let mut errors = RecentErrors::default();
        for error in [9.0, -2.0, 2.0, 1.0] {
            errors.push(error, 3);
        }
        assert_eq!(errors.largest(), (-2.0, 2));
    }
}
