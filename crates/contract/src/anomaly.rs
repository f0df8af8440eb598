//! Anomalies of streams, and incidents: anomalies that people are told of together.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{
    DetectorName, Direction, Event, Feedback, HeldBack, Labels, Moment, Point, SeriesId, Severity,
    Topic, event::DAY_MS, reference::as_text, verdict::words,
};

/// The id of an anomaly: 128 bits, written as 32 hexadecimal digits.
///
/// It follows from the series, the run of its stream, the kind and the beginning, so that a replay
/// finds the same anomaly under the same id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AnomalyId(pub u128);

/// The id of an incident: 128 bits, written as 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IncidentId(pub u128);

/// A text that is not an id of 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id has 32 hexadecimal digits in lower case")]
pub struct InvalidId;

fn id_of(text: &str) -> Result<u128, InvalidId> {
    let is_digit = |b: u8| b.is_ascii_digit() || matches!(b, b'a'..=b'f');
    if text.len() != 32 || !text.bytes().all(is_digit) {
        return Err(InvalidId);
    }
    u128::from_str_radix(text, 16).map_err(|_| InvalidId)
}

macro_rules! ids {
    ($($name:ident),+) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:032x}", self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                id_of(text).map(Self)
            }
        }
    )+};
}

ids!(AnomalyId, IncidentId);
as_text!(AnomalyId, IncidentId);

words! {
    /// What an anomaly is about.
    AnomalyKind {
        /// The values.
        Value = "value",
        /// No points come.
        Missing = "missing",
        /// The level has moved for good. Kept, and not notified.
        Level = "level",
        /// The timestamps are not those of a clock that goes on.
        Clock = "clock",
    }
}

words! {
    /// Whether something goes on.
    OpenStatus {
        /// It goes on.
        Open = "open",
        /// It is over.
        Closed = "closed",
    }
}

/// An anomaly.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Anomaly {
    /// The id.
    pub anomaly_id: AnomalyId,
    /// The series.
    pub series_id: SeriesId,
    /// What it is about.
    pub kind: AnomalyKind,
    /// Whether it goes on.
    pub status: OpenStatus,
    /// The timestamp of the first abnormal point.
    pub began: i64,
    /// The timestamp of the point that raised the first alarm, which may come some points later.
    pub start: i64,
    /// The timestamp of the last abnormal point.
    pub end: i64,
    /// The timestamp of the point that the strongest alarm is about.
    pub peak: i64,
    /// The value of that point, in the unit of the series; `null` if the anomaly has none.
    pub value: Option<f64>,
    /// The value that was expected there.
    pub expected: Option<f64>,
    /// The smallest value that would have been normal there; `null` if no value is too small.
    pub lower: Option<f64>,
    /// The largest value that would have been normal there; `null` if no value is too large.
    pub upper: Option<f64>,
    /// How that point deviates.
    pub direction: Direction,
    /// The severity of the strongest alarm.
    pub severity: Severity,
    /// The strength of the strongest alarm, as a multiple of the strength that raises one.
    pub ratio: f64,
    /// The number of alarms.
    pub alarms: u64,
    /// The reason of the strongest alarm, in one sentence.
    pub reason: String,
    /// The detector.
    pub detector: Option<DetectorName>,
    /// When it was found.
    pub opened_at: Moment,
    /// When it was found to be over; `null` while it goes on.
    pub closed_at: Option<Moment>,
    /// The incident that it belongs to; `null` if nobody is told of it.
    pub incident_id: Option<IncidentId>,
    /// Whether nobody is told of it, because it was found while learning, in silenced time, or at
    /// points that were sent quietly.
    pub silenced: bool,
    /// The labels of the series when it was found.
    pub labels: Labels,
    /// Why people are not told of it although it is not silenced; `null` if they are.
    #[serde(default)]
    pub held_back: Option<HeldBack>,
    /// What somebody has said of it; `null` if nobody has.
    #[serde(default)]
    pub feedback: Option<Feedback>,
}

/// The reply of `GET /v1/anomalies/{id}`.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AnomalyDetail {
    /// The anomaly.
    #[serde(flatten)]
    pub anomaly: Anomaly,
    /// The last points of the series up to the one at which it was found, at most 64.
    pub context: Vec<Point>,
}

/// A page of anomalies.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AnomalyList {
    /// The anomalies, in the order that was asked for.
    pub anomalies: Vec<Anomaly>,
    /// The value of `after` for the next page; `null` on the last page.
    pub next: Option<String>,
}

/// An incident: anomalies of one group that overlap in time.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// The id.
    pub incident_id: IncidentId,
    /// What its anomalies have in common: the series, or the values of labels.
    pub group: String,
    /// Whether one of its anomalies goes on.
    pub status: OpenStatus,
    /// The severity of its worst anomaly.
    pub severity: Severity,
    /// The number of its anomalies.
    pub count: u64,
    /// The number of them that go on.
    pub open: u64,
    /// When it was opened.
    pub opened_at: Moment,
    /// When the last anomaly joined it.
    pub last_at: Moment,
    /// When it was closed; `null` while it goes on.
    pub closed_at: Option<Moment>,
}

