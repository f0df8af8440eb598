//! Which seasons a series has: the day of its clock, and candidates from its autocorrelation, each
//! put to a test, so that noise has none.

use rustfft::{FftPlanner, num_complex::Complex};

use super::quantile::select_quantile;

/// The shortest season, in slots.
const SHORTEST: usize = 4;

/// The number of cycles that a test needs, and the fewest points.
pub(crate) const CYCLES: usize = 3;
const FEWEST: usize = 24;

/// A season is accepted from this z-score on, if the other cycles explain this share of the
/// variance within a cycle. Both lie on a plateau.
const LEAST_Z: f64 = 6.0;
const LEAST_EXPLAINED: f64 = 0.1;

/// Values farther than this many scales from the median count as there.
const TAMED: f64 = 6.0;

/// A period this near to the day, in slots or as a share of it, is the day.
const NEAR_DAY: (f64, f64) = (2.0, 0.03);

/// The part of what a season explains that a shorter one, of which it is a multiple, must explain
/// to be the season that is reported.
const AS_WELL: f64 = 0.95;

/// The largest number of bins of the analysis of variance.
const BINS: usize = 32;

/// The share of the highest peak that a peak must reach, and the least autocorrelation of a peak.
const NEARLY: f64 = 0.85;
const LOWEST: f64 = 0.05;

/// The share of the period by which a peak may be off.
const OFF: f64 = 0.02;

/// From this period on, in slots, a peak may be off by one at least.
const BLURRED: usize = 10;

/// The outcome of a test.
#[derive(Clone, Copy, Debug, PartialEq)]
struct SeasonTest {
    /// The F statistic of the places of the season as a standard normal deviate.
    z: f64,
    /// The share of the variance within a cycle that the other cycles explain.
    explained: f64,
}

impl SeasonTest {
    const NONE: Self = Self {
        z: 0.0,
        explained: -1.0,
    };

    /// Whether there is such a season.
    fn accepts(&self) -> bool {
        self.z >= LEAST_Z && self.explained >= LEAST_EXPLAINED
    }
}

/// The seasons that a series was found to have, the likeliest first, each with the share of the
/// variance that it explains.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Found(Vec<(usize, f64)>);

impl Found {
    /// The season that is known.
    pub(crate) fn known(period: usize) -> Self {
        Self(vec![(period, 1.0)])
    }

    /// The seasons of a series of at most `longest` slots, of which one is perhaps a `day`.
    pub(crate) fn of(grid: &Gridded, day: Option<usize>, longest: usize) -> Self {
        let mut candidates = grid.candidates(longest);
        if let Some(day) = day.filter(|day| CYCLES * day <= grid.span()) {
            let (least, share) = NEAR_DAY;
            let near = least.max(share * day as f64);
            candidates.retain(|period| period.abs_diff(day) as f64 > near);
            candidates.insert(0, day);
        }
        let tested = candidates
            .into_iter()
            .map(|period| (period, grid.test(period)));
        let accepted = tested.filter(|(_, test)| test.accepts());
        Self(
            accepted
                .map(|(period, test)| (period, test.explained))
                .collect(),
        )
    }

    /// Their lengths in slots.
    pub(crate) fn periods(&self) -> impl Iterator<Item = usize> {
        self.0.iter().map(|(period, _)| *period)
    }

    /// The season to report, if there is one: the first, or a shorter one of which it is a multiple
    /// that explains as much.
    pub(crate) fn reported(&self) -> Option<usize> {
        let (first, explained) = self.0.first()?;
        let shorter = self.0.iter().find(|(period, shorter)| {
            period < first && first % period == 0 && *shorter >= AS_WELL * explained
        });
        Some(shorter.map_or(*first, |(period, _)| *period))
    }
}

/// A series on its grid of slots, one value a slot, outliers tamed.
#[derive(Clone, Debug)]
pub(crate) struct Gridded {
    /// The slots that have a value, ascending, from 0.
    slots: Vec<i64>,
    values: Vec<f64>,
}

impl Gridded {
    /// Values at slots that never fall; the last of a slot counts. Values are clipped to 1 % and
    /// 99 % quantiles or [`TAMED`] scales from the median, whichever is wider.
    pub(crate) fn new(slots: &[i64], values: &[f64], median: f64, scale: f64) -> Self {
        let mut sorted = values.to_vec();
        let low = select_quantile(&mut sorted, OUTER).min(median - TAMED * scale);
        let high = select_quantile(&mut sorted, 1.0 - OUTER).max(median + TAMED * scale);
        let mut grid = Self {
            slots: Vec::with_capacity(slots.len()),
            values: Vec::with_capacity(slots.len()),
        };
        for (slot, value) in slots.iter().zip(values) {
            let value = value.clamp(low, high);
            match grid.slots.last() {
                Some(last) if last >= slot => {
                    *grid.values.last_mut().expect("as many values as slots") = value;
                }
                _ => {
                    grid.slots.push(*slot);
                    grid.values.push(value);
                }
            }
        }
        grid
    }

