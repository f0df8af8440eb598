//! A memory of earlier blocks that were new when they came. When it is full, the least recently
//! useful block goes.
//!
//! This loses nothing against an unbounded history (docs/design/auto.md, 4.6).
//!
//! With features in 16 bits of a fixed unit, whether a block is kept often turns out differently
//! than with full precision, and ratios differ by up to 0.15. Here a feature has 20 bits, in a unit
//! that starts at 2⁻²⁰ and grows when it must, and ratios differ by less than 10⁻⁴. It takes no
//! more space, since the cell that a block ended is kept for the newest blocks only, as long as
//! windows could still overlap.

use serde::{Deserialize, Serialize};

use super::{
    cells::Features,
    constants::{CAPACITY, FEATURES, PHASES},
};
use crate::bytes;

/// Blocks, feature by feature, so that all are compared at once. Cell numbers are relative to a
/// base that all memories share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "StoredMemory", into = "StoredMemory")]
pub(super) struct BlockMemory {
    /// The upper 16 bits of each feature.
    upper: [Vec<i16>; FEATURES],
    /// The lower 4 bits of the features of a block.
    lower: Vec<u16>,
    /// The last cell whose block was nearest to this one, or the one that ended it.
    used: Vec<u16>,
    /// The binary logarithm of the unit.
    exponent: i8,
    /// The place and the ending cell of the newest blocks, the oldest first.
    newest: Vec<(u16, u16)>,
}

/// The stored form. The numbers of places are the same in `lower`, `used` and for each feature in
/// `upper`; the first `len` are in use, in earlier versions not all.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredMemory {
    #[serde(with = "bytes::vec")]
    upper: Vec<i16>,
    #[serde(with = "bytes::vec")]
    lower: Vec<u16>,
    /// How long before `latest` each block was used, in steps: the cells of a phase are steps
    /// apart, and small numbers compress. In earlier versions the cells themselves.
    #[serde(with = "bytes::vec")]
    used: Vec<u16>,
    #[serde(default)]
    latest: u16,
    #[serde(default)]
    step: u16,
    len: u16,
    exponent: i8,
    newest: Vec<(u16, u16)>,
}

impl From<BlockMemory> for StoredMemory {
    fn from(memory: BlockMemory) -> Self {
        let latest = memory.used.iter().copied().max().unwrap_or(0);
        let phase = PHASES as u16;
        let is_of_phase = memory.used.iter().all(|used| (latest - used) % phase == 0);
        let step = if is_of_phase { phase } else { 1 };
        let ago = memory.used.iter().map(|used| (latest - used) / step);
        Self {
            upper: memory.upper.concat(),
            len: memory.used.len() as u16,
            used: ago.collect(),
            latest,
            step,
            lower: memory.lower,
            exponent: memory.exponent,
            newest: memory.newest,
        }
    }
}

impl TryFrom<StoredMemory> for BlockMemory {
    type Error = &'static str;

    fn try_from(mut stored: StoredMemory) -> Result<Self, Self::Error> {
        let (places, len) = (stored.used.len(), usize::from(stored.len));
        if stored.upper.len() != places * FEATURES || stored.lower.len() != places || len > places {
            return Err("library is not what a fit gives");
        }
        stored.lower.truncate(len);
        stored.used.truncate(len);
        if stored.step > 0 {
            for used in &mut stored.used {
                let cells = used.checked_mul(stored.step);
                let cell = cells.and_then(|cells| stored.latest.checked_sub(cells));
                *used = cell.ok_or("library is not what a fit gives")?;
            }
        }
        Ok(Self {
            upper: std::array::from_fn(|i| stored.upper[i * places..][..len].to_vec()),
            lower: stored.lower,
            used: stored.used,
            exponent: stored.exponent,
            newest: stored.newest,
        })
    }
}

const LOWER_BITS: u32 = 4;
/// Features are whole numbers of units from −`LIMIT` to `LIMIT` − 1.
const LIMIT: i32 = 1 << 19;
/// The first unit: features to ±0.5, as in the prefix.
const FINEST: i8 = -20;
/// The last unit: features to ±8, which squashing never reaches.
const COARSEST: i8 = -16;
/// The binary logarithm of the smallest difference of features that a fitted model keeps. A block
/// that comes again is then at most a tenth of `EPS` away from itself, which is no news.
const STORED_EXPONENT: i8 = -9;
/// The smallest difference of times that it keeps, in cells: a whole number of phases.
const STORED_CELLS: u16 = 16 * PHASES as u16;
/// The largest number of blocks of a memory.
const LARGEST: usize = CAPACITY[0];
/// The number of places by which a memory grows.
const CHUNK: usize = 32;

