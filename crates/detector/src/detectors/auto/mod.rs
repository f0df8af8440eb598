//! The detector for every series: the streaming detector, or the recorded rule under ten training
//! points.
//!
//! A single call cannot learn, so it uses less: the level, the season, and as far as a context
//! reaches the predictions from the last points and their shape. A session uses all of
//! [`streaming`]. docs/design/auto.md specifies both.

mod cold_start;
mod judged_point;
mod level;
mod online;
mod scorer;
pub mod streaming;

use cold_start::ColdStart;
use contract::{DetectorName, Params, Point};
use level::EvidenceQuantile;
pub(crate) use online::AutoOnline;
use scorer::{ContextWindow, PointScorer};
use serde::{Deserialize, Serialize};
use streaming::Stream;

use crate::{
    Band, Verdict,
    detector::Detector,
    forecast::Forecast,
    params::{Param, Settings},
    verdict::ScoringRule,
    warning::{WarningKind, Warnings},
};

/// A fitted `auto`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Auto {
    /// A handful of points.
    #[serde(rename = "few")]
    ColdStart(Box<ColdStart>),
    /// Enough points for the streaming detector.
    #[serde(rename = "enough")]
    Fitted(Box<FittedStream>),
}

/// The streaming detector after its fit, and the distributions of its errors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FittedStream {
    stream: Stream,
    #[serde(rename = "pure")]
    scorer: PointScorer,
    level: EvidenceQuantile,
    /// The timestamp of the first training point.
    first: i64,
}

/// The length of the season in points of a regular clock.
pub(crate) const PERIOD: Param = Param {
    name: "period",
    range: (4.0, 20_000.0),
    whole: true,
};

/// The number of training points from which on the streaming detector takes over.
const ENOUGH: usize = streaming::MIN_POINTS;

impl Detector for Auto {
    /// The last points, once one has passed.
    type State = Option<ContextWindow>;
    type Online = AutoOnline;
    const NAME: DetectorName = DetectorName::Auto;
    const PARAMS: &'static [Param] = &[PERIOD];
    const KNOWS_TIMEZONES: bool = true;

    fn fit(points: &[Point], _: &Settings, warnings: &mut Warnings) -> Self {
        let n = points.len() as u64;
        match FittedStream::fit(points) {
            Some(fitted) => {
                fitted.warn(n, warnings);
                Self::Fitted(Box::new(fitted))
            }
            None => {
                let needed = ENOUGH as u64;
                warnings.add(WarningKind::RuleUnder { points: n, needed });
                Self::ColdStart(Box::new(ColdStart::fit(points)))
            }
        }
    }

    fn forecast(&self, state: &Self::State, timestamp: i64) -> Forecast<'_> {
        match self {
            Self::ColdStart(cold) => cold.forecast(timestamp),
            Self::Fitted(fitted) => fitted.scorer.forecast(&fitted.stream, state, timestamp),
        }
    }

    fn advance(&self, state: &mut Self::State, point: Point, _: f64) {
        if let Self::Fitted(fitted) = self {
            ContextWindow::advance(state, &fitted.stream, &fitted.scorer, point);
        }
    }

    /// Single calls learn nothing, and sessions use [`AutoOnline`].
    fn learn(&mut self, state: &mut Self::State, point: Point, limit: f64) {
        self.advance(state, point, limit);
    }

    fn take_context(&self, state: &mut Self::State, point: Point, _: &ScoringRule) {
        self.advance(state, point, 0.0);
    }

    fn online(&self, _: &ScoringRule) -> AutoOnline {
        match self {
            Self::ColdStart(cold) => AutoOnline::cold(cold),
            Self::Fitted(fitted) => AutoOnline::fitted((**fitted).clone()),
        }
    }

    fn score(&self, state: &mut Self::State, point: Point, rule: &ScoringRule) -> Verdict {
        let forecast = self.forecast(state, point.timestamp);
        let Self::Fitted(fitted) = self else {
            return forecast.score(point, rule, Self::NAME);
        };
        let nonconformity =
            ContextWindow::nonconformity_after(state, &fitted.stream, &fitted.scorer, point);
        fitted.scorer.score(&forecast, nonconformity, point, rule)
    }

    fn band(&self, timestamp: i64, rule: &ScoringRule) -> Band {
        let forecast = self.forecast(&None, timestamp);
        forecast.band(forecast.limit(rule), rule)
    }

    fn params(&self) -> Params {
        Params::new()
    }

    fn period(&self) -> Option<u64> {
        let Self::Fitted(fitted) = self else {
            return None;
        };
        fitted.stream.params().season().map(|period| period as u64)
    }

    fn period_time(&self) -> Option<i64> {
        let Self::Fitted(fitted) = self else {
            return None;
        };
        Some((self.period()? as f64 * fitted.stream.params().clock().step()?) as i64)
    }

    fn heap_bytes(&self) -> usize {
        match self {
            Self::ColdStart(cold) => size_of::<ColdStart>() + cold.heap_bytes(),
            Self::Fitted(fitted) => {
                let own = size_of::<FittedStream>() - size_of::<Stream>();
                own + fitted.stream.memory_bytes()
                    + fitted.scorer.heap_bytes()
                    + EvidenceQuantile::HEAP_BYTES
            }
        }
    }

    fn is_sound(&self) -> bool {
        match self {
            Self::ColdStart(cold) => cold.is_sound(),
            Self::Fitted(fitted) => fitted.scorer.is_sound() && fitted.level.is_sound(),
        }
    }
}

impl FittedStream {
    /// Fits the streaming detector; `None` for too few points.
    pub(super) fn fit(points: &[Point]) -> Option<Self> {
        let (stream, replay, scorer) = Stream::fit_beside(points, |params, errors| {
            PointScorer::fit(points, params, errors)
        })?;
        Some(Self {
            scorer,
            level: EvidenceQuantile::fit(&replay.ratio),
            first: points[0].timestamp,
            stream,
        })
    }

    fn warn(&self, points: u64, warnings: &mut Warnings) {
        let params = self.stream.params();
        if let (Some(period), None) = (params.period(), params.season()) {
            let period = period as u64;
            if period * 3 > points {
                warnings.add(WarningKind::ShortForSeason { points, period });
            }
        }
    }
}
