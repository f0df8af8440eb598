//! Models: fitting and scoring.

use contract::{
    DetectorName, FitOptions, JudgeOptions, Params, Point, ProblemCode, Sides, TimeUnit,
};

pub(crate) mod format;
pub(crate) mod stored;

use crate::{
    Band, Session, Verdict, Warning,
    detectors::{BatchScorer, FittedDetector},
    params::BadParam,
    series::trend::has_trend,
    text::Short,
    verdict::{ScoringRule, is_rate},
    warning::{WarningKind, Warnings, inspect},
};

/// A fitted model of a series. Scoring never changes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    pub(crate) detector: FittedDetector,
    pub(crate) points: u64,
    /// The false-alarm rate and the sides for requests that name none.
    pub(crate) rate: OptionalRate,
    pub(crate) sides: Option<Sides>,
    /// The unit of the training timestamps, where they are dates; `None` for models of earlier
    /// formats.
    pub(crate) unit: Option<TimeUnit>,
}

/// A timestamp that has no place among those that the model was fitted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WrongUnit {
    /// It is an integer in another unit.
    #[error("timestamp {timestamp} counts in {unit}, but the model was fitted on {fitted}")]
    Other {
        /// The timestamp.
        timestamp: i64,
        /// The unit that it counts in.
        unit: TimeUnit,
        /// The unit of the training points.
        fitted: TimeUnit,
    },
    /// It is a date with a fraction that the unit of the training points does not have.
    #[error(
        "timestamp {timestamp}, in {unit}, is not a whole number of {fitted}, which the model was fitted on"
    )]
    Finer {
        /// The timestamp.
        timestamp: i64,
        /// The unit that it counts in.
        unit: TimeUnit,
        /// The unit of the training points.
        fitted: TimeUnit,
    },
    /// It is a date, and the training points have counters.
    #[error("the timestamp is a date, but the model was fitted on integers that are no dates")]
    Counters,
}

/// An optional false-alarm rate in the space of a number, since it is in every model in memory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct OptionalRate(f64);

impl OptionalRate {
    pub(crate) const NONE: Self = Self(0.0);

    /// Takes a rate for which [`is_rate`] holds.
    pub(crate) fn new(rate: Option<f64>) -> Self {
        rate.map_or(Self::NONE, Self)
    }

    pub(crate) fn get(self) -> Option<f64> {
        (self != Self::NONE).then_some(self.0)
    }
}

/// The result of a fit.
#[derive(Clone, Debug, PartialEq)]
pub struct Fitted {
    /// The model.
    pub model: Model,
    /// Warnings for the caller; a handful at most.
    pub warnings: Vec<Warning>,
}

/// Why a fit is refused. The texts are for the caller.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Unfit {
    /// There are fewer points, or rows, than are needed.
    #[error("Insufficient or constant data")]
    TooFew {
        /// The number of points.
        points: usize,
        /// The smallest number that can be fitted.
        needed: usize,
    },
    /// All values are equal, and either that is not allowed or there are fewer than
    /// [`MIN_CONSTANT_POINTS`].
    #[error("Insufficient or constant data")]
    Constant {
        /// The number of points.
        points: usize,
        /// Their value.
        value: f64,
    },
    /// A value is infinite or not a number.
    #[error("Values must be finite")]
    NotFinite,
    /// The detector does not have the parameter, or its value is out of range.
    #[error("Parameter {name} {why}")]
    Param {
        /// The name of the parameter.
        name: String,
        /// The fault.
        why: BadParam,
    },
    /// The false-alarm rate is outside of (0, 0.5].
    #[error("false_alarm_rate: {0} is not above 0 and at most 0.5")]
    Rate(f64),
    /// The detector looks at no clock.
    #[error("timezone: {0} does not know the time of day")]
    TimeZone(DetectorName),
}

impl Unfit {
    /// The problem code of this refusal.
    pub fn code(&self) -> ProblemCode {
        match self {
            Self::TooFew { .. } => ProblemCode::InsufficientData,
            Self::Constant { .. } => ProblemCode::ConstantData,
            Self::NotFinite | Self::Param { .. } | Self::Rate(_) | Self::TimeZone(_) => {
                ProblemCode::InvalidParams
            }
        }
    }

