//! Order statistics, interpolated linearly between neighbours (type 7 of Hyndman and Fan, 1996). They reorder what they are given.

/// The `q` quantile of `values`, 0 ≤ `q` ≤ 1; at least one value, none of them NaN.
pub(crate) fn quantile(values: &mut [f64], q: f64) -> f64 {
    let place = (values.len() - 1) as f64 * q;
    let (below, part) = (place as usize, place.fract());
    let (_, &mut low, above) = values.select_nth_unstable_by(below, f64::total_cmp);
    let high = above.iter().copied().min_by(f64::total_cmp).unwrap_or(low);
    between(low, high, part)
}

/// The median of `values`; at least one value, none of them NaN.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    quantile(values, 0.5)
}

fn between(low: f64, high: f64, part: f64) -> f64 {
    // Exact at both ends, and never outside them.
    if part < 0.5 {
        low + (high - low) * part
    } else {
        high - (high - low) * (1.0 - part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_between_neighbours() {
        let values = [4.0, 1.0, 3.0, 2.0];
        for (q, expected) in [(0.0, 1.0), (0.5, 2.5), (0.25, 1.75), (0.9, 3.7), (1.0, 4.0)] {
            assert!((quantile(&mut values.clone(), q) - expected).abs() < 1e-12);
        }
        assert_eq!(median(&mut [7.0]), 7.0);
    }
}
