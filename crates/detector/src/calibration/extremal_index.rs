//! The extremal index: how far extreme scores come in clusters.

/// The number of `n` scores that count as extreme: half a per cent, at least 25, at most half of
/// all.
pub(super) fn exceedances(n: usize) -> usize {
    let far = (n as f64 * 0.005) as usize;
    far.max(25).min(n / 2)
}

/// The smallest extremal index.
const FEWEST: f64 = 0.05;

/// The fraction of the scores over `far` that start a cluster: 1 if they come independently, less
/// if they follow one another.
///
/// It is estimated from the times between them, without a choice of how long the pauses in a
/// cluster may be (the intervals estimator of Ferro and Segers, "Inference for clusters of extreme
/// values", 2003).
pub(super) fn extremal_index(scores: impl Iterator<Item = f64>, far: f64) -> f64 {
    let places = (0_u64..).zip(scores).filter(|(_, score)| *score > far);
    let mut last = None;
    let (mut times, mut longest) = (Vec::new(), 0.0_f64);
    for (place, _) in places {
        if let Some(last) = last.replace(place) {
            let time = (place - last) as f64;
            longest = longest.max(time);
            times.push(time);
        }
    }
    if times.len() < 5 {
        return 1.0;
    }
    // Times of at most 2 cannot tell a cluster from chance (the estimator's first form).
    let (by, less) = if longest > 2.0 {
        (1.0, 2.0)
    } else {
        (0.0, 0.0)
    };
    let sum: f64 = times.iter().map(|t| t - by).sum();
    let squares: f64 = times.iter().map(|t| (t - by) * (t - less)).sum();
    let first = 2.0 * sum * sum / (times.len() as f64 * squares);
    if first.is_finite() {
        first.clamp(FEWEST, 1.0)
    } else {
        1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_that_come_in_rows_are_told_from_single_ones() {
        // A multiplicative generator: as good as independent.
        let alone = (0..20_000_u64).map(|i| ((i * 48_271) % 65_537) as f64 / 65_537.0);
        let first = extremal_index(alone, 0.99);
        assert!(first > 0.8, "{first}");
        let rows = (0..20_000_u64).map(|i| ((i / 4 * 48_271) % 65_537) as f64 / 65_537.0);
        let first = extremal_index(rows, 0.99);
        assert!((0.2..0.35).contains(&first), "{first}");
    }

    #[test]
    fn a_few_far_points_say_nothing() {
        assert_eq!(extremal_index([1.0, 1.0, 1.0].into_iter(), 0.5), 1.0);
        assert!((extremal_index([1.0; 100].into_iter(), 0.5)) >= FEWEST);
    }
}
