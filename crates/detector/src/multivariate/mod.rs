//! Models of several columns that belong together, such as the load, the memory and the latency of
//! one machine.
//!
//! Each column has a model of its own, which knows its level, its season and its spread. A row is
//! first judged column by column; each p-value becomes a normal score. The joint distribution of
//! these scores then tells rows in which every column is usual by itself but the columns do not go
//! together.

pub(crate) mod format;
mod joint;
mod normal;
mod session;
mod verdict;

use contract::{DetectorName, FitOptions, JudgeOptions, Params, Point, TimeUnit};

use self::joint::{Joint, normal_score};
pub use self::{
    session::{JointDetection, JointEpisode, JointJudged, detect_columns},
    verdict::JointVerdict,
};
use crate::{
    FixedScorer, MIN_CONSTANT_POINTS, Model, Session, Unfit, Verdict, Warning, WrongUnit,
    model::OptionalRate,
    parallel,
    verdict::{DEFAULT_RATE, is_rate},
};

/// The smallest number of training rows.
pub const MIN_ROWS: usize = MIN_CONSTANT_POINTS;

/// The most training rows whose scores are compared with each other: the newest.
const MAX_COMPARED: usize = 20_000;

/// The points of one column.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// The name of the column.
    pub name: String,
    /// Its points, sorted by timestamp. All columns have the same timestamps.
    pub points: Vec<Point>,
}

/// A fitted model of columns that belong together. Scoring never changes it.
#[derive(Clone, Debug, PartialEq)]
pub struct MultivariateModel {
    columns: Vec<ColumnModel>,
    /// Of rows that are judged by themselves.
    alone: Joint,
    /// Of rows that are judged after others.
    following: Joint,
    points: u64,
    rate: OptionalRate,
    params: Params,
}

#[derive(Clone, Debug, PartialEq)]
struct ColumnModel {
    name: String,
    model: Model,
}

/// The result of a fit.
#[derive(Clone, Debug, PartialEq)]
pub struct JointlyFitted {
    /// The model.
    pub model: MultivariateModel,
    /// Warnings for the caller, each with the name of its column.
    pub warnings: Vec<(String, Warning)>,
}

/// A row: a timestamp, and a value for each column of the model, in its order.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The time of the row.
    pub timestamp: i64,
    /// The values, in the order of [`MultivariateModel::columns`].
    pub values: Vec<f64>,
}

impl Column {
    /// The column `name` with one of `values` for each of `timestamps`, which are sorted.
    pub fn new(name: String, timestamps: &[i64], values: Vec<f64>) -> Self {
        let pairs = timestamps.iter().zip(values);
        Self {
            name,
            points: pairs
                .map(|(&timestamp, value)| Point { timestamp, value })
                .collect(),
        }
    }
}

impl MultivariateModel {
    /// Fits a model to `columns`, two or more with the same timestamps. The detector that `options`
    /// name, or else `default`, is fitted to each. A constant column among others is allowed.
    ///
    /// # Errors
    /// [`Unfit`] for fewer than [`MIN_ROWS`] rows, for columns that are all constant unless
    /// `options` allow it, and as [`Model::fit`].
    pub fn fit(
        columns: &[Column],
        options: &FitOptions,
        default: DetectorName,
    ) -> Result<JointlyFitted, Unfit> {
        if let Some(rate) = options.false_alarm_rate.filter(|rate| !is_rate(rate)) {
            return Err(Unfit::Rate(rate));
        }
        let first = &columns[0].points;
        if first.len() < MIN_ROWS {
            let (points, needed) = (first.len(), MIN_ROWS);
            return Err(Unfit::TooFew { points, needed });
        }
        let constant = |column: &Column| {
            let points = &column.points;
            points.iter().all(|p| p.value == points[0].value)
        };
        if !options.allow_constant && columns.iter().all(constant) {
            let (points, value) = (first.len(), first[0].value);
            return Err(Unfit::Constant { points, value });
        }
        let for_columns = FitOptions {
            false_alarm_rate: None,
            direction: None,
            allow_constant: true,
            ..options.clone()
        };
        let fitted = fit_each(columns, &for_columns, default)?;
        let (alone, following) = residuals(columns, &fitted.models);
        Ok(JointlyFitted {
            model: Self {
                alone: Joint::fit(&alone),
                following: Joint::fit(&following),
                columns: fitted.models,
                points: first.len() as u64,
                rate: OptionalRate::new(options.false_alarm_rate),
                params: options.params.clone(),
            },
            warnings: fitted.warnings,
        })
    }

