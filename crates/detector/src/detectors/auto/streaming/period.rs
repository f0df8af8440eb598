//! The period of a series: the first peak of its autocorrelation after the first zero crossing that
//! is nearly as high as the highest.
//!
//! Starting after the zero crossing finds a day in minute data, where the highest peak is a few
//! minutes.
//!
//! A smooth rhythm has a broad peak, which noise moves by some points. So a day or a week of the
//! clock near the peak is taken where it agrees as well: a profile that is a few minutes longer
//! than the day drifts through it.
//!
//! The forecaster puts its seasons to a test. This one gives shapes a window in any series, and the
//! recorded outputs of the stream depend on it.

use crate::series::{quantile::select_quantile, seasonality::Gridded};

/// The shortest series that can have a period.
const SHORTEST: usize = 32;
/// The share of outliers on each side.
const OUTER: f64 = 0.005;
/// The smallest autocorrelation of a period.
const LOWEST: f64 = 0.1;
/// The fraction of the highest peak that a peak must reach.
const NEARLY: f64 = 0.85;

/// The fraction of the period by which a peak may be off.
const OFF: f64 = 0.02;
/// The agreement that a period of the calendar needs, compared with the peak.
const AS_WELL: f64 = 0.95;

/// The period of `values` in points, or 0: the peak, or a period of the `calendar` that agrees as
/// well.
pub(super) fn find(values: &[f64], calendar: impl IntoIterator<Item = usize>) -> usize {
    if values.len() < SHORTEST {
        return 0;
    }
    let mut sorted = values.to_vec();
    let low = select_quantile(&mut sorted, OUTER);
    let high = select_quantile(&mut sorted, 1.0 - OUTER);
    let clipped = values.iter().map(|v| v.clamp(low, high)).collect();
    let Some(correlation) = Gridded::without_gaps(clipped).autocorrelation() else {
        return 0;
    };
    peak(&correlation).map_or(0, |peak| of_calendar(&correlation, peak, calendar))
}

/// The first high peak.
fn peak(correlation: &[f64]) -> Option<usize> {
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
    Some(match (start + 1..correlation.len() - 1).find(high) {
        Some(i) => {
            let end = correlation.len().min((i as f64 * 1.1) as usize + 2);
            i + argmax(&correlation[i..end])
        }
        None => highest,
    })
}

/// A period of the calendar that is near the `peak` and agrees as well, or else the peak.
fn of_calendar(
    correlation: &[f64],
    peak: usize,
    calendar: impl IntoIterator<Item = usize>,
) -> usize {
    let off = ((peak as f64 * OFF) as usize).max(1);
    let times = (correlation.len() - 1) / (peak + off);
    // How well the series agrees with itself after one, two, … of a period.
    let agreement = |period: usize| (1..=times).map(|k| correlation[k * period]).sum::<f64>();
    let least = AS_WELL * agreement(peak);
    let as_well = |period: &usize| times > 0 && agreement(*period) >= least;
    let near = |period: &usize| period.abs_diff(peak) <= off;
    let mut known = calendar.into_iter().filter(near).filter(as_well);
    known.next().unwrap_or(peak)
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
    fn a_day_of_the_clock_is_taken_where_it_fits() {
        for seed in 1..=20 {
            assert_eq!(find(&minutes(11, seed), [1440, 10_080]), 1440);
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
        assert_eq!(find(&values, []), 1440);
    }

    #[test]
    fn what_repeats_nothing_has_none() {
        assert_eq!(find(&[5.0; 100], []), 0);
        assert_eq!(find(&wave(31, 8.0), []), 0);
        let ramp: Vec<f64> = (0..100).map(f64::from).collect();
        assert_eq!(find(&ramp[..33], []), 0);
    }
}
