//! Fitting: units, resolution, the kind of scale, and the replay of the training points.

use contract::{Point, TimeZone};

use super::{
    Forecaster, Training, VALUE_LIMIT,
    autoregression::autoregression,
    distribution::Side,
    farthest::Farthest,
    frozen::Frozen,
    origins::{ORIGINS, Origin},
    outlook::{Frame, Outlook, ROUNDING, Spreads},
    periods::periods,
    ranks::{FAR, Law, RankCounter, Runs, TrainingRanks},
    recursion::{Fast, Fixed, Slow, Spread, WARM},
    seasons::{LINES, Periods},
    tracker::Tracker,
};
use crate::{
    parallel::join,
    series::{
        clock::Clock,
        quantile::{select_median, select_quantile},
        scale::{median_and_spread, power_of_two_near},
    },
};

/// Only this many last points are learned from.
const FIT_POINTS: usize = 1 << 17;
/// The kind of scale and the autoregressions are found on this many last points.
const CHOICE_POINTS: usize = 1 << 12;

/// Training values count as at most this many scales from their median.
const FARTHEST: f64 = 1_000.0;

/// The exponents of the fast volatility that are tried.
const QUICKNESS: [f64; 2] = [0.1, 0.5];
/// A scale that grows with the level must be better by this factor.
const LEVEL_MARGIN: f64 = 1.03;
/// The rates at which kinds of scales are compared.
const CHOICE_RATES: [f64; 2] = [0.05, 0.01];

/// The share of outliers on each side that the spread of the values does without: up to one in a
/// hundred, and as many that are not.
const OUTER: f64 = 0.02;

/// Brings values near enough to their median that no square overflows, and divides them by a power
/// of two, which is returned.
fn into_units(values: &mut [f64]) -> f64 {
    let (median, scale) = median_and_spread(values, OUTER);
    if scale > 0.0 {
        let (low, high) = (median - FARTHEST * scale, median + FARTHEST * scale);
        values.iter_mut().for_each(|v| *v = v.clamp(low, high));
    }
    let largest = values.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
    let unit = power_of_two_near(largest);
    values.iter_mut().for_each(|v| *v /= unit);
    unit
}

/// The findings of a fit before it replays the training points.
struct Found {
    frame: Frame,
    periods: Periods,
    location: f64,
    /// The level at which a spread that grows with the level has doubled; `None` if values are
    /// negative or constant, or logarithms.
    doubling: Option<f64>,
}

/// The kind of scale that a fit has chosen.
struct Chosen {
    frame: Frame,
    fixed: Fixed,
    cost: f64,
    /// How much longer the upper side of the errors is than the lower one, from -1 to 1.
    skewness: f64,
}

/// Logarithms are tried where errors are at least so skewed, and taken where theirs are less than
/// half as skewed and their ranges cost little more: the gain lies beyond the errors seen so far.
const SKEWED: f64 = 0.2;
const LOGARITHM_MARGIN: f64 = 1.15;
/// The smallest value that may have a logarithm, in resolutions: counts of a few have none.
const WHOLE_NUMBERS: f64 = 20.0;
/// The part of the smallest training value that smaller values count as.
const SMALLEST: f64 = 1e-3;

impl Chosen {
    /// The smallest value that counts if logarithms are forecast in place of these `values`; `None`
    /// if they should not be.
    fn smallest_of_logarithms(&self, values: &[f64]) -> Option<f64> {
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let possible = least > WHOLE_NUMBERS * self.frame.resolution;
        (possible && self.skewness >= SKEWED).then_some(SMALLEST * least)
    }

    fn is_less_skewed(&self, plain: &Self) -> bool {
        self.skewness.abs() < plain.skewness / 2.0 && self.cost < LOGARITHM_MARGIN * plain.cost
    }
}

