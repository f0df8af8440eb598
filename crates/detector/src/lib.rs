//! Learns what is normal for a series and judges points: fit, score, and models as data.
//!
//! No I/O, no async, no clock, no chance: the same points give the same model and the same verdicts, bit for bit.
//! A detector is one module with a type that has `fit` and `score`, and one variant of [`Detector`].

mod format;
mod sigma;
pub mod stream;

use contract::Point;
pub use format::{BadModel, FORMAT};
pub use sigma::Sigma;

/// What was learned from the training points of a series.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    detector: Detector,
    points: u64,
}

/// The detectors there are, each with what it learned.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Detector {
    /// The recorded rule: above mean + 3 standard deviations.
    Sigma(Sigma),
}

/// A model's judgement of one point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// Whether the point is an anomaly.
    pub anomaly: bool,
}

/// What a model holds to be normal, for drawing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Normal {
    /// The value to be expected.
    pub expected: f64,
    /// The largest value that is no anomaly. May be infinite: then none is.
    pub upper: f64,
}

/// Points that nothing can be learned from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Fewer than three points, or one distinct value.
    #[error("Insufficient or constant data")]
    InsufficientOrConstant,
}

/// Fewer training points than this are refused.
pub const MIN_POINTS: usize = 3;

impl Model {
    /// Learns from `points`, which must be finite, in one pass or two over them.
    ///
    /// # Errors
    /// [`Unfit`] for under [`MIN_POINTS`] points or a single distinct value.
    pub fn fit(points: &[Point]) -> Result<Self, Unfit> {
        let distinct = points.iter().any(|p| p.value != points[0].value);
        if points.len() < MIN_POINTS || !distinct {
            return Err(Unfit::InsufficientOrConstant);
        }
        let detector = Detector::Sigma(Sigma::fit(points));
        Ok(Self {
            detector,
            points: points.len() as u64,
        })
    }

    /// Judges `point`; pure, and without allocation.
    pub fn score(&self, point: Point) -> Verdict {
        match &self.detector {
            Detector::Sigma(sigma) => sigma.score(point),
        }
    }

    /// What is normal to this model.
    pub fn normal(&self) -> Normal {
        match &self.detector {
            Detector::Sigma(sigma) => sigma.normal(),
        }
    }

    /// The detector and what it learned.
    pub fn detector(&self) -> &Detector {
        &self.detector
    }

    /// How many points it was fitted on.
    pub fn points(&self) -> u64 {
        self.points
    }
}

impl Detector {
    /// The name of the detector, as in stored models: `sigma`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Sigma(_) => "sigma",
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn points(values: &[f64]) -> Vec<Point> {
        (0..)
            .zip(values)
            .map(|(timestamp, &value)| Point { timestamp, value })
            .collect()
    }

    #[test]
    fn nothing_is_learned_from_too_little() {
        for values in [&[][..], &[1.0], &[1.0, 2.0], &[7.0; 3], &[0.0, -0.0, 0.0]] {
            assert_eq!(
                Model::fit(&points(values)),
                Err(Unfit::InsufficientOrConstant),
                "{values:?}"
            );
        }
        assert!(Model::fit(&points(&[1.0, 1.0, 2.0])).is_ok());
    }

    proptest! {
        #[test]
        fn any_finite_points_give_a_model_that_survives_being_stored(
            values in prop::collection::vec(prop::num::f64::ANY.prop_filter("finite", |v| v.is_finite()), 3..50),
            probe in prop::num::f64::ANY.prop_filter("finite", |v| v.is_finite()),
        ) {
            prop_assume!(values.iter().any(|v| *v != values[0]));
            let model = Model::fit(&points(&values)).unwrap();
            let again = Model::from_json(&model.to_json()).unwrap();
            prop_assert_eq!(&again, &model);
            let point = Point { timestamp: 0, value: probe };
            prop_assert_eq!(again.score(point), model.score(point));
            prop_assert!(!model.normal().upper.is_nan());
        }

        #[test]
        fn the_rule_scales_with_the_unit(values in prop::collection::vec(-1e6..1e6_f64, 3..50), probe in -1e7..1e7_f64, k in -300..300_i32) {
            prop_assume!(values.iter().any(|v| *v != values[0]));
            let unit = 2_f64.powi(k);
            let scaled: Vec<f64> = values.iter().map(|v| v * unit).collect();
            prop_assume!(scaled.iter().all(|v| v.is_normal()));
            let (model, in_units) = (Model::fit(&points(&values)).unwrap(), Model::fit(&points(&scaled)).unwrap());
            let verdict = |model: &Model, value| model.score(Point { timestamp: 0, value }).anomaly;
            prop_assert_eq!(verdict(&model, probe), verdict(&in_units, probe * unit));
        }
    }
}
