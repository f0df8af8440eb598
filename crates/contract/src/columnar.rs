//! The reply of `POST /v1/detect` with `"form":"columns"`: what a chart needs, and nothing that the
//! client has sent itself.

use serde::{Deserialize, Serialize};

use crate::{Cause, ChangePointReply, DetectorName, Direction, EpisodeReply, Severity};

/// A point at which an alarm was raised.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlarmReply {
    /// The place of the point among all points of the request, from 0, in the order of their
    /// timestamps.
    pub index: u64,
    /// The timestamp of the point. What the alarm is about may be a few points back: see `cause`.
    pub timestamp: i64,
    /// How far beyond the alarm level the point lies.
    pub severity: Severity,
    /// How the point that the alarm is about deviates.
    pub direction: Direction,
    /// The strength of the alarm, as a multiple of the strength that raises one; at least 1.
    pub ratio: f64,
    /// The probability of a point at least as unusual in a normal series, in `(0, 1]`.
    pub p_value: f64,
    /// The reason for the alarm, in one sentence.
    pub reason: String,
    /// The reason as data.
    pub cause: Cause,
}

/// The reply to a detection, column by column.
///
/// `expected`, `lower` and `upper` have one number for each scored point: the first is about the
/// point number `train`, counted from 0. They are rounded to about a hundred-thousandth of the range
/// of all values.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColumnarDetectReply {
    /// The values that were expected; `null` where none was.
    pub expected: Vec<Option<f64>>,
    /// The lower limits of the normal range; `null` where there is none.
    pub lower: Vec<Option<f64>>,
    /// The upper limits of the normal range; `null` where there is none.
    pub upper: Vec<Option<f64>>,
    /// The alarms, in order of time.
    pub alarms: Vec<AlarmReply>,
    /// The findings on the series as a whole.
    #[serde(flatten)]
    pub summary: ColumnarSummary,
}

/// The part of a [`ColumnarDetectReply`] that is about the series as a whole.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColumnarSummary {
    /// The detector that was fitted.
    pub detector: DetectorName,
    /// The number of points that were fitted on.
    pub train: u64,
    /// The number of anomalies among the scored points.
    pub anomalies: u64,
    /// The length of the season, in points; `null` if the series is not seasonal.
    pub period: Option<u64>,
    /// The episodes, in order of time.
    pub episodes: Vec<EpisodeReply>,
    /// The change points, in order of time.
    pub change_points: Vec<ChangePointReply>,
    /// The pairs of neighbouring timestamps that are more than 2.5 usual steps apart, in order of
    /// time.
    pub gaps: Vec<(i64, i64)>,
    /// One sentence for each property of the training points that makes for a weak model.
    pub warnings: Vec<String>,
}
