//! Replies about several columns at once.

use serde::{Deserialize, Serialize};

use crate::{Columns, DetectorName, Direction, Severity, Version};

/// A verdict on one row.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColumnsVerdictReply {
    /// Whether the row is an anomaly at the false-alarm rate in force.
    pub anomaly: bool,
    /// How unusual the row is, in `[0, 1)`. For ranking rows; it does not imply a threshold.
    pub score: f64,
    /// How far beyond the rate the row lies.
    pub severity: Severity,
    /// The probability of a row at least as unusual among normal ones, in `(0, 1]`.
    pub p_value: f64,
    /// How the column with the largest contribution deviates; `pattern` if it lies within its own
    /// range and only does not go with the others.
    pub direction: Direction,
    /// The reason for the verdict, in one sentence.
    pub reason: String,
    /// The detector of the columns.
    pub detector: DetectorName,
    /// The share of each column in the evidence; they sum to 1.
    pub contributions: Columns<f64>,
    /// The normal range of each column by itself.
    pub columns: Columns<ColumnReply>,
}

/// The normal range of one column by itself.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColumnReply {
    /// The expected value, in the unit of the column; `null` if the model does not expect any.
    pub expected: Option<f64>,
    /// The smallest value that would have been normal; `null` if no value is too small.
    pub lower: Option<f64>,
    /// The largest value that would have been normal; `null` if no value is too large.
    pub upper: Option<f64>,
    /// The probability of a value at least as unusual in this column, in `(0, 1]`.
    pub p_value: f64,
}

/// The reply to a prediction about a row.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColumnsPredictReply {
    /// The version of the model that gave the verdict.
    pub model_version: Version,
    /// The verdict on the row.
    #[serde(flatten)]
    pub verdict: ColumnsVerdictReply,
    /// One sentence for each thing in the request that was ignored; absent when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// A row with its verdict.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColumnsJudgedReply {
    /// The time of the row.
    pub timestamp: i64,
    /// The value of each column.
    pub value: Columns<f64>,
    /// The verdict on the row.
    #[serde(flatten)]
    pub verdict: ColumnsVerdictReply,
    /// Whether an episode begins here. Absent for a row scored by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alarm: Option<bool>,
}

/// An episode: a stretch of abnormal rows that belong together.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColumnsEpisodeReply {
    /// The timestamp of its first abnormal row.
    pub start: i64,
    /// The timestamp of its last abnormal row.
    pub end: i64,
    /// The timestamp of its most unusual row.
    pub peak: i64,
    /// The severity of that row.
    pub severity: Severity,
    /// The p-value of that row.
    pub p_value: f64,
}

/// The findings of a detection over columns as a whole.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColumnsDetectSummary {
    /// The detector of the columns.
    pub detector: DetectorName,
    /// The names of the columns.
    pub columns: Vec<String>,
    /// The number of rows that were fitted on.
    pub train: u64,
    /// The number of abnormal rows among the scored ones.
    pub anomalies: u64,
    /// The number of episodes.
    pub alarms: u64,
    /// The episodes, in order of time.
    pub episodes: Vec<ColumnsEpisodeReply>,
    /// One sentence for each property of the rows that makes for a weak model; absent when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}