/// The reply of `GET /v1/incidents/{id}`.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IncidentDetail {
    /// The incident.
    #[serde(flatten)]
    pub incident: Incident,
    /// Its anomalies, the worst first, at most 100.
    pub anomalies: Vec<Anomaly>,
}

/// A page of incidents, the newest first.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IncidentList {
    /// The incidents.
    pub incidents: Vec<Incident>,
    /// The value of `after` for the next page; `null` on the last page.
    pub next: Option<String>,
}

/// An event of the topic `anomalies`.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AnomalyEvent {
    /// The id of the event: the same whenever it is sent again.
    pub event_id: String,
    /// What happened: `anomaly.opened`, `anomaly.escalated`, `anomaly.closed` or `test`.
    #[serde(rename = "type")]
    pub kind: AnomalyEventKind,
    /// When.
    pub at: Moment,
    /// The anomaly after it.
    pub anomaly: Anomaly,
    /// The W3C `traceparent` of the points that it came of, if those had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
}

/// What happened to an anomaly.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AnomalyEventKind {
    /// It was found.
    #[serde(rename = "anomaly.opened")]
    Opened,
    /// It has become worse.
    #[serde(rename = "anomaly.escalated")]
    Escalated,
    /// It is over.
    #[serde(rename = "anomaly.closed")]
    Closed,
    /// Nothing: somebody tests whether events arrive.
    #[serde(rename = "test")]
    Test,
}

impl AnomalyEvent {
    /// The event `event_id` of a test at `now`, with an anomaly that was never found.
    ///
    /// # Panics
    /// Never.
    pub fn test(event_id: String, id: u128, now: Moment) -> Self {
        let at = now.0.div_euclid(1_000);
        let anomaly = Anomaly {
            anomaly_id: AnomalyId(id),
            series_id: SeriesId::new("test").expect("four letters are an id"),
            kind: AnomalyKind::Value,
            status: OpenStatus::Open,
            began: at,
            start: at,
            end: at,
            peak: at,
            value: None,
            expected: None,
            lower: None,
            upper: None,
            direction: Direction::None,
            severity: Severity::Low,
            ratio: 1.0,
            alarms: 1,
            reason: "This is a test: nothing was found".to_owned(),
            detector: None,
            opened_at: now,
            closed_at: None,
            incident_id: None,
            silenced: false,
            labels: Labels::new(),
            held_back: None,
            feedback: None,
        };
        Self {
            event_id,
            kind: AnomalyEventKind::Test,
            at: now,
            anomaly,
            traceparent: None,
        }
    }
}

/// An event of an incident, before it is told: whoever tells it reads the incident then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncidentEvent {
    /// What happened.
    #[serde(rename = "type")]
    pub kind: IncidentEventKind,
    /// The incident.
    pub incident_id: IncidentId,
    /// When it happened.
    pub at: Moment,
}

/// What happened to an incident.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum IncidentEventKind {
    /// It has its first open anomaly.
    #[serde(rename = "incident.opened")]
    Opened,
    /// It has become worse than people were told.
    #[serde(rename = "incident.escalated")]
    Escalated,
    /// Its last anomaly is over.
    #[serde(rename = "incident.resolved")]
    Resolved,
    /// Nothing: somebody tests whether notifications arrive.
    #[serde(rename = "test")]
    Test,
}

/// What people are told of an incident: the body of a webhook.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IncidentNotification {
    /// What happened.
    #[serde(rename = "type")]
    pub kind: IncidentEventKind,
    /// When it happened.
    pub timestamp: Moment,
    /// The incident when it is told.
    pub data: IncidentReport,
}

/// An incident in an [`IncidentNotification`].
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IncidentReport {
    /// The id.
    pub incident_id: IncidentId,
    /// What its anomalies have in common: the series, or the values of labels.
    pub group: String,
    /// The severity of its worst anomaly.
    pub severity: Severity,
    /// The number of its anomalies.
    pub count: u64,
    /// Its anomalies that are not silenced, the worst first, at most ten.
    pub anomalies: Vec<Anomaly>,
}

impl Event for AnomalyEvent {
    const TOPIC: Topic = Topic {
        retention_ms: Some(7 * DAY_MS),
        ..Topic::new("anomalies", 4)
    };

    fn key(&self) -> Option<&str> {
        Some(self.anomaly.series_id.as_str())
    }

    fn traceparent(&self) -> Option<&str> {
        self.traceparent.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_what_it_writes() {
        let id = AnomalyId(0x5f2c);
        let text = id.to_string();
        assert_eq!(text, "00000000000000000000000000005f2c");
        assert_eq!(text.parse(), Ok(id));
        for text in [
            "",
            "5f2c",
            &"G".repeat(32),
            &"A".repeat(32),
            &"0".repeat(33),
        ] {
            assert_eq!(text.parse::<AnomalyId>(), Err(InvalidId), "{text}");
        }
    }
}
