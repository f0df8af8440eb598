//! The period of a series: the first peak of its autocorrelation after the first zero crossing that
//! is nearly as high as the highest.
//!
//! Starting after the zero crossing finds a day in minute data, where the highest peak is a few
//! minutes.
//!
//! A smooth rhythm has a broad peak, which noise moves by some points. So a day or a week of the
//! clock near the peak is taken where it agrees as well: a profile that is a few minutes longer
//! than the day drifts through it. Without a clock, the multiples of a period tell it more exactly
//! than the peak itself.

use rustfft::{FftPlanner, num_complex::Complex};

use super::quantile::select_quantile;

/// The shortest series that can have a period.
const SHORTEST: usize = 32;
/// The smallest autocorrelation of a period.
const LOWEST: f64 = 0.1;
/// The fraction of the highest peak that a peak must reach.
const NEARLY: f64 = 0.85;

/// The fraction of the period by which a peak may be off.
const OFF: f64 = 0.02;
/// The agreement that a period of the calendar needs, compared with the best one.
const AS_WELL: f64 = 0.95;

/// The period of `values` in points, or 0: the peak, or a period of the `calendar` that agrees as
/// well. `auto` uses this one, and its recorded outputs depend on it.
pub(crate) fn find(values: &[f64], calendar: impl IntoIterator<Item = usize>) -> usize {
    peak(values).map_or(0, |(correlation, peak)| {
        PeakNeighbourhood::new(&correlation, peak).of_calendar(peak, calendar)
    })
}

/// As [`find`], but the period near the peak that agrees best.
pub(crate) fn find_exactly(values: &[f64], calendar: impl IntoIterator<Item = usize>) -> usize {
    peak(values).map_or(0, |(correlation, peak)| {
        let near = PeakNeighbourhood::new(&correlation, peak);
        near.of_calendar(near.best(), calendar)
    })
}

/// The autocorrelation of `values`, and the place of its first high peak.
fn peak(values: &[f64]) -> Option<(Vec<f64>, usize)> {
    if values.len() < SHORTEST {
        return None;
    }
    let correlation = autocorrelation(values)?;
    let start = correlation.iter().position(|&a| a < 0.0)?;
    if correlation.len() - start < 3 {
        return None;
    }
    let highest = start + argmax(&correlation[start..]);
    let best = correlation[highest];
    if best < LOWEST {
        return None;
    }
    let high = |i: &usize| {
        let (before, a, after) = (correlation[i - 1], correlation[*i], correlation[i + 1]);
        a >= before && a >= after && a >= NEARLY * best && a > LOWEST
    };
    let peak = match (start + 1..correlation.len() - 1).find(high) {
        Some(i) => {
            let end = correlation.len().min((i as f64 * 1.1) as usize + 2);
            i + argmax(&correlation[i..end])
        }
        None => highest,
    };
    Some((correlation, peak))
}

/// Periods near a peak.
struct PeakNeighbourhood<'a> {
    correlation: &'a [f64],
    peak: usize,
    /// The largest distance of a period from the peak.
    off: usize,
    /// The number of multiples whose autocorrelation is known.
    times: usize,
}

impl<'a> PeakNeighbourhood<'a> {
    fn new(correlation: &'a [f64], peak: usize) -> Self {
        let off = (peak as f64 * OFF) as usize;
        Self {
            correlation,
            peak,
            off,
            times: (correlation.len() - 1) / (peak + off.max(1)),
        }
    }

    /// How well the series agrees with itself after one, two, … of a period.
    fn agreement(&self, period: usize) -> f64 {
        let multiples = (1..=self.times).map(|k| self.correlation[k * period]);
        multiples.sum()
    }

    fn best(&self) -> usize {
        let mut best = (self.agreement(self.peak), self.peak);
        // A single peak cannot be refined.
        if self.times > 1 {
            for period in self.peak - self.off..=self.peak + self.off {
                let agreement = self.agreement(period);
                if agreement > best.0 {
                    best = (agreement, period);
                }
            }
        }
        best.1
    }

