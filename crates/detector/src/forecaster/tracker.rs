//! The part that follows the last points, and the memory of where the series was before an odd one.
//!
//! A point that is odd may be the first of a new level, or a spike after which the series goes on as
//! before. Both are expected until one of them is seen: what was known before the odd point is held
//! until a point agrees with it, or until it has been wrong for so long that the series must have
//! moved. So a new level is followed at once, and what comes after a spike is not odd for it.

use serde::{Deserialize, Serialize};

use super::{
    Forecaster,
    farthest::Farthest,
    outlook::{Joined, Outlook},
    recursion::{Fast, Prediction, Scaled},
};

/// A value is odd if its p-value is at most this.
pub(super) const ODD: f64 = 0.001;
/// The number of points in a row that disagree after which what was held is dropped.
const HELD: u32 = 24;
/// The number of points in a row from which on the new level is what is expected.
const EXPECTED: u32 = 3;
/// The number of points before anything is odd.
const SETTLED: f64 = 20.0;

/// The last points.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tracker {
    pub(super) fast: Fast,
    /// The slot of the last point.
    pub(super) last: i64,
    /// How far values have come. Models of formats 3 and 4 do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) farthest: Option<Farthest>,
    /// The state before the last odd point.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) held: Option<Box<Held>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Held {
    fast: Fast,
    /// The slot of the last point that it has followed.
    last: i64,
    /// The number of points since.
    points: u32,
}

/// Forecasts of a point: by the last points, and by those before an odd one.
#[derive(Clone, Debug)]
pub(super) struct Forecasts {
    pub(super) slot: i64,
    near: (Prediction, Scaled),
    held: Option<(Prediction, Scaled)>,
    is_new_level: bool,
    farthest: Option<Farthest>,
}

/// The forecast that has come true, for the slow parts to learn from.
pub(super) struct Agreed {
    pub(super) prediction: Prediction,
    pub(super) scaled: Scaled,
    pub(super) followed: super::recursion::Followed,
}

impl Tracker {
    pub(super) fn new(fast: Fast, last: i64, farthest: Option<Farthest>) -> Self {
        Self {
            fast,
            last,
            farthest,
            held: None,
        }
    }

    /// The forecasts of the next point, in `slot`.
    pub(super) fn predict(&self, forecaster: &Forecaster, slot: i64) -> Forecasts {
        let held = self.held.as_ref();
        Forecasts {
            slot,
            near: forecaster.predict(&self.fast, slot, self.last),
            held: held.map(|held| forecaster.predict(&held.fast, slot, held.last)),
            is_new_level: held.is_some_and(|held| held.points >= EXPECTED),
            farthest: self.farthest,
        }
    }

    /// Follows `value`, number `index`, which these were the forecasts of. `joined` is what they let
    /// expect.
    pub(super) fn follow(
        &mut self,
        forecaster: &Forecaster,
        forecasts: &Forecasts,
        joined: &Joined<'_>,
        value: f64,
        index: u64,
    ) -> Agreed {
        let is_odd = |outlook: &Outlook<'_>| outlook.p_value_within(value) <= ODD;
        if let Some(farthest) = &mut self.farthest {
            farthest.learn(forecaster.frame.outer(value) - joined.expected());
        }
        let before = self.last;
        self.last = forecasts.slot;
        if let (Some(held), Some(outlook), Some((prediction, scaled))) =
            (self.held.take(), &joined.held, &forecasts.held)
        {
            if !is_odd(outlook) {
                // The series goes on as before.
                self.fast = held.fast.with_volatility_of(&self.fast);
                return self.agree(forecaster, prediction, scaled, value, index);
            }
            if held.points + 1 < HELD {
                let points = held.points + 1;
                self.held = Some(Box::new(Held { points, ..*held }));
            }
        } else if self.fast.points() > SETTLED && is_odd(&joined.near) {
            self.held = Some(Box::new(Held {
                fast: self.fast.clone(),
                last: before,
                points: 1,
            }));
        }
        let (prediction, scaled) = &forecasts.near;
        self.agree(forecaster, prediction, scaled, value, index)
    }

    fn agree(
        &mut self,
        forecaster: &Forecaster,
        prediction: &Prediction,
        scaled: &Scaled,
        value: f64,
        index: u64,
    ) -> Agreed {
        let fixed = &forecaster.fixed;
        let scaled = match prediction.mean {
            Some(_) => *scaled,
            None => fixed.scaled(&self.fast, prediction, value),
        };
        let followed = self.fast.follow(fixed, prediction, &scaled, value, index);
        Agreed {
            prediction: prediction.clone(),
            scaled,
            followed,
        }
    }

    pub(super) fn is_sound(&self) -> bool {
        self.fast.is_sound()
            && self.farthest.is_none_or(|farthest| farthest.is_sound())
            && self.held.as_ref().is_none_or(|held| held.fast.is_sound())
    }
}

impl Forecasts {
    /// The forecasts joined to one.
    pub(super) fn joined<'a>(
        &self,
        forecaster: &'a Forecaster,
        tails: [super::distribution::LogTail; 2],
    ) -> Joined<'a> {
        let outlook = |(_, scaled): &(Prediction, Scaled)| {
            forecaster
                .spreads(tails, self.slot)
                .around(scaled, forecaster.frame, self.farthest)
        };
        Joined {
            near: outlook(&self.near),
            held: self.held.as_ref().map(outlook),
            frozen: None,
            home: None,
            is_new_level: self.is_new_level,
        }
    }
}
