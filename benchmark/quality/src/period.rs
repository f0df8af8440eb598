//! The dominant period of a series by its autocorrelation, as the package TSB-AD takes it for the
//! window of VUS-PR.

/// The window where no period is seen, or a long one only.
const DEFAULT: usize = 125;
const MAX_POINTS: usize = 20_000;
const MAX_LAG: usize = 400;
/// The smallest lag that can be a period.
const BASE: usize = 3;
/// A peak has to lie so far from the smallest lag.
const USABLE: std::ops::RangeInclusive<usize> = 3..=300;

/// The lag of the highest local maximum, in rows.
pub(crate) fn dominant_period(values: &[f64]) -> usize {
    let correlation = autocorrelation(&values[..values.len().min(MAX_POINTS)]);
    let peaks = (BASE + 1..correlation.len().saturating_sub(1)).filter(|lag| {
        let here = correlation[*lag];
        here > correlation[lag - 1] && here > correlation[lag + 1]
    });
    let highest = peaks.max_by(|a, b| correlation[*a].total_cmp(&correlation[*b]));
    match highest {
        Some(lag) if USABLE.contains(&(lag - BASE)) => lag,
        _ => DEFAULT,
    }
}

/// For lags 0 to [`MAX_LAG`], each divided by the number of all points.
fn autocorrelation(values: &[f64]) -> Vec<f64> {
    let n = values.len();
    let mean = values.iter().sum::<f64>() / n as f64;
    let centred: Vec<f64> = values.iter().map(|v| v - mean).collect();
    let product = |lag: usize| -> f64 {
        let pairs = centred.iter().zip(&centred[lag..]);
        pairs.map(|(a, b)| a * b).sum()
    };
    let variance = product(0);
    (0..n.min(MAX_LAG + 1))
        .map(|lag| product(lag) / variance)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sine_has_its_period_and_noise_and_constants_the_default() {
        let sine = |period: f64| -> Vec<f64> {
            let angle = |i| f64::from(i) * std::f64::consts::TAU / period;
            (0..5000).map(|i| angle(i).sin()).collect()
        };
        assert_eq!(dominant_period(&sine(48.0)), 48);
        assert_eq!(dominant_period(&sine(303.0)), 303);
        assert_eq!(dominant_period(&sine(304.0)), DEFAULT, "too long");
        assert_eq!(dominant_period(&sine(5.0)), DEFAULT, "too short");
        assert_eq!(dominant_period(&[1.0; 500]), DEFAULT);
        assert_eq!(dominant_period(&[1.0, 2.0]), DEFAULT);
    }
}
