//! The block path: is the block that just ended like any earlier one, on any of four time scales?
//!
//! It learns for ever, and its history is its model. A block is compared with earlier ones of the
//! same scale, on the same of three shifted grids. The verdict is the median over the grids, since
//! a real event shows in at least two of them (docs/design/auto.md, 4).

use serde::{Deserialize, Serialize};

use super::{
    block_memory::BlockMemory,
    cells::{Cells, Features},
    constants::{
        ADMIT, BLOCK_LIMIT, CAPACITY, CELLS, EPS, FEW, FLOOR, KNOWN, PHASES, POWER, QUANTILE,
        RANGE_CLIP, SCALES, WARM,
    },
    histogram::Distances,
};
use crate::{online::episode::HORIZON, series::scale::Scaling};

const COUNT: usize = SCALES.len();

/// The scale on which the block path sees a series. The fit sets it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BlockScale {
    middle: f64,
    range: f64,
    /// The length of the prefix in points, at most [`HORIZON`].
    prefix: u32,
}

impl BlockScale {
    /// Learns the range of `values`, at least one.
    pub(super) fn fit(values: &[f64], scaling: Scaling) -> Self {
        let clip = RANGE_CLIP * scaling.scale();
        let (low, high) = (scaling.median() - clip, scaling.median() + clip);
        let clipped = values.iter().map(|v| v.clamp(low, high));
        let (lo, hi) = clipped.fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), v| {
            (lo.min(v), hi.max(v))
        });
        let range = if hi > lo { hi - lo } else { hi.abs().max(1.0) };
        Self {
            middle: f64::midpoint(lo, hi),
            range,
            prefix: values.len().min(HORIZON) as u32,
        }
    }

    /// The distance of `value` from the middle, in ranges.
    pub(super) fn place(&self, value: f64) -> f64 {
        ((value - self.middle) / self.range).clamp(-BLOCK_LIMIT, BLOCK_LIMIT)
    }

    /// The length of the prefix in points, at most [`HORIZON`].
    pub(super) fn prefix(&self) -> u32 {
        self.prefix
    }

    /// The number of points of a cell.
    pub(super) fn cell(&self) -> u32 {
        let cells = CELLS as u32;
        ((2 * self.prefix + cells) / (2 * cells)).max(1)
    }

    /// The number of the cell that point `i` of the prefix ends, if it does.
    pub(super) fn ends(&self, i: usize) -> Option<u64> {
        let (i, cell) = (i as u64 + 1, u64::from(self.cell()));
        (i % cell == 0).then(|| i / cell - 1)
    }

    /// The number of cells of the probation.
    fn probation(&self) -> u64 {
        u64::from(self.prefix / self.cell())
    }

    /// Whether the probation is over at cell `q`.
    pub(super) fn is_ready(&self, q: u64) -> bool {
        q >= self.probation()
    }

    /// Whether the distances of cell `q` enter the quantiles.
    pub(super) fn is_warm(&self, q: u64) -> bool {
        q >= (self.probation() as f64 * WARM) as u64
    }

    pub(super) fn check(&self) -> Result<(), &'static str> {
        let sound = self.middle.is_finite()
            && self.range.is_finite()
            && self.range > 0.0
            && (1..=HORIZON as u32).contains(&self.prefix);
        sound.then_some(()).ok_or("grid")
    }
}

/// The memory of the block path: for each phase of each scale, blocks and a histogram of distances.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Blocks {
    /// The cell number that the numbers in the memories are relative to.
    base: u64,
    /// The number of the first cell that was not learned from.
    next: u64,
    #[serde(rename = "shelves")]
    scales: Vec<ScaleMemory>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ScaleMemory {
    #[serde(rename = "library")]
    blocks: BlockMemory,
    distances: Distances,
}

/// How new the blocks at the end of a cell are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Novelty {
    cell: u64,
    is_warm: bool,
    /// For each scale, the distance divided by the usual one; 0 while the scale is silent.
    pub(super) ratios: [f64; COUNT],
    matches: [Option<Match>; COUNT],
}

