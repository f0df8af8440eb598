//! Events between services: past-tense facts on four topics.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{LatencyHistogram, Point, Revision, SeriesId, Version};

/// A stream of events of one type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Topic {
    /// The name of the topic. `KAFKA_TOPIC_METRICS` can override that of [`MetricsEvent::TOPIC`].
    pub name: &'static str,
    /// The number of partitions that the topic is created with.
    pub partitions: i32,
    /// Whether only the newest event of a key is kept.
    pub compacted: bool,
    /// Whether a record has the time at which it was appended to the log, rather than the one at
    /// which it was published. A log in SQLite always stamps the former.
    pub append_time: bool,
    /// How long events are kept, in milliseconds; `None`: as long as the cluster keeps any.
    pub retention_ms: Option<i64>,
}

impl Topic {
    /// A topic of which the cluster keeps everything for its usual while.
    pub const fn new(name: &'static str, partitions: i32) -> Self {
        Self {
            name,
            partitions,
            compacted: false,
            append_time: false,
            retention_ms: None,
        }
    }
}

/// A day, in the unit of [`Topic::retention_ms`].
pub(crate) const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// A type that is published on one topic.
pub trait Event: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The topic that events of this type go to.
    const TOPIC: Topic;

    /// The key of the event: events of one key go to one partition and so stay in order. `None`:
    /// any partition.
    fn key(&self) -> Option<&str>;

    /// The number of the partition that the event goes to. `None`: the key chooses.
    fn partition(&self) -> Option<i32> {
        None
    }

    /// The W3C `traceparent` of what caused this event, if that is not what publishes it.
    fn traceparent(&self) -> Option<&str> {
        None
    }
}

/// A measurement of the platform's own work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum MetricsEvent {
    /// A series was fitted.
    Training {
        /// The series that was fitted.
        series_id: SeriesId,
        /// The duration of the fit, in milliseconds.
        latency_ms: f64,
    },
    /// Points were scored: one, or all of up to 100 ms.
    Inference(InferenceBatch),
}

/// The predictions of one predictor over a short while. With only `latency_ms` set it stands for a
/// single prediction, as in the system that this one replaces.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct InferenceBatch {
    /// The mean latency, in milliseconds.
    pub latency_ms: f64,
    /// The number of predictions; absent means 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// The latencies of the predictions; absent means that all took `latency_ms`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub histogram: Option<LatencyHistogram>,
    /// The number of predictions by series; some series may be left out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub usage: BTreeMap<SeriesId, u64>,
}

impl Event for MetricsEvent {
    const TOPIC: Topic = Topic::new("metrics", 2);

    fn key(&self) -> Option<&str> {
        None
    }
}

/// More points than this are published in parts, so that an event stays under 900 KB.
pub const MAX_POINTS_PER_PART: usize = 10_000;

/// The training points of one model: all of them, or one part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainingData {
    /// The id of the series.
    pub series_id: SeriesId,
    /// The version of the model that was fitted on the points.
    pub version: Version,
    /// The points, in the order of the model's training set.
    pub data: Vec<Point>,
    /// The number of this part, from 0; absent when there is only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<u32>,
    /// The number of parts; absent when there is only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts: Option<u32>,
}

impl TrainingData {
    /// The points of one model as events of at most [`MAX_POINTS_PER_PART`] points.
    pub fn in_parts(
        series_id: &SeriesId,
        version: Version,
        points: &[Point],
    ) -> impl Iterator<Item = Self> {
        let chunks = points.chunks(MAX_POINTS_PER_PART);
        let parts = u32::try_from(chunks.len()).unwrap_or(u32::MAX);
        chunks.zip(0_u32..).map(move |(data, part)| Self {
            series_id: series_id.clone(),
            version,
            data: data.to_vec(),
            part: (parts > 1).then_some(part),
            parts: (parts > 1).then_some(parts),
        })
    }

    /// The position of this part's first point in the training set, from 0.
    pub fn first_position(&self) -> usize {
        self.part.unwrap_or(0) as usize * MAX_POINTS_PER_PART
    }
}

impl Event for TrainingData {
    const TOPIC: Topic = Topic::new("training-data", 4);

    fn key(&self) -> Option<&str> {
        Some(self.series_id.as_str())
    }
}

/// A change to the models of a series. Predictors read the series again, unless they have it at
/// that revision or a newer one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum ModelEvent {
    /// A version became ready to use.
    Ready {
        /// The id of the series.
        series_id: SeriesId,
        /// The version that became ready.
        version: Version,
        /// The revision of the series after the change.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        revision: Option<Revision>,
    },
    /// An alias was set, moved or removed.
    Promoted {
        /// The id of the series.
        series_id: SeriesId,
        /// The version that serves now; it may be older than the one before.
        version: Version,
        /// The revision of the series after the change.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        revision: Option<Revision>,
    },
    /// A version is gone, or all of them.
    Deleted {
        /// The id of the series.
        series_id: SeriesId,
        /// The version that was deleted; absent if all were.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<Version>,
        /// The revision of the series after the change.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        revision: Option<Revision>,
    },
}

