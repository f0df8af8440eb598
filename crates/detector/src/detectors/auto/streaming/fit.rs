//! Fitting on a prefix: the fixed part is learned first, then the prefix is replayed point by
//! point, as later points will come.

use contract::Point;

use super::{
    Stream, StreamMemory, StreamParams, StreamState, ar,
    block::{BlockScale, Blocks},
    cells::Cells,
    constants::{
        FIT_POINTS, GAP, MAX_PERIOD, MAX_SEASON, MIN_PERIOD, MIN_POINTS, NO_PERIOD, ORDER, SHAPES,
        SHAPES_FROM, SLOTS, THETA, VALUE_LIMIT,
    },
    episode::AlarmState,
    histogram::Maxima,
    observe::{SeasonUpdate, block_step, point_step, rank},
    period,
    points::{AUTOREGRESSION, LOCAL, PointModel, Predictor, SEASON, SlotCalibration},
    shape::Shape,
    state::NoveltyState,
    window::Sums,
};
use crate::{
    parallel::join,
    series::{
        clock::Clock,
        scale::{Scaling, winsorized},
        season::Profile,
    },
};

/// The record of a fit for each finite point of the prefix, in order. Verdicts are calibrated on
/// it.
#[derive(Clone, Debug, PartialEq)]
pub struct Replay {
    /// Distances of the three shapes; a point before the first full window has the distance of that
    /// window. Empty without shapes.
    pub shapes: [Vec<f64>; SHAPES],
    /// Signed errors of autoregression, season or level, local median, in scales; NaN where nothing
    /// was predicted.
    pub errors: PredictorErrors,
    /// The joint score of the point path.
    pub joint: Vec<f64>,
    /// The rank.
    pub rank: Vec<f64>,
    /// The evidence divided by the level without fatigue; 0 inside a cell and during the probation.
    pub ratio: Vec<f64>,
}

/// The errors of the three predictors at each point.
pub(crate) type PredictorErrors = [Vec<f64>; SLOTS - SHAPES];

/// The result of one of the two paths for each point of the prefix.
struct PathReplay {
    /// The joint score, or the logarithm of novelty that is held.
    scores: Vec<f64>,
    evidence: Vec<f64>,
}

impl Stream {
    /// Learns from `points`, which are in the order of time. Values that are not finite are left
    /// out. `None` for fewer than [`MIN_POINTS`] finite ones.
    pub fn fit(points: &[Point]) -> Option<(Self, Replay)> {
        let (stream, replay, ()) = Self::fit_beside(points, || ())?;
        Some((stream, replay))
    }

    /// As [`Self::fit`]. During the replay, which takes half of the time, it also runs `beside`.
    pub(crate) fn fit_beside<T: Send>(
        points: &[Point],
        beside: impl FnOnce() -> T + Send,
    ) -> Option<(Self, Replay, T)> {
        let finite = points.iter().filter(|point| point.value.is_finite());
        let (values, stamps): (Vec<f64>, Vec<i64>) = finite
            .map(|point| {
                (
                    point.value.clamp(-VALUE_LIMIT, VALUE_LIMIT),
                    point.timestamp,
                )
            })
            .unzip();
        if values.len() < MIN_POINTS {
            return None;
        }
        let scaling = Scaling::fit(&values);
        let standard: Vec<f64> = values.iter().map(|&v| scaling.standard(v)).collect();
        let mut stream = Self::before_replay(&values, &stamps, scaling, &standard);
        let Self {
            params,
            memory,
            state,
        } = &mut stream;
        let mut replay = Replay::new(values.len());
        replay.sense(params, memory, state, &standard, &stamps);
        replay.calibrate(&mut params.points);
        let params = &*params;
        let mut points = || {
            replay.follow_points(
                params,
                &mut memory.maxima,
                &mut state.largest,
                &mut state.held,
            )
        };
        let blocks = || {
            follow_blocks(
                &params.block_scale,
                &mut memory.blocks,
                &mut state.cells,
                &mut state.novelty,
                &values,
            )
        };
        // Two parts of about the same size.
        let ((points, made), blocks) = join(values.len(), || (points(), beside()), blocks);
        replay.bring_together(points, blocks);
        stream.state.episode = AlarmState::new();
        Some((stream, replay, made))
    }

