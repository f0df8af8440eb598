//! Models: what was learned of a series, and how it is asked.

use contract::{DetectorName, FitOptions, JudgeOptions, Params, Point, ProblemCode, Sides};

pub(crate) mod bytes;
pub(crate) mod format;

use crate::{
    Band, Session, Verdict, Warning,
    detectors::{Learned, Walk},
    params::BadParam,
    verdict::{Ask, is_rate},
    warning::{Note, Warnings, inspect},
};

/// What was learned from the training points of a series.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    pub(crate) learned: Learned,
    pub(crate) points: u64,
    /// What holds where a request does not say.
    pub(crate) rate: OwnRate,
    pub(crate) sides: Option<Sides>,
}

/// A false-alarm rate, or that there is none, in the room of a number: part of every model in memory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct OwnRate(f64);

impl OwnRate {
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
        let learned = Learned::fit(name, points, options, &mut warnings)?;
        inspect(points, &mut warnings);
        about_options(points.len(), name, options, &mut warnings);
        let model = Self {
            learned,
            points: points.len() as u64,
            rate: OwnRate::new(options.false_alarm_rate),
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
            return self.learned.judge_alone(point, &self.ask(judge));
        }
        self.frozen(context).score(point, judge)
    }

    /// Starts to judge points that follow those of `context` and each other. The model stays as it is.
    pub fn frozen(&self, context: &[Point]) -> Frozen<'_> {
        let mut walk = self.learned.walk();
        let ask = self.ask(&JudgeOptions::default());
        for point in context {
            walk.pass(*point, &ask);
        }
        Frozen { model: self, walk }
    }

    /// Starts to judge points online: they follow the training points and each other, and are learned from.
    pub fn session(&self, judge: &JudgeOptions) -> Session {
        Session::new(self, self.ask(judge))
    }

    /// What is normal at `timestamp` if nothing is known of the points before it.
    pub fn band(&self, timestamp: i64, judge: &JudgeOptions) -> Band {
        self.learned.band(timestamp, &self.ask(judge))
    }

    /// The detector that was fitted.
    pub fn detector(&self) -> DetectorName {
        self.learned.name()
    }

    /// The detector's parameters, those it found by itself included.
    pub fn params(&self) -> Params {
        self.learned.params()
    }

    /// How many points it was fitted on.
    pub fn points(&self) -> u64 {
        self.points
    }

    /// The length of the season in points of a regular clock, if there is one.
    pub fn period(&self) -> Option<u64> {
        self.learned.period()
    }

    /// The length of the season in the unit of the timestamps, if there is one and the clock is regular.
    pub fn period_time(&self) -> Option<i64> {
        self.learned.period_time()
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
        size_of::<Self>() + self.learned.heap_bytes()
    }

    fn ask(&self, judge: &JudgeOptions) -> Ask {
        Ask::new(self.rate.get(), self.sides, judge)
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
        Some(rate) if rate * (points as f64) < GUESS => warnings.add(Note::Few { points, rate }),
        _ => {}
    }
    if detector == DetectorName::Sigma && options.direction == Some(Sides::Below) {
        warnings.add(Note::Blind { detector });
    }
}

/// A model on its way past points, learning nothing: each is context of the next.
#[derive(Clone, Debug)]
pub struct Frozen<'a> {
    model: &'a Model,
    walk: Walk<'a>,
}

impl Frozen<'_> {
    /// Judges `point`, and moves on past it.
    pub fn score(&mut self, point: Point, judge: &JudgeOptions) -> Verdict {
        self.walk.judge(point, &self.model.ask(judge))
    }
}
