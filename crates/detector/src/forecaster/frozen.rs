//! Forecasts without any point since the fit: a line and a level as the training points left them,
//! and a scale that grows with the distance from them as the series itself did.

use serde::{Deserialize, Serialize};

use super::{
    Training,
    cached::Cached,
    distribution::{ErrorDistribution, LogTail, Side, tails_are_sound},
    farthest::Farthest,
    origins::{ORIGINS, Origin, Row, choose, rows},
    outlook::{Frame, Known, Outlook, Spreads},
    ranks::{FAR, Law, RankCounter, Run, Runs, TrainingRanks},
    recursion::{Fixed, MOST_OF_BIN, Slow},
    seasons::{LEVEL, LINES, Place},
    tracker::ODD,
};
use crate::{bytes, series::quantile::select_quantile};

/// The number of points worth which a bin's scale is drawn to the others'.
const SHRINKAGE: f64 = 30.0;
/// A point is judged from several origins; each error counts as this part of one.
const WORTH: f64 = 1.0 / 8.0;
/// The future is less like the past than parts of the past are like each other.
const WIDER: f64 = 1.15;
/// The largest number of octaves of distances.
const OCTAVES: usize = 24;
/// The size that errors are cut to for scales, as a quantile of them.
const CUT: f64 = 0.99;

/// The share of odd points in training from which on a frozen forecast has no say beside one by the
/// last points, and the ratio of their errors. Series whose season goes out of step have ratios of 6
/// and more.
const OFTEN_WRONG: f64 = 0.01;
const MUCH_LARGER: f64 = 6.0;

/// A frozen forecaster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Frozen {
    line: usize,
    /// The level on the line, and the level where the place of the line was never seen.
    level: f64,
    level_alone: f64,
    /// The slot of the last training point.
    last: i64,
    /// The scales of the bins of the day, relative to each other; empty without a day.
    #[serde(with = "bytes::vec")]
    bins: Vec<f32>,
    /// The logarithms of the scale at distances of 2^(g + ½) slots.
    #[serde(with = "bytes::vec")]
    octaves: Vec<f64>,
    /// The growth of the logarithm of the scale beyond, an octave.
    slope: f64,
    errors: ErrorDistribution,
    tails: [LogTail; 2],
    ranks: TrainingRanks,
    /// How far values were off. Models of formats 3 and 4 do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    farthest: Option<Farthest>,
    /// How it compares with a forecast by the last points. Models of format 3 do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    comparison: Option<Comparison>,
    #[serde(skip)]
    known: Cached<Known>,
}

/// A frozen forecast beside one by the last points, in training.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Comparison {
    /// The share of the points after the origins that were odd to it.
    wrong: f64,
    /// How many times larger its errors were, far from the origin.
    ratio: f64,
}

impl Frozen {
    /// Fits to what was known at the origins; the last one is the end of the training points.
    pub(super) fn fit(
        training: &Training<'_>,
        frame: Frame,
        fixed: &Fixed,
        mut origins: Vec<Origin>,
        end: Origin,
        slow: &Slow,
    ) -> Self {
        origins.retain(|origin| !origin.rows.is_empty());
        let choice = choose(training, fixed, &origins);
        let rows = rows(training, &origins, choice);
        let (line, level) = choice;
        let off = |row: &Row| frame.outer(row.mean + row.error) - frame.outer(row.mean);
        let farthest = Farthest::of(rows.iter().map(off));
        let mut frozen = Self {
            line,
            level: end.levels[level][line],
            level_alone: end.levels[level][LEVEL],
            last: training.slots[training.slots.len() - 1],
            bins: Vec::new(),
            octaves: Vec::new(),
            slope: 0.0,
            errors: ErrorDistribution::believed(),
            tails: ErrorDistribution::believed().tails(),
            ranks: TrainingRanks::none(),
            farthest: Some(farthest),
            comparison: None,
            known: Cached::default(),
        };
        frozen.scale_by_distance(fixed, &rows);
        frozen.calibrate(fixed, &rows, &origins);
        frozen.rank(training, fixed, slow);
        let last = frozen.octaves[frozen.octaves.len() - 1];
        frozen.comparison = Some(Comparison {
            wrong: frozen.share_of_odd(fixed, &rows),
            ratio: last.exp() / end.volatility,
        });
        frozen
    }

