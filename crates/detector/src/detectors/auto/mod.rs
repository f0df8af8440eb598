//! The detector for every series: the streaming detector; under ten training points the recorded rule.
//!
//! A pure call cannot learn, so it asks less of the points before: the level, the season, and as far as a context reaches what follows
//! from the last points and whether their shape was seen before. A session has all of it: see [`streaming`].

mod cold_start;
mod level;
mod online;
mod scorer;
pub mod streaming;

use cold_start::Few;
use contract::{DetectorName, Params, Point};
use level::Level;
pub(crate) use online::AutoOnline;
use scorer::{Near, Pure};
use serde::{Deserialize, Serialize};
use streaming::Stream;

use crate::{
    Band, Verdict,
    detector::Detector,
    forecast::Forecast,
    params::{Param, Settings},
    verdict::Ask,
    warning::{Note, Warnings},
};

/// What was learned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Auto {
    /// Of a handful of points.
    Few(Box<Few>),
    /// Of enough.
    Enough(Box<Enough>),
}

/// The streaming detector after its fit, and what its errors were.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Enough {
    stream: Stream,
    pure: Pure,
    level: Level,
    /// Timestamp of the first training point.
    first: i64,
}

/// From so many training points on there is more to know than the recorded rule does.
const ENOUGH: usize = streaming::MIN_POINTS;

impl Detector for Auto {
    /// The last few points, once one has passed.
    type Place = Option<Near>;
    type Online = AutoOnline;
    const NAME: DetectorName = DetectorName::Auto;
    const PARAMS: &'static [Param] = &[];

    fn fit(points: &[Point], _: &Settings, warnings: &mut Warnings) -> Self {
        let n = points.len() as u64;
        match Enough::fit(points) {
            Some(enough) => {
                enough.warn(n, warnings);
                Self::Enough(Box::new(enough))
            }
            None => {
                let needed = ENOUGH as u64;
                warnings.add(Note::RuleUnder { points: n, needed });
                Self::Few(Box::new(Few::fit(points)))
            }
        }
    }

    fn forecast(&self, place: &Self::Place, timestamp: i64) -> Forecast<'_> {
        match self {
            Self::Few(few) => few.forecast(timestamp),
            Self::Enough(enough) => enough.pure.forecast(&enough.stream, place, timestamp),
        }
    }

    fn pass(&self, place: &mut Self::Place, point: Point, _: f64) {
        if let Self::Enough(enough) = self {
            Near::pass(place, (&enough.stream, &enough.pure), point);
        }
    }

    /// Pure calls learn nothing; sessions have a form of their own.
    fn learn(&mut self, place: &mut Self::Place, point: Point, limit: f64) {
        self.pass(place, point, limit);
    }

    fn walk(&self, place: &mut Self::Place, point: Point, _: &Ask) {
        self.pass(place, point, 0.0);
    }

    fn online(&self, _: &Ask) -> AutoOnline {
        match self {
            Self::Few(few) => AutoOnline::few(few),
            Self::Enough(enough) => AutoOnline::enough((**enough).clone()),
        }
    }

    fn judge(&self, place: &mut Self::Place, point: Point, ask: &Ask) -> Verdict {
        let forecast = self.forecast(place, point.timestamp);
        let Self::Enough(enough) = self else {
            return forecast.judge(point, ask, Self::NAME);
        };
        let oddness = Near::oddness_with(place, (&enough.stream, &enough.pure), point);
        enough.pure.judge(&forecast, oddness, point, ask)
    }

    fn band(&self, timestamp: i64, ask: &Ask) -> Band {
        let forecast = self.forecast(&None, timestamp);
        forecast.band(forecast.limit(ask), ask)
    }

    fn params(&self) -> Params {
        Params::new()
    }

    fn period(&self) -> Option<u64> {
        let Self::Enough(enough) = self else {
            return None;
        };
        enough.stream.fixed().season().map(|period| period as u64)
    }

    fn period_time(&self) -> Option<i64> {
        let Self::Enough(enough) = self else {
            return None;
        };
        Some((self.period()? as f64 * enough.stream.fixed().clock().step()?) as i64)
    }

    fn heap_bytes(&self) -> usize {
        match self {
            Self::Few(few) => size_of::<Few>() + few.heap_bytes(),
            Self::Enough(enough) => {
                let own = size_of::<Enough>() - size_of::<Stream>();
                own + enough.stream.memory() + enough.pure.heap_bytes() + Level::MEMORY
            }
        }
    }

    fn is_sound(&self) -> bool {
        match self {
            Self::Few(few) => few.is_sound(),
            Self::Enough(enough) => enough.pure.is_sound() && enough.level.is_sound(),
        }
    }
}

impl Enough {
    /// Fits the streaming detector; `None` of too few points.
    pub(super) fn fit(points: &[Point]) -> Option<Self> {
        let (stream, replay, pure) =
            Stream::fit_beside(points, |fixed, errors| Pure::fit(points, fixed, errors))?;
        Some(Self {
            pure,
            level: Level::fit(&replay.ratio),
            first: points[0].timestamp,
            stream,
        })
    }

    fn warn(&self, points: u64, warnings: &mut Warnings) {
        let fixed = self.stream.fixed();
        if let (Some(period), None) = (fixed.period(), fixed.season()) {
            let period = period as u64;
            if period * 3 > points {
                warnings.add(Note::ShortForSeason { points, period });
            }
        }
    }
}
