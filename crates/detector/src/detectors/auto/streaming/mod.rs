//! The streaming detector: fitted on a prefix, it then takes one point at a time, judges it by earlier ones only, and learns.
//!
//! ```text
//!           value ─┬─ BLOCK path: cells of a few points → blocks on 4 time scales, in 3 phases
//!                  │    → distance to the nearest earlier block → / its running 0.95 quantile → power mean over scales
//!                  │    → median of the phases                                                = novelty   (at the end of a cell)
//!                  └─ POINT path: 3 shapes, autoregression, season or level, running median
//!                       → calibrated on the prefix → root mean square                         = joint     (every point)
//!                            largest of the cell → / its running 0.99 quantile → × 0.75       = point     (at the end of a cell)
//! score = 1 − exp(−(joint + 0.1·held ln(1 + novelty))/2)               a ranking, no threshold implied
//! ratio = max(novelty, point) / (0.94·(1 + 0.05·recent alarms))        an alarm when ≥ 1 and not part of a running episode
//! ```
//!
//! Few alarms on series of no fixed shape come from the block path, which learns for ever and whose history is its model; a resolution
//! of one point and odd shapes inside a periodic signal come from the point path.
//!
//! A detector has three parts. [`StreamParams`] never changes after the fit. [`StreamMemory`] changes with [`learn`] only. [`StreamState`] is the
//! context, which each point moves on. So a frozen run borrows the first two and owns a [`StreamState`]: see [`StreamState::fresh`] and
//! [`observe`].

mod ar;
mod block;
mod block_memory;
mod cells;
pub(crate) mod constants;
mod context_view;
mod delayed;
mod eigen;
mod episode;
mod fit;
mod histogram;
mod observe;
mod points;
mod shape;
mod shape_fit;
mod state;
#[cfg(test)]
mod tests;
mod window;

use contract::Point;
use serde::{Deserialize, Serialize};

pub use constants::{MIN_POINTS, SCALES, SHAPES, SLOTS};
pub(crate) use context_view::ContextView;
pub use delayed::delayed;
pub(crate) use fit::PredictorErrors;
pub use fit::Replay;
pub use observe::{Observation, learn, observe};
pub use points::{Predictions, Predictor, SlotCalibration};
pub use state::StreamState;

use block::{BlockScale, Blocks};
use constants::PHASES;
use histogram::Maxima;
use points::PointModel;
use shape::Shape;

use crate::series::season::RunningProfile;
pub use crate::series::{clock::Clock, scale::Scaling};

/// A detector after its fit, and wherever it has come since. At most 64 KiB.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Stream {
    #[serde(rename = "fixed")]
    params: StreamParams,
    #[serde(rename = "learned")]
    memory: StreamMemory,
    #[serde(rename = "moving")]
    state: StreamState,
}

/// What the fit has settled for good.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamParams {
    /// Finite points of the prefix.
    prefix: u64,
    scaling: Scaling,
    clock: Clock,
    #[serde(rename = "grid")]
    block_scale: BlockScale,
    points: PointModel,
}

/// What is learned from every point.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamMemory {
    season: RunningProfile,
    blocks: Blocks,
    /// Largest joint scores of cells.
    maxima: Maxima,
}

/// The verdict on a point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Output {
    /// For ranking, in [0, 1).
    pub score: f64,
    /// What the score is made of, from 0.
    pub rank: f64,
    /// Evidence over the level: 1 and more calls for an alarm. 0 inside a cell.
    pub ratio: f64,
    /// The ratio where it exceeds what was seen in this episode by half, else 0.
    pub emitted: f64,
    /// Whether there is an alarm: `emitted` is 1 or more.
    pub alarm: bool,
    /// Whether the alarm came inside a running episode, which has grown by half.
    pub escalation: bool,
    /// The value expected by the predictor that was best on the prefix.
    pub expected: f64,
    /// The lower end of the band around it.
    pub lower: f64,
    /// The upper end.
    pub upper: f64,
    /// 1 above what was expected, −1 below, 0 for neither; of an alarm: at the point `peak_age` ago.
    pub direction: i8,
    /// The part that fired, or that had the most evidence.
    pub cause: Cause,
    /// Of an alarm, which comes at the end of a cell: how many points ago the error was largest. Else 0.
    pub peak_age: u32,
}

/// What speaks for an anomaly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The last blocks look like none before.
    Novelty {
        /// Length of the window in blocks of three cells: 1, 3, 9 or 27.
        scale: usize,
    },
    /// The shape of the last points looks like none in the prefix.
    Shape,
    /// The point does not follow from the last few.
    Change,
    /// The point is unusual at its place of the period.
    Season,
    /// The point is far from the median of the prefix.
    Level,
    /// The point is far from the last ones.
    Local,
    /// There was no value to judge.
    Missing,
}

