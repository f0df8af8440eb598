//! One point: the forecasts of all experts, their weighted mean, the scale, and what the point
//! changes (docs/design/auto.md).
//!
//! An expert adds to a line (see [`super::seasons`]) a level of one of four paces, or an
//! autoregression, or nothing. The weights are exponential in the losses, and a share of them is
//! spread anew at each point, so that the best expert may change (Herbster and Warmuth, "Tracking
//! the best expert", 1998).

use serde::{Deserialize, Serialize};

use super::{
    distribution::{ErrorDistribution, LogTail, Side},
    seasons::{LEVEL, LINES, Lines, Periods, Place, Seasons},
};
use crate::bytes;

/// The paces of the levels, the experts of a line, and the order of the autoregression.
const PACES: [f64; 4] = [0.01, 0.05, 0.2, 1.0];
/// The pace up to which a level learns from winsorized values.
const WINSORIZED_PACE: f64 = 0.1;
/// The level that the autoregression and a frozen forecast use.
pub(super) const MIDDLE: usize = 1;
pub(super) const ORDER: usize = 8;
const EXPERTS: usize = PACES.len() + 2;
const AUTOREGRESSION: usize = PACES.len();
const ALONE: usize = PACES.len() + 1;

/// The learning rate of the weights, the share that is spread anew, and the largest loss in scales.
const RATE: f64 = 0.2;
const SHARE: f64 = 0.02;
const MOST_LOSS: f64 = 5.0;

/// A value counts as at most this many scales from the forecast: for slow levels and profiles, for
/// the volatility, and for anything at all.
const WINSOR: f64 = 3.0;
const VOLATILE: f64 = 4.0;
const FARTHEST: f64 = 1_000.0;

/// The paces of the slow and the fast volatility.
const SLOW: f64 = 0.005;
const FAST: f64 = 0.2;
/// The number of points before values are winsorized.
const SETTLED: f64 = 5.0;

/// The pace of a bin's scale, and the number of points worth which it is drawn to 1.
const BIN_PACE: f64 = 0.02;
const BIN_SHRINKAGE: f64 = 20.0;
/// The scale of a bin that a single error counts as, at most.
pub(super) const MOST_OF_BIN: f64 = 4.0;
/// The number of points before a bin learns.
pub(super) const WARM: f64 = 20.0;

/// An error enters the distribution as at most so improbable on its side.
const CLIP: f64 = 2e-4;

const GOLDEN: f64 = 0.618_033_988_749_894_9;

/// The parts of the scale.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Spread {
    /// The smallest difference of values that means something; over 0.
    pub(super) resolution: f64,
    /// Where the spread grows with the level: the level at which it has doubled. Else `None`.
    pub(super) doubling: Option<f64>,
    /// The exponent of the fast volatility.
    pub(super) quickness: f64,
}

/// The part that never changes after the fit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fixed {
    /// The median of the training points. Profiles are stored as distances from it.
    pub(super) location: f64,
    pub(super) spread: Spread,
    pub(super) periods: Periods,
    /// The weights of the last deviations from the level, the newest first; empty without one.
    pub(super) autoregression: [Weights; LINES],
    /// The number of points before the distribution of errors learns.
    pub(super) warm: f64,
}

/// The weights of an autoregression, or none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Weights(#[serde(with = "bytes::vec")] pub(super) Vec<f64>);

/// The part that is learned slowly, and never from a context.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Slow {
    pub(super) seasons: Seasons,
    /// The scale at each bin of the season, relative to the others, and how often it was seen.
    #[serde(with = "bytes::vec")]
    bins: Vec<f32>,
    #[serde(with = "bytes::vec")]
    seen: Vec<f32>,
    pub(super) errors: ErrorDistribution,
    /// The number of points so far.
    pub(super) index: u64,
}

/// The part that follows the last points.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fast {
    levels: [[f64; PACES.len()]; LINES],
    seen: [u32; LINES],
    /// The last values less the line, the newest first.
    last: [[f64; ORDER]; LINES],
    weights: [[f64; EXPERTS]; LINES],
    slow: f64,
    fast: f64,
    /// The number of points that the volatilities have seen.
    points: f64,
}

/// The forecast of a point, with all that it is made of.
#[derive(Clone, Debug)]
pub(super) struct Prediction {
    pub(super) place: Place,
    pub(super) lines: Lines,
    /// The forecasts of the experts; NaN of those that sleep.
    experts: [[f64; EXPERTS]; LINES],
    /// The expected value; `None` before the first point.
    pub(super) mean: Option<f64>,
    /// The factor of the season in the scale.
    season_factor: f64,
}

