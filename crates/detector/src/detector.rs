//! The interface of a detector.

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

/// A detector, fitted to a series.
///
/// Scoring never changes the detector itself. Whatever changes as points pass (the level that an
/// average has reached, the last values) is in [`Self::State`], so one model can be used by many
/// callers at a time.
pub(crate) trait Detector: Clone + PartialEq + Serialize + DeserializeOwned {
    /// The part that changes as points pass.
    type State: Clone + Default;
    /// The form that keeps learning, for sessions.
    type Online: Online;

    /// The name of the detector in requests.
    const NAME: DetectorName;
    /// The parameters that a request may set.
    const PARAMS: &'static [Param];
    /// Whether the season can follow the clocks of a time zone.
    const KNOWS_TIMEZONES: bool = false;
    /// Whether the expected value of a single call follows a trend.
    const FOLLOWS_TRENDS: bool = false;

    /// Learns from `points`: three or more, sorted, finite, not all of one value.
    fn fit(points: &[Point], settings: &Settings, warnings: &mut Warnings) -> Self;

    /// A session that goes on where the training points ended.
    fn online(&self, rule: &ScoringRule) -> Self::Online;

    /// Scores `point` and takes it into `state`.
    fn score(&self, state: &mut Self::State, point: Point, rule: &ScoringRule) -> Verdict;

    /// Scores `point` without knowledge of the points before it.
    fn score_alone(&self, point: Point, rule: &ScoringRule) -> Verdict;

    /// Takes a point of the context into `state`.
    fn take_context(&self, state: &mut Self::State, point: Point, rule: &ScoringRule);

    /// The normal range at `timestamp` without knowledge of the points before it.
    fn band(&self, timestamp: i64, rule: &ScoringRule) -> Band;

    /// The parameters in force, including those that the fit chose.
    fn params(&self) -> Params;

    /// The amount that the season adds to the level at `timestamp`; 0 without a season.
    fn season(&self, _state: &Self::State, _timestamp: i64) -> f64 {
        0.0
    }

    /// The length of the season in slots of the clock, if there is a season.
    fn period(&self) -> Option<u64> {
        None
    }

    /// The length of the season in the unit of the timestamps, if there is a season and the clock
    /// is regular.
    fn period_time(&self) -> Option<i64> {
        None
    }

    /// The size of the heap memory in bytes.
    fn heap_bytes(&self) -> usize {
        0
    }

    /// Whether a fit could have given these numbers.
    fn is_sound(&self) -> bool;
}

/// A detector whose errors have one distribution: [`scores_by_forecast`] writes what scores for it.
pub(crate) trait Forecasting: Detector {
    /// The forecast for `timestamp`, given the points that made `state`.
    fn forecast(&self, state: &Self::State, timestamp: i64) -> Forecast<'_>;

    /// Takes `point` into `state` and learns nothing. `limit` is the distance from the expected
    /// value at which normal ends.
    fn advance(&self, _state: &mut Self::State, _point: Point, _limit: f64) {}

    /// Takes `point` into `state` and learns from it. `limit` is the distance from the expected
    /// value at which normal ends: a value farther away counts as if it lay there.
    fn learn(&mut self, state: &mut Self::State, point: Point, limit: f64);
}

/// The scoring of a [`Detector`] that is [`Forecasting`].
macro_rules! scores_by_forecast {
    () => {
        fn score(&self, state: &mut Self::State, point: Point, rule: &ScoringRule) -> Verdict {
            let forecast = self.forecast(state, point.timestamp);
            let verdict = forecast.score(point, rule, Self::NAME);
            let limit = forecast.limit(rule);
            self.advance(state, point, limit);
            verdict
        }

        fn score_alone(&self, point: Point, rule: &ScoringRule) -> Verdict {
            let nowhere = Self::State::default();
            let forecast = self.forecast(&nowhere, point.timestamp);
            forecast.score(point, rule, Self::NAME)
        }

        fn take_context(&self, state: &mut Self::State, point: Point, rule: &ScoringRule) {
            let limit = self.forecast(state, point.timestamp).limit(rule);
            self.advance(state, point, limit);
        }

        fn band(&self, timestamp: i64, rule: &ScoringRule) -> Band {
            let nowhere = Self::State::default();
            let forecast = self.forecast(&nowhere, timestamp);
            forecast.band(forecast.limit(rule), rule)
        }
    };
}
pub(crate) use scores_by_forecast;