impl Stream {
    /// Judges `point` and learns from it. A value that is not finite is answered as missing and teaches nothing.
    pub fn update(&mut self, point: Point) -> Output {
        let observation = observe(&self.params, &self.memory, &mut self.state, point);
        learn(&mut self.memory, &observation);
        observation.output
    }

    /// What the fit has settled.
    pub fn params(&self) -> &StreamParams {
        &self.params
    }

    /// What was learned so far.
    pub fn memory(&self) -> &StreamMemory {
        &self.memory
    }

    /// The context of the next point.
    pub fn state(&self) -> &StreamState {
        &self.state
    }

    /// The three parts, for taking points without learning, or learning by [`learn`].
    pub fn parts(&mut self) -> (&StreamParams, &mut StreamMemory, &mut StreamState) {
        (&self.params, &mut self.memory, &mut self.state)
    }

    /// Bytes, those on the heap included.
    pub fn memory_bytes(&self) -> usize {
        let params = size_of::<StreamParams>() + self.params.points.memory_bytes();
        let memory = &self.memory;
        let heap = memory.season.memory_bytes() + memory.blocks.memory_bytes() + Maxima::HEAP_BYTES;
        params + size_of::<StreamMemory>() + heap + self.state.memory_bytes()
    }

    /// Alarms lately, each counting less as time passes: each raises the level by a twentieth.
    pub fn recent_alarms(&self) -> f64 {
        self.state.episode.alarms()
    }
}

impl StreamParams {
    /// Finite points of the prefix.
    pub fn prefix(&self) -> u64 {
        self.prefix
    }

    /// Location and scale.
    pub fn scaling(&self) -> Scaling {
        self.scaling
    }

    /// The grid of timestamps.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// Points of a cell: a verdict comes at the end of each.
    pub fn cell(&self) -> usize {
        self.block_scale.cell() as usize
    }

    /// Length of the prefix as far as it sets times, in points: an episode ends after 0.15 of it.
    pub fn horizon(&self) -> usize {
        self.block_scale.prefix() as usize
    }

    /// The dominant period of the prefix in points, if there is one. Too long for a season when over a third of the prefix.
    pub fn period(&self) -> Option<usize> {
        Some(self.points.period as usize).filter(|&period| period > 0)
    }

    /// Length of the season in slots, if there is one.
    pub fn season(&self) -> Option<usize> {
        Some(self.points.season as usize).filter(|&season| season > 0)
    }

    /// Order of the autoregression: it needs as many points before. 0: none.
    pub fn order(&self) -> usize {
        self.points.weights.len()
    }

    /// Window lengths of the shapes; none for a short prefix.
    pub fn windows(&self) -> impl Iterator<Item = usize> {
        self.points.shapes.iter().map(Shape::window)
    }

    /// How each slot is calibrated.
    pub fn calibrations(&self) -> &[SlotCalibration; SLOTS] {
        &self.points.calibrations
    }

    /// Whether a slot says anything about this series.
    pub fn is_active(&self, slot: usize) -> bool {
        self.points.is_active(slot)
    }

    /// The predictor with the smallest errors.
    pub fn predictor(&self) -> Predictor {
        self.points.predictor
    }

    /// How many points of context change verdicts most: as far as the shapes look back.
    pub fn context(&self) -> usize {
        self.points.lookback()
    }

    /// Points of a block: as far as the peak of an alarm may lie back.
    fn block_length(&self) -> usize {
        PHASES * self.cell()
    }

    fn check(&self) -> Result<(), &'static str> {
        self.scaling.check()?;
        self.clock.check()?;
        self.block_scale.check()?;
        self.points.check()
    }
}

impl StreamMemory {
    /// Blocks kept: for each scale, the three phases.
    pub fn kept(&self) -> [[usize; PHASES]; SCALES.len()] {
        self.blocks.kept()
    }

    fn check(&self, params: &StreamParams) -> Result<(), &'static str> {
        self.season.check(params.points.season as usize)?;
        self.blocks.check()?;
        self.maxima.check()
    }
}

/// A detector as read, before its numbers were checked: none that passes makes a later call panic.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unchecked {
    #[serde(rename = "fixed")]
    params: StreamParams,
    #[serde(rename = "learned")]
    memory: StreamMemory,
    #[serde(rename = "moving")]
    state: StreamState,
}

impl TryFrom<Unchecked> for Stream {
    type Error = String;

    fn try_from(read: Unchecked) -> Result<Self, Self::Error> {
        let Unchecked {
            params,
            memory,
            state,
        } = read;
        let checked = params
            .check()
            .and_then(|()| memory.check(&params))
            .and_then(|()| state.check(&params, &memory));
        checked.map_err(|part| format!("{part} is not what a fit gives"))?;
        Ok(Self {
            params,
            memory,
            state,
        })
    }
}