    /// A value in each slot, as they are.
    pub(crate) fn without_gaps(values: Vec<f64>) -> Self {
        Self {
            slots: (0..).take(values.len()).collect(),
            values,
        }
    }

    /// The number of slots that have a value.
    fn len(&self) -> usize {
        self.slots.len()
    }

    /// The number of slots from the first value to the last one.
    fn span(&self) -> usize {
        let ends = self.slots.first().zip(self.slots.last());
        ends.map_or(0, |(first, last)| last.saturating_sub(*first) as usize + 1)
    }

    /// The first high peak of the autocorrelation behind its zero crossing, and the highest; made
    /// exact by their multiples. Empty where the grid is much longer than the series.
    fn candidates(&self, longest: usize) -> Vec<usize> {
        let Some(correlation) = self.autocorrelation() else {
            return Vec::new();
        };
        let Some(negative) = correlation.iter().position(|a| *a < 0.0) else {
            return Vec::new();
        };
        let start = negative.max(SHORTEST - 1);
        let end = (self.span() / CYCLES + 1)
            .min(longest + 1)
            .min(correlation.len() - 1);
        let is_peak = |i: &usize| {
            let (before, a, after) = (correlation[i - 1], correlation[*i], correlation[i + 1]);
            a >= before && a >= after && a > LOWEST
        };
        let peaks: Vec<usize> = (start + 1..end.saturating_sub(1)).filter(is_peak).collect();
        let highest = peaks.iter().copied().reduce(|best, i| {
            if correlation[i] > correlation[best] {
                i
            } else {
                best
            }
        });
        let Some(highest) = highest else {
            return Vec::new();
        };
        let first = peaks
            .into_iter()
            .find(|i| correlation[*i] >= NEARLY * correlation[highest])
            .unwrap_or(highest);
        let until = ((first as f64 * 1.1) as usize + 2).min(end);
        let first = largest(first..until, |i| correlation[i]);
        let mut found: Vec<usize> = Vec::with_capacity(2);
        for peak in [first, highest] {
            let exact = made_exact(&correlation, peak);
            if !found.contains(&exact) {
                found.push(exact);
            }
        }
        found
    }

    /// Unbiased autocorrelation for lags under half the length, over the pairs of slots that both
    /// have a value.
    pub(crate) fn autocorrelation(&self) -> Option<Vec<f64>> {
        let first = *self.slots.first()?;
        let length = self.span();
        if length > WIDEST * self.len() || length < 24 {
            return None;
        }
        let mean = self.values.iter().sum::<f64>() / self.len() as f64;
        let mut values = vec![Complex::default(); (2 * length).next_power_of_two()];
        let mut present = values.clone();
        for (slot, value) in self.slots.iter().zip(&self.values) {
            values[(slot - first) as usize] = (value - mean).into();
            present[(slot - first) as usize] = 1.0.into();
        }
        let fft = FftPlanner::new().plan_fft_forward(values.len());
        let correlate = |sequence: &mut Vec<Complex<f64>>| {
            fft.process(sequence);
            for bin in sequence.iter_mut() {
                *bin = bin.norm_sqr().into();
            }
            fft.process(sequence);
        };
        correlate(&mut values);
        if self.len() < length {
            correlate(&mut present);
        }
        let size = values.len() as f64;
        let pairs = |lag: usize| match self.len() < length {
            true => present[lag].re / size,
            false => (length - lag) as f64,
        };
        let at_zero = values[0].re / pairs(0);
        if at_zero <= 0.0 {
            return None;
        }
        let unbiased = |lag: usize| {
            let pairs = pairs(lag);
            if pairs < 0.5 {
                0.0
            } else {
                values[lag].re / pairs / at_zero
            }
        };
        Some((0..length / 2).map(unbiased).collect())
    }

    /// Tests a season of `period` slots.
    ///
    /// The course within a cycle is compared with that of all other cycles; what they leave over
    /// tells how persistent the series is by itself. The series less its persistence is white if
    /// there is no season, and then an analysis of variance by places says so (the F statistic as a
    /// normal deviate after Wilson and Hilferty, 1931).
    fn test(&self, period: usize) -> SeasonTest {
        let cycles = self.span() / period.max(1);
        if period < SHORTEST || cycles < CYCLES || self.len() < FEWEST {
            return SeasonTest::NONE;
        }
        let course = self.course(period);
        let total: f64 = course.iter().map(|x| x * x).sum();
        if total <= 0.0 {
            return SeasonTest::NONE;
        }
        let mut best = (f64::NEG_INFINITY, Vec::new());
        for bins in [period.min(BINS), period] {
            let rest = self.less_other_cycles(&course, period, bins);
            let explained = 1.0 - rest.iter().map(|e| e * e).sum::<f64>() / total;
            if explained > best.0 {
                best = (explained, rest);
            }
            if period <= BINS {
                break;
            }
        }
        let (explained, rest) = best;
        let squares: f64 = rest.iter().map(|e| e * e).sum();
        let products: f64 = rest.windows(2).map(|e| e[0] * e[1]).sum();
        let persistence = (products / squares.max(f64::MIN_POSITIVE)).clamp(0.0, 0.99);
        let white: Vec<f64> = course
            .windows(2)
            .map(|x| x[1] - persistence * x[0])
            .collect();
        let z = self.z(&white, period);
        SeasonTest { z, explained }
    }