    /// Learns the scale at each octave of distances, and at each bin of the day.
    fn scale_by_distance(&mut self, fixed: &Fixed, rows: &[Row]) {
        let (mut scales, mut counts) = self.octave_means(fixed, rows);
        if fixed.periods.day > 0 {
            let bins = fixed.periods.bins();
            let mut sums = vec![(0.0, 0.0); bins];
            for row in rows {
                let relative = self.relative(fixed, row);
                let typical = scales[octave(row.distance)].max(f64::MIN_POSITIVE);
                let bin = fixed.periods.place(row.slot).bin.unwrap_or(0);
                sums[bin].0 += (relative / typical).min(MOST_OF_BIN);
                sums[bin].1 += 1.0;
            }
            let origins = ORIGINS as f64;
            let scale = |(sum, count): (f64, f64)| {
                ((sum / origins + SHRINKAGE) / (count / origins + SHRINKAGE)).sqrt() as f32
            };
            self.bins = sums.into_iter().map(scale).collect();
            (scales, counts) = self.octave_means(fixed, rows);
        }
        let least = 0.3 * fixed.spread.resolution;
        self.octaves = pooled(&scales, &counts)
            .into_iter()
            .map(|s| s.max(least).ln())
            .collect();
        let top = self.octaves.len() - 1;
        let before = top.saturating_sub(3);
        let octaves = (top - before).max(1) as f64;
        self.slope = ((self.octaves[top] - self.octaves[before]) / octaves)
            .min(0.5 * std::f64::consts::LN_2);
    }

    /// The size of an error, in the level and the hour's share of the scale.
    fn relative(&self, fixed: &Fixed, row: &Row) -> f64 {
        row.error.abs() / self.factor(fixed, &fixed.periods.place(row.slot), row.mean)
    }

    /// The mean size of the errors at each octave of distances, and their number.
    fn octave_means(&self, fixed: &Fixed, rows: &[Row]) -> (Vec<f64>, Vec<f64>) {
        let sizes: Vec<f64> = rows.iter().map(|row| self.relative(fixed, row)).collect();
        let cut = match sizes.is_empty() {
            true => 0.0,
            false => select_quantile(&mut sizes.clone(), CUT),
        };
        let most = rows
            .iter()
            .map(|row| octave(row.distance))
            .max()
            .unwrap_or(0);
        let (mut sums, mut counts) = (vec![0.0; most + 1], vec![0.0; most + 1]);
        for (row, size) in rows.iter().zip(&sizes) {
            let octave = octave(row.distance);
            sums[octave] += size.min(cut);
            counts[octave] += 1.0;
        }
        for (sum, count) in sums.iter_mut().zip(&counts) {
            *sum /= f64::max(*count, 1.0);
        }
        (sums, counts)
    }

    /// Learns the distribution of errors.
    fn calibrate(&mut self, fixed: &Fixed, rows: &[Row], origins: &[Origin]) {
        let scaled = |(number, row): (usize, &Row)| {
            let place = fixed.periods.place(row.slot);
            let scale = self.factor(fixed, &place, row.mean) * self.scale(row.distance);
            fixed.spread.dithered(row.error, number as u64 + 1) / scale
        };
        let errors: Vec<f64> = rows.iter().enumerate().map(scaled).collect();
        let mut all = ErrorDistribution::believed();
        errors.iter().for_each(|error| all.add(*error, WORTH));
        let far = all.tails().map(|tail| FAR * tail.begins());
        let mut runs = Runs::default();
        // An event that lasted happened once.
        let mut add = |run: Run| self.errors.add(run.largest, WORTH);
        for (row, error) in rows.iter().zip(&errors) {
            if origins.iter().any(|origin| origin.rows[0] == row.index) {
                runs.end().into_iter().for_each(&mut add);
            }
            let far = far[Side::of(*error) as usize];
            runs.next(*error, far, row.slot).for_each(&mut add);
        }
        runs.end().into_iter().for_each(&mut add);
        self.tails = self.errors.tails();
    }

