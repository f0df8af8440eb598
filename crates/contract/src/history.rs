//! Points of streams, kept for people to look at.

use serde::{Deserialize, Serialize};

use crate::SeriesId;

/// The most points that a reply of `GET /v1/series/{id}/points` may have.
pub const MAX_SHOWN_POINTS: u32 = 10_000;

/// A point that a stream has learned, with what was expected of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LearnedPoint {
    /// The timestamp, in the unit of the series.
    pub timestamp: i64,
    /// The value, as it was judged.
    pub value: f64,
    /// The value that was expected; `None` while there was no verdict.
    pub expected: Option<f64>,
    /// The lower limit of the normal range; `None` where there is none.
    pub lower: Option<f64>,
    /// The upper limit of the normal range; `None` where there is none.
    pub upper: Option<f64>,
    /// Whether the value was outside the normal range.
    pub anomaly: bool,
    /// Whether an episode began or grew here.
    pub alarm: bool,
}

/// The reply of `GET /v1/series/{id}/points`: columns of the same length, by rising timestamp.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeriesPoints {
    /// The series.
    pub series_id: SeriesId,
    /// The width of the buckets that points were put together in, in the unit of the timestamps;
    /// `null` if each point is shown.
    pub bucket: Option<i64>,
    /// The timestamps: of the points, or of the first point of each bucket.
    pub timestamp: Vec<i64>,
    /// The values, or the mean of each bucket.
    pub value: Vec<f64>,
    /// The least value of each bucket; `null` without buckets.
    pub low: Option<Vec<f64>>,
    /// The greatest value of each bucket; `null` without buckets.
    pub high: Option<Vec<f64>>,
    /// The values that were expected, or their mean.
    pub expected: Vec<Option<f64>>,
    /// The lower limits of the normal range, or their mean.
    pub lower: Vec<Option<f64>>,
    /// The upper limits of the normal range, or their mean.
    pub upper: Vec<Option<f64>>,
    /// The timestamps of all points whose value was outside the normal range.
    pub anomalies: Vec<i64>,
    /// The timestamps of all points at which an episode began or grew.
    pub alarms: Vec<i64>,
}
