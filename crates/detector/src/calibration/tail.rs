//! The tail of a distribution beyond a threshold: a generalised Pareto distribution of the excesses
//! (peaks over threshold).
//!
//! Pickands, "Statistical inference using extreme order statistics", 1975; for anomalies Siffer et
//! al., "Anomaly detection in streams with extreme value theory", 2017.
//!
//! The distribution is [`Pareto`]. It is estimated in two ways. [`Tail::fit`] has the excesses
//! themselves, once, in training. [`Pareto::of_moments`] has their mean and mean square only, from
//! a histogram that a session keeps.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

/// How far excesses go: a generalised Pareto distribution.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pareto {
    scale: f64,
    /// Heaviness: 0 is exponential, above 0 a power, below 0 ends somewhere.
    shape: f64,
}

/// The shapes that [`Pareto::of_moments`] may give: moments say nothing of heavier tails.
const SHAPES_OF_MOMENTS: RangeInclusive<f64> = -0.5..=0.5;

/// Estimated shapes are drawn towards 0 as if this number of further excesses had shown exactly
/// that.
const PRIOR: f64 = 20.0;

/// A shape this close to 0 is taken for 0.
const EXPONENTIAL: f64 = 1e-9;

impl Pareto {
    /// The distribution of excesses with this `mean` and mean `square`, which say as much as
    /// `effective_n` independent ones (Hosking and Wallis, 1987).
    pub(crate) fn of_moments(mean: f64, square: f64, effective_n: f64) -> Self {
        Self::of_moments_within(mean, square, effective_n, SHAPES_OF_MOMENTS)
    }

    /// As [`Self::of_moments`], with a shape within `shapes`.
    pub(crate) fn of_moments_within(
        mean: f64,
        square: f64,
        effective_n: f64,
        shapes: RangeInclusive<f64>,
    ) -> Self {
        let variance = (square - mean * mean).max(1e-12);
        let found = (1.0 - mean * mean / variance) / 2.0;
        let (least, largest) = shapes.into_inner();
        let shape = drawn_to_zero(found, effective_n).clamp(least, largest);
        Self {
            scale: mean * (1.0 - shape),
            shape,
        }
    }

    /// The excess that is exceeded with probability exp(−`evidence`).
    #[inline]
    pub(crate) fn excess(&self, evidence: f64) -> f64 {
        let scales = if self.shape.abs() < EXPONENTIAL {
            evidence
        } else {
            (self.shape * evidence).exp_m1() / self.shape
        };
        self.scale * scales
    }

    /// The negative logarithm of the probability of exceeding `excess`, which is not negative: the
    /// inverse of [`Self::excess`].
    #[inline]
    pub(crate) fn evidence(&self, excess: f64) -> f64 {
        let scales = excess / self.scale;
        let evidence = if self.shape.abs() < EXPONENTIAL {
            scales
        } else {
            // Where a tail ends, larger excesses are as good as impossible.
            (self.shape * scales).max(-1.0 + f64::EPSILON).ln_1p() / self.shape
        };
        evidence.min(f64::MAX)
    }

    /// The same shape with a scale of at least `least`.
    pub(crate) fn with_scale_of(self, least: f64) -> Self {
        Self {
            scale: self.scale.max(least),
            ..self
        }
    }

    /// Whether moments could have given it.
    pub(crate) fn is_sound(&self) -> bool {
        self.scale.is_finite() && self.scale > 0.0 && SHAPES_OF_MOMENTS.contains(&self.shape)
    }
}

/// A shape that was found in excesses worth `effective_n` independent ones, drawn towards 0 by
/// [`PRIOR`].
fn drawn_to_zero(shape: f64, effective_n: f64) -> f64 {
    effective_n * shape / (effective_n + PRIOR)
}

/// Where a tail begins, and the fraction of all points beyond it, in (0, 1).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct TailStart {
    pub(super) threshold: f64,
    pub(super) exceedance_rate: f64,
}

/// The tail of the scores of a series, as models hold it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tail {
    /// Where the tail begins.
    #[serde(rename = "start")]
    pub(super) threshold: f64,
    /// The fraction of points beyond it, in (0, 1).
    #[serde(rename = "share")]
    pub(super) exceedance_rate: f64,
    scale: f64,
    shape: f64,
}

