//! The period of a series: the first peak of its autocorrelation after the first zero crossing that is nearly as high as the highest.
//!
//! Starting after the zero crossing is what finds a day in minute data, where the highest peak is a few minutes.

use rustfft::{FftPlanner, num_complex::Complex};

use super::order;

/// Shorter series have no period.
const SHORTEST: usize = 32;
/// Lower peaks are no period.
const LOWEST: f64 = 0.1;
/// A peak counts if it is at least this part of the highest one.
const NEARLY: f64 = 0.85;

/// The period of `values` in points, or 0.
pub(crate) fn find(values: &[f64]) -> usize {
    if values.len() < SHORTEST {
        return 0;
    }
    let Some(correlation) = autocorrelation(values) else {
        return 0;
    };
    let Some(start) = correlation.iter().position(|&a| a < 0.0) else {
        return 0;
    };
    if correlation.len() - start < 3 {
        return 0;
    }
    let highest = start + argmax(&correlation[start..]);
    let best = correlation[highest];
    if best < LOWEST {
        return 0;
    }
    let high = |i: &usize| {
        let (before, a, after) = (correlation[i - 1], correlation[*i], correlation[i + 1]);
        a >= before && a >= after && a >= NEARLY * best && a > LOWEST
    };
    match (start + 1..correlation.len() - 1).find(high) {
        Some(i) => {
            let end = correlation.len().min((i as f64 * 1.1) as usize + 2);
            i + argmax(&correlation[i..end])
        }
        None => highest,
    }
}

/// Unbiased autocorrelation for lags under half the length, outliers clipped; `None` for a constant.
fn autocorrelation(values: &[f64]) -> Option<Vec<f64>> {
    let n = values.len();
    let mut sorted = values.to_vec();
    let (low, high) = (
        order::quantile(&mut sorted, 0.005),
        order::quantile(&mut sorted, 0.995),
    );
    let clipped = || values.iter().map(|v| v.clamp(low, high));
    let mean = clipped().sum::<f64>() / n as f64;
    let mut spectrum: Vec<Complex<f64>> = clipped().map(|v| (v - mean).into()).collect();
    spectrum.resize((2 * n).next_power_of_two(), Complex::default());
    // Power spectrum and back: of a real and even sequence both directions are the same.
    let fft = FftPlanner::new().plan_fft_forward(spectrum.len());
    fft.process(&mut spectrum);
    for bin in &mut spectrum {
        *bin = bin.norm_sqr().into();
    }
    fft.process(&mut spectrum);
    let at_zero = spectrum[0].re;
    if at_zero <= 0.0 {
        return None;
    }
    let unbiased = |lag: usize| spectrum[lag].re / at_zero * (n as f64 / (n - lag) as f64);
    Some((0..n / 2).map(unbiased).collect())
}

/// The first largest.
fn argmax(values: &[f64]) -> usize {
    let mut best = 0;
    for (i, &value) in values.iter().enumerate() {
        if value > values[best] {
            best = i;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;

    fn wave(n: usize, period: f64) -> Vec<f64> {
        (0..n).map(|i| (i as f64 * TAU / period).sin()).collect()
    }

    #[test]
    fn a_wave_has_its_period() {
        for period in [8, 48, 300] {
            assert_eq!(find(&wave(4000, period as f64)), period);
        }
    }

    #[test]
    fn a_day_is_found_behind_faster_changes() {
        let (day, minutes) = (wave(16_384, 1440.0), wave(16_384, 60.0));
        let values: Vec<f64> = day.iter().zip(&minutes).map(|(d, m)| d + 0.2 * m).collect();
        assert!((1430..1450).contains(&find(&values)));
    }

    #[test]
    fn what_repeats_nothing_has_none() {
        assert_eq!(find(&[5.0; 100]), 0);
        assert_eq!(find(&wave(31, 8.0)), 0);
        let ramp: Vec<f64> = (0..100).map(f64::from).collect();
        assert_eq!(find(&ramp[..33]), 0);
    }
}