impl BlockMemory {
    /// An empty memory. As many blocks as `overlapping` overlap with the next one.
    pub(super) fn new(overlapping: usize) -> Self {
        Self {
            upper: Default::default(),
            lower: Vec::new(),
            used: Vec::new(),
            exponent: FINEST,
            newest: Vec::with_capacity(overlapping),
        }
    }

    /// The number of blocks.
    pub(super) fn len(&self) -> usize {
        self.used.len()
    }

    /// The nearest block that ended at `latest` or before (the first one on a tie), and its
    /// distance.
    pub(super) fn nearest(&self, block: &Features, latest: u16) -> Option<(u16, f64)> {
        let mut scratch = [0.0; LARGEST];
        let squares = &mut scratch[..self.len()];
        self.squares(&block.map(|feature| self.units(feature)), squares);
        for &(place, cell) in &self.newest {
            if cell > latest {
                squares[usize::from(place)] = f32::INFINITY;
            }
        }
        let (place, smallest) = smallest(squares);
        if smallest == f32::INFINITY {
            return None;
        }
        let distance = f64::from(smallest).sqrt() * f64::from(self.exponent).exp2();
        Some((place as u16, distance))
    }

    /// Squared distances of all blocks from `block`, in units.
    fn squares(&self, block: &Features, squares: &mut [f32]) {
        let n = squares.len();
        let column = |i: usize| &self.upper[i][..n];
        let (a, b, c, d) = (column(0), column(1), column(2), column(3));
        let lower = &self.lower[..n];
        for i in 0..n {
            let low = i32::from(lower[i]);
            let e0 = block[0] - joined(a[i], low) as f32;
            let e1 = block[1] - joined(b[i], low >> LOWER_BITS) as f32;
            let e2 = block[2] - joined(c[i], low >> (2 * LOWER_BITS)) as f32;
            let e3 = block[3] - joined(d[i], low >> (3 * LOWER_BITS)) as f32;
            squares[i] = (e0 * e0 + e1 * e1) + (e2 * e2 + e3 * e3);
        }
    }

    fn units(&self, feature: f32) -> f32 {
        feature * (-f32::from(self.exponent)).exp2()
    }

    /// Records that the block at `place` was nearest at cell `now`.
    pub(super) fn touch(&mut self, place: u16, now: u16) {
        self.used[usize::from(place)] = now;
    }

    /// Keeps `block`, which ends at cell `now`; its window is as long as `window` cells. If there are
    /// `capacity` blocks or more, it replaces the least recently useful one.
    pub(super) fn insert(&mut self, block: &Features, now: u16, window: u16, capacity: usize) {
        let place = if self.len() < capacity {
            self.grow(capacity);
            self.len() - 1
        } else {
            first_smallest(&self.used)
        };
        let fits = |memory: &Self| {
            let largest = block.iter().fold(0.0_f32, |m, f| m.max(f.abs()));
            memory.units(largest) < (LIMIT - 1) as f32
        };
        while !fits(self) && self.exponent < COARSEST {
            self.coarsen();
        }
        // Rounds half up; casts saturate.
        let whole = block.map(|feature| (self.units(feature) + 0.5).floor() as i32);
        self.write(place, whole.map(|units| units.clamp(-LIMIT, LIMIT - 1)));
        self.used[place] = now;
        self.newest.retain(|&(_, cell)| now - cell < window);
        self.newest.push((place as u16, now));
    }

    /// Adds a place.
    fn grow(&mut self, capacity: usize) {
        // A little at a time: a short series needs few places, and there are many models.
        if self.used.len() == self.used.capacity() {
            let more = CHUNK.min(capacity - self.len());
            self.upper
                .iter_mut()
                .for_each(|upper| upper.reserve_exact(more));
            self.lower.reserve_exact(more);
            self.used.reserve_exact(more);
        }
        self.upper.iter_mut().for_each(|upper| upper.push(0));
        self.lower.push(0);
        self.used.push(0);
    }

    /// Doubles the unit.
    fn coarsen(&mut self) {
        self.exponent += 1;
        for place in 0..self.len() {
            let half = self.read(place).map(|units| (units + 1) >> 1);
            self.write(place, half);
        }
    }

    fn read(&self, place: usize) -> [i32; FEATURES] {
        let low = i32::from(self.lower[place]);
        std::array::from_fn(|i| joined(self.upper[i][place], low >> (i as u32 * LOWER_BITS)))
    }

