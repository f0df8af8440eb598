//! Running quantiles of positive numbers: a histogram of their logarithms, which never forgets and
//! never grows.

use std::f64::consts::LN_2;

use serde::{Deserialize, Serialize};

use crate::bytes;

/// Counts in `BINS` bins of the logarithm, `PER_OCTAVE` of them an octave, from [`LOWEST`] on. The
/// end bins also take the numbers beyond.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LogHistogram<const BINS: usize, const PER_OCTAVE: usize> {
    #[serde(with = "bytes::fixed")]
    counts: Box<[u32; BINS]>,
    total: u32,
}

/// Distances between blocks.
pub(super) type Distances = LogHistogram<96, 8>;
/// Cell maxima of the point path.
pub(super) type Maxima = LogHistogram<160, 16>;

/// The left border of the first bin.
const LOWEST: f64 = 0.01;

impl<const BINS: usize, const PER_OCTAVE: usize> LogHistogram<BINS, PER_OCTAVE> {
    const STEP: f64 = LN_2 / PER_OCTAVE as f64;
    /// Bytes on the heap.
    pub(super) const HEAP_BYTES: usize = BINS * size_of::<u32>();

    /// An empty histogram.
    pub(super) fn empty() -> Self {
        Self {
            counts: Box::new([0; BINS]),
            total: 0,
        }
    }

    /// The number of numbers in it.
    pub(super) fn total(&self) -> u32 {
        self.total
    }

    /// Adds `value`, which is over 0. After 2³² − 1 numbers it stays unchanged.
    pub(super) fn add(&mut self, value: f64) {
        if self.total < u32::MAX {
            let bin = (value.ln() - LOWEST.ln()) / Self::STEP;
            // Casts saturate: below the first bin is 0.
            self.counts[(bin as usize).min(BINS - 1)] += 1;
            self.total += 1;
        }
    }

    /// The quantiles at `parts` (over 0, at most 1, ascending), interpolated inside their bins;
    /// `None` if it is empty.
    pub(super) fn quantiles<const N: usize>(&self, parts: [f64; N]) -> Option<[f64; N]> {
        if self.total == 0 {
            return None;
        }
        let (mut bin, mut before) = (0, 0);
        let mut quantiles = parts;
        for part in &mut quantiles {
            let wanted = *part * f64::from(self.total);
            // The first bin up to which there are as many; its count is not 0.
            let many = wanted.ceil() as u32;
            while bin < BINS - 1 && before + self.counts[bin] < many {
                before += self.counts[bin];
                bin += 1;
            }
            let inside = (wanted - f64::from(before)) / f64::from(self.counts[bin].max(1));
            *part = (LOWEST.ln() + Self::STEP * (bin as f64 + inside)).exp();
        }
        Some(quantiles)
    }

    pub(super) fn check(&self) -> Result<(), &'static str> {
        let sum: u64 = self.counts.iter().map(|&count| u64::from(count)).sum();
        (sum == u64::from(self.total))
            .then_some(())
            .ok_or("histogram")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_right_within_a_bin() {
        let mut histogram = Distances::empty();
        assert_eq!(histogram.quantiles([0.5]), None);
        for i in 1..=1000 {
            histogram.add(f64::from(i) / 1000.0);
        }
        let parts = [0.05, 0.5, 0.5, 0.95, 1.0];
        for (part, quantile) in parts.into_iter().zip(histogram.quantiles(parts).unwrap()) {
            let ratio = quantile / part;
            assert!(ratio.log2().abs() < 0.125, "{part}: {ratio}");
        }
    }

    #[test]
    fn what_lies_beyond_the_ends_counts_at_the_ends() {
        let mut histogram = Distances::empty();
        for value in [1e-300, 1e300, 1e150] {
            histogram.add(value);
        }
        let [low, high] = histogram.quantiles([0.3, 1.0]).unwrap();
        assert!(low < 0.011 && high > 40.0, "{low} {high}");
        assert_eq!(histogram.check(), Ok(()));
    }
}
