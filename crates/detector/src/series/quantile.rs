//! Medians and quantiles, interpolated between two neighbours (type 7 of Hyndman and Fan, "Sample
//! quantiles in statistical packages", 1996).
//!
//! [`select_quantile`] finds its neighbours without sorting, in values within ±1e150, and is exact
//! at both of them. [`median`] reads sorted values of any size, so it takes no difference, which
//! could overflow.

/// The median of sorted values, at least one.
pub(crate) fn median(sorted: &[f64]) -> f64 {
    let n = sorted.len();
    halfway(sorted[(n - 1) / 2], sorted[n / 2])
}

/// The `q` quantile of `values`, which it reorders; at least one value, none NaN, all within
/// ±1e150; 0 ≤ `q` ≤ 1.
pub(crate) fn select_quantile(values: &mut [f64], q: f64) -> f64 {
    // The index below the quantile, and the fraction of the way to the next one.
    let place = (values.len() - 1) as f64 * q;
    let (below, part) = (place as usize, place.fract());
    let (_, &mut low, above) = values.select_nth_unstable_by(below, f64::total_cmp);
    let high = above.iter().copied().min_by(f64::total_cmp).unwrap_or(low);
    if part < 0.5 {
        low + (high - low) * part
    } else {
        high - (high - low) * (1.0 - part)
    }
}

/// The median of `values`, which it reorders; conditions as for [`select_quantile`].
pub(crate) fn select_median(values: &mut [f64]) -> f64 {
    select_quantile(values, 0.5)
}

/// The distance of each of `values` from the median of the others: how far it would lie from the
/// median had it not been there when that was found. `sorted` holds the same values, at least two,
/// in ascending order. Distances are finite.
pub(crate) fn distances_from_others(values: &[f64], sorted: &[f64]) -> Vec<f64> {
    let n = sorted.len();
    let distance = |value: &f64| {
        let left_out = sorted.partition_point(|other| other.total_cmp(value).is_lt());
        // Values behind the one that is left out move down by one.
        let other = |at: usize| sorted[at + usize::from(at >= left_out)];
        let median = halfway(other((n - 2) / 2), other((n - 1) / 2));
        (value - median).abs().min(f64::MAX)
    };
    values.iter().map(distance).collect()
}

fn halfway(a: f64, b: f64) -> f64 {
    if a == b { a } else { a / 2.0 + b / 2.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_is_measured_against_the_others() {
        let of = |values: &[f64]| {
            let mut sorted = values.to_vec();
            sorted.sort_by(f64::total_cmp);
            distances_from_others(values, &sorted)
        };
        assert_eq!(of(&[4.0, 1.0, 2.0]), [2.5, 2.0, 0.5]);
        assert_eq!(of(&[1.0, 2.0, 8.0, 4.0]), [3.0, 2.0, 6.0, 2.0]);
        assert_eq!(of(&[f64::MAX, -f64::MAX]), [f64::MAX; 2]);
    }

    #[test]
    fn quantiles_lie_between_neighbours() {
        let values = [4.0, 1.0, 3.0, 2.0];
        for (q, expected) in [(0.0, 1.0), (0.5, 2.5), (0.25, 1.75), (0.9, 3.7), (1.0, 4.0)] {
            assert!((select_quantile(&mut values.clone(), q) - expected).abs() < 1e-12);
        }
        assert_eq!(select_median(&mut [7.0]), 7.0);
    }
}