    /// Learns the parts that need no replay; the `standard` values are standardised by `scaling`.
    fn before_replay(values: &[f64], stamps: &[i64], scaling: Scaling, standard: &[f64]) -> Self {
        let clock = Clock::fit(stamps);
        let points = point_model(standard, &clock);
        let memory = StreamMemory {
            season: Profile::new(points.season as usize),
            blocks: Blocks::new(),
            maxima: Maxima::empty(),
        };
        let params = StreamParams {
            prefix: values.len() as u64,
            block_scale: BlockScale::fit(values, scaling),
            scaling,
            clock,
            usual_gap: usual_gap(&clock, stamps),
            points,
        };
        Self {
            state: StreamState::starting_at(&params, 0),
            params,
            memory,
        }
    }
}

/// Learns shapes, period and autoregression from standardised values; calibration comes later.
/// The longest gap between two of the points, in slots; at least [`GAP`].
fn usual_gap(clock: &Clock, stamps: &[i64]) -> i64 {
    let slot = |stamp: &i64| clock.slot(*stamp, 0);
    let gaps = stamps
        .windows(2)
        .map(|pair| slot(&pair[1]).saturating_sub(slot(&pair[0])));
    gaps.fold(GAP, i64::max)
}

fn point_model(standard: &[f64], clock: &Clock) -> PointModel {
    let n = standard.len();
    let tail = &standard[n.saturating_sub(FIT_POINTS)..];
    let period = period::find(tail, clock.calendar());
    let usable = (MIN_PERIOD..=MAX_PERIOD).contains(&period);
    let window = if usable { period } else { NO_PERIOD };
    let windows = [window, window / 2, window / 4].map(|w| w.max(8).min(n / 4).max(4));
    let shapes = || match n {
        SHAPES_FROM.. => of_each(n, windows, |window| Shape::fit(tail, window)).into(),
        _ => Vec::new(),
    };
    let weights = || {
        let winsorized: Vec<f64> = tail.iter().map(|&z| winsorized(z)).collect();
        ar::fit(&winsorized, ORDER.min(n / 10))
    };
    let (shapes, weights) = join(n, shapes, weights);
    let seasonal = (MIN_PERIOD..=MAX_SEASON.min(n / 3)).contains(&period);
    PointModel {
        shapes,
        weights,
        period: period as u32,
        season: if seasonal { period as u32 } else { 0 },
        calibrations: [SlotCalibration::default(); SLOTS],
        predictor: Predictor::Local,
    }
}

/// Runs `of` for each of the three shapes, in parallel if there are enough `points`.
pub(super) fn of_each<A: Send, T: Send>(
    points: usize,
    [a, b, c]: [A; SHAPES],
    of: impl Fn(A) -> T + Sync,
) -> [T; SHAPES] {
    let ((a, b), c) = join(points, || join(points, || of(a), || of(b)), || of(c));
    [a, b, c]
}

impl Replay {
    fn new(n: usize) -> Self {
        Self {
            shapes: Default::default(),
            errors: std::array::from_fn(|_| Vec::with_capacity(n)),
            joint: Vec::new(),
            rank: Vec::new(),
            ratio: Vec::new(),
        }
    }

    /// Shows the point path all points once, while the season learns.
    fn sense(
        &mut self,
        params: &StreamParams,
        memory: &mut StreamMemory,
        state: &mut StreamState,
        standard: &[f64],
        stamps: &[i64],
    ) {
        let distances = || params.points.distances(standard).unwrap_or_default();
        let errors = || {
            for (&z, &stamp) in standard.iter().zip(stamps) {
                state.slot = params.clock.slot(stamp, state.slot);
                let window = &mut state.window;
                let predictions = params.points.predict(&memory.season, window, state.slot);
                window.push(z);
                if let Some(update) = SeasonUpdate::new(&memory.season, state.slot, z) {
                    update.make(&mut memory.season);
                }
                let found = params.points.errors(&predictions, z);
                for (errors, error) in self.errors.iter_mut().zip(found) {
                    errors.push(error.unwrap_or(f64::NAN));
                }
            }
        };
        (self.shapes, ()) = join(standard.len(), distances, errors);
    }

