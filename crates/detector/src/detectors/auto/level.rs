//! The level that evidence reaches at a given rate, learned from the evidence at the ends of
//! earlier cells (docs/design/auto.md, 13).

use serde::{Deserialize, Serialize};

use crate::{
    bytes,
    calibration::{
        log_bins::{self, LogBins},
        tail::Pareto,
    },
};

/// A histogram of the logarithm of evidence, where 1 is the stream's own level. A generalised
/// Pareto tail of that logarithm continues it beyond the largest few per cent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EvidenceQuantile {
    #[serde(with = "bytes::vec")]
    counts: Vec<u32>,
    total: u32,
}

const PER_OCTAVE: f64 = 16.0;
/// The first bin begins at 2^-3, the last one ends at 2^3.
const BINS: usize = 96;
const FIRST: f64 = -3.0;
const LOG_BINS: LogBins = LogBins {
    first: FIRST,
    width: 1.0 / PER_OCTAVE,
};

/// The fraction of the evidence that makes the tail, and the smallest number of it.
const TAIL_PART: f64 = 0.05;
const TAIL_LEAST: f64 = 20.0;

/// The number of cells in a row whose evidence is much the same: it is the median of three phases,
/// each a block of three cells.
const DEPENDENT_CELLS: f64 = 9.0;

/// The belief about any series before its own evidence is known, and its worth in cells. About
/// [`SHARE`] of the cells reach the stream's level, and the share falls with this power of the
/// evidence.
const BELIEF: f64 = 100.0;
const SHARE: f64 = 0.004;
const POWER: f64 = 12.0;

impl EvidenceQuantile {
    /// Bytes on the heap.
    pub(crate) const HEAP_BYTES: usize = BINS * size_of::<u32>();

    /// Learns from the evidence of a prefix, which is 0 inside cells.
    pub(crate) fn fit(evidence: &[f64]) -> Self {
        let mut level = Self {
            counts: vec![0; BINS],
            total: 0,
        };
        for evidence in evidence.iter().filter(|evidence| **evidence > 0.0) {
            level.learn(*evidence);
        }
        level
    }

    /// Learns from the evidence at the end of a cell.
    pub(crate) fn learn(&mut self, evidence: f64) {
        if evidence > 0.0 && self.total < u32::MAX {
            let bin = (evidence.log2() - FIRST) * PER_OCTAVE;
            self.counts[(bin as usize).min(BINS - 1)] += 1;
            self.total += 1;
        }
    }

    /// The evidence that this `share` of cells reaches.
    pub(crate) fn at(&self, share: f64) -> f64 {
        let believed = (SHARE / share).powf(1.0 / POWER);
        let n = f64::from(self.total);
        let Some(found) = self.found(share) else {
            return believed;
        };
        let trust = n / (n + BELIEF);
        (trust * found.ln() + (1.0 - trust) * believed.ln()).exp()
    }

    /// The same from the evidence alone; `None` if there is too little.
    fn found(&self, share: f64) -> Option<f64> {
        let n = f64::from(self.total);
        if n < 2.0 * TAIL_LEAST {
            return None;
        }
        let wanted = (TAIL_PART * n).max(TAIL_LEAST);
        if share * n >= wanted {
            return self.quantile(share);
        }
        let (threshold, tail) = self.tail(wanted)?;
        let evidence = -(share * n / wanted).ln();
        Some((threshold + tail.excess(evidence)).exp2())
    }

    /// The threshold that the `wanted` largest exceed, as a logarithm, and the distribution of
    /// their excesses.
    fn tail(&self, wanted: f64) -> Option<(f64, Pareto)> {
        let top = LOG_BINS.top(self.counts(), wanted)?;
        let tail = Pareto::of_moments(top.mean, top.square, wanted / DEPENDENT_CELLS);
        Some((top.start, tail))
    }

    fn quantile(&self, share: f64) -> Option<f64> {
        let place = log_bins::place_of(self.counts(), share * f64::from(self.total))?;
        Some((FIRST + place / PER_OCTAVE).exp2())
    }

    fn counts(&self) -> impl DoubleEndedIterator<Item = f64> + ExactSizeIterator {
        self.counts.iter().map(|count| f64::from(*count))
    }

    pub(crate) fn is_sound(&self) -> bool {
        let sum: u64 = self.counts.iter().map(|count| u64::from(*count)).sum();
        self.counts.len() == BINS && sum == u64::from(self.total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_level_of_a_power_is_found_within_and_beyond_what_was_seen() {
        let n = 5_000;
        // P(evidence ≥ x) = (0.5/x)^8
        let evidence = |i: i32| 0.5 * ((f64::from(i) + 0.5) / f64::from(n)).powf(-1.0 / 8.0);
        let level = EvidenceQuantile::fit(&(0..n).map(evidence).collect::<Vec<_>>());
        for share in [0.2_f64, 0.01, 1e-3, 1e-5] {
            let expected = 0.5 * share.powf(-1.0 / 8.0);
            let found = level.at(share);
            assert!(
                (found / expected - 1.0).abs() < 0.05,
                "{share}: {found} {expected}"
            );
        }
    }

    #[test]
    fn a_tail_that_falls_faster_than_a_power_is_not_taken_for_one() {
        let n = 50_000;
        // P(evidence ≥ x) = exp(−(4x)²/2)
        let evidence = |i: i32| 0.25 * (-2.0 * ((f64::from(i) + 0.5) / f64::from(n)).ln()).sqrt();
        let level = EvidenceQuantile::fit(&(0..n).map(evidence).collect::<Vec<_>>());
        for share in [1e-3_f64, 1e-4] {
            let found = level.at(share) / 0.25;
            let reached = (-found * found / 2.0).exp() / share;
            assert!((0.5..2.0).contains(&reached), "{share}: {reached}");
        }
    }

    #[test]
    fn before_anything_was_seen_the_level_is_near_the_streams_own() {
        let level = EvidenceQuantile::fit(&[]);
        assert!((0.9..1.2).contains(&level.at(0.004)));
        assert!(level.at(1e-4) > level.at(1e-3));
    }
}