/// The scale at a point, and where it is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Scaled {
    pub(super) mean: f64,
    pub(super) scale: f64,
    factor: f64,
    floor: f64,
}

impl Scaled {
    /// Widens the scale by a factor, after a gap.
    pub(super) fn widen(&mut self, by: f64) {
        self.scale *= by;
    }
}

impl Spread {
    /// The factor of the level in the scale.
    pub(super) fn of_level(&self, mean: f64) -> f64 {
        self.doubling.map_or(1.0, |c| (mean.max(0.0) + c) / c)
    }

    /// The smallest scale around `mean`.
    fn floor(&self, mean: f64) -> f64 {
        (0.3 * self.resolution)
            .max(1e-12 * mean.abs())
            .max(f64::MIN_POSITIVE)
    }

    /// The value of point number `index`, spread over its resolution so that equal values are not
    /// all in one place.
    pub(super) fn dithered(&self, value: f64, index: u64) -> f64 {
        value + self.resolution * ((index as f64 * GOLDEN).fract() - 0.5)
    }
}

impl Slow {
    pub(super) fn new(periods: &Periods) -> Self {
        let bins = periods.bins();
        Self {
            seasons: Seasons::new(periods),
            bins: vec![1.0; bins],
            seen: vec![0.0; bins],
            errors: ErrorDistribution::believed(),
            index: 0,
        }
    }

    fn season_factor(&self, place: &Place) -> f64 {
        place.bin.map_or(1.0, |bin| {
            let (scale, seen) = (f64::from(self.bins[bin]), f64::from(self.seen[bin]));
            (scale * seen + BIN_SHRINKAGE) / (seen + BIN_SHRINKAGE)
        })
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.seasons.heap_bytes()
            + size_of_val(&self.bins[..])
            + size_of_val(&self.seen[..])
            + ErrorDistribution::HEAP_BYTES
    }

    pub(super) fn is_sound(&self, periods: &Periods) -> bool {
        let within = |numbers: &[f32], most| numbers.iter().all(|n| (0.0..=most).contains(n));
        self.seasons.is_sound(periods)
            && self.bins.len() == periods.bins()
            && self.seen.len() == self.bins.len()
            && within(&self.bins, MOST_OF_BIN as f32)
            && within(&self.seen, SEEN_MOST as f32)
            && self.errors.is_sound()
    }
}

impl Fast {
    /// Nothing was seen yet, but the volatility is about `scale`.
    pub(super) fn new(periods: &Periods, scale: f64) -> Self {
        let even = 1.0 / (periods.lines() * EXPERTS) as f64;
        let weights = |line| if periods.has(line) { even } else { 0.0 };
        Self {
            levels: [[0.0; PACES.len()]; LINES],
            seen: [0; LINES],
            last: [[0.0; ORDER]; LINES],
            weights: std::array::from_fn(|line| [weights(line); EXPERTS]),
            slow: scale,
            fast: scale,
            points: 0.0,
        }
    }

    /// The same experts as they are trusted now, before any point of a context.
    pub(super) fn before_context(&self) -> Self {
        Self {
            levels: [[0.0; PACES.len()]; LINES],
            seen: [0; LINES],
            last: [[0.0; ORDER]; LINES],
            weights: self.weights,
            slow: self.slow,
            fast: self.slow,
            points: 100.0,
        }
    }

    /// The same with the volatility of another.
    pub(super) fn with_volatility_of(self, other: &Self) -> Self {
        Self {
            slow: other.slow,
            fast: other.fast,
            points: other.points,
            ..self
        }
    }

    /// The number of points that the volatility has seen.
    pub(super) fn points(&self) -> f64 {
        self.points
    }

    /// The slow volatility.
    pub(super) fn volatility(&self) -> f64 {
        self.slow
    }

    /// The level of the middle pace of a line.
    pub(super) fn level(&self, line: usize) -> f64 {
        self.levels[line][MIDDLE]
    }

    pub(super) fn is_sound(&self) -> bool {
        let finite = |numbers: &[f64]| numbers.iter().all(|n| n.is_finite());
        self.levels.iter().all(|levels| finite(levels))
            && self.last.iter().all(|last| finite(last))
            && self
                .weights
                .iter()
                .flatten()
                .all(|w| (0.0..=1.0).contains(w))
            && [self.slow, self.fast]
                .iter()
                .all(|v| *v > 0.0 && v.is_finite())
            && self.points >= 0.0
            && self.points.is_finite()
    }

