//! The points just before one, in a call that learns nothing.
//!
//! Two forecasts are joined. The near one follows the context and expects more of the same. The
//! frozen one knows nothing of the context, so it still says that an outage is one while it lasts,
//! and that what comes after it is normal. The frozen one counts until it has been wrong for so
//! long that the series must have moved. Where it was a poor forecast in training it never does.

use super::{
    Forecaster,
    outlook::{Joined, OF_FROZEN},
    recursion::ORDER,
    tracker::{Forecasts, ODD, Tracker},
};

/// The number of points of a context below which it is not used.
const FEWEST: usize = ORDER;

/// The doubt in the frozen forecast from which on it does not count, and the doubt below which it
/// counts again.
const DOUBTED: f64 = 0.1;
const TRUSTED: f64 = 0.05;
/// The pace of doubt: 36 points in a row that the forecast is wrong about make it not count.
const PACE: f64 = 1.0 / 342.0;
/// Its pace where the series has no season and moves, so that a level is all the forecast knows:
/// 12 points in a row are enough.
const PACE_OF_LEVEL: f64 = 1.0 / 114.0;

/// The pace at which it is seen whether values move.
const PACE_OF_MOVES: f64 = 1.0 / 8.0;

/// The last points.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    pub(super) tracker: Tracker,
    /// The number of the next point.
    index: u64,
    /// The number of points.
    points: usize,
    /// The share of the last points that the frozen forecast was wrong about.
    doubt: f64,
    is_trusted: bool,
    /// The last value.
    value: Option<f64>,
    /// The share of the last points that differ from the one before.
    moving: f64,
}

impl Context {
    /// A context without points.
    pub(crate) fn new(forecaster: &Forecaster) -> Self {
        let fast = forecaster.tracker.fast.before_context();
        Self {
            tracker: Tracker::new(fast, forecaster.tracker.last, forecaster.tracker.farthest),
            index: forecaster.slow.index,
            points: 0,
            doubt: 0.0,
            is_trusted: true,
            value: None,
            moving: 0.5,
        }
    }

    /// The joined forecast of a point at `timestamp`, for verdicts at `rate`.
    pub(crate) fn outlook<'a>(
        &self,
        forecaster: &'a Forecaster,
        timestamp: i64,
        rate: f64,
    ) -> Joined<'a> {
        let frozen = forecaster.outlook_alone(timestamp);
        if self.points < FEWEST {
            return Joined::of(frozen);
        }
        let near = self.near(forecaster, timestamp);
        let is_moving = self.moving > 0.5;
        if !self.is_trusted || forecaster.frozen.yields(is_moving) {
            return near;
        }
        let (lower, upper) = frozen.range(rate * OF_FROZEN);
        match (lower..=upper).contains(&near.expected()) {
            true => Joined {
                home: forecaster.frozen.is_home().then_some(frozen),
                ..near.with_frozen(frozen)
            },
            // The near one has followed the series to where it does not belong.
            false => Joined::of(frozen),
        }
    }

    /// The forecast by the points of the context alone.
    pub(super) fn near<'a>(&self, forecaster: &'a Forecaster, timestamp: i64) -> Joined<'a> {
        let forecasts = self.forecasts(forecaster, timestamp);
        forecasts.joined(forecaster, forecaster.tails)
    }

    /// Takes a point into the context.
    pub(crate) fn advance(&mut self, forecaster: &Forecaster, timestamp: i64, value: f64) {
        let frozen = forecaster.outlook_alone(timestamp);
        let wrong = f64::from(u8::from(frozen.p_value(value) <= ODD));
        let is_stuck = self.value.replace(value) == Some(value);
        self.moving += PACE_OF_MOVES * (f64::from(u8::from(!is_stuck)) - self.moving);
        let knows_more = forecaster.period().is_some() || is_stuck;
        let pace = if knows_more { PACE } else { PACE_OF_LEVEL };
        self.doubt += pace * (wrong - self.doubt);
        self.is_trusted = self.doubt < if self.is_trusted { DOUBTED } else { TRUSTED };
        let value = forecaster.frame.inner(forecaster.frame.in_units(value));
        let forecasts = self.forecasts(forecaster, timestamp);
        let joined = forecasts.joined(forecaster, forecaster.tails);
        self.tracker
            .follow(forecaster, &forecasts, &joined, value, self.index);
        self.index += 1;
        self.points += 1;
    }

    fn forecasts(&self, forecaster: &Forecaster, timestamp: i64) -> Forecasts {
        let slot = forecaster.slot(timestamp, self.tracker.last);
        self.tracker.predict(forecaster, slot)
    }
}