    /// The values less their mean over the cycle around them.
    fn course(&self, period: usize) -> Vec<f64> {
        let n = self.len();
        let mut sums = Vec::with_capacity(n + 1);
        let mut sum = 0.0;
        sums.push(0.0);
        for value in &self.values {
            sum += value;
            sums.push(sum);
        }
        let (first, last) = (self.slots[0], self.slots[n - 1]);
        let period = period as i64;
        let (mut from, mut to) = (0, 0);
        let less_mean = |(slot, value): (&i64, &f64)| {
            let begin = (slot - period / 2).min(last + 1 - period).max(first);
            from += self.slots[from..]
                .iter()
                .take_while(|s| **s < begin)
                .count();
            to += self.slots[to..]
                .iter()
                .take_while(|s| **s < begin + period)
                .count();
            value - (sums[to] - sums[from]) / (to - from) as f64
        };
        self.slots.iter().zip(&self.values).map(less_mean).collect()
    }

    /// The bin of the value at index `i`.
    fn bin(&self, i: usize, period: usize, bins: usize) -> usize {
        let place = self.slots[i].rem_euclid(period as i64) as usize;
        place * bins / period
    }

    /// The course less the mean of its bin in all other cycles.
    fn less_other_cycles(&self, course: &[f64], period: usize, bins: usize) -> Vec<f64> {
        let mut of_bin = vec![(0.0, 0.0); bins];
        let mut here: Vec<(f64, f64)> = vec![(0.0, 0.0); bins];
        let cycle = |i: usize| self.slots[i].div_euclid(period as i64);
        for (i, x) in course.iter().enumerate() {
            let (count, sum) = &mut of_bin[self.bin(i, period, bins)];
            (*count, *sum) = (*count + 1.0, *sum + x);
        }
        let mut rest = course.to_vec();
        let mut begin = 0;
        while begin < course.len() {
            let end = begin
                + (begin..course.len())
                    .take_while(|i| cycle(*i) == cycle(begin))
                    .count();
            here.fill((0.0, 0.0));
            for i in begin..end {
                let (count, sum) = &mut here[self.bin(i, period, bins)];
                (*count, *sum) = (*count + 1.0, *sum + course[i]);
            }
            for (i, e) in (begin..end).zip(&mut rest[begin..end]) {
                let bin = self.bin(i, period, bins);
                let others = of_bin[bin].0 - here[bin].0;
                if others > 0.0 {
                    *e -= (of_bin[bin].1 - here[bin].1) / others;
                }
            }
            begin = end;
        }
        rest
    }

    /// The F statistic of the places of the season in `white`, which belongs to all values but the
    /// first, as a standard normal deviate.
    fn z(&self, white: &[f64], period: usize) -> f64 {
        let bins = period.min(BINS);
        let mut of_bin = vec![(0.0, 0.0); bins];
        for (i, x) in white.iter().enumerate() {
            let (count, sum) = &mut of_bin[self.bin(i + 1, period, bins)];
            (*count, *sum) = (*count + 1.0, *sum + x);
        }
        let n = white.len() as f64;
        let middle = white.iter().sum::<f64>().powi(2) / n;
        let squares: f64 = white.iter().map(|x| x * x).sum();
        let used = of_bin.iter().filter(|(count, _)| *count > 0.0);
        let groups = used.clone().count() as f64;
        let between = used.map(|(count, sum)| sum * sum / count).sum::<f64>() - middle;
        let (d1, d2) = (groups - 1.0, n - groups);
        if d1 < 1.0 || d2 < 1.0 {
            return 0.0;
        }
        let within = ((squares - middle - between) / d2).max(f64::MIN_POSITIVE);
        let root = (between / d1 / within).max(0.0).cbrt();
        let (a, b) = (2.0 / (9.0 * d1), 2.0 / (9.0 * d2));
        ((1.0 - b) * root - (1.0 - a)) / (b * root * root + a).sqrt()
    }
}

/// The share of values on each side that may be outliers.
const OUTER: f64 = 0.011;
/// A grid this many times longer than the series has no autocorrelation.
const WIDEST: usize = 8;

/// The period near `peak` whose multiples agree best.
fn made_exact(correlation: &[f64], peak: usize) -> usize {
    let near = ((OFF * peak as f64) as usize).max(usize::from(peak >= BLURRED));
    let times = (correlation.len() - 1) / (peak + near.max(1));
    if times < 2 || near == 0 {
        return peak;
    }
    let agreement = |period: usize| (1..=times).map(|k| correlation[k * period]).sum::<f64>();
    largest((peak - near).max(2)..peak + near + 1, agreement)
}

/// The first of `range` for which `of` is largest; its start if it is empty.
fn largest(range: std::ops::Range<usize>, of: impl Fn(usize) -> f64) -> usize {
    let mut best = (f64::NEG_INFINITY, range.start);
    for i in range {
        let value = of(i);
        if value > best.0 {
            best = (value, i);
        }
    }
    best.1
}