    /// A period of the calendar that agrees as well as `found`, or else `found`.
    fn of_calendar(&self, found: usize, calendar: impl IntoIterator<Item = usize>) -> usize {
        let near = |period: &usize| period.abs_diff(self.peak) <= self.off.max(1);
        let least = AS_WELL * self.agreement(found);
        let as_well = |period: &usize| self.times > 0 && self.agreement(*period) >= least;
        let mut known = calendar.into_iter().filter(near).filter(as_well);
        known.next().unwrap_or(found)
    }
}

/// Unbiased autocorrelation for lags under half the length, outliers clipped; `None` for a
/// constant.
fn autocorrelation(values: &[f64]) -> Option<Vec<f64>> {
    let n = values.len();
    let mut sorted = values.to_vec();
    let (low, high) = (
        select_quantile(&mut sorted, 0.005),
        select_quantile(&mut sorted, 0.995),
    );
    let clipped = || values.iter().map(|v| v.clamp(low, high));
    let mean = clipped().sum::<f64>() / n as f64;
    let mut spectrum: Vec<Complex<f64>> = clipped().map(|v| (v - mean).into()).collect();
    spectrum.resize((2 * n).next_power_of_two(), Complex::default());
    // The power spectrum and back: for a real and even sequence both directions are the same.
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

/// The index of the first largest value.
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
            assert_eq!(find(&wave(4000, period as f64), []), period);
        }
    }

    /// Minutes of `days` days: a smooth course and as much noise.
    fn minutes(days: usize, seed: u64) -> Vec<f64> {
        let mut state = seed;
        let mut noise = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f64 / (1_u64 << 24) as f64 - 0.5
        };
        // Minutes depend on those before.
        let mut near = 0.0;
        wave(days * 1440, 1440.0)
            .into_iter()
            .map(|value| {
                near = 0.95 * near + noise();
                value + near / 4.0
            })
            .collect()
    }

    #[test]
    fn the_longer_a_day_is_seen_in_noise_the_nearer_is_what_is_found() {
        let error = |find: fn(&[f64], [usize; 0]) -> usize, days| -> usize {
            let errors = (1..=20).map(|seed| find(&minutes(days, seed), []).abs_diff(1440));
            errors.sum()
        };
        let (peak, few) = (error(find, 11), error(find_exactly, 5));
        let many = error(find_exactly, 11);
        assert!(many < few && 3 * many < 2 * peak, "{peak} {few} {many}");
    }

    #[test]
    fn a_day_of_the_clock_is_taken_where_it_fits() {
        for seed in 1..=20 {
            assert_eq!(find(&minutes(11, seed), [1440, 10_080]), 1440);
            assert_eq!(find_exactly(&minutes(11, seed), [1440, 10_080]), 1440);
        }
        // A little less than a day, seen well enough to be told from one.
        let sharp = |i: i32| f64::from(u8::from(i % 1430 < 20));
        let sharp: Vec<f64> = (0..16_384).map(sharp).collect();
        assert_eq!(find(&sharp, [1440]), 1430);
        assert_eq!(find(&wave(4_000, 48.0), [49]), 48);
    }

    #[test]
    fn a_day_is_found_behind_faster_changes() {
        let (day, minutes) = (wave(16_384, 1440.0), wave(16_384, 60.0));
        let values: Vec<f64> = day.iter().zip(&minutes).map(|(d, m)| d + 0.2 * m).collect();
        assert_eq!(find_exactly(&values, []), 1440);
    }

    #[test]
    fn what_repeats_nothing_has_none() {
        assert_eq!(find(&[5.0; 100], []), 0);
        assert_eq!(find(&wave(31, 8.0), []), 0);
        let ramp: Vec<f64> = (0..100).map(f64::from).collect();
        assert_eq!(find(&ramp[..33], []), 0);
    }
}