/// The skewness of errors by their 5 %, 50 % and 95 % quantiles (after Bowley, 1901).
fn skewness(replayed: &[Replayed]) -> f64 {
    let from = replayed.len() / 3;
    let mut errors: Vec<f64> = replayed[from..].iter().map(|r| r.error).collect();
    let [low, middle, high] = [0.05, 0.5, 0.95].map(|q| select_quantile(&mut errors, q));
    let skewness = (high + low - 2.0 * middle) / (high - low);
    if skewness.is_finite() { skewness } else { 0.0 }
}

/// The replay of training points.
struct Replay<'a> {
    fixed: &'a Fixed,
    form: Form,
    slow: Slow,
    fast: Fast,
    /// No point has a rank before all have been replayed.
    ranks: TrainingRanks,
}

/// A point in a replay: the forecast and what it was made of.
pub(super) struct Replayed {
    /// The lines; NaN where not known.
    pub(super) lines: [f64; LINES],
    /// The levels before the point.
    pub(super) levels: [f64; LINES],
    /// The expected value.
    mean: f64,
    /// The error in scales.
    error: f64,
    /// The size at which the tail begins on the side of the error.
    far: f64,
    /// The cost of the range: its width and what lies outside.
    cost: f64,
}

impl<'a> Replay<'a> {
    fn new(fixed: &'a Fixed, values: &[f64], form: Form) -> Self {
        Self {
            slow: Slow::new(&fixed.periods),
            fast: Fast::new(&fixed.periods, first_scale(values, fixed.spread.resolution)),
            ranks: TrainingRanks::none(),
            fixed,
            form,
        }
    }

    fn step(&mut self, slot: i64, value: f64, costed: Option<&Frame>) -> Replayed {
        let prediction = self.fixed.predict(&self.slow, &self.fast, slot);
        let mean = prediction.mean.unwrap_or(value);
        let scaled = self.fixed.scaled(&self.fast, &prediction, mean);
        let tails = self.slow.errors.tails();
        let cost = if let Some(frame) = costed {
            let spreads = Spreads {
                errors: &self.slow.errors,
                tails,
                ranks: self.ranks.at(Some(slot)),
                known: None,
            };
            interval_cost(&spreads.around(&scaled, *frame, None), frame.outer(value))
        } else {
            0.0
        };
        let levels = std::array::from_fn(|line| self.fast.level(line));
        let index = self.slow.index;
        let followed = self
            .fast
            .follow(self.fixed, &prediction, &scaled, value, index);
        // An outage in training must not stay in the season. A season of a few places has too few
        // cycles to tell.
        let followed = match self.form {
            Form::Robust if self.fixed.periods.day > 0 => {
                followed.redescended(&scaled, &prediction.lines, &levels)
            }
            _ => followed,
        };
        self.slow
            .learn(self.fixed, &prediction, &scaled, &followed, &tails);
        let error = (followed.dithered - mean) / scaled.scale;
        Replayed {
            lines: prediction.lines.map(|line| line.unwrap_or(f64::NAN)),
            levels,
            mean,
            error,
            far: tails[Side::of(error) as usize].begins(),
            cost,
        }
    }
}

/// The volatility to begin with: that of the first values.
fn first_scale(values: &[f64], resolution: f64) -> f64 {
    let first = &values[..values.len().min(50)];
    let median = select_median(&mut first.to_vec());
    let sum: f64 = first.iter().map(|v| (v - median).abs()).sum();
    (sum / first.len() as f64).max(0.3 * resolution)
}

/// The cost of the ranges of an outlook where `value` came (Gneiting and Raftery, "Strictly proper
/// scoring rules", 2007).
fn interval_cost(outlook: &Outlook<'_>, value: f64) -> f64 {
    let cost = |rate: f64| {
        let (lower, upper) = outlook.range(rate);
        rate * (upper - lower) + 2.0 * ((lower - value).max(0.0) + (value - upper).max(0.0))
    };
    CHOICE_RATES.into_iter().map(cost).sum()
}

/// The form of a forecaster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// With logarithms, and far training values that move no season.
    Robust,
    /// Without: recorded outputs are of this one.
    #[cfg(test)]
    Plain,
}

