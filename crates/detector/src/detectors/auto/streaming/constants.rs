//! The parameters, the same for every series; docs/design/auto.md, 2, gives the reasons. Most lie
//! on plateaus; `CELLS` and `QUANTILE` are the least flat.

/// The smallest number of finite points that can be fitted.
pub const MIN_POINTS: usize = 10;
/// Values are clamped to ± this, so that no difference or square of them overflows.
pub(super) const VALUE_LIMIT: f64 = 1e150;

// Block path.

/// Cells of a probation; a block is [`PHASES`] cells.
pub(super) const CELLS: usize = 180;
/// Shifted block grids, and cells of a block.
pub(crate) const PHASES: usize = 3;
/// Window lengths, in blocks.
pub const SCALES: [usize; 4] = [1, 3, 9, 27];
/// Summaries kept for each phase of each scale.
pub(super) const CAPACITY: [usize; 4] = [600, 450, 225, 112];
/// Numbers that sum up a block: mean, maximum, minimum, mean absolute difference.
pub(super) const FEATURES: usize = 4;
/// Cells of the longest window.
pub(super) const LONGEST: usize = PHASES * SCALES[3];
/// A block is kept if its distance exceeds this times the median distance.
pub(super) const ADMIT: f64 = 0.8;
/// Added to each distance: two per cent of the range of the prefix.
pub(super) const EPS: f64 = 0.02;
/// The running quantile that scales distances.
pub(super) const QUANTILE: f64 = 0.95;
/// The fraction of the probation whose distances do not enter the quantile.
pub(super) const WARM: f64 = 0.25;
/// Cells after twice its window before a scale speaks.
pub(super) const KNOWN: u64 = 15;
/// The scaling quantile is at least this times [`EPS`], so that a constant series stays below the
/// level.
pub(super) const FLOOR: f64 = 1.25;
/// Exponent of the power mean over the scales.
pub(super) const POWER: i32 = 8;
/// The prefix is clipped to median ± this many scales before its range is taken.
pub(super) const RANGE_CLIP: f64 = 50.0;
/// Values inside the block path are clamped to ± this many ranges.
pub(super) const BLOCK_LIMIT: f64 = 1e6;
/// Distances in a histogram before its median decides what is kept.
pub(super) const FEW: u32 = 5;

// Point path.

/// Kinds of evidence about a point: three shapes, autoregression, season or level, running median.
pub const SLOTS: usize = 6;
/// Of these, the shapes.
pub const SHAPES: usize = 3;
/// Segments of a window.
pub(super) const DIMS: usize = 32;
/// Principal axes.
pub(super) const RANK: usize = 8;
/// Codes of a codebook.
pub(super) const CODES: usize = 64;
/// Regulariser of the whitening, as a fraction of the largest eigenvalue.
pub(super) const RIDGE: f64 = 1e-3;
/// Lloyd iterations.
pub(super) const LLOYD: usize = 4;
/// Order of the autoregression.
pub(super) const ORDER: usize = 8;
/// Length of the running median.
pub(super) const MEDIAN: usize = 21;
/// A gap of up to this many slots tears nothing.
pub(super) const GAP: i64 = 8;
/// The fraction of a held residual that is left after one point.
pub(super) const HOLD: f64 = 0.9;
/// Shortest period that is used.
pub(super) const MIN_PERIOD: usize = 8;
/// Longest window of the shapes.
pub(super) const MAX_PERIOD: usize = 500;
/// Window of the shapes without a period.
pub(super) const NO_PERIOD: usize = 64;
/// Longest season.
pub(super) const MAX_SEASON: usize = 2048;
/// The fraction of the way by which a place of the season moves towards a new value, at least.
pub(super) const LEAST_GAIN: f64 = 0.2;
/// The distance that an error counts as there, at most, in scales.
pub(super) const STEP_LIMIT: f64 = 3.0;
/// The quantile of the prefix that makes a score 1 before its logarithm.
pub(super) const CALIBRATION: f64 = 0.99;
/// The shortest prefix with shapes.
pub(super) const SHAPES_FROM: usize = 40;
/// The point path is fitted on at most this many last points of the prefix.
pub(super) const FIT_POINTS: usize = 16_384;

// Score and alarm.

/// The running quantile of cell maxima that scales the point path's share in the alarm.
pub(super) const POINT_QUANTILE: f64 = 0.99;
/// The amount that is added to a cell's maximum.
pub(super) const POINT_EPS: f64 = 0.3;
/// The weight of the point path in the alarm.
pub(super) const POINT_WEIGHT: f64 = 0.75;
/// The alarm level.
pub(super) const THETA: f64 = 0.94;
/// Rise of the level with each recent alarm.
pub(crate) const FATIGUE: f64 = 0.05;
/// Memory of alarms, in prefix lengths (at most [`HORIZON`](crate::online::episode::HORIZON)).
pub(super) const FATIGUE_TAU: f64 = 20.0;
/// The block path's share in the score.
pub(super) const NOVELTY_WEIGHT: f64 = 0.1;
/// The fraction of held novelty that is left after one point.
pub(super) const NOVELTY_HOLD: f64 = 0.98;
/// Half the width of the band, in 0.99 quantiles of the predictor's error.
pub(super) const BAND: f64 = 1.5;
/// Smallest calibrating width, and smallest error that a band is made of, in scales.
pub(super) const MIN_WIDTH: f64 = 1e-3;
