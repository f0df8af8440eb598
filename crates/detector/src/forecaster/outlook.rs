//! The forecast of a point: expected value, normal range at any rate, p-value of any value.

use serde::{Deserialize, Serialize};

use super::{
    VALUE_LIMIT,
    distribution::{CountsAbove, ErrorDistribution, LogTail, Side, Size},
    farthest::Farthest,
    ranks::{RanksHere, TrainingRanks},
    recursion::Scaled,
};
use crate::verdict::DEFAULT_RATE;

/// How scaled errors are distributed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spreads<'a> {
    pub(super) errors: &'a ErrorDistribution,
    pub(super) tails: [LogTail; 2],
    pub(super) ranks: RanksHere<'a>,
    /// What follows from all that, if it stays as it is.
    pub(super) known: Option<&'a Known>,
}

/// What is worked out once for a distribution that learns no more.
#[derive(Clone, Debug)]
pub(super) struct Known {
    counts_above: CountsAbove,
    /// By side, and by whether far errors may have come here.
    sides: [[KnownSide; 2]; 2],
}

#[derive(Clone, Copy, Debug)]
struct KnownSide {
    /// The largest training error.
    largest: Option<f64>,
    /// The size whose p-value is [`DEFAULT_RATE`].
    at_default_rate: f64,
}

impl Known {
    pub(super) fn new(
        errors: &ErrorDistribution,
        tails: [LogTail; 2],
        ranks: &TrainingRanks,
    ) -> Self {
        let known = |side, may_be_far| {
            let spreads = Spreads {
                errors,
                tails,
                ranks: ranks.where_far(may_be_far),
                known: None,
            };
            KnownSide {
                largest: spreads.ranks.largest(side),
                at_default_rate: spreads.size_at(side, DEFAULT_RATE),
            }
        };
        Self {
            counts_above: errors.counts_above(),
            sides: Side::BOTH.map(|side| [false, true].map(|may_be_far| known(side, may_be_far))),
        }
    }

    fn side(&self, side: Side, ranks: &RanksHere<'_>) -> &KnownSide {
        &self.sides[side as usize][usize::from(ranks.may_be_far[side as usize])]
    }

    pub(super) const HEAP_BYTES: usize = CountsAbove::HEAP_BYTES;
}

/// How values are measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Frame {
    /// A power of two near the largest training value, in which everything inside is.
    pub(super) unit: f64,
    /// Where the logarithm of values is forecast: the smallest value that has one. Smaller values
    /// count as if they were there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) smallest: Option<f64>,
    /// The smallest difference of values that means something.
    pub(super) resolution: f64,
    /// Whether no value was ever negative.
    pub(super) never_negative: bool,
    /// The value that all values had, if they had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) constant: Option<f64>,
}

/// The forecast of a point. All methods take and give values as the series has them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outlook<'a> {
    pub(super) mean: f64,
    pub(super) scale: f64,
    pub(super) frame: Frame,
    pub(super) spreads: Spreads<'a>,
    /// How far values have come. Models of formats 3 and 4 do not say.
    pub(super) farthest: Option<Farthest>,
}

/// The largest p-value of a negative value where there never was one, and of another value where
/// there was only one.
const NEVER_SEEN: f64 = 1e-9;
/// Values that differ by this part are equal but for rounding.
pub(super) const ROUNDING: f64 = 1e-12;

impl Frame {
    /// A value of the series in the unit of the forecaster.
    pub(super) fn in_units(&self, value: f64) -> f64 {
        value.clamp(-VALUE_LIMIT, VALUE_LIMIT) / self.unit
    }

    /// The number that is forecast in place of a value in units.
    pub(super) fn inner(&self, value: f64) -> f64 {
        match self.smallest {
            Some(smallest) => value.max(smallest).ln(),
            None => value,
        }
    }

    /// The value of the series that a forecast number stands for.
    pub(super) fn outer(&self, number: f64) -> f64 {
        let value = match self.smallest {
            Some(_) => number.exp(),
            None => number,
        };
        value * self.unit
    }

