//! `POST /observe/{series_id}` and `POST /v1/points`: points that streams judge and learn from.

use serde::{Deserialize, Serialize};

use crate::{
    AnomalyId, OnlineReply, Point, SeriesId, VerdictReply,
    fields::fields,
    json::{self, BadJson, Body, Notes, Parsed},
    judge::{self, Values},
    timestamps::{Timestamp, Timestamps},
    verdict::words,
};

/// The most points in one call of `/observe`.
pub const MAX_OBSERVED: usize = 10_000;

/// The body of `POST /observe/{series_id}`: one point, or several as two arrays.
#[derive(Clone, Debug, PartialEq)]
pub struct ObserveRequest {
    /// The points, in the order in which they were sent; 1 to [`MAX_OBSERVED`].
    pub points: Vec<Point>,
    /// Whether the points came as arrays, which decides the form of the reply.
    pub is_many: bool,
}

fields! {
    /// The fields of an observation.
    struct ObserveFields {
        timestamp: Option<Timestamp>,
        value: Option<f64>,
        timestamps: Option<Timestamps>,
        values: Option<Values>,
    }
}

impl ObserveRequest {
    /// Reads a request body. An unknown field is refused.
    ///
    /// # Errors
    /// A message that names the field, line and column of the first fault.
    pub fn parse(body: &[u8]) -> Result<Parsed<Self>, BadJson> {
        json::parse(body)
    }
}

impl Body for ObserveRequest {
    type Fields = ObserveFields;
    const CONTENT: &'static str = "timestamp and value, or timestamps and values";
    const STRICT: bool = true;

    fn build(fields: ObserveFields, notes: &mut Notes) -> Result<Self, String> {
        let missing = |name| Err(format!("missing field `{name}`"));
        let (points, is_many) = match fields {
            ObserveFields {
                timestamp: None,
                value: None,
                timestamps: Some(timestamps),
                values: Some(values),
            } => {
                notes.unit = timestamps.unit;
                (judge::points(timestamps.counts, values, notes)?, true)
            }
            ObserveFields {
                timestamp: Some(timestamp),
                value: Some(value),
                timestamps: None,
                values: None,
            } => {
                notes.unit = timestamp.unit;
                let timestamp = timestamp.count;
                (vec![Point { timestamp, value }], false)
            }
            ObserveFields {
                timestamp,
                value,
                timestamps,
                values,
            } => {
                if (timestamps.is_some() || values.is_some())
                    && (timestamp.is_some() || value.is_some())
                {
                    return Err("either timestamp and value, or timestamps and values".to_owned());
                }
                return match (timestamps, values, timestamp) {
                    (Some(_), ..) => missing("values"),
                    (_, Some(_), _) => missing("timestamps"),
                    (_, _, Some(_)) => missing("value"),
                    _ => missing("timestamp"),
                };
            }
        };
        if points.is_empty() {
            return Err("there are no points".to_owned());
        }
        if points.len() > MAX_OBSERVED {
            let n = points.len();
            return Err(format!("{n} points are more than {MAX_OBSERVED}"));
        }
        Ok(Self { points, is_many })
    }
}

words! {
    /// What became of a point.
    PointStatus {
        /// It was judged and learned.
        Judged = "judged",
        /// It was learned; there are too few points for a verdict.
        Learning = "learning",
        /// It is the same as an earlier one and changes nothing.
        Duplicate = "duplicate",
        /// An earlier point with its timestamp has another value; that one stays.
        Conflict = "conflict",
        /// Its timestamp is before the last one.
        Late = "late",
        /// Its timestamp is too far ahead to be true.
        Implausible = "implausible",
        /// It is kept, and is judged soon.
        Accepted = "accepted",
    }
}

/// How far a stream has warmed up.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Learning {
    /// The number of points so far.
    pub points: u64,
    /// The number of points after which it has warmed up.
    pub of: u64,
}

/// The part of a verdict that only a stream gives.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StreamVerdict {
    /// The verdict on the value.
    #[serde(flatten)]
    pub verdict: VerdictReply,
    /// The part of it that a session adds.
    #[serde(flatten)]
    pub online: OnlineReply,
    /// Whether the alarm belongs to an anomaly that is known already and has grown.
    pub escalation: bool,
    /// The timestamp of the point that the alarm is about. Without an alarm, that of the point.
    pub peak_timestamp: i64,
    /// The open anomaly that the point belongs to; `null` if there is none.
    pub anomaly_id: Option<AnomalyId>,
    /// How far the stream has warmed up; `null` once it has.
    pub learning: Option<Learning>,
}

