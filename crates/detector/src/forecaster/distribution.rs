//! The distribution of scaled errors: one histogram of log2 |u| for each side, and its tail.
//!
//! Each side is calibrated by itself, so that a long tail above says nothing about values below.
//! Beyond the largest few per cent a generalised Pareto distribution of log2 |u| continues the
//! histogram. A Gaussian tail gives it a shape under 0, a power law the shape 0.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::{
    bytes,
    calibration::{
        log_bins::{self, LogBins},
        tail::Pareto,
    },
};

/// The number of bins of a side: 16 an octave, from 2^-5 to 2^7. The end bins hold what lies
/// beyond.
pub(super) const BINS: usize = 192;
const LOWEST: f64 = -5.0;
const PER_OCTAVE: f64 = 16.0;
const LOG_BINS: LogBins = LogBins {
    first: LOWEST,
    width: 1.0 / PER_OCTAVE,
};

/// The belief before any error is known, on each side, worth this many errors: P(|u| ≥ x) =
/// exp(−0.85·x^1.3).
const PRIOR: f64 = 10.0;
/// The bin from which on the belief is nothing.
const PRIOR_END: usize = 144;

/// The tail is this share of all errors, at least this many of them, and at most half of its side.
const TAIL_SHARE: f64 = 0.025;
const TAIL_LEAST: f64 = 20.0;
/// The shapes of the tail of the logarithm.
const SHAPES: RangeInclusive<f64> = -0.5..=0.25;
const LEAST_SCALE: f64 = 1e-3;

/// The number of errors that are remembered.
const MEMORY: f64 = 3_000.0;
/// The weight of a new error at which all counts are scaled down.
const HEAVY: f64 = 1_048_576.0;

/// A side of a distribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// Values at least as large as expected.
    Above,
    /// Values smaller than expected.
    Below,
}

impl Side {
    pub(super) const BOTH: [Self; 2] = [Self::Above, Self::Below];

    /// The side of an error.
    pub(super) fn of(error: f64) -> Self {
        if error >= 0.0 {
            Self::Above
        } else {
            Self::Below
        }
    }
}

/// The histogram of one side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Histogram {
    #[serde(with = "bytes::fixed")]
    counts: Box<[f32; BINS]>,
    /// The sum of the counts.
    sum: f64,
    /// No bin from here on holds anything.
    end: usize,
}

/// The tail of one side: how a share of all errors goes on from the logarithm where it begins.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LogTail {
    start: f64,
    share: f64,
    pareto: Pareto,
}

/// The distribution of errors of both sides, which forgets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ErrorDistribution {
    sides: [Histogram; 2],
    /// The weight of a new error. It grows where old errors are forgotten, which is cheaper than to
    /// scale all bins down.
    weight: f64,
}

/// The counts above each bin, for both sides.
#[derive(Clone, Debug)]
pub(super) struct CountsAbove([Box<[f32; BINS]>; 2]);

impl CountsAbove {
    pub(super) const HEAP_BYTES: usize = 2 * BINS * size_of::<f32>();
}

/// The size of an error, over 0, and its binary logarithm.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub(super) value: f64,
    log: f64,
}

impl Size {
    pub(super) fn of(value: f64) -> Self {
        Self {
            value,
            log: value.log2(),
        }
    }

    /// The bin of errors of this size.
    pub(super) fn bin(self) -> usize {
        (((self.log - LOWEST) * PER_OCTAVE) as usize).min(BINS - 1)
    }
}

/// The bin of an error of this size.
pub(super) fn bin_of(size: f64) -> usize {
    Size::of(size).bin()
}

/// The size at which a bin begins.
pub(super) fn edge(bin: usize) -> f64 {
    (LOWEST + bin as f64 / PER_OCTAVE).exp2()
}

impl Histogram {
    fn believed() -> Self {
        let reached = |bin: usize| match bin {
            0 => 1.0,
            PRIOR_END.. => 0.0,
            _ => (-0.85 * edge(bin).powf(1.3)).exp(),
        };
        let mut counts = Box::new([0.0; BINS]);
        for (bin, count) in counts.iter_mut().enumerate() {
            *count = (PRIOR * (reached(bin) - reached(bin + 1))) as f32;
        }
        Self {
            counts,
            sum: PRIOR,
            end: PRIOR_END,
        }
    }

    fn add(&mut self, size: f64, weight: f64) {
        let bin = bin_of(size);
        self.counts[bin] += weight as f32;
        self.sum += weight;
        self.end = self.end.max(bin + 1);
    }

    fn scale(&mut self, factor: f64) {
        self.counts
            .iter_mut()
            .for_each(|count| *count = (f64::from(*count) * factor) as f32);
        self.sum *= factor;
    }

    /// The tail, where both sides together hold `total`.
    fn tail(&self, total: f64) -> LogTail {
        let wanted = (TAIL_SHARE * total).max(TAIL_LEAST).min(0.5 * self.sum);
        let Some(top) = LOG_BINS.top(self.counts(), wanted) else {
            return LogTail {
                start: LOWEST,
                share: self.sum / total,
                pareto: Pareto::of_moments(1.0, 2.0, 1.0),
            };
        };
        let pareto = Pareto::of_moments_within(top.mean, top.square, wanted, SHAPES);
        LogTail {
            start: top.start,
            share: wanted / total,
            pareto: pareto.with_scale_of(LEAST_SCALE),
        }
    }

