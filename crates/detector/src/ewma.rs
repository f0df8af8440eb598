//! Level and trend that follow the series: an anomaly is a jump away from where they lead.

use contract::{DetectorName, Params, Point};
use serde::{Deserialize, Serialize};

use crate::{
    detector::Detector,
    forecast::Forecast,
    params::{Param, Settings},
    robust::Robust,
    session::Follower,
    verdict::Ask,
    warning::Warnings,
};

/// What was learned.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Ewma(Robust);

impl Detector for Ewma {
    type Place = ();
    type Online = Follower<Self>;
    const NAME: DetectorName = DetectorName::Ewma;
    const PARAMS: &'static [Param] = &[];

    fn fit(points: &[Point], settings: &Settings, warnings: &mut Warnings) -> Self {
        Self(Robust::fit(points, settings, warnings))
    }

    fn forecast(&self, place: &(), timestamp: i64) -> Forecast<'_> {
        self.0.forecast(place, timestamp)
    }

    fn learn(&mut self, place: &mut (), point: Point, limit: f64) {
        self.0.learn(place, point, limit);
    }

    fn online(&self, _: &Ask) -> Follower<Self> {
        Follower::new(*self, (), 750.0)
    }

    fn params(&self) -> Params {
        Params::new()
    }

    fn is_sound(&self) -> bool {
        self.0.is_sound()
    }
}
