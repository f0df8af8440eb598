//! The topic `points`: what streams learn from, in the order in which it is learned.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, MapAccess, Visitor, value::MapAccessDeserializer},
};

use crate::{
    Event, Point, SeriesId, StreamControl, TimeUnit, Topic,
    event::DAY_MS,
    judge::{Values, zip},
    timestamps::{Timestamp, Timestamps},
};

/// The number of partitions of the topic `points`. A series belongs to the partition
/// [`partition_of`] its id for as long as the topic lives, so it never changes.
pub const POINT_PARTITIONS: i32 = 32;

/// The most points of one series in a record, so that a record stays under 900 KB.
pub const MAX_POINTS_PER_RECORD: usize = 10_000;

/// A record of the topic `points`.
///
/// In JSON the forms are told apart by their fields; an unknown field is refused.
#[derive(Clone, Debug, PartialEq)]
pub enum PointsRecord {
    /// One point: `{"series_id":"a","timestamp":1,"value":2.5}`.
    One {
        /// The series.
        series_id: SeriesId,
        /// The point.
        point: Point,
        /// The unit of its timestamp, if that was written as a date or with a fraction. The stream
        /// takes it in its own unit.
        unit: Option<TimeUnit>,
        /// Whether nothing found at the point is notified.
        quiet: bool,
    },
    /// Points of one series: `{"series_id":"a","timestamps":[1,2],"values":[2.5,3]}`.
    Series {
        /// The series.
        series_id: SeriesId,
        /// The points, in any order.
        points: Vec<Point>,
        /// The unit of their timestamps, if those were written as dates or with fractions.
        unit: Option<TimeUnit>,
        /// Whether nothing found at the points is notified.
        quiet: bool,
    },
    /// Points of several series of one partition: `{"points":[["a",1,2.5],["b",1,3]]}`.
    Packed {
        /// The points, each with its series.
        points: Vec<(SeriesId, Point)>,
        /// Whether nothing found at the points is notified.
        quiet: bool,
    },
    /// A command to one stream: `{"series_id":"a","control":{…}}`.
    Control {
        /// The series.
        series_id: SeriesId,
        /// The command.
        control: Box<StreamControl>,
    },
    /// Time has passed: `{"tick":true,"partition":3}`.
    Tick {
        /// The partition that it is for.
        partition: i32,
    },
}

/// The partition of a series among `partitions`: murmur2 of its id, as the default partitioner of
/// Kafka's Java client chooses it.
pub fn partition_of(series: &SeriesId, partitions: i32) -> i32 {
    let positive = murmur2(series.as_str().as_bytes()) & 0x7fff_ffff;
    i32::try_from(positive).unwrap_or(0) % partitions.max(1)
}