    /// Ranks the training points by their errors, as the frozen forecast with all that is known at
    /// the end would have it a slot later.
    fn rank(&mut self, training: &Training<'_>, fixed: &Fixed, slow: &Slow) {
        let far = self.tails.map(|tail| FAR * tail.begins());
        let (mut counter, mut runs) = (RankCounter::default(), Runs::default());
        let scale = WIDER * self.scale(1);
        for (slot, value) in training.slots.iter().zip(training.values) {
            let place = fixed.periods.place(*slot);
            let mean = self.mean(fixed, slow, Some(&place));
            let error = (value - mean) / (self.factor(fixed, &place, mean) * scale);
            counter.count();
            let far = far[Side::of(error) as usize];
            runs.next(error, far, *slot)
                .for_each(|run| counter.add(run));
        }
        runs.end().into_iter().for_each(|run| counter.add(run));
        self.ranks = counter.into_ranks(&fixed.periods, Law::Light);
    }

    /// The share of the points after the origins that are odd to the forecast.
    fn share_of_odd(&self, fixed: &Fixed, rows: &[Row]) -> f64 {
        let is_odd = |row: &&Row| {
            let place = fixed.periods.place(row.slot);
            let scale = self.factor(fixed, &place, row.mean) * self.scale(row.distance);
            let size = (row.error.abs() - fixed.spread.resolution / 2.0) / (WIDER * scale);
            let spreads = Spreads {
                errors: &self.errors,
                tails: self.tails,
                ranks: self.ranks.at(Some(row.slot)),
                known: None,
            };
            size > 0.0 && spreads.p_value(Side::of(row.error), size) <= ODD
        };
        rows.iter().filter(is_odd).count() as f64 / rows.len().max(1) as f64
    }

    /// Whether a forecast by the last points is better by so much that this one has no say beside
    /// it: it was often wrong in training already, or the series goes its way smoothly, so that its
    /// season will be out of step sooner than it can be told from an event. The latter only where
    /// the last values moved: a value that stands still is one that the season knows more of.
    pub(super) fn yields(&self, is_moving: bool) -> bool {
        self.comparison.is_some_and(|comparison| {
            comparison.wrong > OFTEN_WRONG || is_moving && comparison.ratio > MUCH_LARGER
        })
    }

    /// The line that the forecasts are made of.
    pub(super) fn line(&self) -> usize {
        self.line
    }

    /// Whether a return to this forecast is normal, as it knows a season.
    pub(super) fn is_home(&self) -> bool {
        self.comparison.is_some() && self.line != LEVEL
    }

    /// The expected value at a place; `None` where it is not known.
    fn mean(&self, fixed: &Fixed, slow: &Slow, place: Option<&Place>) -> f64 {
        let center = place.and_then(|place| slow.seasons.line(self.line, place));
        center.map_or(self.level_alone, |center| {
            center + fixed.location + self.level
        })
    }

    /// The factor of the level and of the hour in the scale.
    fn factor(&self, fixed: &Fixed, place: &Place, mean: f64) -> f64 {
        let of_hour = match self.bins.is_empty() {
            true => 1.0,
            false => f64::from(self.bins[place.bin.unwrap_or(0)]),
        };
        of_hour * fixed.spread.of_level(mean)
    }

    /// The scale at a distance in slots.
    fn scale(&self, distance: i64) -> f64 {
        let top = self.octaves.len() - 1;
        let place = (distance.unsigned_abs().max(1) as f64).log2() - 0.5;
        let log = if place >= top as f64 {
            self.octaves[top] + self.slope * (place - top as f64)
        } else {
            let place = place.max(0.0);
            let (below, part) = (place as usize, place.fract());
            self.octaves[below] * (1.0 - part) + self.octaves[(below + 1).min(top)] * part
        };
        log.exp()
    }