impl Forecaster {
    /// Learns from `points`, sorted, all finite, at least one. `period` is a season in slots that
    /// is known to be there. Seasons follow the clocks of `zone`, or else those of UTC.
    pub(crate) fn fit(points: &[Point], period: Option<usize>, zone: Option<&TimeZone>) -> Self {
        Self::fit_as(points, period, zone, Form::Robust)
    }

    /// As [`Self::fit`], in either form.
    pub(super) fn fit_as(
        points: &[Point],
        period: Option<usize>,
        zone: Option<&TimeZone>,
        form: Form,
    ) -> Self {
        let points = &points[points.len().saturating_sub(FIT_POINTS)..];
        let (clock, slots) = Clock::of_points(points, zone);
        let values = points
            .iter()
            .map(|p| p.value.clamp(-VALUE_LIMIT, VALUE_LIMIT));
        let mut values: Vec<f64> = values.collect();
        let unit = into_units(&mut values);
        let frame = Frame {
            unit,
            smallest: None,
            resolution: resolution(&values),
            never_negative: values.iter().all(|v| *v >= 0.0),
            constant: only_value(&values),
        };
        let training = Training {
            values: &values,
            slots: &slots,
        };
        let plain = Found::of(&training, frame, &clock, period).choose(&training, form);
        let smallest = plain.smallest_of_logarithms(&values);
        let smallest = smallest.filter(|_| form == Form::Robust);
        let logarithms: Vec<f64> = match smallest {
            Some(_) => values.iter().map(|v| v.ln()).collect(),
            None => Vec::new(),
        };
        let of_logarithms = |smallest: f64| {
            let training = Training {
                values: &logarithms,
                slots: &slots,
            };
            let frame = Frame {
                smallest: Some(smallest),
                resolution: resolution(&logarithms),
                ..frame
            };
            Found::of(&training, frame, &clock, period).choose(&training, form)
        };
        let growing = smallest.map(of_logarithms);
        let (chosen, values) = match growing.filter(|growing| growing.is_less_skewed(&plain)) {
            Some(growing) => (growing, &logarithms),
            None => (plain, &values),
        };
        let training = Training {
            values,
            slots: &slots,
        };
        let fitted = Self::replay(&training, chosen, clock, form);
        Self {
            zone: zone.cloned(),
            ..fitted
        }
    }

    /// Replays the training points, and learns from 16 places in them what a frozen forecast is
    /// worth.
    fn replay(training: &Training<'_>, chosen: Chosen, clock: Clock, form: Form) -> Self {
        let Chosen { frame, fixed, .. } = chosen;
        let n = training.values.len();
        let (mut counter, mut runs) = (RankCounter::default(), Runs::default());
        let mut errors = Vec::with_capacity(n);
        let mut replay = Replay::new(&fixed, training.values, form);
        let mut origins = Vec::with_capacity(ORIGINS);
        let mut next = 0;
        for (i, (slot, value)) in training.slots.iter().zip(training.values).enumerate() {
            while next < ORIGINS && n * (next + 1) / (ORIGINS + 1) == i {
                origins.push(Origin::new(training, &fixed, &replay.slow, &replay.fast, i));
                next += 1;
            }
            let replayed = replay.step(*slot, *value, None);
            if i >= n / 3 {
                counter.count();
                let counting = runs.next(replayed.error, FAR * replayed.far, *slot);
                counting.for_each(|run| counter.add(run));
                errors.push(frame.outer(*value) - frame.outer(replayed.mean));
            }
        }
        runs.end().into_iter().for_each(|run| counter.add(run));
        let farthest = Farthest::of(errors.into_iter());
        let Replay { slow, fast, .. } = replay;
        let end = Origin::new(training, &fixed, &slow, &fast, n);
        let frozen = Frozen::fit(training, frame, &fixed, origins, end, &slow);
        Self {
            frame,
            clock,
            zone: None,
            tails: slow.errors.tails(),
            ranks: counter.into_ranks(&fixed.periods, Law::Heavy),
            fixed,
            slow,
            tracker: Tracker::new(fast, training.slots[n - 1], Some(farthest)),
            frozen,
        }
    }
}

