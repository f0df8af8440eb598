//! The streaming detector. It is fitted on a prefix, then takes one point at a time, judges it by
//! earlier points only, and learns. docs/design/auto.md is its specification.
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
//! The block path gives few alarms on series of no fixed shape. It learns for ever, and its history
//! is its model. The point path resolves single points and odd shapes inside a periodic signal.
//!
//! A detector has three parts. [`StreamParams`] never changes after the fit. [`StreamMemory`]
//! changes with [`learn`] only. [`StreamState`] is the context, which changes with each point. So
//! many callers can share the first two, each with a [`StreamState`]: see [`StreamState::fresh`]
//! and [`observe()`].

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
mod period;
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
pub use fit::Replay;
pub(crate) use observe::observe_last;
pub use observe::{Observation, learn, observe};
pub use points::{Predictions, Predictor, SlotCalibration};
pub use state::StreamState;

use block::{BlockScale, Blocks};
pub(crate) use constants::PHASES as BLOCK_CELLS;
use constants::PHASES;
use histogram::Maxima;
use points::PointModel;
use shape::Shape;

pub use crate::series::{clock::Clock, scale::Scaling};
use crate::series::{
    scale::WINSOR_LIMIT,
    season::{Profile, StreamProfile},
};

/// A detector after its fit and the points since; at most 81 KiB.
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

/// The part that never changes after the fit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamParams {
    /// The number of finite points in the prefix.
    prefix: u64,
    scaling: Scaling,
    clock: Clock,
    /// The number of slots from one point to the next that is not unusual. Models of earlier versions
    /// have none.
    #[serde(default = "no_limit")]
    usual_gap: i64,
    #[serde(rename = "grid")]
    block_scale: BlockScale,
    points: PointModel,
}

fn no_limit() -> i64 {
    i64::MAX
}

/// The part that learns from every point.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamMemory {
    #[serde(with = "StreamProfile")]
    season: Profile,
    blocks: Blocks,
    /// The largest joint scores of cells.
    maxima: Maxima,
}

/// The verdict on a point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Output {
    /// A ranking in [0, 1).
    pub score: f64,
    /// The rank that the score stands for; at least 0.
    pub rank: f64,
    /// The evidence divided by the level: 1 and more calls for an alarm. 0 inside a cell.
    pub ratio: f64,
    /// The ratio if it exceeds the earlier ones of this episode by half, else 0.
    pub emitted: f64,
    /// Whether there is an alarm: `emitted` is 1 or more.
    pub alarm: bool,
    /// Whether the alarm came inside a running episode, which has grown by half.
    pub escalation: bool,
    /// The value expected by the predictor that was best on the prefix.
    pub expected: f64,
    /// The lower end of the band around the expected value.
    pub lower: f64,
    /// The upper end of the band.
    pub upper: f64,
    /// 1 above the expected value, −1 below, 0 at it. Of an alarm, that of the point `peak_age`
    /// ago.
    pub direction: i8,
    /// The part with the most evidence.
    pub cause: Cause,
    /// The number of points since the largest error, for an alarm, which comes at the end of a
    /// cell; else 0.
    pub peak_age: u32,
}

/// The part with the evidence for an anomaly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The last blocks look like no earlier ones.
    Novelty {
        /// The length of the window in blocks of three cells: 1, 3, 9 or 27.
        scale: usize,
    },
    /// The last points have a shape unlike those in the prefix.
    Shape,
    /// The point does not follow from the last few.
    Change,
    /// The point is unusual at its place of the period.
    Season,
    /// The point is far from the median of the prefix.
    Level,
    /// The point is far from the last ones.
    Local,
    /// The value is missing.
    Missing,
}

impl Stream {
    /// Judges `point` and learns from it. A value that is not finite counts as missing and is not
    /// learned from.
    pub fn update(&mut self, point: Point) -> Output {
        let observation = observe(&self.params, &self.memory, &mut self.state, point);
        learn(&mut self.memory, &observation);
        observation.output
    }