    fn write(&mut self, place: usize, units: [i32; FEATURES]) {
        let mut lower = 0;
        for (i, units) in units.into_iter().enumerate() {
            self.upper[i][place] = (units >> LOWER_BITS) as i16;
            lower |= ((units & 15) as u16) << (i as u32 * LOWER_BITS);
        }
        self.lower[place] = lower;
    }

    /// Rounds what is kept to what matters, so that it takes less space where it is stored: features
    /// to a multiple of 2⁻⁹, and the time since a block was used to [`STORED_CELLS`] cells.
    pub(super) fn round(&mut self) {
        let shift = (STORED_EXPONENT - self.exponent) as u32;
        let largest = (LIMIT - 1) >> shift;
        for place in 0..self.len() {
            let whole = |units: i32| ((units + (1 << (shift - 1))) >> shift).min(largest) << shift;
            let rounded = self.read(place).map(whole);
            self.write(place, rounded);
        }
        let latest = self.used.iter().copied().max().unwrap_or(0);
        for used in &mut self.used {
            *used = latest - (latest - *used) / STORED_CELLS * STORED_CELLS;
        }
    }

    /// Moves all cell numbers `by` towards the past.
    pub(super) fn rebase(&mut self, by: u16) {
        let newest = self.newest.iter_mut().map(|(_, cell)| cell);
        for number in self.used.iter_mut().chain(newest) {
            *number = number.saturating_sub(by);
        }
    }

    pub(super) fn check(&self, capacity: usize, now: u16) -> Result<(), &'static str> {
        let sound = self.len() <= capacity
            && (FINEST..=COARSEST).contains(&self.exponent)
            && self.newest.len() <= capacity
            && self.newest.is_sorted_by_key(|&(_, cell)| cell)
            && self
                .newest
                .iter()
                .all(|&(place, cell)| usize::from(place) < self.len() && cell <= now);
        sound.then_some(()).ok_or("library")
    }

    /// Bytes on the heap.
    pub(super) fn memory_bytes(&self) -> usize {
        (FEATURES + 2) * self.used.capacity() * size_of::<u16>()
            + self.newest.capacity() * size_of::<(u16, u16)>()
    }
}

/// Joins the two parts of a feature; the last four bits of `lower` count.
fn joined(upper: i16, lower: i32) -> i32 {
    i32::from(upper) << LOWER_BITS | lower & 15
}

/// The first smallest of `values` and its place. It compares eight at a time, which the compiler
/// may not decide by itself.
fn smallest(values: &[f32]) -> (usize, f32) {
    let mut smallest = [f32::INFINITY; LANES];
    let mut rounds = [0_u32; LANES];
    let groups = values.chunks_exact(LANES);
    let rest = groups.remainder();
    for (round, group) in (0..).zip(groups) {
        for lane in 0..LANES {
            let is_smaller = group[lane] < smallest[lane];
            smallest[lane] = if is_smaller {
                group[lane]
            } else {
                smallest[lane]
            };
            rounds[lane] = if is_smaller { round } else { rounds[lane] };
        }
    }
    let places = (0..)
        .zip(rounds)
        .map(|(lane, round)| round as usize * LANES + lane);
    let lanes = places.zip(smallest);
    let rest = (values.len() - rest.len()..).zip(rest.iter().copied());
    let mut first = (usize::MAX, f32::INFINITY);
    for (place, value) in lanes.chain(rest) {
        if value < first.1 || (value == first.1 && place < first.0) {
            first = (place, value);
        }
    }
    first
}

const LANES: usize = 8;