    /// Scores `row`, which follows the rows of `context` (oldest first; may be empty). Each has a
    /// value for every column. `rate` is that of the request.
    pub fn score(&self, context: &[Row], row: &Row, rate: Option<f64>) -> JointVerdict {
        if !context.is_empty() {
            return self.fixed_scorer(context).score(row, rate);
        }
        let judge = self.judge(rate);
        let of = |column: &ColumnModel, point| column.model.score(&[], point, &judge);
        let points = self.columns.iter().zip(row.points());
        let verdicts = points.map(|(column, point)| of(column, point)).collect();
        self.join(&self.alone, row, verdicts, rate)
    }

    /// Scores rows that follow `context` and each other. The model stays unchanged.
    pub fn fixed_scorer(&self, context: &[Row]) -> JointScorer<'_> {
        let points =
            |column| -> Vec<Point> { context.iter().map(|row| row.point(column)).collect() };
        let columns = self.columns.iter().enumerate();
        JointScorer {
            model: self,
            scorers: columns
                .map(|(i, column)| column.model.fixed_scorer(&points(i)))
                .collect(),
        }
    }

    /// The names of the columns, in the order of the fit.
    pub fn columns(&self) -> impl ExactSizeIterator<Item = &str> + Clone {
        self.columns.iter().map(|column| column.name.as_str())
    }

    /// The model of each column, in the order of the fit.
    pub fn models(&self) -> impl ExactSizeIterator<Item = &Model> {
        self.columns.iter().map(|column| &column.model)
    }

    /// The detector of the columns.
    pub fn detector(&self) -> DetectorName {
        self.columns[0].model.detector()
    }

    /// The parameters that the request named.
    pub fn params(&self) -> Params {
        self.params.clone()
    }

    /// The number of training rows.
    pub fn points(&self) -> u64 {
        self.points
    }

    /// Says that the training timestamps, which were sent as dates, count in `unit`.
    pub fn set_unit(&mut self, unit: TimeUnit) {
        for column in &mut self.columns {
            column.model.set_unit(unit);
        }
    }

    /// `timestamp`, which counts in `unit`, in the unit of the training rows.
    ///
    /// # Errors
    /// As [`Model::timestamp`].
    pub fn timestamp(&self, timestamp: i64, unit: Option<TimeUnit>) -> Result<i64, WrongUnit> {
        self.columns[0].model.timestamp(timestamp, unit)
    }

    /// The unit of the training timestamps, where they are dates.
    pub fn unit(&self) -> Option<TimeUnit> {
        self.columns[0].model.unit
    }

    /// The memory that the model takes, in bytes.
    pub fn memory_bytes(&self) -> usize {
        let of = |column: &ColumnModel| column.name.capacity() + column.model.memory_bytes();
        let columns: usize = self.columns.iter().map(of).sum();
        size_of::<Self>() + columns + self.alone.heap_bytes() + self.following.heap_bytes()
    }

    /// The false-alarm rate in force.
    fn rate(&self, asked: Option<f64>) -> f64 {
        asked
            .or(self.rate.get())
            .filter(is_rate)
            .unwrap_or(DEFAULT_RATE)
    }

    /// A session of each column, which follows the training rows.
    fn sessions(&self) -> Vec<Session> {
        let judge = self.judge(None);
        self.models().map(|model| model.session(&judge)).collect()
    }

    fn judge(&self, asked: Option<f64>) -> JudgeOptions {
        JudgeOptions {
            false_alarm_rate: Some(self.rate(asked)),
            ..JudgeOptions::default()
        }
    }

    /// Joins the verdicts of the columns on `row`.
    fn join(
        &self,
        joint: &Joint,
        row: &Row,
        columns: Vec<Verdict>,
        rate: Option<f64>,
    ) -> JointVerdict {
        let scores = row.values.iter().zip(&columns);
        let scores: Vec<f64> = scores
            .map(|(value, verdict)| normal_score(*value, verdict, self.rate(rate)))
            .collect();
        let names: Vec<&str> = self.columns().collect();
        JointVerdict::new(&names, row, columns, joint.score(&scores), self.rate(rate))
    }
}

