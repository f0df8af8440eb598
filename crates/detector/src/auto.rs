//! The detector for every series; under ten training points the recorded rule.

use contract::{DetectorName, Params, Point};
use serde::{Deserialize, Serialize};

use crate::{
    detector::Detector,
    forecast::Forecast,
    params::{Param, Settings},
    robust::Robust,
    session::Follower,
    sigma::Sigma,
    verdict::Ask,
    warning::{Note, Warnings},
};

/// What was learned.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Auto {
    /// Of few points.
    Rule(Sigma),
    /// Of enough.
    Level(Robust),
}

/// From so many training points on there is more to know than the recorded rule does.
const ENOUGH: usize = 10;

impl Detector for Auto {
    type Place = ();
    type Online = Follower<Self>;
    const NAME: DetectorName = DetectorName::Auto;
    const PARAMS: &'static [Param] = &[];

    fn fit(points: &[Point], settings: &Settings, warnings: &mut Warnings) -> Self {
        if points.len() < ENOUGH {
            warnings.add(Note::RuleUnder {
                points: points.len() as u64,
                needed: ENOUGH as u64,
            });
            return Self::Rule(Sigma::fit(points, settings, warnings));
        }
        Self::Level(Robust::fit(points, settings, warnings))
    }

    fn forecast(&self, place: &(), timestamp: i64) -> Forecast<'_> {
        match self {
            Self::Rule(sigma) => sigma.forecast(place, timestamp),
            Self::Level(robust) => robust.forecast(place, timestamp),
        }
    }

    fn learn(&mut self, place: &mut (), point: Point, limit: f64) {
        match self {
            Self::Rule(sigma) => sigma.learn(place, point, limit),
            Self::Level(robust) => robust.learn(place, point, limit),
        }
    }

    fn online(&self, _: &Ask) -> Follower<Self> {
        Follower::new(*self, (), 750.0)
    }

    fn params(&self) -> Params {
        Params::new()
    }

    fn is_sound(&self) -> bool {
        match self {
            Self::Rule(sigma) => sigma.is_sound(),
            Self::Level(robust) => robust.is_sound(),
        }
    }
}
