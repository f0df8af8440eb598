//! The tail of a distribution beyond a threshold: a generalised Pareto distribution (peaks over threshold).
//!
//! Pickands, "Statistical inference using extreme order statistics", 1975; for anomalies Siffer et al., "Anomaly detection in streams
//! with extreme value theory", 2017.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

/// What lies beyond `start`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tail {
    /// Where the tail begins.
    pub(super) start: f64,
    /// The share of points beyond it, in (0, 1).
    pub(super) share: f64,
    scale: f64,
    /// Heaviness: 0 is exponential, above 0 a power, below 0 ends somewhere.
    shape: f64,
}

/// Shapes are held in this range: below, a tail would end at the largest value that happened to be seen; above, it has no mean.
const SHAPES: RangeInclusive<f64> = -0.5..=1.0;

/// So many excesses' worth of belief that the tail is exponential.
const PRIOR: f64 = 20.0;

/// With fewer excesses than this hardly any value would be called improbable; a little too many are, instead.
const FEWEST: f64 = 4.0;

/// From so many excesses on their likelihood is worth working out.
const ENOUGH: usize = 20;

impl Tail {
    /// Fits the excesses over `start`: ascending, at least one, none negative. `share` of all points gave them, and they say as much as
    /// `worth` independent ones. The scale is at least `floor`, which is over 0.
    ///
    /// The shape is drawn towards 0 by [`PRIOR`], and then raised by 1/k for excesses worth k: for an exponential tail with an estimated
    /// scale that is exactly what makes a stated probability come true on average (the predictive distribution is a power with
    /// exponent k), and simulation shows that it does well for others.
    pub(super) fn fit(
        (start, share): (f64, f64),
        excesses: &[f64],
        effective_n: f64,
        floor: f64,
    ) -> Self {
        let k = effective_n;
        let mean = excesses.iter().sum::<f64>() / excesses.len() as f64;
        let (shape, scale) = if excesses.len() < ENOUGH {
            let shape = k * by_weighted_moments(excesses, mean) / (k + PRIOR);
            (shape, mean * (1.0 - shape))
        } else {
            let (found, scale) = by_likelihood(excesses);
            let shape = k * found / (k + PRIOR);
            // The same mean for the other shape; the one found may be that of a tail without a mean.
            (
                shape,
                scale * (1.0 - shape.min(0.9)) / (1.0 - found.min(0.9)),
            )
        };
        Self {
            start,
            share,
            scale: scale.max(floor),
            shape: (shape + 1.0 / k.max(FEWEST)).clamp(*SHAPES.start(), *SHAPES.end()),
        }
    }

    /// The natural logarithm of the share of points at `score` or beyond, for a score of at least `start`.
    pub(super) fn ln_share(&self, score: f64) -> f64 {
        let excess = (score - self.start) / self.scale;
        let evidence = if self.shape.abs() < STRAIGHT {
            excess
        } else {
            // Where a tail ends, what lies beyond is as good as impossible.
            (self.shape * excess).max(-1.0 + f64::EPSILON).ln_1p() / self.shape
        };
        self.share.ln() - evidence.min(f64::MAX)
    }

    /// The score that a share `rate` of points reaches, `rate` at most [`Self::share`].
    pub(super) fn score(&self, rate: f64) -> f64 {
        let y = (self.share / rate).ln();
        let excess = if self.shape.abs() < STRAIGHT {
            y
        } else {
            (self.shape * y).exp_m1() / self.shape
        };
        self.start + self.scale * excess
    }

    /// Whether a fit could have given it.
    pub(super) fn is_sound(&self) -> bool {
        self.start.is_finite()
            && self.share > 0.0
            && self.share < 1.0
            && self.scale.is_finite()
            && self.scale > 0.0
            && SHAPES.contains(&self.shape)
    }
}

/// A shape this close to 0 is 0.
const STRAIGHT: f64 = 1e-9;