/// MurmurHash2 with the seed of Kafka's Java client (`org.apache.kafka.common.utils.Utils`).
fn murmur2(bytes: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    // Kafka's lengths are 32 bits, too.
    let mut hash = SEED ^ bytes.len() as u32;
    let (words, rest) = bytes.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> 24;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !rest.is_empty() {
        for (byte, shift) in rest.iter().zip([0, 8, 16]) {
            hash ^= u32::from(*byte) << shift;
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}

impl PointsRecord {
    /// The series that the record is about; `None` for several and for a tick.
    pub fn series_id(&self) -> Option<&SeriesId> {
        match self {
            Self::One { series_id, .. }
            | Self::Series { series_id, .. }
            | Self::Control { series_id, .. } => Some(series_id),
            Self::Packed { .. } | Self::Tick { .. } => None,
        }
    }

    /// The number of points in the record.
    pub fn points(&self) -> usize {
        match self {
            Self::One { .. } => 1,
            Self::Series { points, .. } => points.len(),
            Self::Packed { points, .. } => points.len(),
            Self::Control { .. } | Self::Tick { .. } => 0,
        }
    }
}

impl Event for PointsRecord {
    const TOPIC: Topic = Topic {
        append_time: true,
        retention_ms: Some(3 * DAY_MS),
        ..Topic::new("points", POINT_PARTITIONS)
    };

    fn key(&self) -> Option<&str> {
        self.series_id().map(SeriesId::as_str)
    }

    /// That of its series; of a packed record, that of the first.
    fn partition(&self) -> Option<i32> {
        let series = match self {
            Self::One { series_id, .. }
            | Self::Series { series_id, .. }
            | Self::Control { series_id, .. } => series_id,
            Self::Packed { points, .. } => &points.first()?.0,
            Self::Tick { partition } => return Some(*partition),
        };
        Some(partition_of(series, POINT_PARTITIONS))
    }
}

/// The fields of a record as they stand in JSON.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    series_id: Option<SeriesId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timestamp: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timestamps: Option<Timestamps>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    values: Option<Values>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    points: Option<Vec<(SeriesId, i64, f64)>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    control: Option<Box<StreamControl>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tick: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    partition: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unit: Option<TimeUnit>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    quiet: bool,
}

impl Fields {
    fn of(record: &PointsRecord) -> Self {
        match record {
            PointsRecord::One {
                series_id,
                point,
                unit,
                quiet,
            } => Self {
                series_id: Some(series_id.clone()),
                timestamp: Some(point.timestamp.into()),
                value: Some(point.value),
                unit: *unit,
                quiet: *quiet,
                ..Self::default()
            },
            PointsRecord::Series {
                series_id,
                points,
                unit,
                quiet,
            } => Self {
                series_id: Some(series_id.clone()),
                timestamps: Some(points.iter().map(|p| p.timestamp).collect()),
                values: Some(Values(points.iter().map(|p| p.value).collect())),
                unit: *unit,
                quiet: *quiet,
                ..Self::default()
            },
            PointsRecord::Packed { points, quiet } => Self {
                points: Some(
                    points
                        .iter()
                        .map(|(id, point)| (id.clone(), point.timestamp, point.value))
                        .collect(),
                ),
                quiet: *quiet,
                ..Self::default()
            },
            PointsRecord::Control { series_id, control } => Self {
                series_id: Some(series_id.clone()),
                control: Some(control.clone()),
                ..Self::default()
            },
            PointsRecord::Tick { partition } => Self {
                tick: Some(true),
                partition: Some(*partition),
                ..Self::default()
            },
        }
    }

    fn build(self) -> Result<PointsRecord, String> {
        let (unit, quiet) = (self.unit, self.quiet);
        let one = (self.timestamp, self.value);
        let many = (self.timestamps, self.values);
        let command = (self.control, self.tick, self.partition);
        match (self.series_id, one, many, self.points, command) {
            (
                Some(series_id),
                (Some(timestamp), Some(value)),
                (None, None),
                None,
                (None, None, None),
            ) => Ok(PointsRecord::One {
                series_id,
                point: Point {
                    timestamp: timestamp.count,
                    value,
                },
                unit: unit.or(timestamp.unit),
                quiet,
            }),
            (
                Some(series_id),
                (None, None),
                (Some(timestamps), Some(values)),
                None,
                (None, None, None),
            ) => {
                let mut points = zip(timestamps.counts, values.0)?;
                points.retain(|point| !point.value.is_nan());
                Ok(PointsRecord::Series {
                    series_id,
                    points,
                    unit: unit.or(timestamps.unit),
                    quiet,
                })
            }
            (None, (None, None), (None, None), Some(points), (None, None, None))
                if unit.is_none() =>
            {
                let point = |(id, timestamp, value)| (id, Point { timestamp, value });
                let points = points.into_iter().map(point).collect();
                Ok(PointsRecord::Packed { points, quiet })
            }
            (Some(series_id), (None, None), (None, None), None, (Some(control), None, None))
                if !quiet =>
            {
                Ok(PointsRecord::Control { series_id, control })
            }
            (None, (None, None), (None, None), None, (None, Some(true), Some(partition)))
                if !quiet =>
            {
                Ok(PointsRecord::Tick { partition })
            }
            _ => Err(NO_RECORD.to_owned()),
        }
    }
}

const NO_RECORD: &str = "the fields are those of no record: series_id with timestamp and value or \
                         with timestamps and values, points, series_id with control, or tick";

impl Serialize for PointsRecord {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Fields::of(self).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for PointsRecord {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(RecordVisitor)
    }
}

/// Takes an object only: by itself serde reads a struct from an array too.
struct RecordVisitor;

impl<'de> Visitor<'de> for RecordVisitor {
    type Value = PointsRecord;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with points, a control or a tick")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<PointsRecord, A::Error> {
        let fields = Fields::deserialize(MapAccessDeserializer::new(map))?;
        fields.build().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_those_of_kafkas_java_client() {
        // From UtilsTest of Apache Kafka.
        for (text, hash) in [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            (
                "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8",
                -58_897_971,
            ),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(text.as_bytes()).cast_signed(), hash, "{text}");
        }
        let id = SeriesId::new("21").unwrap();
        assert_eq!(partition_of(&id, 32), ((-973_932_308) & 0x7fff_ffff) % 32);
    }

    #[test]
    fn a_record_goes_to_the_partition_of_its_series() {
        let of = |text: &str| partition_of(&SeriesId::new(text).unwrap(), POINT_PARTITIONS);
        for (json, partition) in [
            (r#"{"series_id":"s","timestamp":1,"value":2.5}"#, of("s")),
            (
                r#"{"series_id":"t","timestamps":[1],"values":[2.5]}"#,
                of("t"),
            ),
            (r#"{"points":[["u",1,2.5],["v",1,0.0]]}"#, of("u")),
            (
                r#"{"series_id":"w","control":{"end":{"forget":true}}}"#,
                of("w"),
            ),
            (r#"{"tick":true,"partition":31}"#, 31),
        ] {
            let record: PointsRecord = serde_json::from_str(json).unwrap();
            assert_eq!(record.partition(), Some(partition), "{json}");
        }
    }

    #[test]
    fn every_form_is_read_as_it_is_written() {
        for json in [
            r#"{"series_id":"s","timestamp":1,"value":2.5}"#,
            r#"{"series_id":"s","timestamp":1,"value":2.5,"quiet":true}"#,
            r#"{"series_id":"s","timestamp":1,"value":2.5,"unit":"ms"}"#,
            r#"{"series_id":"s","timestamps":[1,2],"values":[2.5,-0.0]}"#,
            r#"{"points":[["s",1,2.5],["t",-1,0.0]]}"#,
            r#"{"series_id":"s","control":{"end":{"forget":true}}}"#,
            r#"{"series_id":"s","control":{"restart":{"from":"nothing","rewind":false}}}"#,
            r#"{"tick":true,"partition":3}"#,
        ] {
            let record: PointsRecord = serde_json::from_str(json).unwrap();
            assert_eq!(serde_json::to_string(&record).unwrap(), json);
        }
    }

    #[test]
    fn dates_are_read_their_unit_is_kept_and_nulls_are_gaps() {
        let json = r#"{"series_id":"s","timestamps":["2023-08-31T05:45:00Z","2023-08-31T05:46:00Z"],"values":[1,null]}"#;
        let record: PointsRecord = serde_json::from_str(json).unwrap();
        assert_eq!(
            serde_json::to_string(&record).unwrap(),
            r#"{"series_id":"s","timestamps":[1693460700],"values":[1.0],"unit":"s"}"#
        );
    }

    #[test]
    fn anything_else_is_refused() {
        for (json, fault) in [
            (r#"["s",1,2.5]"#, "expected an object"),
            ("{}", "those of no record"),
            (r#"{"series_id":"s","timestamp":1}"#, "those of no record"),
            (
                r#"{"series_id":"s","timestamp":1,"value":2,"x":1}"#,
                "unknown field `x`",
            ),
            (
                r#"{"series_id":"s","timestamp":1,"value":1e999}"#,
                "out of range",
            ),
            (
                r#"{"series_id":"s","timestamp":1,"value":null}"#,
                "those of no record",
            ),
            (
                r#"{"series_id":"s/t","timestamp":1,"value":2}"#,
                "series id has a slash",
            ),
            (
                r#"{"series_id":"s","timestamps":[1],"values":[]}"#,
                "1 timestamps and 0 values",
            ),
            (
                r#"{"series_id":"s","timestamp":1,"value":2,"tick":true}"#,
                "those of no record",
            ),
            (r#"{"points":[["s",1]]}"#, "invalid length 2"),
        ] {
            let message = serde_json::from_str::<PointsRecord>(json)
                .unwrap_err()
                .to_string();
            assert!(message.contains(fault), "{json}: {message}");
        }
    }
}
