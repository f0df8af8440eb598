//! What every detector does.

use contract::{DetectorName, Params, Point};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Band, Verdict,
    forecast::Forecast,
    online::Online,
    params::{Param, Settings},
    verdict::Ask,
    warning::Warnings,
};

/// A detector: what it has learned of a series, and what it makes of it.
///
/// What was learned stays as it is while points pass; what moves with them (the level that an average has reached, the last values) is
/// in [`Self::Place`], so that many can walk along one model at a time.
pub(crate) trait Detector: Clone + PartialEq + Serialize + DeserializeOwned {
    /// What moves as points pass.
    type Place: Clone + Default;
    /// Its form that keeps learning.
    type Online: Online;

    /// Its name.
    const NAME: DetectorName;
    /// Its parameters.
    const PARAMS: &'static [Param];

    /// Learns from `points`: three or more, sorted, finite, not all of one value.
    fn fit(points: &[Point], settings: &Settings, warnings: &mut Warnings) -> Self;

    /// What is expected at `timestamp`, seen from `place`.
    fn forecast(&self, place: &Self::Place, timestamp: i64) -> Forecast<'_>;

    /// Moves on past `point`, having learned nothing. `limit` is how far from the expected value normal ends.
    fn pass(&self, _place: &mut Self::Place, _point: Point, _limit: f64) {}

    /// Learns from `point`, and moves on past it. `limit` is how far from the expected value normal ends: what lies farther away
    /// is to count as if it lay there.
    fn learn(&mut self, place: &mut Self::Place, point: Point, limit: f64);

    /// Starts to learn from points that follow those it was fitted on.
    fn online(&self, ask: &Ask) -> Self::Online;

    /// Judges `point` and moves on past it.
    fn judge(&self, place: &mut Self::Place, point: Point, ask: &Ask) -> Verdict {
        let forecast = self.forecast(place, point.timestamp);
        let verdict = forecast.judge(point, ask, Self::NAME);
        let limit = forecast.limit(ask);
        self.pass(place, point, limit);
        verdict
    }

    /// Judges `point` if nothing is known of those before it.
    fn judge_alone(&self, point: Point, ask: &Ask) -> Verdict {
        let nowhere = Self::Place::default();
        let forecast = self.forecast(&nowhere, point.timestamp);
        forecast.judge(point, ask, Self::NAME)
    }

    /// Moves on past a point of the context.
    fn walk(&self, place: &mut Self::Place, point: Point, ask: &Ask) {
        let limit = self.forecast(place, point.timestamp).limit(ask);
        self.pass(place, point, limit);
    }

    /// What is normal at `timestamp` if nothing is known of the points before it.
    fn band(&self, timestamp: i64, ask: &Ask) -> Band {
        let nowhere = Self::Place::default();
        let forecast = self.forecast(&nowhere, timestamp);
        forecast.band(forecast.limit(ask), ask)
    }

    /// The parameters in force, found ones included.
    fn params(&self) -> Params;

    /// What the season adds to the level at `timestamp`, if there is one.
    fn season(&self, _place: &Self::Place, _timestamp: i64) -> f64 {
        0.0
    }

    /// The length of the season in slots of the clock, if it has one.
    fn period(&self) -> Option<u64> {
        None
    }

    /// The length of the season in the unit of the timestamps, if it has one and points are on a grid.
    fn period_time(&self) -> Option<i64> {
        None
    }

    /// Bytes in memory beyond its own size.
    fn heap_bytes(&self) -> usize {
        0
    }

    /// Whether a fit could have given it.
    fn is_sound(&self) -> bool;
}
