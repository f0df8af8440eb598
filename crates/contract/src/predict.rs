//! `POST /predict/{series_id}` and `POST /predict/{series_id}/batch`.

use serde::{Deserialize, Serialize};

use crate::{
    DetectorName, JudgeOptions, JudgedReply, Point, Sides, VerdictReply, Version, VersionRef,
    fields::fields,
    json::{self, BadJson, Body, Notes, Parsed},
    judge::{self, Context, Values, check_deviation, check_rate, columns},
    timestamps::{Timestamp, Timestamps},
};

/// The most points of a batch.
pub const MAX_BATCH: usize = 100_000;

/// The body of a prediction: one point, and options.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PredictRequest {
    /// The point to score.
    #[serde(flatten)]
    pub point: Point,
    /// Options of the verdict.
    #[serde(flatten)]
    pub judge: JudgeOptions,
    /// The version to score by; `None`: the one that serves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<VersionRef>,
    /// The points just before, oldest first, at most [`MAX_CONTEXT`](crate::MAX_CONTEXT); empty if
    /// they are not known.
    #[serde(serialize_with = "columns", skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::PointColumns"))]
    pub context: Vec<Point>,
}

/// The body of a batch: points to score. The points before one in the batch are its context.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BatchRequest {
    /// The points to score, in the order in which they were sent; 1 to [`MAX_BATCH`].
    #[serde(flatten, serialize_with = "columns")]
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::PointColumns"))]
    pub points: Vec<Point>,
    /// Options of the verdicts.
    #[serde(flatten)]
    pub judge: JudgeOptions,
    /// The version to score by; `None`: the one that serves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<VersionRef>,
    /// The points just before the first one, oldest first, at most
    /// [`MAX_CONTEXT`](crate::MAX_CONTEXT).
    #[serde(serialize_with = "columns", skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::PointColumns"))]
    pub context: Vec<Point>,
}

fields! {
    /// The fields that predictions and batches have in common.
    struct JudgeFields {
        false_alarm_rate: Option<f64>,
        direction: Option<Sides>,
        min_deviation: Option<f64>,
        version: Option<VersionRef>,
        context: Option<Context>,
    }
}

fields! {
    /// The fields of a prediction.
    struct PredictFields {
        timestamp: Timestamp,
        value: f64,
    }
    and judge: JudgeFields
}

fields! {
    /// The fields of a batch.
    struct BatchFields {
        timestamps: Timestamps,
        values: Values,
    }
    and judge: JudgeFields
}

impl JudgeFields {
    fn options(&self) -> Result<JudgeOptions, String> {
        check_rate(self.false_alarm_rate)?;
        check_deviation(self.min_deviation)?;
        Ok(JudgeOptions {
            false_alarm_rate: self.false_alarm_rate,
            direction: self.direction,
            min_deviation: self.min_deviation,
        })
    }
}

impl PredictRequest {
    /// Reads a request body.
    ///
    /// # Errors
    /// A message that names the field, line and column of the first fault.
    pub fn parse(body: &[u8]) -> Result<Parsed<Self>, BadJson> {
        json::parse(body)
    }
}

impl BatchRequest {
    /// Reads a request body.
    ///
    /// # Errors
    /// A message that names the field, line and column of the first fault.
    pub fn parse(body: &[u8]) -> Result<Parsed<Self>, BadJson> {
        json::parse(body)
    }
}

impl Body for PredictRequest {
    type Fields = PredictFields;
    const CONTENT: &'static str = "timestamp and value";

    fn build(fields: PredictFields, notes: &mut Notes) -> Result<Self, String> {
        let PredictFields {
            mut timestamp,
            value,
            judge,
        } = fields;
        let options = judge.options()?;
        let mut context = Vec::new();
        if let Some(before) = judge.context {
            let mut times = timestamp.into();
            context = before.align(&mut times, notes)?;
            timestamp = Timestamp {
                count: times.counts[0],
                unit: times.unit,
            };
        }
        notes.unit = timestamp.unit;
        Ok(Self {
            point: Point {
                timestamp: timestamp.count,
                value,
            },
            judge: options,
            version: judge.version,
            context,
        })
    }
}

impl Body for BatchRequest {
    type Fields = BatchFields;
    const CONTENT: &'static str = "timestamps and values";

