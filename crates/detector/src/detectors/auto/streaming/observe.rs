//! One point: what is seen, what it amounts to, and what it teaches.
//!
//! Seeing changes only the context ([`Moving`]); learning is a step of its own. So a frozen model, which learns nothing, can be shared.

use contract::Point;

use super::{
    Cause, Fixed, Learned, Moving, Output,
    block::{Blocks, Grid, Novelty},
    cells::Cells,
    episode::Alarm,
    histogram::Maxima,
    moving::HeldNovelty,
    parameters::{
        BAND, NOVELTY_WEIGHT, POINT_EPS, POINT_QUANTILE, POINT_WEIGHT, SHAPES, SLOTS, VALUE_LIMIT,
    },
    points::{AUTOREGRESSION, Evidence, LOCAL, Predictions, SEASON},
};
use crate::series::{scale::tamed, season::SeasonLesson};

/// All that was seen of a point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Observation {
    /// The verdict.
    pub output: Output,
    /// What each predictor expected.
    pub predictions: Predictions,
    /// Raw scores: three distances of shapes, three sizes of errors; 0 where nothing is known.
    pub raw: [f64; SLOTS],
    /// The same, calibrated: ln 2 at the 0.99 quantile of the prefix.
    pub calibrated: [f64; SLOTS],
    /// Whether the window of each shape is full.
    pub full: [bool; SHAPES],
    pub(super) lesson: Lesson,
}

/// What a point teaches.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Lesson {
    pub(super) season: Option<SeasonLesson>,
    pub(super) cell: CellLesson,
}

/// What the end of a cell teaches.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct CellLesson {
    novelty: Option<Novelty>,
    /// The largest joint score of the cell.
    maximum: Option<f64>,
}

/// The two paths brought together at a point.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Step {
    rank: f64,
    /// Evidence of the block path, and of the point path; 0 inside a cell.
    novelty: f64,
    point: f64,
    lesson: CellLesson,
}

/// What the block path makes of a point.
pub(super) struct BlockStep {
    /// The logarithm of novelty that is held.
    pub(super) held: f64,
    /// At the end of a cell: what was seen, and what speaks for novelty.
    pub(super) seen: Option<(Novelty, f64)>,
}

/// What the point path makes of a point. Inside a cell, nothing.
#[derive(Default)]
pub(super) struct PointStep {
    /// What speaks for an anomaly.
    pub(super) evidence: f64,
    /// The largest joint score of the cell, where it teaches.
    pub(super) maximum: Option<f64>,
}

impl Step {
    fn strength(&self) -> f64 {
        self.novelty.max(self.point)
    }
}

/// Takes `point` into the context `moving` and judges it by what is `fixed` and `learned`. A value that is not finite is answered as
/// missing.
pub fn observe(fixed: &Fixed, learned: &Learned, moving: &mut Moving, point: Point) -> Observation {
    let slot = fixed.clock.slot(point.timestamp, moving.slot);
    if !point.value.is_finite() {
        return missing(fixed, learned, moving, slot);
    }
    moving.slot = slot;
    let value = point.value.clamp(-VALUE_LIMIT, VALUE_LIMIT);
    let z = fixed.scaling.standard(value);
    let points = &fixed.points;
    let evidence = points.sense(&learned.season, &mut moving.window, (z, slot));
    let raw = evidence.raw();
    let calibrated = points.calibrate(&raw);
    let joint = points.join(&calibrated, &mut moving.held);
    let step = step(fixed, learned, moving, (value, joint));
    let alarm = moving.episode.judge(step.strength(), fixed.grid.prefix());
    Observation {
        output: output(fixed, moving, value, (&evidence, &step, &alarm)),
        predictions: evidence.predictions,
        raw,
        calibrated,
        full: evidence.shapes.map(|distance| distance.is_some()),
        lesson: Lesson {
            season: learned.season.lesson(slot, tamed(z)),
            cell: step.lesson,
        },
    }
}

/// Learns what was seen; once for each point, in order.
pub fn learn(learned: &mut Learned, observation: &Observation) {
    if let Some(lesson) = observation.lesson.season {
        learned.season.learn(lesson);
    }
    learn_cell(learned, &observation.lesson.cell);
}

fn learn_cell(learned: &mut Learned, lesson: &CellLesson) {
    if let Some(novelty) = &lesson.novelty {
        learned.blocks.learn(novelty);
    }
    if let Some(maximum) = lesson.maximum {
        learned.maxima.add(maximum);
    }
}

