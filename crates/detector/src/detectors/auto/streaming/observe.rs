//! One point: what is seen, what it amounts to, and what it teaches.
//!
//! Observing changes only the context ([`StreamState`]). Learning is a separate step, so callers
//! that do not learn can share a model.

use contract::Point;

use super::{
    Cause, Output, StreamMemory, StreamParams, StreamState,
    block::{BlockScale, Blocks, Novelty},
    cells::Cells,
    constants::{
        BAND, LEAST_GAIN, NOVELTY_WEIGHT, POINT_EPS, POINT_QUANTILE, POINT_WEIGHT, SHAPES, SLOTS,
        STEP_LIMIT, VALUE_LIMIT,
    },
    episode::Alarm,
    histogram::Maxima,
    points::{AUTOREGRESSION, Evidence, LOCAL, Predictions, SEASON},
    state::NoveltyState,
};
use crate::series::{scale::winsorized, season::Profile};

/// The observation of a point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Observation {
    /// The verdict.
    pub output: Output,
    /// The predictions.
    pub predictions: Predictions,
    /// Raw scores: three distances of shapes and three sizes of errors; 0 where nothing is known.
    pub raw: [f64; SLOTS],
    /// The calibrated scores: ln 2 at the 0.99 quantile of the prefix.
    pub calibrated: [f64; SLOTS],
    /// Whether the window of each shape is full.
    pub full: [bool; SHAPES],
    pub(super) update: Update,
}

/// The changes that a point makes in the memory.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Update {
    pub(super) season: Option<SeasonUpdate>,
    pub(super) cell: CellUpdate,
}

/// The change that a point makes in the season.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct SeasonUpdate {
    place: usize,
    winsorized: f64,
}

impl SeasonUpdate {
    /// The change that the standardised value `z` at `slot` makes; `None` without a season.
    pub(super) fn new(season: &Profile, slot: i64, z: f64) -> Option<Self> {
        Some(Self {
            place: season.place(slot)?,
            winsorized: winsorized(z),
        })
    }

    pub(super) fn make(self, season: &mut Profile) {
        season.learn(self.place, self.winsorized, LEAST_GAIN, STEP_LIMIT);
    }
}

/// The changes that the end of a cell makes in the memory.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct CellUpdate {
    novelty: Option<Novelty>,
    /// The largest joint score of the cell.
    maximum: Option<f64>,
}

/// The evidence of both paths at a point.
#[derive(Clone, Copy, Debug, PartialEq)]
struct PathEvidence {
    rank: f64,
    /// Evidence of the block path, and of the point path; 0 inside a cell.
    novelty: f64,
    point: f64,
    update: CellUpdate,
}

/// The result of the block path at a point.
pub(super) struct BlockStep {
    /// The logarithm of novelty that is held.
    pub(super) held: f64,
    /// At the end of a cell: how new its blocks are, and the evidence of that.
    pub(super) seen: Option<(Novelty, f64)>,
}

/// The result of the point path at the end of a cell; inside a cell, nothing.
#[derive(Default)]
pub(super) struct PointStep {
    /// The evidence for an anomaly.
    pub(super) evidence: f64,
    /// The largest joint score of the cell, if it is to be learned.
    pub(super) maximum: Option<f64>,
}

impl PathEvidence {
    fn strength(&self) -> f64 {
        self.novelty.max(self.point)
    }
}

impl Observation {
    /// Whether the point has ended a cell. Evidence comes at the ends of cells.
    pub(crate) fn ends_cell(&self) -> bool {
        self.update.cell.novelty.is_some()
    }
}

/// Takes `point` into the context `state` and judges it by `params` and `memory`. A value that is
/// not finite counts as missing.
pub fn observe(
    params: &StreamParams,
    memory: &StreamMemory,
    state: &mut StreamState,
    point: Point,
) -> Observation {
    observe_within(params, memory, state, point, params.block_scale.cell())
}

/// As [`observe`], for the last point of a series: its cell ends with it, however short it is, so that
/// the evidence in it counts.
pub(crate) fn observe_last(
    params: &StreamParams,
    memory: &StreamMemory,
    state: &mut StreamState,
    point: Point,
) -> Observation {
    observe_within(params, memory, state, point, 1)
}

/// As [`observe`], where a cell ends with `cell` points.
fn observe_within(
    params: &StreamParams,
    memory: &StreamMemory,
    state: &mut StreamState,
    point: Point,
    cell: u32,
) -> Observation {
    let slot = params.clock.slot(point.timestamp, state.slot);
    if !point.value.is_finite() {
        return missing(params, memory, state, slot);
    }
    let missing = slot.saturating_sub(state.slot).saturating_sub(1);
    if missing >= params.usual_gap {
        state.restart(params, missing.unsigned_abs());
    }
    state.slot = slot;
    let value = point.value.clamp(-VALUE_LIMIT, VALUE_LIMIT);
    let z = params.scaling.standard(value);
    let points = &params.points;
    let evidence = points.sense(&memory.season, &mut state.window, z, slot);
    let raw = evidence.raw();
    let calibrated = points.calibrate(&raw);
    let joint = points.join(&calibrated, &mut state.held);
    let step = step(params, memory, state, value, joint, cell);
    let alarm = state
        .episode
        .update(step.strength(), params.block_scale.prefix());
    Observation {
        output: output(params, state, value, &evidence, &step, &alarm),
        predictions: evidence.predictions,
        raw,
        calibrated,
        full: evidence.shapes.map(|distance| distance.is_some()),
        update: Update {
            season: SeasonUpdate::new(&memory.season, slot, z),
            cell: step.update,
        },
    }
}