/// The shape by probability-weighted moments (Hosking and Wallis, 1987).
fn by_weighted_moments(excesses: &[f64], mean: f64) -> f64 {
    let k = excesses.len() as f64;
    if excesses.len() < 2 {
        return 0.0;
    }
    let ranked = (1..).zip(excesses);
    let weighted: f64 = ranked
        .map(|(i, x)| x * (k - f64::from(i)) / (k - 1.0))
        .sum();
    let shape = 2.0 - mean / (mean - 2.0 * weighted / k);
    if shape.is_finite() {
        shape.clamp(-2.0, 1.0)
    } else {
        0.0
    }
}

/// Shape and scale by the quasi-Bayesian likelihood of Zhang and Stephens, "A new and efficient estimation method for the generalized
/// Pareto distribution", 2009. It has no iteration that could fail to end.
fn by_likelihood(excesses: &[f64]) -> (f64, f64) {
    let n = excesses.len();
    let largest = excesses[n - 1];
    let quarter = excesses[n / 4 - 1].max(largest * 1e-9);
    let candidates = 20 + n.isqrt();
    let shape_of = |theta: f64| {
        let logs = excesses
            .iter()
            .map(|x| (-theta * x).max(-1.0 + f64::EPSILON).ln_1p());
        logs.sum::<f64>() / n as f64
    };
    let candidate = |j: usize| {
        let spread = 1.0 - (candidates as f64 / (j as f64 - 0.5)).sqrt();
        let theta = 1.0 / largest + spread / (3.0 * quarter);
        let shape = shape_of(theta);
        (theta, n as f64 * ((-theta / shape).ln() - shape - 1.0))
    };
    let found: Vec<(f64, f64)> = (1..=candidates)
        .map(candidate)
        .filter(|(_, likelihood)| likelihood.is_finite())
        .collect();
    let best = found.iter().fold(f64::NEG_INFINITY, |m, (_, l)| m.max(*l));
    let weighed = found.iter().map(|(theta, l)| (theta, (l - best).exp()));
    let (sum, weights) = weighed.fold((0.0, 0.0), |(s, w), (t, x)| (s + t * x, w + x));
    let shape = shape_of(sum / weights);
    let scale = -shape * weights / sum;
    if shape.is_finite() && scale.is_finite() && scale > 0.0 {
        (shape.clamp(-2.0, 2.0), scale)
    } else {
        (0.0, excesses.iter().sum::<f64>() / n as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Excesses of a generalised Pareto distribution at evenly spread probabilities.
    fn excesses(n: usize, shape: f64) -> Vec<f64> {
        let at = |i: usize| {
            let p = (i as f64 + 0.5) / n as f64;
            if shape == 0.0 {
                -(1.0 - p).ln()
            } else {
                ((1.0 - p).powf(-shape) - 1.0) / shape
            }
        };
        (0..n).map(at).collect()
    }

    #[test]
    fn the_shape_of_a_tail_is_found() {
        for shape in [-0.3, 0.0, 0.3, 0.7] {
            let tail = Tail::fit((0.0, 0.05), &excesses(2_000, shape), 2_000.0, 1e-9);
            assert!((tail.shape - shape).abs() < 0.05, "{shape}: {tail:?}");
            assert!((tail.scale - 1.0).abs() < 0.1, "{shape}: {tail:?}");
        }
    }

    #[test]
    fn share_and_score_are_inverse_to_each_other() {
        for (n, shape) in [(1, 0.0), (5, 0.4), (30, -0.4), (500, 0.3)] {
            let tail = Tail::fit((2.0, 0.1), &excesses(n, shape), n as f64, 1e-9);
            for rate in [0.1_f64, 0.01, 1e-4, 1e-9] {
                let back = tail.ln_share(tail.score(rate));
                assert!(
                    (back - rate.ln()).abs() < 1e-6,
                    "{n} {shape} {rate}: {back}"
                );
            }
        }
    }

    #[test]
    fn excesses_that_are_hardly_any_make_a_tail_as_wide_as_the_floor() {
        for excesses in [&[1e-30][..], &[0.0], &[0.0; 100]] {
            let tail = Tail::fit((1.0, 0.5), excesses, 1.0, 0.01);
            assert_eq!(tail.scale, 0.01);
            assert!(tail.is_sound());
        }
    }
}