    fn counts(&self) -> impl DoubleEndedIterator<Item = f64> + ExactSizeIterator {
        self.counts[..self.end]
            .iter()
            .map(|count| f64::from(*count))
    }

    /// The count of errors of this size or larger, if the bins hold them evenly.
    fn count_from(&self, size: Size, above: impl Fn(usize) -> f32) -> f64 {
        let place = (size.log - LOWEST) * PER_OCTAVE;
        let (bin, part) = if place <= 1.0 {
            (0, (size.value / edge(1)).min(1.0))
        } else {
            let bin = (place as usize).min(BINS - 1);
            (bin, place - bin as f64)
        };
        f64::from(self.counts[bin]) * (1.0 - part) + f64::from(above(bin))
    }

    /// The counts of all bins above one.
    fn above(&self, bin: usize) -> f32 {
        self.counts[bin + 1..].iter().sum()
    }

    /// The size that this count of errors reaches; 0 if there are fewer.
    fn reached_by(&self, wanted: f64) -> f64 {
        match log_bins::place_of(self.counts(), wanted) {
            // The first bin goes down to 0.
            Some(place) if place < 1.0 => edge(1) * place,
            Some(place) => (LOWEST + place / PER_OCTAVE).exp2(),
            None => 0.0,
        }
    }

    fn is_sound(&self) -> bool {
        let sum: f64 = self.counts.iter().map(|count| f64::from(*count)).sum();
        self.counts
            .iter()
            .all(|count| *count >= 0.0 && count.is_finite())
            && self.sum > 0.0
            && (sum / self.sum - 1.0).abs() < 1e-2
            && self.end <= BINS
            && self.counts[self.end..].iter().all(|count| *count == 0.0)
    }
}

impl LogTail {
    /// The size at which the tail begins.
    pub(super) fn begins(&self) -> f64 {
        self.start.exp2()
    }

    /// The share of all errors that lie at 2^`log` or beyond; `log` is at least the start.
    fn share_from(&self, log: f64) -> f64 {
        self.share * (-self.pareto.evidence(log - self.start).min(690.0)).exp()
    }

    /// The size that this share of all errors reaches, at most that of the tail.
    fn size(&self, share: f64) -> f64 {
        (self.start + self.pareto.excess((self.share / share).ln()))
            .min(900.0)
            .exp2()
    }

    fn is_sound(&self) -> bool {
        self.start.is_finite() && self.share > 0.0 && self.share <= 1.0 && self.pareto.is_sound()
    }
}

impl ErrorDistribution {
    /// The belief alone.
    pub(super) fn believed() -> Self {
        Self {
            sides: [Histogram::believed(), Histogram::believed()],
            weight: 1.0,
        }
    }

    /// Adds an error without forgetting others. `worth` is the number of independent errors that it
    /// counts as.
    pub(super) fn add(&mut self, error: f64, worth: f64) {
        self.sides[Side::of(error) as usize].add(error.abs(), worth * self.weight);
    }

    /// Adds an error and forgets as much where the memory is full.
    pub(super) fn learn(&mut self, error: f64) {
        self.add(error, 1.0);
        self.weight *= (self.total() / self.weight / MEMORY).max(1.0);
        if self.weight > HEAVY {
            let factor = 1.0 / self.weight;
            self.sides.iter_mut().for_each(|side| side.scale(factor));
            self.weight = 1.0;
        }
    }

    fn total(&self) -> f64 {
        self.sides[0].sum + self.sides[1].sum
    }

    /// The tails of both sides.
    pub(super) fn tails(&self) -> [LogTail; 2] {
        let total = self.total();
        [self.sides[0].tail(total), self.sides[1].tail(total)]
    }

    /// The share of all errors that lie on this side at `size` or beyond. `above` are the counts
    /// above each bin, where they are known beforehand.
    pub(super) fn share_from(
        &self,
        tails: &[LogTail; 2],
        above: Option<&CountsAbove>,
        side: Side,
        size: Size,
    ) -> f64 {
        let (tail, counts) = (&tails[side as usize], &self.sides[side as usize]);
        if size.log >= tail.start {
            return tail.share_from(size.log);
        }
        let count = match above {
            Some(above) => counts.count_from(size, |bin| above.0[side as usize][bin]),
            None => counts.count_from(size, |bin| counts.above(bin)),
        };
        count / self.total()
    }

    /// The counts above each bin, as they are now.
    pub(super) fn counts_above(&self) -> CountsAbove {
        let above = |side: &Histogram| Box::new(std::array::from_fn(|bin| side.above(bin)));
        CountsAbove(self.sides.each_ref().map(above))
    }

    /// The inverse of [`Self::share_from`]; 0 if the side has less than `share` of all.
    pub(super) fn size_at(&self, tails: &[LogTail; 2], side: Side, share: f64) -> f64 {
        let tail = &tails[side as usize];
        if share <= tail.share {
            tail.size(share)
        } else {
            self.sides[side as usize].reached_by(share * self.total())
        }
    }

    pub(super) fn is_sound(&self) -> bool {
        self.weight >= 1.0
            && self.weight <= 2.0 * HEAVY
            && self.sides.iter().all(Histogram::is_sound)
    }

    pub(super) const HEAP_BYTES: usize = 2 * BINS * size_of::<f32>();
}

pub(super) fn tails_are_sound(tails: &[LogTail; 2]) -> bool {
    tails.iter().all(LogTail::is_sound)
}
