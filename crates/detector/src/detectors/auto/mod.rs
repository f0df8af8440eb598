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
mod recorded;
pub mod streaming;
mod stuck;
mod value_evidence;
mod values;

use cold_start::ColdStart;
use contract::{DetectorName, Params, Point};
use level::EvidenceQuantile;
pub(crate) use online::AutoOnline;
use serde::{Deserialize, Serialize};
use streaming::Stream;
use values::{Values, Window};

use crate::{
    Band, Verdict,
    detector::Detector,
    forecaster::Forecaster,
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
    values: Values,
    level: EvidenceQuantile,
    /// The timestamp of the first training point.
    first: i64,
    /// The length of the longest run of equal training values, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    longest_run: Option<u64>,
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
    type State = Option<Window>;
    type Online = AutoOnline;
    const NAME: DetectorName = DetectorName::Auto;
    const PARAMS: &'static [Param] = &[PERIOD];
    const KNOWS_TIMEZONES: bool = true;

    fn fit(points: &[Point], settings: &Settings, warnings: &mut Warnings) -> Self {
        let n = points.len() as u64;
        match FittedStream::fit(points, settings) {
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

    fn score(&self, state: &mut Self::State, point: Point, rule: &ScoringRule) -> Verdict {
        match self {
            Self::ColdStart(cold) => cold
                .forecast(point.timestamp)
                .score(point, rule, Self::NAME),
            Self::Fitted(fitted) => {
                let FittedStream { stream, values, .. } = &**fitted;
                let verdict = values.score(stream, state.as_ref(), point, rule);
                values.advance(stream, state, point);
                verdict
            }
        }
    }

    fn score_alone(&self, point: Point, rule: &ScoringRule) -> Verdict {
        match self {
            Self::ColdStart(cold) => cold
                .forecast(point.timestamp)
                .score(point, rule, Self::NAME),
            Self::Fitted(fitted) => fitted.values.score(&fitted.stream, None, point, rule),
        }
    }

    fn take_context(&self, state: &mut Self::State, point: Point, _: &ScoringRule) {
        if let Self::Fitted(fitted) = self {
            fitted.values.advance(&fitted.stream, state, point);
        }
    }

    fn band(&self, timestamp: i64, rule: &ScoringRule) -> Band {
        match self {
            Self::ColdStart(cold) => {
                let forecast = cold.forecast(timestamp);
                forecast.band(forecast.limit(rule), rule)
            }
            Self::Fitted(fitted) => fitted.values.band(&fitted.stream, timestamp, rule),
        }
    }

    fn online(&self, _: &ScoringRule) -> AutoOnline {
        match self {
            Self::ColdStart(cold) => AutoOnline::cold(cold),
            Self::Fitted(fitted) => AutoOnline::fitted((**fitted).clone()),
        }
    }

    fn params(&self) -> Params {
        Params::new()
    }

    fn period(&self) -> Option<u64> {
        match self {
            Self::ColdStart(_) => None,
            Self::Fitted(fitted) => fitted
                .values
                .period(&fitted.stream)
                .map(|period| period as u64),
        }
    }

    fn period_time(&self) -> Option<i64> {
        match self {
            Self::ColdStart(_) => None,
            Self::Fitted(fitted) => fitted.values.period_time(&fitted.stream),
        }
    }

    fn heap_bytes(&self) -> usize {
        match self {
            Self::ColdStart(cold) => size_of::<ColdStart>() + cold.heap_bytes(),
            Self::Fitted(fitted) => {
                let own = size_of::<FittedStream>() - size_of::<Stream>();
                own + fitted.stream.memory_bytes()
                    + fitted.values.heap_bytes()
                    + EvidenceQuantile::HEAP_BYTES
            }
        }
    }

    fn is_sound(&self) -> bool {
        match self {
            Self::ColdStart(cold) => cold.is_sound(),
            Self::Fitted(fitted) => fitted.values.is_sound() && fitted.level.is_sound(),
        }
    }
}

impl FittedStream {
    /// Fits the forecaster and the streaming detector; `None` for too few points.
    pub(super) fn fit(points: &[Point], settings: &Settings) -> Option<Self> {
        let period = settings.get(PERIOD.name).map(|period| period as usize);
        let zone = settings.timezone();
        let (stream, replay, forecaster) =
            Stream::fit_beside(points, || Forecaster::fit(points, period, zone))?;
        Some(Self {
            values: Values::Forecaster(Box::new(forecaster)),
            level: EvidenceQuantile::fit(&replay.ratio),
            first: points[0].timestamp,
            longest_run: stuck::longest_run(points.iter().map(|point| point.value)),
            stream: stream.rounded(),
        })
    }

    fn warn(&self, points: u64, warnings: &mut Warnings) {
        if let Some(period) = self.stream.params().period()
            && self.values.period(&self.stream).is_none()
        {
            let period = period as u64;
            if period * 3 > points {
                warnings.add(WarningKind::ShortForSeason { points, period });
            }
        }
    }
}
