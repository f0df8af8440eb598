//! Cells: summaries of a few points each, and blocks made of them on four time scales.

use serde::{Deserialize, Serialize};

use super::constants::{BLOCK_LIMIT, FEATURES, LONGEST, PHASES, SCALES};
use crate::bytes;

/// A block in [`FEATURES`] squashed numbers: mean, maximum, minimum, mean absolute difference.
pub(super) type Features = [f32; FEATURES];

/// The last cells, and the one that is filling.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cells {
    /// The mean, maximum, minimum and mean absolute difference of each of the last [`LONGEST`]
    /// cells.
    #[serde(with = "bytes::fixed")]
    ring: Box<[f32; FEATURES * LONGEST]>,
    /// The number of the cell that is filling.
    number: u64,
    /// The number of the first cell.
    first: u64,
    filling: Filling,
    last: Option<f64>,
    /// The number of points that the filling cell lacks since it began in a gap.
    #[serde(default, skip_serializing_if = "is_none")]
    lacking: u32,
}

fn is_none(points: &u32) -> bool {
    *points == 0
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Filling {
    points: u32,
    sum: f64,
    max: f64,
    min: f64,
    changes: f64,
}

const NOTHING: Filling = Filling {
    points: 0,
    sum: 0.0,
    max: -BLOCK_LIMIT,
    min: BLOCK_LIMIT,
    changes: 0.0,
};

impl Cells {
    /// An empty ring whose first cell gets `number`.
    pub(super) fn starting_at(number: u64) -> Self {
        Self {
            ring: Box::new([0.0; FEATURES * LONGEST]),
            number,
            first: number,
            filling: NOTHING,
            last: None,
            lacking: 0,
        }
    }

    /// An empty ring after `missing` points that never came, its cells of `length` points and its
    /// phases on the grid of this one.
    pub(super) fn after_gap(&self, missing: u64, length: u32) -> Self {
        let begun = missing + u64::from(self.filling.points + self.lacking);
        let cells = begun / u64::from(length);
        Self {
            lacking: (begun % u64::from(length)) as u32,
            ..Self::starting_at(self.number + cells % PHASES as u64)
        }
    }

    /// Takes a value, in ranges of the prefix. Returns the number of the cell that it ends, if it
    /// ends one: with its `length`th value or a later one.
    pub(super) fn push(&mut self, x: f64, length: u32) -> Option<u64> {
        let cell = &mut self.filling;
        cell.points += 1;
        cell.sum += x;
        cell.max = cell.max.max(x);
        cell.min = cell.min.min(x);
        cell.changes += self.last.map_or(0.0, |last| (x - last).abs());
        self.last = Some(x);
        if cell.points + self.lacking < length {
            return None;
        }
        self.lacking = 0;
        let points = f64::from(cell.points);
        let summary = [cell.sum / points, cell.max, cell.min, cell.changes / points];
        let place = (self.number % LONGEST as u64) as usize * FEATURES;
        self.ring[place..place + FEATURES].copy_from_slice(&summary.map(|x| x as f32));
        self.filling = NOTHING;
        self.number += 1;
        Some(self.number - 1)
    }

    /// The block of each scale that ends with the last full cell; at least one cell is full. `None`
    /// where a late start left too few cells: only the very first cells of a series make shorter
    /// blocks.
    pub(super) fn blocks(&self) -> [Option<Features>; SCALES.len()] {
        let seen = (self.number - self.first).min(LONGEST as u64) as usize;
        let next = (self.number % LONGEST as u64) as usize * FEATURES;
        let (before, after) = self.ring.split_at(next);
        let newest_first = before
            .rchunks_exact(FEATURES)
            .chain(after.rchunks_exact(FEATURES));
        let (mut sum, mut changes) = (0.0, 0.0);
        let (mut max, mut min) = (f32::NEG_INFINITY, f32::INFINITY);
        let mut blocks = [None; SCALES.len()];
        let mut scale = 0;
        for (cell, count) in newest_first.take(seen).zip(1..) {
            sum += f64::from(cell[0]);
            max = max.max(cell[1]);
            min = min.min(cell[2]);
            changes += f64::from(cell[3]);
            if count == SCALES[scale] * PHASES || count == seen {
                let n = count as f64;
                let block = [sum / n, f64::from(max), f64::from(min), changes / n].map(squash);
                let is_full = count == SCALES[scale] * PHASES;
                if is_full {
                    blocks[scale] = Some(block);
                    scale += 1;
                }
                if count == seen && self.first == 0 {
                    blocks[scale..].fill(Some(block));
                }
            }
        }
        blocks
    }

    /// The number of the cell that is filling.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn check(&self, length: u32) -> Result<(), &'static str> {
        let in_range = |x: f64| x.abs() <= BLOCK_LIMIT;
        let cell = &self.filling;
        let bound = 2.0 * BLOCK_LIMIT * f64::from(length);
        let sound = self
            .ring
            .iter()
            .all(|&x| f64::from(x.abs()) <= 2.0 * BLOCK_LIMIT)
            && self.first <= self.number
            && self.number < 1 << 53
            && cell.points.saturating_add(self.lacking) < length
            && cell.sum.abs() <= bound
            && (0.0..=bound).contains(&cell.changes)
            && in_range(cell.max)
            && in_range(cell.min)
            && self.last.is_none_or(in_range);
        sound.then_some(()).ok_or("cells")
    }

    /// Bytes on the heap.
    pub(super) fn memory_bytes(&self) -> usize {
        size_of_val(&*self.ring)
    }
}

