//! The series of the reports, made by rule and the same on every run, and the ways of asking.

use std::ops::Range;

use contract::{DetectorName, FitOptions, JudgeOptions, Point, Train};
use detector::{ChangePoint, Episode, Judged, Model, Verdict, Warning, detect};

/// 3 June 2024, 00:00 UTC, a Monday, in seconds.
pub(crate) const MONDAY: i64 = 1_717_372_800;
pub(crate) const MINUTE: i64 = 60;
pub(crate) const HOUR: i64 = 3_600;
pub(crate) const DAY: i64 = 86_400;

/// Series of a kind that a test looks at.
pub(crate) const SEEDS: Range<u64> = 0..4;

/// Random numbers that are the same on every run: SplitMix64 (Steele et al., 2014).
#[derive(Clone, Debug)]
pub(crate) struct Noise(u64);

impl Noise {
    pub(crate) fn new(seed: u64) -> Self {
        Self((seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform, above 0 and at most 1.
    pub(crate) fn even(&mut self) -> f64 {
        ((self.word() >> 11) + 1) as f64 / (1u64 << 53) as f64
    }

    /// Uniform among `0..n`.
    pub(crate) fn below(&mut self, n: i64) -> i64 {
        ((self.even() * n as f64).ceil() as i64 - 1).clamp(0, n - 1)
    }

    /// Normal, of mean 0 and variance 1 (Box and Muller, 1958).
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * self.even().ln()).sqrt();
        radius * (std::f64::consts::TAU * self.even()).cos()
    }

    /// A Poisson count (Knuth's product of uniforms), for small means.
    pub(crate) fn poisson(&mut self, mean: f64) -> f64 {
        let (limit, mut product, mut count) = ((-mean).exp(), self.even(), 0.0);
        while product > limit {
            product *= self.even();
            count += 1.0;
        }
        count
    }
}

/// The values at `step` units from each other.
pub(crate) fn every(step: i64, values: impl IntoIterator<Item = f64>) -> Vec<Point> {
    let place = |(i, value)| Point {
        timestamp: MONDAY + step * i,
        value,
    };
    (0..).zip(values).map(place).collect()
}

/// `n` values of normal noise.
pub(crate) fn white(step: i64, n: usize, mean: f64, spread: f64, seed: u64) -> Vec<Point> {
    let mut noise = Noise::new(seed);
    every(step, (0..n).map(|_| mean + spread * noise.normal()))
}

/// The clear course of a day: 40 at night, 225 at noon.
pub(crate) fn course(timestamp: i64) -> f64 {
    let hour = (timestamp - MONDAY).rem_euclid(DAY) as f64 / HOUR as f64;
    40.0 + 185.0 * (-((hour - 12.0) / 4.0).powi(2)).exp()
}

/// `days` days of the course with noise of 6 %.
pub(crate) fn daily(step: i64, days: i64, seed: u64) -> Vec<Point> {
    let mut noise = Noise::new(seed);
    let value = |i| course(MONDAY + step * i) * (1.0 + 0.06 * noise.normal());
    every(step, (0..days * DAY / step).map(value))
}

/// Sets the values of these points.
pub(crate) fn set(points: &mut [Point], rows: Range<usize>, value: f64) {
    points[rows].iter_mut().for_each(|p| p.value = value);
}

/// The index of the first point at or after this time.
pub(crate) fn row_at(points: &[Point], timestamp: i64) -> usize {
    points.partition_point(|p| p.timestamp < timestamp)
}

/// A model of the default detector with default options.
pub(crate) fn fit(points: &[Point]) -> Model {
    fit_with(points, FitOptions::default()).0
}

/// A model, and the warnings of its fit.
pub(crate) fn fit_with(points: &[Point], options: FitOptions) -> (Model, Vec<Warning>) {
    let fitted =
        Model::fit(points, &options, DetectorName::Auto).expect("the points can be fitted");
    (fitted.model, fitted.warnings)
}

/// The verdict on a value without knowledge of the points before: `/predict`.
pub(crate) fn alone(model: &Model, timestamp: i64, value: f64) -> Verdict {
    model.score(&[], Point { timestamp, value }, &JudgeOptions::default())
}

/// The verdict on the last of `points` with the others as context: `/predict` with `context`.
pub(crate) fn with_context(model: &Model, points: &[Point]) -> Verdict {
    let (last, context) = points.split_last().expect("a point to judge");
    model.score(context, *last, &JudgeOptions::default())
}

/// The verdicts on points in a row, nothing learned: `/predict/{id}/batch`.
pub(crate) fn batch(model: &Model, points: &[Point]) -> Vec<Verdict> {
    let mut scorer = model.fixed_scorer(&[]);
    let score = |point: &Point| scorer.score(*point, &JudgeOptions::default());
    points.iter().map(score).collect()
}

/// The rows of a batch that are anomalies.
pub(crate) fn flagged(verdicts: &[Verdict]) -> Vec<usize> {
    (0..verdicts.len())
        .filter(|i| verdicts[*i].anomaly)
        .collect()
}

/// The number of flagged rows of a batch of `points` in `rows`.
pub(crate) fn flagged_in(verdicts: &[Verdict], rows: Range<usize>) -> usize {
    flagged(&verdicts[rows]).len()
}

/// A series as `/v1/detect` judges it. Rows are counted as in the series.
pub(crate) struct Online {
    pub(crate) points: Vec<Point>,
    pub(crate) train: usize,
    pub(crate) rows: Vec<Judged>,
    pub(crate) episodes: Vec<Episode>,
    pub(crate) changes: Vec<ChangePoint>,
    pub(crate) period: Option<u64>,
}

/// Fits on the first `train` points and judges the others.
pub(crate) fn online(points: &[Point], train: usize) -> Online {
    online_with(points, train, &FitOptions::default(), None)
}

/// As many training points as `/v1/detect` takes unless it is told.
pub(crate) fn default_train(points: &[Point]) -> usize {
    Train::default().of(points.len())
}

pub(crate) fn online_with(
    points: &[Point],
    train: usize,
    options: &FitOptions,
    min_deviation: Option<f64>,
) -> Online {
    let share = Train::Points(train);
    let mut detection = detect(points, share, options, DetectorName::Auto, min_deviation)
        .expect("the beginning can be fitted");
    let rows = points[train..]
        .iter()
        .map(|p| detection.update(*p))
        .collect();
    Online {
        points: points.to_vec(),
        train,
        rows,
        episodes: detection.episodes(),
        changes: detection.change_points().to_vec(),
        period: detection.model.period(),
    }
}

impl Online {
    pub(crate) fn row(&self, i: usize) -> &Judged {
        &self.rows[i - self.train]
    }