/// Both paths, given the joint score of the point path.
fn step(fixed: &Fixed, learned: &Learned, moving: &mut Moving, (value, joint): (f64, f64)) -> Step {
    let grid = &fixed.grid;
    let Moving { cells, novelty, .. } = moving;
    let block = block_step(grid, &learned.blocks, (cells, novelty), value);
    let ended = block.seen.map(|(seen, _)| seen.cell());
    let point = point_step(grid, &learned.maxima, &mut moving.largest, (joint, ended));
    Step {
        rank: rank(joint, block.held),
        novelty: block.seen.map_or(0.0, |(_, evidence)| evidence),
        point: point.evidence,
        lesson: CellLesson {
            novelty: block.seen.map(|(seen, _)| seen),
            maximum: point.maximum,
        },
    }
}

/// The block path. It needs nothing of the other, so that a fit follows both side by side.
pub(super) fn block_step(
    grid: &Grid,
    blocks: &Blocks,
    (cells, novelty): (&mut Cells, &mut HeldNovelty),
    value: f64,
) -> BlockStep {
    let ended = cells.push(grid.place(value), grid.cell());
    let seen = ended.map(|q| {
        let seen = blocks.observe(grid, cells, q);
        (seen, novelty.speak(seen.phase(), seen.ratio()))
    });
    BlockStep {
        held: novelty.step(),
        seen,
    }
}

/// The point path from its joint score on, and the number of the cell that the point has ended, if it has.
pub(super) fn point_step(
    grid: &Grid,
    maxima: &Maxima,
    largest: &mut f64,
    (joint, ended): (f64, Option<u64>),
) -> PointStep {
    *largest = largest.max(joint);
    let Some(q) = ended else {
        return PointStep::default();
    };
    let maximum = std::mem::take(largest) + POINT_EPS;
    let usual = grid.is_ready(q).then(|| maxima.quantiles([POINT_QUANTILE]));
    PointStep {
        evidence: usual
            .flatten()
            .map_or(0.0, |[usual]| POINT_WEIGHT * maximum / usual),
        maximum: grid.is_warm(q).then_some(maximum),
    }
}

/// The ranking score of a point with this joint score, while this logarithm of novelty is held.
pub(super) fn rank(joint: f64, held: f64) -> f64 {
    joint + NOVELTY_WEIGHT * held
}

fn output(
    fixed: &Fixed,
    moving: &mut Moving,
    value: f64,
    (evidence, step, alarm): (&Evidence, &Step, &Alarm),
) -> Output {
    let output = band(fixed, &evidence.predictions);
    let error = value - output.expected;
    moving.errors.push(error, fixed.reach());
    let (telling, peak_age) = match alarm.is_alarm {
        true => moving.errors.largest(),
        false => (error, 0),
    };
    Output {
        score: 1.0 - (-step.rank / 2.0).exp(),
        rank: step.rank,
        ratio: alarm.ratio,
        emitted: if alarm.is_emitted { alarm.ratio } else { 0.0 },
        alarm: alarm.is_alarm,
        escalation: alarm.is_escalation,
        direction: sign(telling),
        cause: cause(fixed, moving, step),
        peak_age,
        ..output
    }
}

/// A verdict without evidence, its band around the chosen predictor's value, or around the median where that is unknown.
fn band(fixed: &Fixed, predictions: &Predictions) -> Output {
    let prediction = predictions.of(fixed.points.predictor);
    let expected = fixed.scaling.value(prediction.unwrap_or(0.0));
    let half = BAND * fixed.scaling.scale() * fixed.points.error();
    Output {
        score: 0.0,
        rank: 0.0,
        ratio: 0.0,
        emitted: 0.0,
        alarm: false,
        escalation: false,
        expected,
        lower: expected - half,
        upper: expected + half,
        direction: 0,
        cause: Cause::Missing,
        peak_age: 0,
    }
}

fn missing(fixed: &Fixed, learned: &Learned, moving: &mut Moving, slot: i64) -> Observation {
    let predictions = fixed.points.predict(&learned.season, &moving.window, slot);
    moving.slot = slot;
    Observation {
        output: band(fixed, &predictions),
        predictions,
        raw: [0.0; SLOTS],
        calibrated: [0.0; SLOTS],
        full: [false; SHAPES],
        lesson: Lesson::default(),
    }
}

fn sign(error: f64) -> i8 {
    i8::from(error > 0.0) - i8::from(error < 0.0)
}

/// The part with the most evidence: the block path at the end of a cell where it has no less than the point path, else the slot with
/// the largest held score.
fn cause(fixed: &Fixed, moving: &Moving, step: &Step) -> Cause {
    if let Some(novelty) = step.lesson.novelty
        && step.novelty >= step.point
        && step.novelty > 0.0
    {
        let scale = novelty.scale();
        return Cause::Novelty { scale };
    }
    let mut largest = 0;
    for (slot, held) in moving.held.iter().enumerate() {
        if *held > moving.held[largest] {
            largest = slot;
        }
    }
    match largest {
        AUTOREGRESSION => Cause::Change,
        SEASON if fixed.points.season > 0 => Cause::Season,
        SEASON => Cause::Level,
        LOCAL => Cause::Local,
        _ => Cause::Shape,
    }
}