    /// How much larger errors are at a distance than at the largest one in training.
    fn growth_beyond(&self, distance: i64) -> f64 {
        let (top, distance) = (self.octaves.len() - 1, distance.unsigned_abs().max(1));
        if (distance.ilog2() as usize) < top {
            return 1.0;
        }
        let beyond = (distance as f64).log2() - 0.5 - top as f64;
        (self.slope * beyond.max(0.0)).exp()
    }

    /// How much larger errors are after a gap of so many slots than without one.
    pub(super) fn growth(&self, gap: i64) -> f64 {
        (self.scale(gap) / self.scale(1)).max(1.0)
    }

    /// The forecast at `slot`; `None` without a regular clock, as its place is not known then.
    pub(super) fn outlook<'a>(
        &'a self,
        fixed: &Fixed,
        slow: &Slow,
        frame: Frame,
        slot: Option<i64>,
    ) -> Outlook<'a> {
        let place = fixed.periods.place(slot.unwrap_or(self.last));
        let mean = self.mean(fixed, slow, slot.map(|_| &place));
        // Without a clock a point may be as far away as the series is long.
        let far = slot.map_or(self.last, |slot| slot.saturating_sub(self.last));
        let new = || Known::new(&self.errors, self.tails, &self.ranks);
        let known = self.known.get(new);
        Outlook {
            mean,
            scale: WIDER * self.factor(fixed, &place, mean) * self.scale(far),
            frame,
            spreads: Spreads {
                errors: &self.errors,
                tails: self.tails,
                ranks: self.ranks.at(slot),
                known: Some(known),
            },
            farthest: self
                .farthest
                .map(|known| known.times(self.growth_beyond(far))),
        }
    }

    /// As the specification of the plain forecaster has it.
    #[cfg(test)]
    pub(super) fn make_plain(&mut self) {
        self.ranks = TrainingRanks::none();
        self.farthest = None;
        self.known = Cached::default();
    }

    pub(super) fn heap_bytes(&self) -> usize {
        size_of_val(&self.bins[..])
            + size_of_val(&self.octaves[..])
            + ErrorDistribution::HEAP_BYTES
            + TrainingRanks::HEAP_BYTES
            + Known::HEAP_BYTES
    }

    pub(super) fn is_sound(&self, fixed: &Fixed) -> bool {
        let positive = |n: &f32| *n > 0.0 && *n <= MOST_OF_BIN as f32;
        let bins = if fixed.periods.day > 0 {
            fixed.periods.bins()
        } else {
            0
        };
        self.line < LINES
            && fixed.periods.has(self.line)
            && [self.level, self.level_alone, self.slope]
                .iter()
                .all(|n| n.is_finite())
            && self.bins.len() == bins
            && self.bins.iter().all(positive)
            && (1..=OCTAVES).contains(&self.octaves.len())
            && self.octaves.iter().all(|n| n.abs() < 800.0)
            && self.errors.is_sound()
            && tails_are_sound(&self.tails)
            && self.ranks.is_sound()
            && self.farthest.is_none_or(|farthest| farthest.is_sound())
            && self
                .comparison
                .is_none_or(|c| c.wrong.is_finite() && c.ratio.is_finite())
    }
}

/// The octave of a distance.
fn octave(distance: i64) -> usize {
    (distance.max(1).ilog2() as usize).min(OCTAVES - 1)
}

/// Scales that never fall, each pooled with its neighbours where it would (isotonic regression;
/// Ayer et al., 1955).
fn pooled(scales: &[f64], counts: &[f64]) -> Vec<f64> {
    let mut blocks: Vec<(f64, f64, usize)> = Vec::new();
    for (scale, count) in scales.iter().zip(counts) {
        blocks.push((*scale, *count, 1));
        while let [.., (a, weight_a, n), (b, weight_b, m)] = blocks[..] {
            if a < b {
                break;
            }
            let weight = weight_a + weight_b;
            let mean = (a * weight_a + b * weight_b) / weight.max(1.0);
            blocks.truncate(blocks.len() - 2);
            blocks.push((mean, weight, n + m));
        }
    }
    let each = blocks
        .into_iter()
        .flat_map(|(scale, _, n)| std::iter::repeat_n(scale, n));
    each.collect()
}
