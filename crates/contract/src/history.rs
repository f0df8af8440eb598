//! Points of series, kept for people to look at.

use serde::{Deserialize, Serialize};

use crate::{
    Anomaly, AnomalyId, AnomalyKind, Cause, ChangePointReply, Direction, Feedback, OpenStatus,
    SeriesId, Severity, TimeUnit, Version,
};

/// The most points that a reply of `GET /v1/series/{id}/points` may have.
pub const MAX_SHOWN_POINTS: u32 = 10_000;

/// The most anomalies that such a reply may have.
pub const MAX_SHOWN_ANOMALIES: usize = 1_000;

/// A point that a stream has learned, with what was expected of it.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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

/// The reply of `GET /v1/series/{id}/points`: points as columns of the same length, by rising
/// timestamp, and what was found in them.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeriesPoints {
    /// The series.
    pub series_id: SeriesId,
    /// The version of the model that judged its training points; `null` for the points of a stream.
    pub version: Option<Version>,
    /// The unit of the timestamps since 1970; `null` if they are no such times.
    pub unit: Option<TimeUnit>,
    /// The usual distance of two timestamps; `null` if there are not two.
    pub step: Option<i64>,
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
    pub outside: Vec<i64>,
    /// All points at which an episode began or grew, in order.
    pub alarms: Vec<ShownAlarm>,
    /// The anomalies among them, by time; the worst [`MAX_SHOWN_ANOMALIES`] of more.
    pub anomalies: Vec<ShownAnomaly>,
    /// The lasting changes of the level, in order of time.
    pub change_points: Vec<ChangePointReply>,
    /// The pairs of neighbouring timestamps that are more than 2.5 usual steps apart.
    pub gaps: Vec<(i64, i64)>,
    /// The models of the series whose last training point is among them.
    pub fits: Vec<ShownFit>,
    /// The timestamp of the last point that was learned from before there were verdicts to rely on:
    /// the last training point, or the last one of the warm-up. `null` if it is not known.
    pub learned_until: Option<i64>,
}

/// An alarm in a [`SeriesPoints`].
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShownAlarm {
    /// The timestamp of the point that raised it.
    pub timestamp: i64,
    /// The timestamp of the point that it is about, which may be a few points back.
    pub about: i64,
    /// The severity of its anomaly; `null` where that is not kept any more, as for the next two.
    pub severity: Option<Severity>,
    /// How the point that it is about deviates.
    pub direction: Option<Direction>,
    /// The reason for it, in one sentence.
    pub reason: Option<String>,
    /// The reason as data; `null` for points of streams.
    pub cause: Option<Cause>,
}

/// An anomaly in a [`SeriesPoints`].
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShownAnomaly {
    /// Its id; `null` for a training point.
    pub anomaly_id: Option<AnomalyId>,
    /// What it is about.
    pub kind: AnomalyKind,
    /// Whether it goes on.
    pub status: OpenStatus,
    /// The timestamp of the first abnormal point.
    pub began: i64,
    /// The timestamp of the point that raised the first alarm.
    pub start: i64,
    /// The timestamp of the last abnormal point.
    pub end: i64,
    /// The timestamp of the point that the strongest alarm is about.
    pub peak: i64,
    /// The value of that point.
    pub value: Option<f64>,
    /// The value that was expected there.
    pub expected: Option<f64>,
    /// How that point deviates.
    pub direction: Direction,
    /// The severity of the strongest alarm.
    pub severity: Severity,
    /// Its strength, as a multiple of the strength that raises one; `null` for a training point.
    pub ratio: Option<f64>,
    /// Its reason, in one sentence.
    pub reason: String,
    /// Whether nobody was told of it because it was found while learning, in silenced time or in
    /// history.
    pub silenced: bool,
    /// What somebody has said of it; `null` if nobody has.
    pub feedback: Option<Feedback>,
}

impl From<Anomaly> for ShownAnomaly {
    fn from(anomaly: Anomaly) -> Self {
        Self {
            anomaly_id: Some(anomaly.anomaly_id),
            kind: anomaly.kind,
            status: anomaly.status,
            began: anomaly.began,
            start: anomaly.start,
            end: anomaly.end,
            peak: anomaly.peak,
            value: anomaly.value,
            expected: anomaly.expected,
            direction: anomaly.direction,
            severity: anomaly.severity,
            ratio: Some(anomaly.ratio),
            reason: anomaly.reason,
            silenced: anomaly.silenced,
            feedback: anomaly.feedback,
        }
    }
}

/// A model in a [`SeriesPoints`].
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownFit {
    /// Its version.
    pub version: Version,
    /// The timestamp of its last training point.
    pub timestamp: i64,
}