    /// The forecasts of the experts of a line.
    fn experts(&self, line: usize, center: f64, weights: &Weights) -> [f64; EXPERTS] {
        let levels = &self.levels[line];
        let mut experts = [f64::NAN; EXPERTS];
        for (expert, level) in experts.iter_mut().zip(levels) {
            *expert = center + level;
        }
        if self.seen[line] as usize >= ORDER && weights.0.len() == ORDER {
            let deviations = self.last[line].iter().map(|x| x - levels[MIDDLE]);
            let sum: f64 = weights.0.iter().zip(deviations).map(|(w, d)| w * d).sum();
            experts[AUTOREGRESSION] = center + levels[MIDDLE] + sum;
        }
        if line != LEVEL {
            experts[ALONE] = center;
        }
        experts
    }
}

impl Fixed {
    pub(super) fn is_sound(&self) -> bool {
        let Spread {
            resolution,
            doubling,
            quickness,
        } = self.spread;
        let weights = |weights: &Weights| {
            [0, ORDER].contains(&weights.0.len()) && weights.0.iter().all(|w| w.abs() <= 1e6)
        };
        self.location.is_finite()
            && resolution > 0.0
            && resolution.is_finite()
            && doubling.is_none_or(|c| c > 0.0 && c.is_finite())
            && (0.0..=1.0).contains(&quickness)
            && self.periods.is_sound()
            && self.autoregression.iter().all(weights)
            && (0.0..=WARM).contains(&self.warm)
    }

    /// The forecast of the next point, which lies at `slot`.
    pub(super) fn predict(&self, slow: &Slow, fast: &Fast, slot: i64) -> Prediction {
        let place = self.periods.place(slot);
        let mut lines = slow.seasons.lines(&place);
        for line in lines.iter_mut().skip(LEVEL + 1).flatten() {
            *line += self.location;
        }
        let mut experts = [[f64::NAN; EXPERTS]; LINES];
        let (mut weight, mut sum) = (0.0, 0.0);
        for line in 0..LINES {
            let Some(center) = lines[line].filter(|_| fast.seen[line] > 0) else {
                continue;
            };
            experts[line] = fast.experts(line, center, &self.autoregression[line]);
            for (expert, w) in experts[line].iter().zip(&fast.weights[line]) {
                if !expert.is_nan() {
                    weight += w;
                    sum += w * expert;
                }
            }
        }
        Prediction {
            season_factor: slow.season_factor(&place),
            place,
            lines,
            experts,
            mean: (weight > 0.0).then(|| sum / weight),
        }
    }

    /// The scale of a forecast, where `mean` is expected.
    pub(super) fn scaled(&self, fast: &Fast, prediction: &Prediction, mean: f64) -> Scaled {
        let factor = self.spread.of_level(mean) * prediction.season_factor;
        let floor = self.spread.floor(mean);
        let theta = self.spread.quickness;
        let volatility = fast.slow * (fast.fast / fast.slow).powf(theta);
        Scaled {
            mean,
            scale: (factor * volatility).max(floor),
            factor,
            floor,
        }
    }
}

impl Fast {
    /// Follows `value`. `index` is the number of the point. Returns the value as slow parts take
    /// it, its dithered form, and the size of its error as volatilities take it.
    pub(super) fn follow(
        &mut self,
        fixed: &Fixed,
        prediction: &Prediction,
        scaled: &Scaled,
        value: f64,
        index: u64,
    ) -> Followed {
        let Scaled { mean, scale, .. } = *scaled;
        let settled = self.points > SETTLED;
        let value = if settled {
            within(value, mean, FARTHEST * scale)
        } else {
            value
        };
        let tamed = if settled {
            within(value, mean, WINSOR * scale)
        } else {
            value
        };
        if prediction.mean.is_some() {
            self.weigh(&fixed.periods, prediction, scaled, value);
        }
        for (line, center) in prediction.lines.iter().enumerate() {
            if let Some(center) = center {
                self.move_levels(line, value - center, tamed - center);
            }
        }
        let dithered = fixed.spread.dithered(value, index + 1);
        let mut size = (dithered - mean).abs();
        if settled {
            size = size.min(VOLATILE * scale);
        }
        self.points += 1.0;
        let least = scaled.floor / scaled.factor;
        for (volatility, pace) in [(&mut self.slow, SLOW), (&mut self.fast, FAST)] {
            let pace = pace.max(1.0 / (self.points + 5.0));
            *volatility = (*volatility + pace * (size / scaled.factor - *volatility)).max(least);
        }
        Followed {
            value,
            tamed,
            dithered,
            size,
            points: self.points,
        }
    }