    /// Whether `value` is of a kind that never came: negative, or other than the one value.
    fn is_new(&self, value: f64) -> bool {
        self.never_negative && value < 0.0
            || self
                .constant
                .is_some_and(|only| (value - only).abs() > ROUNDING * only.abs())
    }

    /// Takes note that `value` came.
    pub(super) fn note(&mut self, value: f64) {
        self.never_negative &= value >= 0.0;
        self.constant = self.constant.filter(|_| !self.is_new(value));
    }
}

impl<'a> Spreads<'a> {
    /// The probability of an error of this size or more on this side, doubled, since there are two
    /// sides; within what the ranks say.
    pub(super) fn p_value(&self, side: Side, size: f64) -> f64 {
        let size = Size::of(size);
        let known = self.known;
        let above = known.map(|known| &known.counts_above);
        let share = self.errors.share_from(&self.tails, above, side, size);
        let largest = match known {
            Some(known) => known.side(side, &self.ranks).largest,
            None => self.ranks.largest(side),
        };
        let most = self.ranks.most(largest, size.value);
        (2.0 * share).min(most).max(self.ranks.p_value(side, size))
    }

    /// The size of an error whose p-value is `rate`.
    fn size_at(&self, side: Side, rate: f64) -> f64 {
        if let Some(known) = self.known.filter(|_| rate == DEFAULT_RATE) {
            return known.side(side, &self.ranks).at_default_rate;
        }
        let size = self.errors.size_at(&self.tails, side, rate / 2.0);
        let most = self.ranks.size_at_most(side, rate);
        size.min(most).max(self.ranks.size_at(side, rate))
    }

    /// The forecast with this mean and scale.
    pub(super) fn around(
        self,
        scaled: &Scaled,
        frame: Frame,
        farthest: Option<Farthest>,
    ) -> Outlook<'a> {
        Outlook {
            mean: scaled.mean,
            scale: scaled.scale,
            frame,
            spreads: self,
            farthest,
        }
    }
}

impl Outlook<'_> {
    /// The expected value.
    pub(crate) fn expected(&self) -> f64 {
        if let Some(only) = self.frame.constant {
            return only * self.frame.unit;
        }
        let mean = self.frame.outer(self.mean).clamp(-f64::MAX, f64::MAX);
        match self.frame.never_negative {
            true => mean.max(0.0),
            false => mean,
        }
    }

    /// The probability that a normal value is at least as far out as `value`, in (0, 1]. A value
    /// stands for all that round to it.
    pub(crate) fn p_value(&self, value: f64) -> f64 {
        let value = self.frame.in_units(value);
        let most = if self.frame.is_new(value) {
            NEVER_SEEN
        } else {
            1.0
        };
        let p = self.p_value_within(self.frame.inner(value));
        p.clamp(f64::MIN_POSITIVE, most)
    }

    /// The p-value of a forecast number.
    pub(super) fn p_value_within(&self, value: f64) -> f64 {
        let half = self.frame.resolution / 2.0;
        let low = (value - half - self.mean) / self.scale;
        let high = (value + half - self.mean) / self.scale;
        let p = if low > 0.0 {
            self.spreads.p_value(Side::Above, low)
        } else if high < 0.0 {
            self.spreads.p_value(Side::Below, -high)
        } else {
            1.0
        };
        let most = self.farthest.map_or(1.0, |farthest| {
            farthest.most(self.frame.outer(value) - self.frame.outer(self.mean))
        });
        p.min(most)
    }

    /// The smallest and the largest value whose p-value is `rate` or more; infinite beyond the
    /// largest number.
    pub(crate) fn range(&self, rate: f64) -> (f64, f64) {
        if let Some(only) = self.frame.constant {
            let only = only * self.frame.unit;
            return (only - ROUNDING * only.abs(), only + ROUNDING * only.abs());
        }
        let half = self.frame.resolution / 2.0;
        let reach = |side| self.scale * self.spreads.size_at(side, rate) + half;
        let mut lower = self.frame.outer(self.mean - reach(Side::Below));
        let mut upper = self.frame.outer(self.mean + reach(Side::Above));
        if let Some(farthest) = &self.farthest {
            let (mean, reach) = (self.frame.outer(self.mean), farthest.reach(rate));
            lower = lower.max(mean - reach);
            upper = upper.min(mean + reach);
        }
        match self.frame.never_negative {
            true => (lower.max(0.0), upper),
            false => (lower, upper),
        }
    }

    #[cfg(test)]
    pub(super) fn scale(&self) -> f64 {
        self.scale * self.frame.unit
    }
}

