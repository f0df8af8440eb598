//! Latencies in log-linear buckets: small, mergeable, quantiles within 3.2 %.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Counts of latencies. Each power of two of nanoseconds is cut into 16 equal buckets (below 16 ns
/// a bucket is 1 ns wide), so the middle of a bucket is within 1/32 of every latency in it. On the
/// wire it is the buckets that are not empty, as `[[bucket, count], …]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<(u16, u64)>", into = "Vec<(u16, u64)>")]
pub struct LatencyHistogram {
    counts: BTreeMap<u16, u64>,
}

/// Buckets a power of two is cut into, as a power of two.
const SUB_BITS: u32 = 4;

impl LatencyHistogram {
    /// The bucket that a latency of `nanos` falls into, below [`Self::BUCKETS`].
    pub fn bucket_of(nanos: u64) -> u16 {
        let nanos = nanos.max(1);
        let shift = (63 - nanos.leading_zeros()).saturating_sub(SUB_BITS);
        // At most 59 · 16 + 31, which fits.
        #[expect(clippy::cast_possible_truncation, reason = "bounded by BUCKETS")]
        let bucket = ((u64::from(shift) << SUB_BITS) + (nanos >> shift)) as u16;
        bucket
    }

    /// The number of buckets.
    pub const BUCKETS: usize = (60 << SUB_BITS) + 16;

    /// The middle of `bucket`, in nanoseconds.
    fn middle(bucket: u16) -> f64 {
        let shift = u32::from(bucket >> SUB_BITS).saturating_sub(1);
        let low = u64::from(bucket) - (u64::from(shift) << SUB_BITS);
        (low as f64 + if shift == 0 { 0.0 } else { 0.5 }) * 2f64.powi(shift as i32)
    }

    /// Counts one latency of `nanos` nanoseconds.
    pub fn record(&mut self, nanos: u64) {
        self.add(Self::bucket_of(nanos), 1);
    }

    /// Adds `count` latencies to `bucket`; a bucket that does not exist is left out.
    pub fn add(&mut self, bucket: u16, count: u64) {
        if usize::from(bucket) < Self::BUCKETS && count > 0 {
            let sum = self.counts.entry(bucket).or_default();
            *sum = sum.saturating_add(count);
        }
    }

    /// Adds all of `other`.
    pub fn merge(&mut self, other: &Self) {
        for (bucket, count) in other.buckets() {
            self.add(bucket, count);
        }
    }

    /// The buckets that are not empty and their counts, in rising order.
    pub fn buckets(&self) -> impl Iterator<Item = (u16, u64)> {
        self.counts.iter().map(|(bucket, count)| (*bucket, *count))
    }

    /// The number of latencies that were counted.
    pub fn count(&self) -> u64 {
        self.counts
            .values()
            .fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// The `q`-quantile of the latencies, in nanoseconds and within 3.2 %, for `q` from 0 to 1; 0
    /// if none was counted.
    pub fn quantile(&self, q: f64) -> f64 {
        let rank = (q.clamp(0.0, 1.0) * self.count() as f64).ceil().max(1.0);
        let mut below = 0.0;
        for (bucket, count) in self.buckets() {
            below += count as f64;
            if below >= rank {
                return Self::middle(bucket);
            }
        }
        0.0
    }
}

impl From<Vec<(u16, u64)>> for LatencyHistogram {
    fn from(buckets: Vec<(u16, u64)>) -> Self {
        let mut histogram = Self::default();
        for (bucket, count) in buckets {
            histogram.add(bucket, count);
        }
        histogram
    }
}

impl From<LatencyHistogram> for Vec<(u16, u64)> {
    fn from(histogram: LatencyHistogram) -> Self {
        histogram.counts.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_latency_is_within_a_thirtieth_of_its_buckets_middle() {
        let mut nanos = 1_u64;
        let mut last = 0;
        while nanos < u64::MAX / 2 {
            let bucket = LatencyHistogram::bucket_of(nanos);
            assert!(bucket >= last && usize::from(bucket) < LatencyHistogram::BUCKETS);
            let error = (LatencyHistogram::middle(bucket) / nanos as f64 - 1.0).abs();
            assert!(error <= 1.0 / 32.0, "{nanos} ns: {error}");
            last = bucket;
            nanos += 1 + nanos / 37;
        }
        assert!(usize::from(LatencyHistogram::bucket_of(u64::MAX)) < LatencyHistogram::BUCKETS);
    }

    #[test]
    fn one_latency_is_its_own_95th_percentile() {
        let mut histogram = LatencyHistogram::default();
        histogram.record(7);
        assert_eq!(histogram.quantile(0.95), 7.0);
        assert_eq!(LatencyHistogram::default().quantile(0.95), 0.0);
    }

    #[test]
    fn merging_is_counting_together() {
        let (mut all, mut odd, mut even) = (
            LatencyHistogram::default(),
            LatencyHistogram::default(),
            LatencyHistogram::default(),
        );
        for i in 1..2_000_u64 {
            all.record(i * i);
            if i % 2 == 0 {
                even.record(i * i)
            } else {
                odd.record(i * i)
            }
        }
        odd.merge(&even);
        assert_eq!(odd, all);
        let wire = serde_json::to_string(&odd).unwrap();
        assert_eq!(
            serde_json::from_str::<LatencyHistogram>(&wire).unwrap(),
            all
        );
        assert!((all.quantile(0.5) / 1e6 - 1.0).abs() < 0.032);
    }
}