/// A block of one scale, and the nearest earlier one.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Match {
    features: Features,
    distance: f64,
    nearest: Option<u16>,
    is_new: bool,
}

impl Novelty {
    /// The power mean of the ratios.
    pub(super) fn ratio(&self) -> f64 {
        let powers: f64 = self.ratios.iter().map(|r| r.powi(POWER)).sum();
        let mut root = powers / COUNT as f64;
        let mut power = POWER;
        while power > 1 {
            root = root.sqrt();
            power /= 2;
        }
        root
    }

    /// The number of the cell at whose end it was seen.
    pub(super) fn cell(&self) -> u64 {
        self.cell
    }

    /// The phase whose grid the block lies on.
    pub(super) fn phase(&self) -> usize {
        phase(self.cell)
    }

    /// The scale with the largest ratio, in blocks.
    pub(super) fn scale(&self) -> usize {
        let mut largest = 0;
        for (i, ratio) in self.ratios.iter().enumerate() {
            if *ratio > self.ratios[largest] {
                largest = i;
            }
        }
        SCALES[largest]
    }
}

fn phase(cell: u64) -> usize {
    (cell % PHASES as u64) as usize
}

impl Blocks {
    /// Rounds what is kept to what matters.
    pub(super) fn round(&mut self) {
        self.scales
            .iter_mut()
            .for_each(|scale| scale.blocks.round());
    }

    /// An empty memory.
    pub(super) fn new() -> Self {
        let scale = |i: usize| ScaleMemory {
            blocks: BlockMemory::new(SCALES[i / PHASES]),
            distances: Distances::empty(),
        };
        Self {
            base: 0,
            next: 0,
            scales: (0..COUNT * PHASES).map(scale).collect(),
        }
    }

    /// The number of the first cell that was not learned from.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// The number of kept blocks, for the three phases of each scale.
    pub(super) fn kept(&self) -> [[usize; PHASES]; COUNT] {
        let len = |i: usize| self.scales[i].blocks.len();
        std::array::from_fn(|scale| std::array::from_fn(|phase| len(scale * PHASES + phase)))
    }

    /// Compares the blocks that end with cell `q`, the last full one of `cells`.
    pub(super) fn observe(&self, block_scale: &BlockScale, cells: &Cells, q: u64) -> Novelty {
        let blocks = cells.blocks();
        let mut novelty = Novelty {
            cell: q,
            is_warm: block_scale.is_warm(q),
            ratios: [0.0; COUNT],
            matches: [None; COUNT],
        };
        for (i, block) in blocks.iter().enumerate() {
            let Some(features) = block else { continue };
            let (found, usual) = self.look(i, features, q);
            let window = (PHASES * SCALES[i]) as u64;
            if let Some(usual) =
                usual.filter(|_| block_scale.is_ready(q) && q >= 2 * window + KNOWN)
            {
                novelty.ratios[i] = found.distance / usual.max(FLOOR * EPS);
            }
            novelty.matches[i] = Some(found);
        }
        novelty
    }

    /// The nearest earlier block of scale `i` that shares no cell with this one, and the running
    /// quantile of distances.
    fn look(&self, i: usize, features: &Features, q: u64) -> (Match, Option<f64>) {
        let scale = &self.scales[i * PHASES + phase(q)];
        let latest = q.checked_sub((PHASES * SCALES[i]) as u64);
        let latest = latest.and_then(|latest| latest.checked_sub(self.base));
        let latest = latest.map(|latest| latest.min(u64::from(u16::MAX)) as u16);
        let nearest = latest.and_then(|latest| scale.blocks.nearest(features, latest));
        let distance = nearest.map_or(0.0, |(_, distance)| distance) + EPS;
        let few = scale.distances.total() < FEW;
        let quantiles = scale.distances.quantiles([0.5, QUANTILE]);
        let [median, usual] = quantiles.map_or([0.0, 0.0], |quantiles| quantiles);
        let found = Match {
            features: *features,
            distance,
            nearest: nearest.map(|(place, _)| place),
            is_new: nearest.is_none() || few || distance > ADMIT * median,
        };
        (found, quantiles.map(|_| usual))
    }