impl Found {
    fn of(training: &Training<'_>, frame: Frame, clock: &Clock, period: Option<usize>) -> Self {
        let values = training.values;
        let (median, scale) = median_and_spread(values, OUTER);
        let usual = if median > 0.0 {
            median
        } else {
            values.iter().sum::<f64>() / values.len() as f64
        };
        let grows = frame.never_negative && frame.constant.is_none() && frame.smallest.is_none();
        Self {
            periods: periods(training, clock, (median, scale), period),
            location: median,
            doubling: grows.then(|| (0.1 * usual).max(frame.resolution)),
            frame,
        }
    }

    /// Chooses the kind of scale, and fits the autoregressions.
    fn choose(self, training: &Training<'_>, form: Form) -> Chosen {
        let n = training.values.len();
        let from = n.saturating_sub(CHOICE_POINTS);
        let (values, slots) = (&training.values[from..], &training.slots[from..]);
        let kinds = |doubling: Option<f64>| {
            let fixed = |quickness: f64| Fixed {
                location: self.location,
                spread: Spread {
                    resolution: self.frame.resolution,
                    doubling,
                    quickness,
                },
                periods: self.periods,
                autoregression: Default::default(),
                warm: WARM.min((n / 4) as f64),
            };
            QUICKNESS.map(|quickness| tried(fixed(quickness), self.frame, (values, slots), form))
        };
        let level = self.doubling.map(Some);
        let (plain, growing) = join(n, || kinds(None), || level.map(kinds));
        let mut best: Option<(f64, Fixed, Vec<Replayed>)> = None;
        for (cost, fixed, replayed) in plain.into_iter().chain(growing.into_iter().flatten()) {
            let margin = if fixed.spread.doubling.is_some() {
                LEVEL_MARGIN
            } else {
                1.0
            };
            if best
                .as_ref()
                .is_none_or(|(least, ..)| cost * margin < *least)
            {
                best = Some((cost * margin, fixed, replayed));
            }
        }
        let (cost, mut fixed, replayed) = best.expect("two kinds are always tried");
        for (line, weights) in fixed.autoregression.iter_mut().enumerate() {
            if self.periods.has(line) {
                *weights = autoregression(line, values, &replayed);
            }
        }
        Chosen {
            frame: self.frame,
            fixed,
            cost,
            skewness: skewness(&replayed),
        }
    }
}

/// The cost of the ranges of a kind of scale, and its replay.
fn tried(
    fixed: Fixed,
    frame: Frame,
    (values, slots): (&[f64], &[i64]),
    form: Form,
) -> (f64, Fixed, Vec<Replayed>) {
    let from = values.len() / 3;
    let replayed: Vec<Replayed> = {
        let mut replay = Replay::new(&fixed, values, form);
        let points = values.iter().zip(slots).enumerate();
        points
            .map(|(i, (value, slot))| replay.step(*slot, *value, (i >= from).then_some(&frame)))
            .collect()
    };
    let cost = replayed.iter().map(|r| r.cost).sum();
    (cost, fixed, replayed)
}

/// The value that all of `values` are, but for rounding.
fn only_value(values: &[f64]) -> Option<f64> {
    let first = values[0];
    let is_same = |v: &f64| (v - first).abs() <= ROUNDING * first.abs();
    values.iter().all(is_same).then_some(first)
}

/// The smallest difference of two values. Values that differ in the thirteenth digit only are equal.
fn resolution(values: &[f64]) -> f64 {
    let largest = values.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
    if largest == 0.0 {
        return 1.0;
    }
    let rounded = |v: &f64| (v / largest * 1e12).round_ties_even();
    let mut distinct: Vec<f64> = values.iter().map(rounded).collect();
    distinct.sort_unstable_by(f64::total_cmp);
    let gaps = distinct.windows(2).map(|pair| pair[1] - pair[0]);
    let least = gaps.filter(|gap| *gap > 0.0).fold(f64::INFINITY, f64::min);
    if least.is_finite() {
        least * 1e-12 * largest
    } else {
        0.01 * values[0].abs()
    }
}