/// Learns from an observation; once for each point, in order.
pub fn learn(memory: &mut StreamMemory, observation: &Observation) {
    if let Some(update) = observation.update.season {
        update.make(&mut memory.season);
    }
    learn_cell(memory, &observation.update.cell);
}

fn learn_cell(memory: &mut StreamMemory, update: &CellUpdate) {
    if let Some(novelty) = &update.novelty {
        memory.blocks.learn(novelty);
    }
    if let Some(maximum) = update.maximum {
        memory.maxima.add(maximum);
    }
}

/// Both paths, given the joint score of the point path.
fn step(
    params: &StreamParams,
    memory: &StreamMemory,
    state: &mut StreamState,
    value: f64,
    joint: f64,
    cell: u32,
) -> PathEvidence {
    let block_scale = &params.block_scale;
    let StreamState { cells, novelty, .. } = state;
    let ended = cells.push(block_scale.place(value), cell);
    let block = block_step(block_scale, &memory.blocks, cells, novelty, ended);
    let ended = block.seen.map(|(seen, _)| seen.cell());
    let point = point_step(
        block_scale,
        &memory.maxima,
        &mut state.largest,
        joint,
        ended,
    );
    PathEvidence {
        rank: rank(joint, block.held),
        novelty: block.seen.map_or(0.0, |(_, evidence)| evidence),
        point: point.evidence,
        update: CellUpdate {
            novelty: block.seen.map(|(seen, _)| seen),
            maximum: point.maximum,
        },
    }
}

/// The block path, after a point that has `ended` this cell. It needs nothing of the point path, so a
/// fit follows both in parallel.
pub(super) fn block_step(
    block_scale: &BlockScale,
    blocks: &Blocks,
    cells: &Cells,
    novelty: &mut NoveltyState,
    ended: Option<u64>,
) -> BlockStep {
    let seen = ended.map(|q| {
        let seen = blocks.observe(block_scale, cells, q);
        (seen, novelty.record(seen.phase(), seen.ratio()))
    });
    BlockStep {
        held: novelty.step(),
        seen,
    }
}

/// The point path from its joint score on. `ended` is the number of the cell that the point has
/// ended, if it ended one.
pub(super) fn point_step(
    block_scale: &BlockScale,
    maxima: &Maxima,
    largest: &mut f64,
    joint: f64,
    ended: Option<u64>,
) -> PointStep {
    *largest = largest.max(joint);
    let Some(q) = ended else {
        return PointStep::default();
    };
    let maximum = std::mem::take(largest) + POINT_EPS;
    let usual = block_scale
        .is_ready(q)
        .then(|| maxima.quantiles([POINT_QUANTILE]));
    PointStep {
        evidence: usual
            .flatten()
            .map_or(0.0, |[usual]| POINT_WEIGHT * maximum / usual),
        maximum: block_scale.is_warm(q).then_some(maximum),
    }
}

/// The score that a rank stands for.
pub(super) fn score(rank: f64) -> f64 {
    1.0 - (-rank / 2.0).exp()
}

/// The rank of a point with this joint score, while this logarithm of novelty is held.
pub(super) fn rank(joint: f64, held: f64) -> f64 {
    joint + NOVELTY_WEIGHT * held
}

fn output(
    params: &StreamParams,
    state: &mut StreamState,
    value: f64,
    evidence: &Evidence,
    step: &PathEvidence,
    alarm: &Alarm,
) -> Output {
    let output = band(params, &evidence.predictions);
    let error = value - output.expected;
    state.errors.push(error, params.block_length());
    let (telling, peak_age) = match alarm.is_alarm {
        true => state.errors.largest(),
        false => (error, 0),
    };
    Output {
        score: score(step.rank),
        rank: step.rank,
        ratio: alarm.ratio,
        emitted: alarm.emitted,
        alarm: alarm.is_alarm,
        escalation: alarm.is_escalation,
        direction: sign(telling),
        cause: cause(params, state, step),
        peak_age,
        ..output
    }
}

/// A verdict without evidence, its band around the chosen predictor's value, or around the median
/// where that is unknown.
fn band(params: &StreamParams, predictions: &Predictions) -> Output {
    let prediction = predictions.of(params.points.predictor);
    let expected = params.scaling.value(prediction.unwrap_or(0.0));
    let half = BAND * params.scaling.scale() * params.points.error();
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

fn missing(
    params: &StreamParams,
    memory: &StreamMemory,
    state: &mut StreamState,
    slot: i64,
) -> Observation {
    let predictions = params.points.predict(&memory.season, &state.window, slot);
    state.slot = slot;
    Observation {
        output: band(params, &predictions),
        predictions,
        raw: [0.0; SLOTS],
        calibrated: [0.0; SLOTS],
        full: [false; SHAPES],
        update: Update::default(),
    }
}

fn sign(error: f64) -> i8 {
    i8::from(error > 0.0) - i8::from(error < 0.0)
}

/// The part with the most evidence: the block path at the end of a cell where it has no less than
/// the point path, else the slot with the largest held score.
fn cause(params: &StreamParams, state: &StreamState, step: &PathEvidence) -> Cause {
    if let Some(novelty) = step.update.novelty
        && step.novelty >= step.point
        && step.novelty > 0.0
    {
        let scale = novelty.scale();
        return Cause::Novelty { scale };
    }
    let mut largest = 0;
    for (slot, held) in state.held.iter().enumerate() {
        if *held > state.held[largest] {
            largest = slot;
        }
    }
    match largest {
        AUTOREGRESSION => Cause::Change,
        SEASON if params.points.season > 0 => Cause::Season,
        SEASON => Cause::Level,
        LOCAL => Cause::Local,
        _ => Cause::Shape,
    }
}
