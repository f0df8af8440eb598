//! Quantiles of latencies that were counted in buckets.

use contract::DURATION_BOUNDS;

use crate::metrics::Buckets;

/// Two quantiles of latencies, in milliseconds, as exact as the buckets are narrow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Quantiles {
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
}

impl Quantiles {
    /// Those of the requests that `now` has more than `before`, which count the requests up to each
    /// of [`DURATION_BOUNDS`], and all. `None` if there are none.
    pub(super) fn between(before: Option<&Buckets>, now: &Buckets) -> Option<Self> {
        let at_before = |index: usize| before.and_then(|before| before.get(index)).copied();
        let new = now.iter().enumerate();
        let new = new.map(|(index, count)| count.saturating_sub(at_before(index).unwrap_or(0)));
        let new: Vec<u64> = new.collect();
        (*new.last()? > 0).then(|| Self {
            p50_ms: quantile(&new, 0.5),
            p99_ms: quantile(&new, 0.99),
        })
    }
}

/// The `q`-quantile in milliseconds, where the requests of a bucket are spread evenly over it.
fn quantile(counts: &[u64], q: f64) -> f64 {
    let all = counts.last().copied().unwrap_or(0) as f64;
    let rank = q * all;
    let (mut from, mut below) = (0.0, 0.0);
    for (bound, count) in DURATION_BOUNDS.iter().zip(counts) {
        let count = *count as f64;
        if count >= rank {
            let share = (rank - below) / (count - below).max(1.0);
            return 1e3 * (from + (bound - from) * share);
        }
        (from, below) = (*bound, count);
    }
    1e3 * from
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `n` requests of each of these milliseconds.
    fn buckets(requests: &[(f64, u64)]) -> Buckets {
        let up_to = |bound: f64| {
            let within = requests.iter().filter(|(ms, _)| ms / 1e3 <= bound);
            within.map(|(_, n)| n).sum()
        };
        let bounds = DURATION_BOUNDS.iter().copied().chain([f64::INFINITY]);
        bounds.map(up_to).collect()
    }

    #[test]
    fn quantiles_are_of_the_new_requests_only() {
        let before = buckets(&[(4_000.0, 1_000)]);
        let now = buckets(&[(4_000.0, 1_000), (0.8, 98), (80.0, 2)]);
        let Some(Quantiles { p50_ms, p99_ms }) = Quantiles::between(Some(&before), &now) else {
            panic!("there are requests");
        };
        assert!(
            (0.5..1.0).contains(&p50_ms) && (50.0..100.0).contains(&p99_ms),
            "{p99_ms}"
        );
        assert_eq!(Quantiles::between(Some(&now), &now), None);
        let hour = buckets(&[(3_600_000.0, 1)]);
        assert_eq!(
            Quantiles::between(None, &hour).map(|of| of.p50_ms),
            Some(60_000.0)
        );
    }
}