/// The shapes that [`Tail::fit`] may give: below, a tail would end at the largest value that
/// happened to be seen; above, it has no mean.
const SHAPES: RangeInclusive<f64> = -0.5..=1.0;

/// The number of excesses that a tail counts as at least. With fewer, hardly any value would be
/// called improbable; a little too many are, instead.
const FEWEST: f64 = 4.0;

/// The number of excesses from which on their likelihood is worth working out.
const LIKELIHOOD_FROM: usize = 20;

impl Tail {
    /// Fits the excesses over the threshold: ascending, at least one, none negative. They say as
    /// much as `effective_n` independent ones. The scale is at least `floor`, which is over 0.
    ///
    /// The shape is drawn towards 0, and then raised by 1/k for excesses worth k. For an
    /// exponential tail with an estimated scale that is exactly the step that makes a stated
    /// probability come true on average, since the predictive distribution is a power with exponent
    /// k; simulation shows that it does well for other tails.
    pub(super) fn fit(start: TailStart, excesses: &[f64], effective_n: f64, floor: f64) -> Self {
        let mean = excesses.iter().sum::<f64>() / excesses.len() as f64;
        let (shape, scale) = if excesses.len() < LIKELIHOOD_FROM {
            let shape = drawn_to_zero(by_weighted_moments(excesses, mean), effective_n);
            (shape, mean * (1.0 - shape))
        } else {
            let (found, scale) = by_likelihood(excesses);
            let shape = drawn_to_zero(found, effective_n);
            // The same mean for the other shape; the one found may be that of a tail without a
            // mean.
            let (kept, had) = (1.0 - shape.min(0.9), 1.0 - found.min(0.9));
            (shape, scale * kept / had)
        };
        Self {
            threshold: start.threshold,
            exceedance_rate: start.exceedance_rate,
            scale: scale.max(floor),
            shape: (shape + 1.0 / effective_n.max(FEWEST)).clamp(*SHAPES.start(), *SHAPES.end()),
        }
    }

    fn pareto(&self) -> Pareto {
        Pareto {
            scale: self.scale,
            shape: self.shape,
        }
    }

    /// The natural logarithm of the fraction of points at `score` or beyond, for a score of at
    /// least the threshold.
    pub(super) fn ln_share(&self, score: f64) -> f64 {
        self.exceedance_rate.ln() - self.pareto().evidence(score - self.threshold)
    }

    /// The score that a fraction `rate` of points reaches, at most [`Self::exceedance_rate`].
    pub(super) fn score(&self, rate: f64) -> f64 {
        self.threshold + self.pareto().excess((self.exceedance_rate / rate).ln())
    }

    /// Whether a fit could have given it.
    pub(super) fn is_sound(&self) -> bool {
        self.threshold.is_finite()
            && self.exceedance_rate > 0.0
            && self.exceedance_rate < 1.0
            && self.scale.is_finite()
            && self.scale > 0.0
            && SHAPES.contains(&self.shape)
    }
}

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

/// Shape and scale by the quasi-Bayesian likelihood of Zhang and Stephens, "A new and efficient
/// estimation method for the generalized Pareto distribution", 2009. It has no iteration that could
/// fail to end.
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

    fn start(threshold: f64, exceedance_rate: f64) -> TailStart {
        TailStart {
            threshold,
            exceedance_rate,
        }
    }

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
            let tail = Tail::fit(start(0.0, 0.05), &excesses(2_000, shape), 2_000.0, 1e-9);
            assert!((tail.shape - shape).abs() < 0.05, "{shape}: {tail:?}");
            assert!((tail.scale - 1.0).abs() < 0.1, "{shape}: {tail:?}");
        }
    }

    #[test]
    fn share_and_score_are_inverse_to_each_other() {
        for (n, shape) in [(1, 0.0), (5, 0.4), (30, -0.4), (500, 0.3)] {
            let tail = Tail::fit(start(2.0, 0.1), &excesses(n, shape), n as f64, 1e-9);
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
            let tail = Tail::fit(start(1.0, 0.5), excesses, 1.0, 0.01);
            assert_eq!(tail.scale, 0.01);
            assert!(tail.is_sound());
        }
    }
}