impl Row {
    fn point(&self, column: usize) -> Point {
        Point {
            timestamp: self.timestamp,
            value: self.values[column],
        }
    }

    fn points(&self) -> impl Iterator<Item = Point> + '_ {
        (0..self.values.len()).map(|column| self.point(column))
    }
}

/// Scores rows in order, each as context of the next, and learns nothing.
#[derive(Clone, Debug)]
pub struct JointScorer<'a> {
    model: &'a MultivariateModel,
    scorers: Vec<FixedScorer<'a>>,
}

impl JointScorer<'_> {
    /// Scores `row`, which then is context of the next.
    pub fn score(&mut self, row: &Row, rate: Option<f64>) -> JointVerdict {
        let judge = self.model.judge(rate);
        let points = self.scorers.iter_mut().zip(row.points());
        let verdicts = points
            .map(|(scorer, point)| scorer.score(point, &judge))
            .collect();
        self.model.join(&self.model.following, row, verdicts, rate)
    }
}

struct FittedColumns {
    models: Vec<ColumnModel>,
    warnings: Vec<(String, Warning)>,
}

/// Fits every column, half of them in parallel with the other half.
fn fit_each(
    columns: &[Column],
    options: &FitOptions,
    default: DetectorName,
) -> Result<FittedColumns, Unfit> {
    let fit = |columns: &[Column]| -> Result<FittedColumns, Unfit> {
        let mut fitted = FittedColumns {
            models: Vec::with_capacity(columns.len()),
            warnings: Vec::new(),
        };
        for Column { name, points } in columns {
            let crate::Fitted { model, warnings } = Model::fit(points, options, default)?;
            let of_column = warnings.into_iter().map(|warning| (name.clone(), warning));
            fitted.warnings.extend(of_column);
            fitted.models.push(ColumnModel {
                name: name.clone(),
                model,
            });
        }
        Ok(fitted)
    };
    let (left, right) = columns.split_at(columns.len() / 2);
    let values = columns.len() * columns[0].points.len();
    let (left, right) = parallel::join(values, || fit(left), || fit(right));
    let (mut fitted, right) = (left?, right?);
    fitted.models.extend(right.models);
    fitted.warnings.extend(right.warnings);
    Ok(fitted)
}

/// The normal scores of the training rows: each judged alone, and each after those before it.
fn residuals(columns: &[Column], models: &[ColumnModel]) -> (Vec<Vec<f64>>, Vec<Vec<f64>>) {
    let rows = columns[0].points.len();
    let first = rows - rows.min(MAX_COMPARED);
    let empty = vec![Vec::with_capacity(columns.len()); rows - first];
    let (mut alone, mut following) = (empty.clone(), empty);
    let judge = JudgeOptions::default();
    for (Column { points, .. }, ColumnModel { model, .. }) in columns.iter().zip(models) {
        let before = first.saturating_sub(contract::MAX_CONTEXT);
        let mut scorer = model.fixed_scorer(&points[before..first]);
        for (i, point) in points[first..].iter().enumerate() {
            let score = |v: Verdict| normal_score(point.value, &v, DEFAULT_RATE);
            alone[i].push(score(model.score(&[], *point, &judge)));
            following[i].push(score(scorer.score(*point, &judge)));
        }
    }
    (alone, following)
}
