//! What every detector does.

use contract::{DetectorName, Params, Point};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Band, Verdict,
    forecast::Forecast,
    online::Online,
    params::{Param, Settings},
    verdict::ScoringRule,
    warning::Warnings,
};

/// A detector: what it has learned of a series, and what it makes of it.
///
/// What was learned stays as it is while points pass; what moves with them (the level that an average has reached, the last values) is
/// in [`Self::State`], so that many can walk along one model at a time.
pub(crate) trait Detector: Clone + PartialEq + Serialize + DeserializeOwned {
    /// What moves as points pass.
    type State: Clone + Default;
    /// Its form that keeps learning.
    type Online: Online;

    /// Its name.
    const NAME: DetectorName;
    /// Its parameters.
    const PARAMS: &'static [Param];

    /// Learns from `points`: three or more, sorted, finite, not all of one value.
    fn fit(points: &[Point], settings: &Settings, warnings: &mut Warnings) -> Self;

    /// What is expected at `timestamp`, seen from `state`.
    fn forecast(&self, state: &Self::State, timestamp: i64) -> Forecast<'_>;

    /// Moves on past `point`, having learned nothing. `limit` is how far from the expected value normal ends.
    fn advance(&self, _state: &mut Self::State, _point: Point, _limit: f64) {}

    /// Learns from `point`, and moves on past it. `limit` is how far from the expected value normal ends: what lies farther away
    /// is to count as if it lay there.
    fn learn(&mut self, state: &mut Self::State, point: Point, limit: f64);

    /// Starts to learn from points that follow those it was fitted on.
    fn online(&self, rule: &ScoringRule) -> Self::Online;

    /// Judges `point` and moves on past it.
    fn score(&self, state: &mut Self::State, point: Point, rule: &ScoringRule) -> Verdict {
        let forecast = self.forecast(state, point.timestamp);
        let verdict = forecast.score(point, rule, Self::NAME);
        let limit = forecast.limit(rule);
        self.advance(state, point, limit);
        verdict
    }

    /// Judges `point` if nothing is known of those before it.
    fn score_alone(&self, point: Point, rule: &ScoringRule) -> Verdict {
        let nowhere = Self::State::default();
        let forecast = self.forecast(&nowhere, point.timestamp);
        forecast.score(point, rule, Self::NAME)
    }

    /// Moves on past a point of the context.
    fn take_context(&self, state: &mut Self::State, point: Point, rule: &ScoringRule) {
        let limit = self.forecast(state, point.timestamp).limit(rule);
        self.advance(state, point, limit);
    }

    /// What is normal at `timestamp` if nothing is known of the points before it.
    fn band(&self, timestamp: i64, rule: &ScoringRule) -> Band {
        let nowhere = Self::State::default();
        let forecast = self.forecast(&nowhere, timestamp);
        forecast.band(forecast.limit(rule), rule)
    }

    /// The parameters in force, found ones included.
    fn params(&self) -> Params;

    /// What the season adds to the level at `timestamp`, if there is one.
    fn season(&self, _state: &Self::State, _timestamp: i64) -> f64 {
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
