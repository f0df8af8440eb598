//! `POST /v1/detect` and `POST /v1/detect/plot`: a series is fitted on its beginning, and the rest
//! is scored point by point.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{
    DetectorName, Direction, FitOptions, JudgedReply, Point, Severity,
    fields::fields,
    fit::{FitOptionFields, sorted},
    json::{self, BadJson, Body, Notes, Parsed},
    judge::{self, Values, check_deviation, columns},
    timestamps::Timestamps,
    verdict::words,
};

/// The fraction of the points that is fitted on unless a request says otherwise.
pub const DEFAULT_TRAIN: f64 = 0.15;

/// The most points that a fraction stands for.
pub const MAX_TRAIN_SHARE: usize = 750;

/// The longest title of a plot of a detection, in bytes.
pub const MAX_TITLE_BYTES: usize = 200;

/// The part of a series, from its first point, that is fitted on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Train {
    /// A number of points, at least 1.
    Points(usize),
    /// A fraction of the points, in `(0, 1)`, but at most [`MAX_TRAIN_SHARE`] points.
    Share(f64),
}

impl Train {
    /// The number of points that are fitted on in a series of `n`. May be `n` or more.
    pub fn of(self, n: usize) -> usize {
        match self {
            Self::Points(points) => points,
            Self::Share(share) => ((share * n as f64) as usize).min(MAX_TRAIN_SHARE),
        }
    }
}

impl Default for Train {
    fn default() -> Self {
        Self::Share(DEFAULT_TRAIN)
    }
}

impl<'de> Deserialize<'de> for Train {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let train = f64::deserialize(deserializer)?;
        if train > 0.0 && train < 1.0 {
            return Ok(Self::Share(train));
        }
        if (1.0..=1e9).contains(&train) && train.fract() == 0.0 {
            return Ok(Self::Points(train as usize));
        }
        Err(de::Error::custom(format_args!(
            "{train} is neither a number of points nor a share between 0 and 1"
        )))
    }
}

impl Serialize for Train {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            Self::Points(points) => serializer.serialize_u64(points as u64),
            Self::Share(share) => serializer.serialize_f64(share),
        }
    }
}

words! {
    /// The form of the reply to a detection.
    DetectForm {
        /// An object for each scored point: a [`DetectReply`].
        Rows = "rows",
        /// An array for each number of the verdicts: a
        /// [`ColumnarDetectReply`](crate::ColumnarDetectReply).
        Columns = "columns",
        /// All verdicts in blocks of arrays: a [`TableDetectReply`](crate::TableDetectReply).
        Table = "table",
    }
}

/// The body of a detection. An unknown field is refused.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DetectRequest {
    /// The points, sorted by timestamp, stably; at least one.
    #[serde(flatten, serialize_with = "columns")]
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::PointColumns"))]
    pub points: Vec<Point>,
    /// The part of the points that is fitted on; the rest is scored.
    #[cfg_attr(
        feature = "schema",
        schemars(skip_serializing_if = "crate::schema::absent")
    )]
    pub train: Train,
    /// The detector and its options.
    #[serde(flatten)]
    pub fit: FitOptions,
    /// The smallest distance from the expected value that counts as an anomaly, in the unit of the
    /// values; at least 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_deviation: Option<f64>,
    /// The form of the reply; `None`: rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub form: Option<DetectForm>,
}

impl DetectRequest {
    /// Reads a request body.
    ///
    /// # Errors
    /// A message that names the field, line and column of the first fault.
    pub fn parse(body: &[u8]) -> Result<Parsed<Self>, BadJson> {
        json::parse(body)
    }
}

fields! {
    /// The fields of a detection.
    struct DetectFields {
        timestamps: Timestamps,
        values: Values,
        train: Option<Train>,
        min_deviation: Option<f64>,
        form: Option<DetectForm>,
    }
    and fit: FitOptionFields
}

impl Body for DetectRequest {
    type Fields = DetectFields;
    const CONTENT: &'static str = "timestamps and values";
    const STRICT: bool = true;

    fn build(fields: DetectFields, notes: &mut Notes) -> Result<Self, String> {
        check_deviation(fields.min_deviation)?;
        notes.unit = fields.timestamps.unit;
        let timestamps = fields.timestamps.counts;
        if timestamps.is_empty() || timestamps.len() != fields.values.0.len() {
            return Err("Timestamps and values must be of same non-zero length".to_owned());
        }
        let points = sorted(judge::points(timestamps, fields.values, notes)?);
        let train = fields.train.unwrap_or_default();
        if train.of(points.len()) >= points.len() {
            let (train, n) = (train.of(points.len()), points.len());
            return Err(format!("train: {train} of {n} points leave none to judge"));
        }
        Ok(Self {
            points,
            train,
            fit: fields.fit.options()?,
            min_deviation: fields.min_deviation,
            form: fields.form,
        })
    }
}