    /// Learns from the blocks at the end of a cell.
    pub(super) fn learn(&mut self, novelty: &Novelty) {
        let now = self.relative(novelty.cell);
        for (i, found) in novelty.matches.iter().enumerate() {
            let Some(found) = found else { continue };
            let scale = &mut self.scales[i * PHASES + phase(novelty.cell)];
            if novelty.is_warm {
                scale.distances.add(found.distance);
            }
            if let Some(place) = found.nearest {
                scale.blocks.touch(place, now);
            }
            if found.is_new {
                let window = (PHASES * SCALES[i]) as u16;
                scale
                    .blocks
                    .insert(&found.features, now, window, CAPACITY[i]);
            }
        }
        self.next = self.next.max(novelty.cell + 1);
    }

    /// The number of cell `q` relative to the base, which moves on when it must. Only the order of
    /// blocks that were useful long ago is lost.
    fn relative(&mut self, q: u64) -> u16 {
        const HALF: u64 = 1 << 15;
        let relative = q.saturating_sub(self.base);
        let Some(over) = relative.checked_sub(u16::MAX.into()) else {
            return relative as u16;
        };
        let by = (over / HALF + 1) * HALF;
        self.base += by;
        for scale in &mut self.scales {
            scale.blocks.rebase(by.min(u16::MAX.into()) as u16);
        }
        (relative - by) as u16
    }

    pub(super) fn check(&self) -> Result<(), &'static str> {
        let now = self.next.checked_sub(self.base);
        let now = now.and_then(|now| u16::try_from(now).ok());
        let now = now.filter(|_| self.scales.len() == COUNT * PHASES && self.next < 1 << 53);
        let now = now.ok_or("blocks")?;
        for (i, scale) in self.scales.iter().enumerate() {
            scale.blocks.check(CAPACITY[i / PHASES], now)?;
            scale.distances.check()?;
        }
        Ok(())
    }

    /// Bytes on the heap.
    pub(super) fn memory_bytes(&self) -> usize {
        let scale = |scale: &ScaleMemory| scale.blocks.memory_bytes() + Distances::HEAP_BYTES;
        self.scales.iter().map(scale).sum::<usize>() + size_of_val(&self.scales[..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cell_grows_with_the_prefix_up_to_the_horizon() {
        for (n, cell) in [
            (10, 1),
            (269, 1),
            (270, 2),
            (480, 3),
            (630, 4),
            (750, 4),
            (9000, 4),
        ] {
            let values: Vec<f64> = (0..n).map(f64::from).collect();
            assert_eq!(
                BlockScale::fit(&values, Scaling::fit(&values)).cell(),
                cell,
                "{n}"
            );
        }
    }

    #[test]
    fn a_scale_speaks_when_its_window_fitted_twice_and_a_while_longer() {
        let values: Vec<f64> = (0..200).map(|i| f64::from(i * i % 17)).collect();
        let block_scale = BlockScale::fit(&values[..10], Scaling::fit(&values[..10]));
        let (mut blocks, mut cells) = (Blocks::new(), Cells::starting_at(0));
        let mut first = [None; COUNT];
        for &value in &values {
            let q = cells
                .push(block_scale.place(value), block_scale.cell())
                .unwrap();
            let novelty = blocks.observe(&block_scale, &cells, q);
            for (first, ratio) in first.iter_mut().zip(novelty.ratios) {
                if ratio > 0.0 {
                    first.get_or_insert(q);
                }
            }
            blocks.learn(&novelty);
        }
        assert_eq!(first, [Some(21), Some(33), Some(69), Some(177)]);
    }

    #[test]
    fn numbers_stay_small_for_ever() {
        let mut blocks = Blocks::new();
        assert_eq!(blocks.relative(65_534), 65_534);
        assert_eq!(blocks.relative(65_535), 32_767);
        assert_eq!(blocks.base, 32_768);
        assert!(blocks.relative(1 << 50) < u16::MAX);
    }
}
