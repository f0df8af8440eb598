//! Order statistics of values that may be as large as numbers are.

/// The middle of sorted values: the median; between two, halfway.
pub(crate) fn middle(sorted: &[f64]) -> f64 {
    let n = sorted.len();
    halfway(sorted[(n - 1) / 2], sorted[n / 2])
}

/// Of each of `values`, the distance from the median of all the others: how far from the median it would lie had it not been there when
/// that was found. None is over the largest number. `sorted` are the same values, at least two, in order of size.
pub(crate) fn distances_from_others(values: &[f64], sorted: &[f64]) -> Vec<f64> {
    let n = sorted.len();
    let distance = |value: &f64| {
        let without = sorted.partition_point(|other| other.total_cmp(value).is_lt());
        // Those behind it move down by one place.
        let place = |at: usize| sorted[at + usize::from(at >= without)];
        let median = halfway(place((n - 2) / 2), place((n - 1) / 2));
        (value - median).abs().min(f64::MAX)
    };
    values.iter().map(distance).collect()
}

/// The spread of sorted values, at least one: the larger of the normalised median absolute deviation and a sixth of the range that
/// holds 98 % of them, which keeps nearly constant series from having none. Over 0 and finite. (DETECTION.md, part B, 3.1.)
pub(crate) fn scale(sorted: &[f64]) -> f64 {
    // In halves, quarters, so that no difference overflows.
    let median = middle(sorted);
    let mut deviations: Vec<f64> = sorted
        .iter()
        .map(|v| (v / 2.0 - median / 2.0).abs())
        .collect();
    deviations.sort_unstable_by(f64::total_cmp);
    let (q01, q99) = (quantile(sorted, 0.01), quantile(sorted, 0.99));
    let scale = (1.4826 * middle(&deviations)).max((q99 / 2.0 - q01 / 2.0) / 6.0);
    let largest = deviations[deviations.len() - 1];
    // A root mean square without squares of large numbers.
    let squares = deviations
        .iter()
        .map(|d| (d / largest).powi(2))
        .sum::<f64>();
    let spread = largest * (squares / deviations.len() as f64).sqrt();
    let least = 1e-9 * median.abs();
    [scale * 2.0, spread * 2.0, 0.01 * median.abs()]
        .into_iter()
        .find(|scale| *scale > least && *scale > 0.0)
        .unwrap_or(1.0)
        .clamp(f64::MIN_POSITIVE, f64::MAX)
}

/// The `q` quantile of sorted values, between two in proportion (type 7 of Hyndman and Fan, 1996).
pub(crate) fn quantile(sorted: &[f64], q: f64) -> f64 {
    let place = (sorted.len() - 1) as f64 * q;
    let (below, part) = (place as usize, place.fract());
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] * (1.0 - part) + sorted[above] * part
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
    fn every_series_has_a_scale() {
        let close = |a: f64, b: f64| assert!((a / b - 1.0).abs() < 1e-9, "{a} {b}");
        close(scale(&[1.0, 2.0, 3.0, 4.0, 5.0]), 1.4826);
        let mut nearly_constant = [5.0; 1000];
        nearly_constant[999] = 6.0;
        close(scale(&nearly_constant), 1e-3_f64.sqrt());
        assert_eq!(scale(&[5e-324, 1e-323, 1e-323]), f64::MIN_POSITIVE);
        assert!(scale(&[-f64::MAX, 0.0, f64::MAX]) > 1e307);
    }
}