/// The shares of the rate of the forecast by the last points, and of the frozen one.
const OF_NEAR: f64 = 0.75;
pub(super) const OF_FROZEN: f64 = 1.0 - OF_NEAR;

/// The p-value from which on a value is likely.
const LIKELY: f64 = 0.2;

/// Several forecasts joined to one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Joined<'a> {
    /// The forecast by the last points.
    pub(super) near: Outlook<'a>,
    /// The forecast by the points before an odd one. What lies between both is normal.
    pub(super) held: Option<Outlook<'a>>,
    /// The forecast that knows no points since the fit. What is odd to it is odd.
    pub(super) frozen: Option<Outlook<'a>>,
    /// The frozen one where a return to it is normal: whatever is likely to it, and what lies on the
    /// way from the near one.
    pub(super) home: Option<Outlook<'a>>,
    /// Whether the near one is what is expected, though there is a held one.
    pub(super) is_new_level: bool,
}

impl<'a> Joined<'a> {
    /// One forecast alone.
    pub(crate) fn of(outlook: Outlook<'a>) -> Self {
        Self {
            near: outlook,
            held: None,
            frozen: None,
            home: None,
            is_new_level: false,
        }
    }

    /// The same with a frozen forecast.
    pub(super) fn with_frozen(self, frozen: Outlook<'a>) -> Self {
        Self {
            frozen: Some(frozen),
            ..self
        }
    }

    /// The expected value.
    pub(crate) fn expected(&self) -> f64 {
        match &self.held {
            Some(held) if !self.is_new_level => held.expected(),
            _ => self.near.expected(),
        }
    }

    /// The p-value of `value`.
    pub(crate) fn p_value(&self, value: f64) -> f64 {
        let moving = self.p_value_moving(value);
        match &self.frozen {
            None => moving,
            Some(frozen) => (moving / OF_NEAR)
                .min(frozen.p_value(value) / OF_FROZEN)
                .min(1.0),
        }
    }

    fn p_value_moving(&self, value: f64) -> f64 {
        let near = self.near.p_value(value);
        let is_on_the_way = |to: &Outlook<'_>| {
            let (a, b) = (self.near.expected(), to.expected());
            (a.min(b)..=a.max(b)).contains(&value)
        };
        let is_home = |home: &Outlook<'_>| is_on_the_way(home) || home.p_value(value) >= LIKELY;
        if self.home.as_ref().is_some_and(is_home) {
            return 1.0;
        }
        match &self.held {
            Some(held) if is_on_the_way(held) => 1.0,
            Some(held) => near.max(held.p_value(value)),
            None => near,
        }
    }

    /// The smallest and the largest value whose p-value is `rate` or more.
    pub(crate) fn range(&self, rate: f64) -> (f64, f64) {
        let of_near = if self.frozen.is_some() {
            rate * OF_NEAR
        } else {
            rate
        };
        let (mut lower, mut upper) = self.near.range(of_near);
        if let Some(held) = &self.held {
            let (below, above) = held.range(of_near);
            (lower, upper) = (lower.min(below), upper.max(above));
        }
        if let Some(home) = &self.home {
            let (below, above) = home.range(LIKELY);
            (lower, upper) = (lower.min(below), upper.max(above));
        }
        if let Some(frozen) = &self.frozen {
            let (below, above) = frozen.range(rate * OF_FROZEN);
            (lower, upper) = (lower.max(below), upper.min(above));
        }
        (lower, upper)
    }
}