/// An episode: alarms that belong together, and the abnormal points around them.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpisodeReply {
    /// The timestamp of the first abnormal point.
    pub began: i64,
    /// The timestamp of the point that raised the first alarm, which may come some points later.
    pub start: i64,
    /// The timestamp of the last abnormal point: outside its range, with an alarm, or at a level that
    /// is still far from the one before.
    pub end: i64,
    /// The timestamp of the point that the strongest alarm is about.
    pub peak: i64,
    /// The value of that point, in the unit of the series.
    pub value: f64,
    /// The value that was expected there.
    pub expected: f64,
    /// How that point deviates.
    pub direction: Direction,
    /// How far beyond the alarm level the strongest alarm was.
    pub severity: Severity,
    /// The strength of the strongest alarm, as a multiple of the strength that raises one; at least
    /// 1.
    pub ratio: f64,
    /// The number of alarms.
    pub alarms: u64,
    /// The reason of the strongest alarm, in one sentence.
    pub reason: String,
}

/// A change point: the moment at which the level of a series changed.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChangePointReply {
    /// The timestamp of the first point at the new level.
    pub timestamp: i64,
    /// The level before the change, in the unit of the values.
    pub from: f64,
    /// The level after the change, in the unit of the values.
    pub to: f64,
}

/// The findings of a detection on the series as a whole.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DetectSummary {
    /// The detector that was fitted.
    pub detector: DetectorName,
    /// The number of points that were fitted on.
    pub train: u64,
    /// The number of anomalies among the scored points.
    pub anomalies: u64,
    /// The number of alarms: one for each episode, and one each time that an episode grows by half.
    #[serde(default)]
    pub alarms: u64,
    /// The length of the season, in points; `null` if the series is not seasonal.
    pub period: Option<u64>,
    /// The episodes, in order of time.
    pub episodes: Vec<EpisodeReply>,
    /// The change points, in order of time.
    pub change_points: Vec<ChangePointReply>,
    /// One sentence for each property of the points that makes for a weak model; absent when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// The reply to a detection. As NDJSON, each verdict is a line, and the last line is
/// [`DetectLine::Summary`].
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DetectReply {
    /// The findings on the series as a whole.
    #[serde(flatten)]
    pub summary: DetectSummary,
    /// One verdict for each scored point, in order.
    pub verdicts: Vec<JudgedReply>,
}

/// A line of an NDJSON reply.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum DetectLine {
    /// The last line.
    Summary {
        /// The findings on the series as a whole.
        summary: DetectSummary,
    },
    /// Any other line: a point with its verdict.
    Verdict(JudgedReply),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_much_is_fitted_on_is_a_number_or_a_share() {
        for (train, n, used) in [
            ("", 1_000, 150),
            ("", 100_000, 750),
            (r#","train":0.5"#, 1_000, 500),
            (r#","train":800"#, 1_000, 800),
            (r#","train":1"#, 1_000, 1),
        ] {
            let zeros = format!("[{}0]", "0,".repeat(n - 1));
            let body = format!(r#"{{"timestamps":{zeros},"values":{zeros}{train}}}"#);
            let request = DetectRequest::parse(body.as_bytes()).unwrap().body;
            assert_eq!(request.train.of(request.points.len()), used, "{train}");
        }
    }

    #[test]
    fn a_fault_is_named() {
        for (rest, fault) in [
            (r#","train":3"#, "train: 3 of 3 points leave none to judge"),
            (r#","train":1.5"#, "train: 1.5 is neither"),
            (r#","train":0"#, "train: 0 is neither"),
            (r#","train":-1"#, "train: -1 is neither"),
            (
                r#","x":1"#,
                "unknown field `x`, expected one of `timestamps`",
            ),
            (r#","min_deviation":-2"#, "min_deviation: -2"),
            (r#","form":"csv""#, "form: unknown variant `csv`"),
            (r#","false_alarm_rate":2"#, "false_alarm_rate: 2"),
        ] {
            let body = format!(r#"{{"timestamps":[1,2,3],"values":[1,2,3]{rest}}}"#);
            let message = DetectRequest::parse(body.as_bytes())
                .unwrap_err()
                .to_string();
            assert!(message.contains(fault), "{rest}: {message}");
        }
        let uneven = DetectRequest::parse(br#"{"timestamps":[1,2],"values":[1]}"#);
        assert!(
            uneven
                .unwrap_err()
                .to_string()
                .contains("same non-zero length")
        );
    }

    #[test]
    fn a_request_reads_what_it_writes() {
        for body in [
            r#"{"timestamps":[1,2],"values":[0.5,1.0],"train":1}"#,
            r#"{"timestamps":[1,2],"values":[0.5,1.0],"train":0.5,"detector":"ewma","params":{"k":2.0},"min_deviation":3.0,"form":"columns"}"#,
            r#"{"timestamps":[1,2],"values":[0.5,1.0],"train":1,"form":"table"}"#,
        ] {
            let request = DetectRequest::parse(body.as_bytes()).unwrap().body;
            assert_eq!(serde_json::to_string(&request).unwrap(), body);
        }
    }

    #[test]
    fn points_are_sorted_as_for_a_fit() {
        let body = br#"{"timestamps":[3,1,2],"values":[3,1,2],"train":1}"#;
        let request = DetectRequest::parse(body).unwrap().body;
        assert!(request.points.is_sorted_by_key(|p| p.timestamp));
    }
}