    /// The same with learned numbers rounded to what matters, so that they take less space where they
    /// are stored.
    #[must_use]
    pub fn rounded(mut self) -> Self {
        self.params.points.shapes.iter_mut().for_each(Shape::round);
        self.memory.blocks.round();
        self
    }

    /// The part that never changes after the fit.
    pub fn params(&self) -> &StreamParams {
        &self.params
    }

    /// The part that learns.
    pub fn memory(&self) -> &StreamMemory {
        &self.memory
    }

    /// The context of the next point.
    pub fn state(&self) -> &StreamState {
        &self.state
    }

    /// The three parts, for [`observe()`] and [`learn`].
    pub fn parts(&mut self) -> (&StreamParams, &mut StreamMemory, &mut StreamState) {
        (&self.params, &mut self.memory, &mut self.state)
    }

    /// The memory in bytes, heap included.
    pub fn memory_bytes(&self) -> usize {
        let params = size_of::<StreamParams>() + self.params.points.memory_bytes();
        let memory = &self.memory;
        let heap = memory.season.heap_bytes() + memory.blocks.memory_bytes() + Maxima::HEAP_BYTES;
        params + size_of::<StreamMemory>() + heap + self.state.memory_bytes()
    }

    /// Whether an episode is running: an alarm was raised, and there was evidence not long ago.
    pub fn is_in_episode(&self) -> bool {
        self.state.episode.is_running()
    }

    /// The number of recent alarms, each counting less as time passes. Each raises the level by a
    /// twentieth.
    pub fn recent_alarms(&self) -> f64 {
        self.state.episode.alarms()
    }
}

impl StreamParams {
    /// The number of finite points in the prefix.
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

    /// The number of points of a cell. An alarm comes at the end of one.
    pub fn cell(&self) -> usize {
        self.block_scale.cell() as usize
    }

    /// The length of the prefix, at most the horizon, which times are fractions of: an episode ends
    /// after 0.15 of it.
    pub fn horizon(&self) -> usize {
        self.block_scale.prefix() as usize
    }

    /// The dominant period of the prefix in points, if there is one. It is too long for a season if
    /// it is over a third of the prefix.
    pub fn period(&self) -> Option<usize> {
        Some(self.points.period as usize).filter(|&period| period > 0)
    }

    /// The length of the season in slots, if there is a season.
    pub fn season(&self) -> Option<usize> {
        Some(self.points.season as usize).filter(|&season| season > 0)
    }

    /// The order of the autoregression, which needs as many points before; 0 for none.
    pub fn order(&self) -> usize {
        self.points.weights.len()
    }

    /// The window lengths of the shapes; empty for a short prefix.
    pub fn windows(&self) -> impl Iterator<Item = usize> {
        self.points.shapes.iter().map(Shape::window)
    }

    /// The calibration of each slot.
    pub fn calibrations(&self) -> &[SlotCalibration; SLOTS] {
        &self.points.calibrations
    }

    /// Whether a slot is active for this series.
    pub fn is_active(&self, slot: usize) -> bool {
        self.points.is_active(slot)
    }

    /// The predictor with the smallest errors.
    pub fn predictor(&self) -> Predictor {
        self.points.predictor
    }

    /// The number of points of context that verdicts depend on most: the longest window of a shape.
    pub fn context(&self) -> usize {
        self.points.lookback()
    }

    /// The number of points of a block. The peak of an alarm lies at most so far back.
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
    /// The number of kept blocks, for the three phases of each scale.
    pub fn kept(&self) -> [[usize; PHASES]; SCALES.len()] {
        self.blocks.kept()
    }

    /// The mean of the season's profile, standardised; 0 without a season.
    pub(crate) fn season_mean(&self) -> f64 {
        self.season.mean()
    }

    fn check(&self, params: &StreamParams) -> Result<(), &'static str> {
        let season = params.points.season as usize;
        if !self.season.is_sound(season, WINSOR_LIMIT as f32) {
            return Err("season");
        }
        self.blocks.check()?;
        self.maxima.check()
    }
}

/// A detector as read, before its numbers are checked. No detector that passes the check makes a
/// later call panic.
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