    fn weigh(&mut self, periods: &Periods, prediction: &Prediction, scaled: &Scaled, value: f64) {
        let loss = |forecast: f64| ((value - forecast).abs() / scaled.scale).min(MOST_LOSS);
        let own = loss(scaled.mean);
        let mut losses = [[0.0; EXPERTS]; LINES];
        let mut least = f64::INFINITY;
        let exists: [bool; LINES] = std::array::from_fn(|line| periods.has(line));
        for line in 0..LINES {
            if exists[line] {
                for (l, expert) in losses[line].iter_mut().zip(&prediction.experts[line]) {
                    *l = if expert.is_nan() { own } else { loss(*expert) };
                    least = l.min(least);
                }
            }
        }
        let mut sum = 0.0;
        for line in 0..LINES {
            if exists[line] {
                for (w, l) in self.weights[line].iter_mut().zip(&losses[line]) {
                    *w *= (-RATE * (l - least)).exp();
                    sum += *w;
                }
            }
        }
        let even = SHARE / (periods.lines() * EXPERTS) as f64;
        let kept = (1.0 - SHARE) / sum;
        for (weights, exists) in self.weights.iter_mut().zip(exists) {
            if exists {
                weights.iter_mut().for_each(|w| *w = kept * *w + even);
            }
        }
    }

    fn move_levels(&mut self, line: usize, x: f64, tamed: f64) {
        let seen = self.seen[line];
        let first = 1.0 / (f64::from(seen) + 1.0);
        for (level, pace) in self.levels[line].iter_mut().zip(PACES) {
            if seen == 0 {
                *level = x;
            } else {
                let x = if pace > WINSORIZED_PACE { x } else { tamed };
                *level += pace.max(first) * (x - *level);
            }
        }
        self.seen[line] = seen.saturating_add(1);
        let last = &mut self.last[line];
        last.copy_within(..ORDER - 1, 1);
        last[0] = x;
    }
}

/// `value`, at most so far from `mean`. Unlike a clamp, it takes any numbers.
fn within(value: f64, mean: f64, distance: f64) -> f64 {
    value.max(mean - distance).min(mean + distance)
}

/// A value as the parts of the forecaster take it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Followed {
    value: f64,
    tamed: f64,
    pub(super) dithered: f64,
    size: f64,
    points: f64,
}

impl Followed {
    /// The same, with a value that moves a profile the less the farther it is from all of them, each
    /// with its level before the point (a redescending influence; Hampel, 1974). That the forecast
    /// has followed an outage makes it no part of the season.
    pub(super) fn redescended(self, scaled: &Scaled, lines: &Lines, levels: &[f64; LINES]) -> Self {
        let limit = WINSOR * scaled.scale;
        let known = lines.iter().zip(levels).skip(LEVEL + 1);
        let centers = known.filter_map(|(line, level)| line.map(|line| line + level));
        let nearest = centers.min_by(|a, b| {
            let distance = |center: &f64| (self.value - center).abs();
            distance(a).total_cmp(&distance(b))
        });
        let Some(center) = nearest else { return self };
        let distance = self.value - center;
        let tamed = if distance.abs() <= limit {
            self.value
        } else {
            center + limit * (limit / distance)
        };
        Self { tamed, ..self }
    }
}

impl Slow {
    /// Learns from a point that `fast` has followed. `tails` are those of the errors so far.
    pub(super) fn learn(
        &mut self,
        fixed: &Fixed,
        prediction: &Prediction,
        scaled: &Scaled,
        followed: &Followed,
        tails: &[LogTail; 2],
    ) {
        let place = &prediction.place;
        let (value, tamed) = (
            followed.value - fixed.location,
            followed.tamed - fixed.location,
        );
        self.seasons.learn(&fixed.periods, place, value, tamed);
        if let Some(bin) = place.bin.filter(|_| followed.points > WARM) {
            let relative = followed.size * prediction.season_factor / scaled.scale;
            let relative = relative.min(MOST_OF_BIN);
            let seen = f64::from(self.seen[bin]);
            let pace = BIN_PACE.max(1.0 / (seen + 1.0));
            let scale = f64::from(self.bins[bin]);
            self.bins[bin] = (scale + pace * (relative - scale)) as f32;
            self.seen[bin] = (seen + 1.0).min(SEEN_MOST) as f32;
        }
        if followed.points > fixed.warm {
            let limit = |side| self.errors.size_at(tails, side, CLIP);
            let [above, below] = Side::BOTH.map(limit);
            let error = (followed.dithered - scaled.mean) / scaled.scale;
            self.errors.learn(error.clamp(-below, above));
        }
        self.index += 1;
    }
}

/// The count from which on nothing changes.
const SEEN_MOST: f64 = 1e6;