    /// The numbers behind this refusal, where its text has none: one sentence each.
    pub fn errors(&self) -> Vec<String> {
        match self {
            Self::TooFew { points: 1, needed } => vec![format!("1 point is fewer than {needed}")],
            Self::TooFew { points, needed } => {
                vec![format!("{points} points are fewer than {needed}")]
            }
            Self::Constant { points, value } if *points < MIN_CONSTANT_POINTS => vec![format!(
                "all {points} values are {}: a constant needs at least {MIN_CONSTANT_POINTS}",
                Short(*value)
            )],
            Self::Constant { points, value } => vec![format!(
                "all {points} values are {}: allow_constant fits them nevertheless",
                Short(*value)
            )],
            Self::NotFinite | Self::Param { .. } | Self::Rate(_) | Self::TimeZone(_) => Vec::new(),
        }
    }
}

/// The smallest number of training points.
pub const MIN_POINTS: usize = 3;

/// The smallest number of training points that all have one value.
pub const MIN_CONSTANT_POINTS: usize = 10;

impl Model {
    /// Fits the detector that `options` name, or else `default`, to `points`, which are sorted by
    /// timestamp.
    ///
    /// # Errors
    /// [`Unfit`] for fewer than [`MIN_POINTS`] points, equal values only unless `options` allow them
    /// and there are [`MIN_CONSTANT_POINTS`], values that are not finite, and impossible options.
    pub fn fit(
        points: &[Point],
        options: &FitOptions,
        default: DetectorName,
    ) -> Result<Fitted, Unfit> {
        if let Some(rate) = options.false_alarm_rate.filter(|rate| !is_rate(rate)) {
            return Err(Unfit::Rate(rate));
        }
        if !points.iter().all(|p| p.value.is_finite()) {
            return Err(Unfit::NotFinite);
        }
        if points.len() < MIN_POINTS {
            let (points, needed) = (points.len(), MIN_POINTS);
            return Err(Unfit::TooFew { points, needed });
        }
        let value = points[0].value;
        let allowed = options.allow_constant && points.len() >= MIN_CONSTANT_POINTS;
        if !allowed && points.iter().all(|p| p.value == value) {
            let points = points.len();
            return Err(Unfit::Constant { points, value });
        }
        let mut warnings = Warnings::default();
        let name = options.detector.unwrap_or(default);
        let learned = FittedDetector::fit(name, points, options, &mut warnings)?;
        inspect(points, &mut warnings);
        if !learned.follows_trends() && has_trend(points, learned.period()) {
            warnings.add(WarningKind::Trend { detector: name });
        }
        about_options(points.len(), name, options, &mut warnings);
        let model = Self {
            detector: learned,
            points: points.len() as u64,
            rate: OptionalRate::new(options.false_alarm_rate),
            sides: options.direction,
            unit: TimeUnit::guess(points[points.len() - 1].timestamp),
        };
        Ok(Fitted {
            model,
            warnings: warnings.into_vec(),
        })
    }

    /// Scores `point`, which follows the points of `context` (oldest first; may be empty).
    ///
    /// Without a context only the point itself and its place in the season count.
    pub fn score(&self, context: &[Point], point: Point, judge: &JudgeOptions) -> Verdict {
        if context.is_empty() {
            return self.detector.score_alone(point, &self.rule(judge));
        }
        self.fixed_scorer(context).score(point, judge)
    }