    /// The rows among `rows` that raise an alarm.
    pub(crate) fn alarms(&self, rows: Range<usize>) -> Vec<usize> {
        let end = rows.end.min(self.points.len());
        let rows = rows.start.max(self.train)..end;
        rows.filter(|i| self.row(*i).alarm).collect()
    }

    pub(crate) fn all_alarms(&self) -> Vec<usize> {
        self.alarms(0..usize::MAX)
    }

    /// The episodes that begin with an alarm in `rows`.
    pub(crate) fn episodes_from(&self, rows: Range<usize>) -> Vec<Episode> {
        let within = |e: &&Episode| rows.contains(&row_at(&self.points, e.start));
        self.episodes.iter().filter(within).copied().collect()
    }

    /// The episodes whose strongest alarm is about a point in `rows`.
    pub(crate) fn episodes_about(&self, rows: Range<usize>) -> usize {
        let within = |e: &&Episode| rows.contains(&row_at(&self.points, e.peak));
        self.episodes.iter().filter(within).count()
    }

    pub(crate) fn changes_in(&self, rows: Range<usize>) -> usize {
        let within = |c: &&ChangePoint| rows.contains(&row_at(&self.points, c.timestamp));
        self.changes.iter().filter(within).count()
    }

    /// The number of values in `rows` outside of their own band.
    pub(crate) fn outside(&self, rows: Range<usize>) -> usize {
        let is_outside = |i: &usize| {
            let (verdict, value) = (&self.row(*i).verdict, self.points[*i].value);
            verdict.lower.is_some_and(|lower| value < lower)
                || verdict.upper.is_some_and(|upper| value > upper)
        };
        rows.filter(is_outside).count()
    }
}
