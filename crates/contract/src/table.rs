//! The reply of `POST /v1/detect` with `"form":"table"`: everything that a data frame needs.

use serde::{Deserialize, Serialize};

use crate::{DetectSummary, Direction, Severity};

/// The most verdicts of a [`VerdictBlock`].
pub const BLOCK_ROWS: usize = 4_096;

/// Verdicts on successive points, an array for each of their fields. All arrays have one length.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct VerdictBlock {
    /// Whether the point is an anomaly.
    pub anomaly: Vec<bool>,
    /// Whether an alarm is raised at the point.
    pub alarm: Vec<bool>,
    /// How unusual the point is, in `[0, 1)`.
    pub score: Vec<f64>,
    /// The probability of a point at least as unusual in a normal series, in `(0, 1]`.
    pub p_value: Vec<f64>,
    /// How far beyond the alarm level the point lies.
    pub severity: Vec<Severity>,
    /// The value that was expected, in the unit of the values.
    pub expected: Vec<Option<f64>>,
    /// The lower limit of the normal range; `null` if there is none.
    pub lower: Vec<Option<f64>>,
    /// The upper limit of the normal range; `null` if there is none.
    pub upper: Vec<Option<f64>>,
    /// How the point deviates.
    pub direction: Vec<Direction>,
    /// The strength of the alarm, or of a candidate below the alarm level; at least 0.
    pub ratio: Vec<f64>,
    /// The timestamp of the point that the alarm is about; `null` without an alarm.
    pub about: Vec<Option<i64>>,
    /// The reason in one sentence, of anomalies and alarms only.
    pub reason: Vec<Option<String>>,
}

/// The reply to a detection as a table, in blocks of at most [`BLOCK_ROWS`] verdicts: a reader has
/// the speed of arrays, and the writer need not keep them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TableDetectReply {
    /// The verdicts on the scored points, in order of time.
    pub blocks: Vec<VerdictBlock>,
    /// The findings on the series as a whole.
    #[serde(flatten)]
    pub summary: DetectSummary,
}