/// Is linear inside the range of the prefix and logarithmic outside, so that a first giant spike
/// does not hide later ones.
fn squash(a: f64) -> f32 {
    ((2.0 * a.abs()).ln_1p() / 2.0).copysign(a) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push_all(cells: &mut Cells, values: impl IntoIterator<Item = f64>) {
        for value in values {
            cells.push(value, 1);
        }
    }

    #[test]
    fn a_block_has_the_mean_and_the_extremes_of_its_cells() {
        let mut cells = Cells::starting_at(0);
        assert_eq!(cells.push(1.0, 2), None);
        assert_eq!(cells.push(2.0, 2), Some(0));
        assert_eq!(cells.push(-1.0, 2), None);
        assert_eq!(cells.push(0.0, 2), Some(1));
        let expected = [0.5, 2.0, -1.0, (1.0 + 3.0 + 1.0) / 4.0].map(squash);
        assert_eq!(cells.blocks(), [Some(expected); 4]);
    }

    #[test]
    fn each_scale_looks_back_as_far_as_its_window() {
        let mut cells = Cells::starting_at(0);
        push_all(&mut cells, (0..200).map(f64::from));
        let minima = cells.blocks().map(|block| block.unwrap()[2]);
        assert_eq!(minima, [197.0, 191.0, 173.0, 119.0].map(squash));
    }

    #[test]
    fn a_gap_moves_neither_cells_nor_phases() {
        // The ends of cells of 4 points, and their phases, with and without points 13 to 34.
        let ends = |missing: std::ops::Range<u64>| {
            let mut cells = Cells::starting_at(0);
            let mut ends = Vec::new();
            for i in 0..60 {
                if i == missing.end && !missing.is_empty() {
                    cells = cells.after_gap(missing.end - missing.start, 4);
                }
                if !missing.contains(&i)
                    && let Some(cell) = cells.push(0.0, 4)
                {
                    ends.push((i, cell % PHASES as u64));
                }
            }
            ends
        };
        let (whole, torn) = (ends(0..0), ends(13..35));
        let after = whole.iter().position(|(i, _)| *i > 34).unwrap();
        assert_eq!(torn[3..], whole[after..]);
    }

    #[test]
    fn after_a_late_start_only_full_blocks_count() {
        let mut cells = Cells::starting_at(500);
        push_all(&mut cells, [1.0, 2.0]);
        assert_eq!(cells.blocks(), [None; 4]);
        push_all(&mut cells, [3.0]);
        assert!(cells.blocks()[0].is_some() && cells.blocks()[1].is_none());
    }
}