    /// Calibrates the slots on their raw scores, and chooses the best predictor.
    fn calibrate(&self, points: &mut PointModel) {
        let mut raw = Vec::new();
        for (slot, calibration) in points.calibrations.iter_mut().enumerate() {
            raw.clear();
            match slot {
                0..SHAPES => raw.extend_from_slice(&self.shapes[slot]),
                _ => raw.extend(self.errors[slot - SHAPES].iter().map(|&e| size(e))),
            }
            if !raw.is_empty() {
                *calibration = SlotCalibration::fit(&mut raw);
            }
        }
        let mut best = f64::INFINITY;
        for (slot, predictor, has) in [
            (
                AUTOREGRESSION,
                Predictor::Autoregression,
                !points.weights.is_empty(),
            ),
            (SEASON, Predictor::Season, points.season > 0),
            (LOCAL, Predictor::Local, true),
        ] {
            let error = points.calibrations[slot].high;
            if has && error < best {
                best = error;
                points.predictor = predictor;
            }
        }
    }

    /// Follows the point path over all points, learning.
    fn follow_points(
        &self,
        params: &StreamParams,
        maxima: &mut Maxima,
        largest: &mut f64,
        held: &mut [f64; SLOTS],
    ) -> PathReplay {
        let n = self.errors[0].len();
        let (mut joints, mut evidence) = (Vec::with_capacity(n), Vec::with_capacity(n));
        for i in 0..n {
            let shape = |slot: usize| self.shapes[slot].get(i).copied().unwrap_or(0.0);
            let error = |slot: usize| size(self.errors[slot][i]);
            let raw = [shape(0), shape(1), shape(2), error(0), error(1), error(2)];
            let calibrated = params.points.calibrate(&raw);
            let joint = params.points.join(&calibrated, held);
            let ended = params.block_scale.ends(i);
            let step = point_step(&params.block_scale, maxima, largest, joint, ended);
            if let Some(maximum) = step.maximum {
                maxima.add(maximum);
            }
            joints.push(joint);
            evidence.push(step.evidence);
        }
        PathReplay {
            scores: joints,
            evidence,
        }
    }

    /// Joins the results of both paths.
    fn bring_together(&mut self, points: PathReplay, blocks: PathReplay) {
        let (mut ranks, mut ratios) = (blocks.scores, blocks.evidence);
        for (held, joint) in ranks.iter_mut().zip(&points.scores) {
            *held = rank(*joint, *held);
        }
        for (novelty, point) in ratios.iter_mut().zip(points.evidence) {
            *novelty = novelty.max(point) / THETA;
        }
        (self.joint, self.rank, self.ratio) = (points.scores, ranks, ratios);
    }
}

/// Follows the block path over all points, learning.
fn follow_blocks(
    block_scale: &BlockScale,
    blocks: &mut Blocks,
    cells: &mut Cells,
    novelty: &mut NoveltyState,
    values: &[f64],
) -> PathReplay {
    let steps = values.iter().map(|&value| {
        let ended = cells.push(block_scale.place(value), block_scale.cell());
        let step = block_step(block_scale, blocks, cells, novelty, ended);
        let Some((seen, evidence)) = step.seen else {
            return (step.held, 0.0);
        };
        blocks.learn(&seen);
        (step.held, evidence)
    });
    let (scores, evidence) = steps.unzip();
    PathReplay { scores, evidence }
}

impl PointModel {
    /// The distances of the windows that end at each of `standard` from each shape. Before the
    /// first full window they are those of that window. `None` without shapes.
    pub(super) fn distances(&self, standard: &[f64]) -> Option<[Vec<f64>; SHAPES]> {
        let shapes = <&[Shape; SHAPES]>::try_from(&self.shapes[..]).ok()?;
        let of_shape = |shape: &Shape| {
            let mut sums = Sums::new(self.lookback());
            let mut distances = Vec::with_capacity(standard.len());
            for &z in standard {
                sums.push(z);
                let sums = sums.of_last(shape.window());
                distances.push(sums.map_or(0.0, |sums| f64::from(shape.distance(sums))));
            }
            let unknown = distances.len().min(shape.window() - 1);
            let first = distances.get(unknown).copied().unwrap_or_default();
            distances[..unknown].fill(first);
            distances
        };
        Some(of_each(standard.len(), shapes.each_ref(), of_shape))
    }
}

/// The size of an error; 0 where there is none.
fn size(error: f64) -> f64 {
    if error.is_nan() { 0.0 } else { error.abs() }
}