    fn build(fields: BatchFields, notes: &mut Notes) -> Result<Self, String> {
        let BatchFields {
            mut timestamps,
            values,
            judge,
        } = fields;
        let options = judge.options()?;
        let context = judge.context;
        let context = context.map(|before| before.align(&mut timestamps, notes));
        let context = context.transpose()?.unwrap_or_default();
        notes.unit = timestamps.unit;
        let points = judge::points(timestamps.counts, values, notes)?;
        if points.is_empty() {
            return Err("there are no points".to_owned());
        }
        if points.len() > MAX_BATCH {
            let n = points.len();
            return Err(format!("{n} points are more than {MAX_BATCH}"));
        }
        Ok(Self {
            points,
            judge: options,
            version: judge.version,
            context,
        })
    }
}

/// The reply to a prediction.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PredictReply {
    /// The version of the model that gave the verdict.
    pub model_version: Version,
    /// The verdict on the point.
    #[serde(flatten)]
    pub verdict: VerdictReply,
    /// One sentence for each thing in the request that was ignored; absent when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// The reply to a batch.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BatchReply {
    /// The version of the model that gave the verdicts.
    pub model_version: Version,
    /// The detector of the model.
    pub detector: DetectorName,
    /// The number of anomalies among the points.
    pub anomalies: u64,
    /// One verdict for each point, in the order of the points.
    pub verdicts: Vec<JudgedReply>,
    /// One sentence for each thing in the request that was ignored; absent when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AliasName, Direction, Severity};

    #[test]
    fn numbers_in_every_spelling_are_values() {
        for (value, number) in [("2", 2.0), ("1.5e1", 15.0), ("-0", 0.0), ("-1e308", -1e308)] {
            let body = format!(r#" {{"timestamp":0,"value":{value}}} "#);
            assert_eq!(
                PredictRequest::parse(body.as_bytes()).unwrap().body.point,
                Point {
                    timestamp: 0,
                    value: number
                }
            );
        }
    }

    #[test]
    fn a_byte_order_mark_is_skipped_once_and_only_at_the_start() {
        let point = r#"{"timestamp":1,"value":2}"#;
        let parsed = |before: &str, after: &str| {
            PredictRequest::parse(format!("{before}{point}{after}").as_bytes())
        };
        assert_eq!(parsed("\u{feff}", "").unwrap(), parsed("", "").unwrap());
        assert!(parsed("\u{feff}\u{feff}", "").is_err());
        assert!(parsed(" \u{feff}", "").is_err());
        assert!(parsed("", "\u{feff}").is_err());
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for value in [
            "null", "\"x\"", "NaN", "Infinity", "1e400", "true", "[1]", "{}", "01", "+1", ".5",
            "1.",
        ] {
            let body = format!(r#"{{"timestamp":1,"value":{value}}}"#);
            assert!(PredictRequest::parse(body.as_bytes()).is_err(), "{value}");
        }
    }

    #[test]
    fn everything_can_be_asked_for() {
        let body = br#"{"timestamp":3,"value":1,"false_alarm_rate":1e-4,"direction":"below","min_deviation":0.5,
            "version":"canary","context":{"timestamps":[1,2],"values":[0.5,-1]}}"#;
        let request = PredictRequest::parse(body).unwrap().body;
        assert_eq!(request.judge.false_alarm_rate, Some(1e-4));
        assert_eq!(request.judge.direction, Some(Sides::Below));
        assert_eq!(request.judge.min_deviation, Some(0.5));
        let canary = AliasName::new("canary").unwrap();
        assert_eq!(request.version, Some(VersionRef::Alias(canary)));
        assert_eq!(request.context.len(), 2);
        assert_eq!(request.context[1].value, -1.0);
    }

    #[test]
    fn a_fault_in_what_is_asked_is_named() {
        for (field, fault) in [
            (
                r#""false_alarm_rate":0"#,
                "false_alarm_rate: 0 is not above 0",
            ),
            (r#""false_alarm_rate":0.6"#, "false_alarm_rate: 0.6 is not"),
            (
                r#""false_alarm_rate":"x""#,
                "false_alarm_rate: invalid type",
            ),
            (r#""direction":"up""#, "direction: unknown variant `up`"),
            (r#""min_deviation":-1"#, "min_deviation: -1 is less than 0"),
            (r#""version":"v0""#, "version: "),
            (
                r#""context":{"timestamps":[1],"values":[]}"#,
                "context: there are 1 timestamps and 0 values",
            ),
            (
                r#""context":{"timestamps":[2,1],"values":[1,1]}"#,
                "context: the oldest point must come first",
            ),
            (
                r#""context":[[1],[1]]"#,
                "context: invalid type: sequence, expected an object",
            ),
        ] {
            let body = format!(r#"{{"timestamp":1,"value":1,{field}}}"#);
            let message = PredictRequest::parse(body.as_bytes())
                .unwrap_err()
                .to_string();
            assert!(message.contains(fault), "{field}: {message}");
        }
        let long = format!("[{}0]", "0,".repeat(crate::MAX_CONTEXT));
        let body = format!(
            r#"{{"timestamp":1,"value":1,"context":{{"timestamps":{long},"values":{long}}}}}"#
        );
        let message = PredictRequest::parse(body.as_bytes())
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("2049 points are more than 2048"),
            "{message}"
        );
    }

    #[test]
    fn a_batch_keeps_the_order_in_which_it_was_sent() {
        let body = br#"{"timestamps":[3,1,2],"values":[0.5,1.5,2.5]}"#;
        let request = BatchRequest::parse(body).unwrap().body;
        let order: Vec<i64> = request.points.iter().map(|p| p.timestamp).collect();
        assert_eq!(order, [3, 1, 2]);
        for (body, fault) in [
            (r#"{"timestamps":[],"values":[]}"#, "there are no points"),
            (
                r#"{"timestamps":[1],"values":[1,2]}"#,
                "there are 1 timestamps and 2 values",
            ),
            (r#"{"timestamps":[1]}"#, "missing field `values`"),
        ] {
            let message = BatchRequest::parse(body.as_bytes())
                .unwrap_err()
                .to_string();
            assert!(message.contains(fault), "{body}: {message}");
        }
    }

    #[test]
    fn dates_and_context_come_to_one_unit_and_nulls_are_gaps() {
        let body = br#"{"timestamp":"2023-08-31T05:45:00.5Z","value":1,
            "context":{"timestamps":["2023-08-31T05:43:00Z","2023-08-31T05:44:00Z"],"values":[1,null]}}"#;
        let parsed = PredictRequest::parse(body).unwrap();
        assert_eq!(parsed.body.point.timestamp, 1_693_460_700_500);
        let context: Vec<i64> = parsed.body.context.iter().map(|p| p.timestamp).collect();
        assert_eq!(context, [1_693_460_580_000]);
        assert_eq!(parsed.unit, Some(crate::TimeUnit::Milliseconds));
        assert_eq!(parsed.warnings, ["1 value is null and counts as a gap"]);
        let body = br#"{"timestamps":[1,2,3],"values":[null,5,null]}"#;
        let parsed = BatchRequest::parse(body).unwrap();
        assert_eq!((parsed.body.points.len(), parsed.unit), (1, None));
        assert_eq!(parsed.warnings, ["2 values are null and count as gaps"]);
        let body = br#"{"timestamps":[1],"values":[null]}"#;
        let said = BatchRequest::parse(body).unwrap_err().to_string();
        assert!(said.starts_with("values: all are null"), "{said}");
    }

    #[test]
    fn a_request_reads_what_it_writes() {
        let body = r#"{"timestamp":3,"value":1.5,"direction":"below","version":"v2","context":{"timestamps":[1,2],"values":[0.5,-1.0]}}"#;
        let request = PredictRequest::parse(body.as_bytes()).unwrap().body;
        assert_eq!(serde_json::to_string(&request).unwrap(), body);
        let body = r#"{"timestamp":3,"value":1.5}"#;
        let request = PredictRequest::parse(body.as_bytes()).unwrap().body;
        assert_eq!(serde_json::to_string(&request).unwrap(), body);
        let body = r#"{"timestamps":[2,1],"values":[0.5,1.0],"false_alarm_rate":0.01,"min_deviation":2.0}"#;
        let request = BatchRequest::parse(body.as_bytes()).unwrap().body;
        assert_eq!(serde_json::to_string(&request).unwrap(), body);
    }

    #[test]
    fn the_reply_begins_as_recorded() {
        let reply = PredictReply {
            model_version: Version::new(2).unwrap(),
            verdict: VerdictReply {
                anomaly: false,
                score: 0.25,
                severity: Severity::None,
                p_value: 0.5,
                expected: Some(10.5),
                lower: None,
                upper: Some(12.0),
                direction: Direction::None,
                reason: "10.6 is within the expected range up to 12".to_owned(),
                detector: DetectorName::Sigma,
            },
            warnings: Vec::new(),
        };
        assert_eq!(
            serde_json::to_string(&reply).unwrap(),
            concat!(
                r#"{"model_version":"v2","anomaly":false,"score":0.25,"severity":"none","p_value":0.5,"expected":10.5,"#,
                r#""lower":null,"upper":12.0,"direction":"none","reason":"10.6 is within the expected range up to 12","#,
                r#""detector":"sigma"}"#
            )
        );
    }
}
