//! Models: what was learned of a series, and how it is asked.

use contract::{DetectorName, FitOptions, JudgeOptions, Params, Point, ProblemCode, Sides};

pub(crate) mod format;

use crate::{
    Band, Session, Verdict, Warning,
    detectors::{BatchScorer, FittedDetector},
    params::BadParam,
    verdict::{ScoringRule, is_rate},
    warning::{WarningKind, Warnings, inspect},
};

/// What was learned from the training points of a series.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    pub(crate) detector: FittedDetector,
    pub(crate) points: u64,
    /// What holds where a request does not say.
    pub(crate) rate: OptionalRate,
    pub(crate) sides: Option<Sides>,
}

/// A false-alarm rate, or that there is none, in the room of a number: part of every model in memory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct OptionalRate(f64);

impl OptionalRate {
    pub(crate) const NONE: Self = Self(0.0);

    /// Of a rate that [`is_rate`].
    pub(crate) fn new(rate: Option<f64>) -> Self {
        rate.map_or(Self::NONE, Self)
    }

    pub(crate) fn get(self) -> Option<f64> {
        (self != Self::NONE).then_some(self.0)
    }
}

/// A model, and what is to be said about the points it was fitted on.
#[derive(Clone, Debug, PartialEq)]
pub struct Fitted {
    /// The model.
    pub model: Model,
    /// Sentences for the one who asked for the fit; a handful at most.
    pub warnings: Vec<Warning>,
}

/// Why nothing can be learned. The texts are for the one who asked.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Unfit {
    /// Fewer than three points, or one distinct value.
    #[error("Insufficient or constant data")]
    InsufficientOrConstant,
    /// A value is infinite or not a number.
    #[error("Values must be finite")]
    NotFinite,
    /// A parameter that the detector does not have, or not with this value.
    #[error("Parameter {name} {why}")]
    Param {
        /// The parameter.
        name: String,
        /// What is wrong with it.
        why: BadParam,
    },
    /// A false-alarm rate outside of (0, 0.5].
    #[error("false_alarm_rate: {0} is not above 0 and at most 0.5")]
    Rate(f64),
}

impl Unfit {
    /// The code by which a client's program tells this reason from others.
    pub fn code(&self) -> ProblemCode {
        match self {
            Self::InsufficientOrConstant => ProblemCode::InsufficientData,
            Self::NotFinite | Self::Param { .. } | Self::Rate(_) => ProblemCode::InvalidParams,
        }
    }
}

/// Fewer training points than this are refused.
pub const MIN_POINTS: usize = 3;

impl Model {
    /// Learns from `points`, sorted by timestamp, with the detector that `options` name, or else `default`.
    ///
    /// # Errors
    /// [`Unfit`] for under [`MIN_POINTS`] points, a single distinct value, and impossible options.
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
        let distinct = points.iter().any(|p| p.value != points[0].value);
        if points.len() < MIN_POINTS || !distinct {
            return Err(Unfit::InsufficientOrConstant);
        }
        let mut warnings = Warnings::default();
        let name = options.detector.unwrap_or(default);
        let learned = FittedDetector::fit(name, points, options, &mut warnings)?;
        inspect(points, &mut warnings);
        about_options(points.len(), name, options, &mut warnings);
        let model = Self {
            detector: learned,
            points: points.len() as u64,
            rate: OptionalRate::new(options.false_alarm_rate),
            sides: options.direction,
        };
        Ok(Fitted {
            model,
            warnings: warnings.into_vec(),
        })
    }

    /// Judges `point`, which follows those of `context` (oldest first; may be empty). Pure: the model stays as it is.
    ///
    /// Without context only the point itself and its place in the season count.
    pub fn score(&self, context: &[Point], point: Point, judge: &JudgeOptions) -> Verdict {
        if context.is_empty() {
            return self.detector.score_alone(point, &self.rule(judge));
        }
        self.fixed_scorer(context).score(point, judge)
    }

    /// Starts to judge points that follow those of `context` and each other. The model stays as it is.
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

    /// Starts to judge points online: they follow the training points and each other, and are learned from.
    pub fn session(&self, judge: &JudgeOptions) -> Session {
        Session::new(self, self.rule(judge))
    }

    /// What is normal at `timestamp` if nothing is known of the points before it.
    pub fn band(&self, timestamp: i64, judge: &JudgeOptions) -> Band {
        self.detector.band(timestamp, &self.rule(judge))
    }

    /// The detector that was fitted.
    pub fn detector(&self) -> DetectorName {
        self.detector.name()
    }

    /// The detector's parameters, those it found by itself included.
    pub fn params(&self) -> Params {
        self.detector.params()
    }

    /// How many points it was fitted on.
    pub fn points(&self) -> u64 {
        self.points
    }

    /// The length of the season in points of a regular clock, if there is one.
    pub fn period(&self) -> Option<u64> {
        self.detector.period()
    }

    /// The length of the season in the unit of the timestamps, if there is one and the clock is regular.
    pub fn period_time(&self) -> Option<i64> {
        self.detector.period_time()
    }

    /// The false-alarm rate in force where a request names none; `None`: the detector's own rule decides.
    pub fn false_alarm_rate(&self) -> Option<f64> {
        self.rate.get()
    }

    /// The sides that count where a request names none; `None`: both.
    pub fn direction(&self) -> Option<Sides> {
        self.sides
    }

    /// What it takes in memory, in bytes.
    pub fn memory_bytes(&self) -> usize {
        size_of::<Self>() + self.detector.heap_bytes()
    }

    fn rule(&self, judge: &JudgeOptions) -> ScoringRule {
        ScoringRule::new(self.rate.get(), self.sides, judge)
    }
}

/// So few of the training points may be expected beyond a limit that it is a guess.
const GUESS: f64 = 0.1;

/// Says what of the options promises more than it can hold.
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

/// A model on its way past points, learning nothing: each is context of the next.
#[derive(Clone, Debug)]
pub struct FixedScorer<'a> {
    model: &'a Model,
    scorer: BatchScorer<'a>,
}

impl FixedScorer<'_> {
    /// Judges `point`, and moves on past it.
    pub fn score(&mut self, point: Point, judge: &JudgeOptions) -> Verdict {
        self.scorer.score(point, &self.model.rule(judge))
    }
}