impl ModelEvent {
    /// The series that changed.
    pub fn series_id(&self) -> &SeriesId {
        match self {
            Self::Ready { series_id, .. }
            | Self::Promoted { series_id, .. }
            | Self::Deleted { series_id, .. } => series_id,
        }
    }

    /// The revision of the series after the change; `None` in events of older programs.
    pub fn revision(&self) -> Option<Revision> {
        match self {
            Self::Ready { revision, .. }
            | Self::Promoted { revision, .. }
            | Self::Deleted { revision, .. } => *revision,
        }
    }
}

impl Event for ModelEvent {
    const TOPIC: Topic = Topic {
        compacted: true,
        ..Topic::new("models", 1)
    };

    fn key(&self) -> Option<&str> {
        Some(self.series_id().as_str())
    }
}

/// The topic of messages that a consumer could not use. The payload is unchanged; headers give its
/// origin and the reason.
#[derive(Clone, Copy, Debug)]
pub struct DeadLetters;

impl DeadLetters {
    /// The topic of dead letters.
    pub const TOPIC: Topic = Topic {
        retention_ms: Some(30 * DAY_MS),
        ..Topic::new("dead-letters", 1)
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(id: &str) -> SeriesId {
        SeriesId::new(id).unwrap()
    }

    #[test]
    fn recorded_events_are_read() {
        let training: MetricsEvent =
            serde_json::from_str(r#"{"type":"training","series_id":"s","latency_ms":1.5}"#)
                .unwrap();
        assert_eq!(
            training,
            MetricsEvent::Training {
                series_id: series("s"),
                latency_ms: 1.5
            }
        );
        let inference: MetricsEvent =
            serde_json::from_str(r#"{"type":"inference","latency_ms":2}"#).unwrap();
        assert_eq!(
            inference,
            MetricsEvent::Inference(InferenceBatch {
                latency_ms: 2.0,
                ..InferenceBatch::default()
            })
        );
    }

    #[test]
    fn wire_forms_are_pinned() {
        let mut histogram = LatencyHistogram::default();
        histogram.record(1_000_000);
        let batch = InferenceBatch {
            latency_ms: 1.0,
            count: Some(1),
            histogram: Some(histogram),
            usage: [(series("s"), 1)].into(),
        };
        let events = [
            serde_json::to_string(&MetricsEvent::Inference(batch)).unwrap(),
            serde_json::to_string(&ModelEvent::Ready {
                series_id: series("s"),
                version: Version::new(3).unwrap(),
                revision: None,
            })
            .unwrap(),
            serde_json::to_string(&ModelEvent::Deleted {
                series_id: series("s"),
                version: None,
                revision: Some(Revision(7)),
            })
            .unwrap(),
            serde_json::to_string(&TrainingData {
                series_id: series("s"),
                version: Version::new(1).unwrap(),
                data: vec![Point {
                    timestamp: 1,
                    value: 2.0,
                }],
                part: None,
                parts: None,
            })
            .unwrap(),
        ];
        assert_eq!(
            events,
            [
                r#"{"type":"inference","latency_ms":1.0,"count":1,"histogram":[[270,1]],"usage":{"s":1}}"#,
                r#"{"type":"ready","series_id":"s","version":"v3"}"#,
                r#"{"type":"deleted","series_id":"s","revision":"r7"}"#,
                r#"{"series_id":"s","version":"v1","data":[{"timestamp":1,"value":2.0}]}"#,
            ]
        );
    }

    #[test]
    fn the_largest_part_is_under_900_kilobytes() {
        let point = Point {
            timestamp: i64::MIN,
            value: -1.797_693_134_862_315_7e308,
        };
        let points = vec![point; MAX_POINTS_PER_PART + 1];
        let parts: Vec<_> = TrainingData::in_parts(
            &series(&"\\".repeat(200)),
            Version::new(u32::MAX).unwrap(),
            &points,
        )
        .collect();
        assert_eq!(
            parts.iter().map(|p| p.data.len()).collect::<Vec<_>>(),
            [MAX_POINTS_PER_PART, 1]
        );
        assert_eq!(
            (parts[1].first_position(), parts[1].part, parts[1].parts),
            (MAX_POINTS_PER_PART, Some(1), Some(2))
        );
        assert!(serde_json::to_vec(&parts[0]).unwrap().len() < 900_000);
    }
}