    /// Scores points that follow `context` and each other. The model stays unchanged.
    pub fn fixed_scorer(&self, context: &[Point]) -> FixedScorer<'_> {
        let mut scorer = self.detector.scorer();
        let rule = self.rule(&JudgeOptions::default());
        for point in context {
            scorer.take_context(*point, &rule);
        }
        FixedScorer {
            model: self,
            scorer,
        }
    }

    /// Checks that `timestamp` counts in the unit of the training points. Only dates have a unit: see
    /// [`TimeUnit::guess`].
    ///
    /// # Errors
    /// [`WrongUnit`] if it counts in another one.
    fn check_unit(&self, timestamp: i64) -> Result<(), WrongUnit> {
        match (self.unit, TimeUnit::guess(timestamp)) {
            (Some(fitted), Some(unit)) if fitted != unit => Err(WrongUnit::Other {
                timestamp,
                unit,
                fitted,
            }),
            _ => Ok(()),
        }
    }

    /// `timestamp` in the unit of the training points. It counts in `unit`, if it was sent as a date or
    /// with a fraction, and otherwise in the unit that its size tells.
    ///
    /// # Errors
    /// [`WrongUnit`] if it has no place there.
    pub fn timestamp(&self, timestamp: i64, unit: Option<TimeUnit>) -> Result<i64, WrongUnit> {
        let Some(unit) = unit else {
            return self.check_unit(timestamp).map(|()| timestamp);
        };
        let fitted = self.unit.ok_or(WrongUnit::Counters)?;
        let converted = unit.convert(timestamp, fitted);
        converted.ok_or(WrongUnit::Finer {
            timestamp,
            unit,
            fitted,
        })
    }

    /// Says that the training timestamps, which were sent as dates, count in `unit`. Otherwise their
    /// size tells, which it does from March 1973 on.
    pub fn set_unit(&mut self, unit: TimeUnit) {
        self.unit = Some(unit);
    }

    /// Starts a session: its points follow the training points and each other, and are learned
    /// from.
    pub fn session(&self, judge: &JudgeOptions) -> Session {
        Session::new(self, self.rule(judge))
    }

    /// The normal range at `timestamp` without knowledge of the points before it.
    pub fn band(&self, timestamp: i64, judge: &JudgeOptions) -> Band {
        self.detector.band(timestamp, &self.rule(judge))
    }

    /// The detector of the model.
    pub fn detector(&self) -> DetectorName {
        self.detector.name()
    }

    /// The parameters in force, including those that the fit chose.
    pub fn params(&self) -> Params {
        self.detector.params()
    }

    /// The number of training points.
    pub fn points(&self) -> u64 {
        self.points
    }

    /// The length of the season in points of a regular clock, if there is one.
    pub fn period(&self) -> Option<u64> {
        self.detector.period()
    }

    /// The length of the season in the unit of the timestamps, if there is one and the clock is
    /// regular.
    pub fn period_time(&self) -> Option<i64> {
        self.detector.period_time()
    }

    /// The false-alarm rate for requests that name none; `None` if the detector's own rule decides.
    pub fn false_alarm_rate(&self) -> Option<f64> {
        self.rate.get()
    }

    /// The sides that count for requests that name none; `None` for both.
    pub fn direction(&self) -> Option<Sides> {
        self.sides
    }

    /// The memory that the model takes, in bytes.
    pub fn memory_bytes(&self) -> usize {
        size_of::<Self>() + self.detector.heap_bytes()
    }

    fn rule(&self, judge: &JudgeOptions) -> ScoringRule {
        ScoringRule::new(self.rate.get(), self.sides, judge)
    }
}

/// The number of training points expected beyond a limit, below which the limit is a guess.
const GUESS: f64 = 0.1;

/// Warns of options that the training points cannot support.
fn about_options(
    points: usize,
    detector: DetectorName,
    options: &FitOptions,
    warnings: &mut Warnings,
) {
    let points = points as u64;
    match options.false_alarm_rate {
        Some(rate) if rate * (points as f64) < GUESS => {
            warnings.add(WarningKind::Few { points, rate })
        }
        _ => {}
    }
    if detector == DetectorName::Sigma && options.direction == Some(Sides::Below) {
        warnings.add(WarningKind::Blind { detector });
    }
}

/// Scores points in order, each as context of the next, and learns nothing.
#[derive(Clone, Debug)]
pub struct FixedScorer<'a> {
    model: &'a Model,
    scorer: BatchScorer<'a>,
}

impl FixedScorer<'_> {
    /// Scores `point`, which then is context of the next.
    pub fn score(&mut self, point: Point, judge: &JudgeOptions) -> Verdict {
        self.scorer.score(point, &self.model.rule(judge))
    }
}
