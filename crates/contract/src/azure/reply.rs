//! The replies.

use serde::Serialize;

/// The verdicts on all points, each array in the order of the points of the request.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AzureEntireReply {
    /// The length of the season in points; 0 if there is none.
    pub period: usize,
    /// The values that were expected.
    pub expected_values: Vec<f64>,
    /// How far above the expected value is normal.
    pub upper_margins: Vec<f64>,
    /// How far below it is normal.
    pub lower_margins: Vec<f64>,
    /// Whether the value lies beyond either.
    pub is_anomaly: Vec<bool>,
    /// Whether it lies below.
    pub is_negative_anomaly: Vec<bool>,
    /// Whether it lies above.
    pub is_positive_anomaly: Vec<bool>,
    /// How far beyond it lies, from 0, which is normal, to 1.
    pub severity: Vec<f64>,
}

/// The verdict on the last point.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AzureLastReply {
    /// The length of the season in points; 0 if there is none.
    pub period: usize,
    /// How many points are enough for the next verdict.
    pub suggested_window: usize,
    /// The value that was expected.
    pub expected_value: f64,
    /// How far above it is normal.
    pub upper_margin: f64,
    /// How far below it is normal.
    pub lower_margin: f64,
    /// Whether the value lies beyond either.
    pub is_anomaly: bool,
    /// Whether it lies below.
    pub is_negative_anomaly: bool,
    /// Whether it lies above.
    pub is_positive_anomaly: bool,
    /// How far beyond it lies, from 0, which is normal, to 1.
    pub severity: f64,
}

/// The changes of the level, each array in the order of the points of the request.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AzureChangeReply {
    /// The length of the season in points; 0 if there is none.
    pub period: usize,
    /// Whether the level changes at this point.
    pub is_change_point: Vec<bool>,
    /// How much the change stands out, from 0 to 1; 0 where there is none.
    pub confidence_scores: Vec<f64>,
}
