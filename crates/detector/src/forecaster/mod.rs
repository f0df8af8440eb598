//! The forecaster under `auto`: what is expected of the next point, its normal range at any rate,
//! and the p-value of any value (docs/design/auto.md).

mod autoregression;
mod cached;
mod context;
mod distribution;
mod farthest;
mod fit;
mod frozen;
mod origins;
mod outlook;
mod periods;
mod ranks;
mod recursion;
mod seasons;
#[cfg(test)]
mod tests;
mod tracker;

pub(crate) use context::Context;
use contract::TimeZone;
pub(crate) use outlook::{Joined, Outlook};
use serde::{Deserialize, Serialize};

use crate::series::clock::{Clock, local};
use distribution::{LogTail, tails_are_sound};
use frozen::Frozen;
use outlook::{Frame, Spreads};
use ranks::TrainingRanks;
use recursion::{Fast, Fixed, Prediction, Scaled, Slow};
use seasons::Periods;
use tracker::{Agreed, Forecasts, Tracker};

/// A fitted forecaster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Forecaster {
    frame: Frame,
    clock: Clock,
    /// The time zone whose clocks the seasons follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    zone: Option<TimeZone>,
    /// The tails of the errors, for calls that learn nothing.
    tails: [LogTail; 2],
    /// The ranks of the training points.
    ranks: TrainingRanks,
    fixed: Fixed,
    slow: Slow,
    tracker: Tracker,
    frozen: Frozen,
}

/// Values are clamped to this; their squares do not overflow.
const VALUE_LIMIT: f64 = 1e150;

/// The training points as the forecaster sees them: values in its unit at slots of its clock.
#[derive(Clone, Copy)]
struct Training<'a> {
    values: &'a [f64],
    slots: &'a [i64],
}

/// The slot of a point, and the seasons in slots; 0 for none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) slot: i64,
    pub(crate) periods: [i64; 3],
}

/// A forecast by a forecaster that learns.
#[derive(Clone, Debug)]
pub(crate) struct Next {
    forecasts: Forecasts,
    tails: [LogTail; 2],
}

impl Forecaster {
    /// The forecast of the next point, at `timestamp`.
    pub(crate) fn next(&self, timestamp: i64) -> Next {
        let slot = self.slot(timestamp, self.tracker.last);
        Next {
            forecasts: self.tracker.predict(self, slot),
            tails: self.slow.errors.tails(),
        }
    }

    /// The slot of a point after one in the slot `last`, by the clock on the wall.
    fn slot(&self, timestamp: i64, last: i64) -> i64 {
        self.clock.slot(local(self.zone.as_ref(), timestamp), last)
    }

    /// The forecast for `slot` after points up to the slot `last`, which `fast` has followed.
    fn predict(&self, fast: &Fast, slot: i64, last: i64) -> (Prediction, Scaled) {
        let prediction = self.fixed.predict(&self.slow, fast, slot);
        let mean = prediction.mean.unwrap_or(self.fixed.location);
        let mut scaled = self.fixed.scaled(fast, &prediction, mean);
        let gap = slot.saturating_sub(last);
        if gap > 1 {
            scaled.widen(self.frozen.growth(gap));
        }
        (prediction, scaled)
    }

    /// The outlook on the next point.
    pub(crate) fn outlook(&self, next: &Next) -> Joined<'_> {
        next.forecasts.joined(self, next.tails)
    }

    /// Learns that `value` came.
    pub(crate) fn learn(&mut self, next: &Next, value: f64) {
        let value = self.frame.in_units(value);
        let number = self.frame.inner(value);
        let mut tracker = self.tracker.clone();
        let joined = self.outlook(next);
        let index = self.slow.index;
        let agreed = tracker.follow(self, &next.forecasts, &joined, number, index);
        self.tracker = tracker;
        let Agreed {
            prediction,
            scaled,
            followed,
        } = agreed;
        self.slow
            .learn(&self.fixed, &prediction, &scaled, &followed, &next.tails);
        self.frame.note(value);
    }

    /// The outlook on a point at `timestamp` that nothing is known of the points before.
    pub(crate) fn outlook_alone(&self, timestamp: i64) -> Outlook<'_> {
        let on_grid = self.clock.step().is_some();
        let slot = on_grid.then(|| self.slot(timestamp, self.tracker.last));
        self.frozen
            .outlook(&self.fixed, &self.slow, self.frame, slot)
    }

    fn spreads(&self, tails: [LogTail; 2], slot: i64) -> Spreads<'_> {
        Spreads {
            errors: &self.slow.errors,
            tails,
            ranks: self.ranks.at(Some(slot)),
            known: None,
        }
    }

    /// The length of the season in slots, if there is one.
    pub(crate) fn period(&self) -> Option<usize> {
        Some(self.fixed.periods.found as usize).filter(|period| *period > 0)
    }

    /// The slot of the last point, and the periods that are known.
    pub(crate) fn last_moment(&self) -> Moment {
        let Periods {
            long, short, day, ..
        } = self.fixed.periods;
        Moment {
            slot: self.tracker.last,
            periods: [long, short, day].map(i64::from),
        }
    }

    /// The amount that the season adds to a value in the slot of the last point, where its `mean` is
    /// [`Self::season_mean`]; 0 without a season.
    pub(crate) fn season(&self, value: f64, mean: f64) -> f64 {
        let place = self.fixed.periods.place(self.tracker.last);
        let Some(line) = self.slow.seasons.line(self.frozen.line(), &place) else {
            return 0.0;
        };
        let number = self.frame.inner(self.frame.in_units(value));
        value - self.frame.outer(number - (line - mean))
    }

    /// The mean of the season that frozen forecasts are made of. The season learns a new level too,
    /// which is no part of its shape.
    pub(crate) fn season_mean(&self) -> f64 {
        self.slow.seasons.mean(self.frozen.line())
    }

    /// The number of slots of that season, or 20 if that is more.
    pub(crate) fn cycle(&self) -> u64 {
        self.fixed.periods.cycle() as u64
    }

    /// The grid of timestamps.
    pub(crate) fn clock(&self) -> Clock {
        self.clock
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.slow.heap_bytes() + self.frozen.heap_bytes() + TrainingRanks::HEAP_BYTES
    }

    pub(crate) fn is_sound(&self) -> bool {
        self.frame.unit.is_normal()
            && self.frame.unit > 0.0
            && self.frame.resolution > 0.0
            && self.frame.resolution.is_finite()
            && self.clock.check().is_ok()
            && tails_are_sound(&self.tails)
            && self.ranks.is_sound()
            && self.fixed.is_sound()
            && self.slow.is_sound(&self.fixed.periods)
            && self.tracker.is_sound()
            && self.frozen.is_sound(&self.fixed)
    }
}