fn first_smallest(numbers: &[u16]) -> usize {
    let smallest = numbers.iter().fold(u16::MAX, |a, &b| a.min(b));
    // Groups are compared at once; in one of them each number is looked at.
    let has = |group: &[u16]| group.iter().fold(false, |any, &n| any | (n == smallest));
    let group = numbers.chunks(64).position(has).unwrap_or(0) * 64;
    let rest = numbers[group..].iter().position(|&n| n == smallest);
    group + rest.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nearest(memory: &BlockMemory, block: [f32; 4], latest: u16) -> Option<(u16, f64)> {
        let found = memory.nearest(&block, latest);
        found.map(|(place, distance)| (place, (distance * 1e4).round() / 1e4))
    }

    #[test]
    fn the_nearest_is_the_first_of_the_nearest_that_is_old_enough() {
        let mut memory = BlockMemory::new(1);
        assert_eq!(nearest(&memory, [0.0; 4], 100), None);
        for i in 0..20_u16 {
            memory.insert(&[f32::from(i / 2) * 0.1, 0.0, 0.0, 0.0], i, 20, 20);
        }
        let block = [0.31, 0.0, 0.0, 0.0];
        assert_eq!(nearest(&memory, block, 100), Some((6, 0.01)));
        assert_eq!(nearest(&memory, block, 5), Some((4, 0.11)));
        assert_eq!(nearest(&memory, [0.0, 0.3, 0.0, 0.4], 0), Some((0, 0.5)));
        memory.insert(&[5.0; 4], 30, 3, 20);
        assert_eq!(nearest(&memory, block, 6), Some((6, 0.01)));
    }

    #[test]
    fn the_first_smallest_is_found_wherever_it_is() {
        for n in [1, 7, 8, 9, 400] {
            for first in [0, n / 3, n - 1] {
                let mut values = vec![5.0; n];
                values[first..].iter_mut().step_by(3).for_each(|v| *v = 2.0);
                assert_eq!(smallest(&values), (first, 2.0), "{n}");
                let numbers: Vec<u16> = values.iter().map(|&v| v as u16).collect();
                assert_eq!(first_smallest(&numbers), first, "{n}");
            }
        }
        assert_eq!(smallest(&[f32::INFINITY; 20]).1, f32::INFINITY);
    }

    #[test]
    fn a_full_library_loses_what_was_not_useful_longest() {
        let mut memory = BlockMemory::new(1);
        for i in 0..3_u16 {
            memory.insert(&[f32::from(i) * 0.1; 4], i, 1, 3);
        }
        memory.touch(0, 5);
        memory.insert(&[0.4; 4], 6, 1, 3);
        assert_eq!(memory.len(), 3);
        assert_eq!(nearest(&memory, [0.09; 4], 9), Some((0, 0.18)));
        assert_eq!(nearest(&memory, [0.4; 4], 9), Some((1, 0.0)));
    }

    #[test]
    fn far_blocks_fit_and_near_ones_stay_what_they_were() {
        let mut memory = BlockMemory::new(1);
        let blocks = [0.123_456, -0.4, 0.6, -0.9, 1.9, -7.25, 3.0, 0.01, -0.5];
        for (i, block) in (0..).zip(blocks) {
            memory.insert(&[block, 0.1, -0.2, 0.3], i, 1, 9);
            for (j, earlier) in (0..=i).zip(blocks) {
                let units = memory.read(usize::from(j));
                let unit = f64::from(memory.exponent).exp2();
                let error = f64::from(units[0]) * unit - f64::from(earlier);
                assert!(error.abs() < 2.0 * unit, "{j} of {i}: {error}");
            }
        }
        assert_eq!((memory.exponent, memory.check(9, 9)), (COARSEST, Ok(())));
        memory.insert(&[1e9, -1e9, 0.0, 0.0], 9, 1, 9);
        assert_eq!(memory.read(0)[..2], [LIMIT - 1, -LIMIT]);
    }

    #[test]
    fn rounded_blocks_stay_where_they_were_and_in_order() {
        let mut memory = BlockMemory::new(1);
        let blocks = [0.123_456, -0.4, 0.499_999, 3.0];
        for (i, block) in (0..).zip(blocks) {
            memory.insert(&[block, -block, 0.0, 0.1], 100 * i, 1, 4);
        }
        let before = memory.clone();
        memory.round();
        let unit = f64::from(memory.exponent).exp2();
        for place in 0..4 {
            for (rounded, exact) in memory.read(place).into_iter().zip(before.read(place)) {
                assert_eq!(rounded % (1 << (STORED_EXPONENT - memory.exponent)), 0);
                let error = f64::from(rounded - exact) * unit;
                assert!(
                    error.abs() <= f64::from(STORED_EXPONENT - 1).exp2(),
                    "{error}"
                );
            }
        }
        assert_eq!(memory.used[..], [12, 108, 204, 300]);
        assert_eq!(memory.check(4, 300), Ok(()));
    }

    #[test]
    fn rebasing_keeps_the_order_of_what_is_young() {
        let mut memory = BlockMemory::new(1);
        memory.insert(&[0.0; 4], 10, 3, 2);
        memory.insert(&[0.0; 4], 40_000, 3, 2);
        memory.rebase(32_768);
        assert_eq!(memory.used[..], [0, 40_000 - 32_768]);
        assert_eq!(memory.check(2, 50_000), Ok(()));
        assert!(memory.check(1, 50_000).is_err() && memory.check(2, 7000).is_err());
    }
}