/// A point and what became of it.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ObservedPoint {
    /// What became of the point.
    pub status: PointStatus,
    /// The timestamp of the point.
    pub timestamp: i64,
    /// The value of the point.
    pub value: f64,
    /// The verdict on it, if there is one.
    #[serde(flatten)]
    pub verdict: Option<StreamVerdict>,
    /// The last timestamp of the stream, for a point that does not follow it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_timestamp: Option<i64>,
    /// Why a point was not judged, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// How far the stream has warmed up, for a point without a verdict.
    #[serde(default, rename = "learning", skip_serializing_if = "Option::is_none")]
    pub warming: Option<Learning>,
}

/// The number of points by what became of them; those of which there are none are left out.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PointCounts {
    /// Judged points.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub judged: u64,
    /// Points without a verdict yet.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub learning: u64,
    /// Repeated points.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub duplicate: u64,
    /// Points with the timestamp of another.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub conflict: u64,
    /// Points before the last one.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub late: u64,
    /// Points too far ahead.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub implausible: u64,
    /// Points that wait.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub accepted: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl PointCounts {
    /// Counts a point of this `status`.
    pub fn add(&mut self, status: PointStatus) {
        *match status {
            PointStatus::Judged => &mut self.judged,
            PointStatus::Learning => &mut self.learning,
            PointStatus::Duplicate => &mut self.duplicate,
            PointStatus::Conflict => &mut self.conflict,
            PointStatus::Late => &mut self.late,
            PointStatus::Implausible => &mut self.implausible,
            PointStatus::Accepted => &mut self.accepted,
        } += 1;
    }
}

/// The reply to the observation of one point.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ObserveReply {
    /// The series.
    pub series_id: SeriesId,
    /// The point.
    #[serde(flatten)]
    pub point: ObservedPoint,
}

/// The reply to the observation of several points.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ObserveManyReply {
    /// The series.
    pub series_id: SeriesId,
    /// The number of points by what became of them.
    pub counts: PointCounts,
    /// The points, in the order in which they were sent.
    pub verdicts: Vec<ObservedPoint>,
    /// One sentence for values that are `null`; absent when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// The reply of 202: the points are kept and will be judged.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcceptedReply {
    /// The series.
    pub series_id: SeriesId,
    /// Always `accepted`.
    pub status: PointStatus,
}

/// The reply to `POST /v1/points`.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcceptedPoints {
    /// The number of points that are kept and will be judged.
    pub accepted: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_point_or_arrays_of_them_are_observed() {
        let one = ObserveRequest::parse(br#"{"timestamp":1,"value":2}"#)
            .unwrap()
            .body;
        assert_eq!((one.points.len(), one.is_many), (1, false));
        let many = ObserveRequest::parse(br#"{"timestamps":[1],"values":[2]}"#)
            .unwrap()
            .body;
        assert_eq!((many.points, many.is_many), (one.points, true));
        for (body, fault) in [
            (r#"{"timestamp":1}"#, "missing field `value`"),
            (r#"{"value":1}"#, "missing field `timestamp`"),
            (r#"{"values":[1]}"#, "missing field `timestamps`"),
            (r#"{"timestamps":[1]}"#, "missing field `values`"),
            ("{}", "missing field `timestamp`"),
            (
                r#"{"timestamp":1,"value":1,"values":[]}"#,
                "either timestamp and value",
            ),
            (r#"{"timestamps":[],"values":[]}"#, "there are no points"),
            (
                r#"{"timestamps":[1],"values":[1,2]}"#,
                "1 timestamps and 2 values",
            ),
            (
                r#"{"timestamp":1,"value":1,"x":2}"#,
                "unknown field `x`, expected one of `timestamp`",
            ),
            (r#"{"timestamp":1,"value":"2"}"#, "value: invalid type"),
            ("[1,2]", "expected an object with timestamp and value"),
        ] {
            let message = ObserveRequest::parse(body.as_bytes())
                .unwrap_err()
                .to_string();
            assert!(message.contains(fault), "{body}: {message}");
        }
    }
}
