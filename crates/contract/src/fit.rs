//! `POST /fit/{series_id}`.

use serde::{Deserialize, Serialize};

use crate::{
    DetectorName, FitOptions, Point, SeriesId, Sides, TimeZone, Version,
    fields::fields,
    json::{self, BadJson, Body, Notes, Parsed},
    judge::{self, Named, Values, check_rate, zip},
    timestamps::Timestamps,
};

/// The body of a fit: the training points, in any order, as two arrays, and options.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct FitRequest {
    /// The timestamps of the points, one for each value.
    pub timestamps: Vec<i64>,
    /// The values of the points; all finite.
    pub values: Vec<f64>,
    /// The detector and its options.
    #[serde(flatten)]
    pub options: FitOptions,
}

impl FitRequest {
    /// Reads a request body. [`Self::into_points`] checks that the two arrays match.
    ///
    /// # Errors
    /// A message that names the field, line and column of the first fault.
    pub fn parse(body: &[u8]) -> Result<Parsed<Self>, BadJson> {
        json::parse(body)
    }

    /// The points sorted by timestamp, stably; `None` if the arrays differ in length or are empty.
    pub fn into_points(self) -> Option<Vec<Point>> {
        if self.timestamps.is_empty() {
            return None;
        }
        zip(self.timestamps, self.values).ok().map(sorted)
    }
}

/// Points sorted by timestamp, stably.
pub(crate) fn sorted(mut points: Vec<Point>) -> Vec<Point> {
    if !points.is_sorted_by_key(|p| p.timestamp) {
        points.sort_by_key(|p| p.timestamp);
    }
    points
}

fields! {
    /// The fields that say how to fit.
    struct FitOptionFields {
        detector: Option<DetectorName>,
        params: Option<Named>,
        false_alarm_rate: Option<f64>,
        direction: Option<Sides>,
        allow_constant: Option<bool>,
        timezone: Option<TimeZone>,
    }
}

fields! {
    /// The fields of a fit.
    struct FitFields {
        timestamps: Timestamps,
        values: Values,
    }
    and options: FitOptionFields
}

impl FitOptionFields {
    pub(crate) fn options(self) -> Result<FitOptions, String> {
        check_rate(self.false_alarm_rate)?;
        Ok(FitOptions {
            detector: self.detector,
            params: self.params.map(|named| named.0).unwrap_or_default(),
            false_alarm_rate: self.false_alarm_rate,
            direction: self.direction,
            allow_constant: self.allow_constant.unwrap_or(false),
            timezone: self.timezone,
        })
    }
}

impl Body for FitRequest {
    type Fields = FitFields;
    const CONTENT: &'static str = "timestamps and values";

    fn build(fields: FitFields, notes: &mut Notes) -> Result<Self, String> {
        let Timestamps {
            counts: mut timestamps,
            unit,
        } = fields.timestamps;
        let Values(mut values) = fields.values;
        notes.unit = unit;
        // Columns that do not match are refused by `into_points`.
        if timestamps.len() == values.len() && values.iter().any(|value| value.is_nan()) {
            let points = judge::points(timestamps, Values(values), notes)?;
            timestamps = points.iter().map(|point| point.timestamp).collect();
            values = points.iter().map(|point| point.value).collect();
        }
        Ok(Self {
            timestamps,
            values,
            options: fields.options.options()?,
        })
    }
}

/// The reply to a fit.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FitReply {
    /// The series that was fitted.
    pub series_id: SeriesId,
    /// The version of the new model.
    pub version: Version,
    /// The number of points that the model was fitted on.
    pub points_used: usize,
    /// The detector that was fitted.
    pub detector: DetectorName,
    /// The names of the columns; absent for a series of numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
    /// One sentence for each thing in the request that was ignored, and for each property of the
    /// points that makes for a weak model; absent when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// The version that serves predictions after this fit; absent when it is `version`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serving: Option<Version>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_sorted_by_timestamp_and_equal_ones_keep_their_order() {
        let request = FitRequest {
            timestamps: vec![3, 1, 3, -2],
            values: vec![0.0, 1.0, 2.0, 3.0],
            options: FitOptions::default(),
        };
        let order: Vec<f64> = request
            .into_points()
            .unwrap()
            .iter()
            .map(|p| p.value)
            .collect();
        assert_eq!(order, [3.0, 1.0, 0.0, 2.0]);
    }

    #[test]
    fn a_fault_is_named() {
        for (body, fault) in [
            (
                r#"{"timestamps":[1],"values":null}"#,
                "values: invalid type: null, expected a sequence of numbers and nulls at line 1 column 31",
            ),
            (
                r#"{"timestamps":[1.0],"values":[1]}"#,
                "timestamps: invalid value: floating point `1.0`, expected an integer, seconds since 1970",
            ),
            (
                r#"{"timestamps":[9223372036854775808],"values":[1]}"#,
                "timestamps: a timestamp has at most 19 digits",
            ),
            (
                r#"{"timestamps":[1],"values":[1e400]}"#,
                "values: number out of range",
            ),
            (r#"{"timestamps":[1]}"#, "missing field `values`"),
            (
                r#"{"timestamps":[1],"timestamps":[1],"values":[1]}"#,
                "duplicate field `timestamps`",
            ),
            (
                r#"{"timestamps":[1],"values":[1],"x":1,"x":2}"#,
                "duplicate field `x`",
            ),
            (
                r#"{"timestamps":[1],"values":[1]} x"#,
                "after the JSON object: trailing characters",
            ),
            (
                "[1,2,3]",
                "invalid type: sequence, expected an object with timestamps and values",
            ),
            ("", "EOF while parsing a value"),
            (
                r#"{"timestamps":[1],"values":[1],"detector":"magic"}"#,
                "detector: unknown variant `magic`, expected one of `auto`, `sigma`",
            ),
            (
                r#"{"timestamps":[1],"values":[1],"params":{"k":"x"}}"#,
                "params: invalid type: string \"x\", expected a number",
            ),
            (
                r#"{"timestamps":[1],"values":[1],"params":{"k":1,"k":2}}"#,
                "params: duplicate field `k`",
            ),
            (
                r#"{"timestamps":[1],"values":[1],"false_alarm_rate":1}"#,
                "false_alarm_rate: 1 is not above 0 and at most 0.5",
            ),
            (
                r#"{"timestamps":[1],"values":[1],"direction":"left"}"#,
                "direction: unknown variant `left`",
            ),
        ] {
            let message = FitRequest::parse(body.as_bytes()).unwrap_err().to_string();
            assert!(message.contains(fault), "{body}: {message}");
        }
    }

    #[test]
    fn a_fault_in_an_option_is_named() {
        for (option, fault) in [
            (
                r#""allow_constant":1"#,
                "allow_constant: invalid type: integer `1`, expected a boolean",
            ),
            (
                r#""timezone":"CEST""#,
                "timezone: \"CEST\" is not a time zone of the IANA database",
            ),
        ] {
            let body = format!(r#"{{"timestamps":[1],"values":[1],{option}}}"#);
            let message = FitRequest::parse(body.as_bytes()).unwrap_err().to_string();
            assert!(message.contains(fault), "{body}: {message}");
        }
    }

    #[test]
    fn an_unknown_field_is_a_warning() {
        let parsed =
            FitRequest::parse(br#"{"note":{"a":[1]},"timestamps":[],"values":[]}"#).unwrap();
        assert_eq!(parsed.warnings, ["unknown field `note` was ignored"]);
    }

    #[test]
    fn a_detector_can_be_asked_for() {
        let body = br#"{"timestamps":[1],"values":[1],"detector":"robust","params":{"window":64},"false_alarm_rate":0.01,"direction":"above","allow_constant":true,"timezone":"Europe/Berlin"}"#;
        let parsed = FitRequest::parse(body).unwrap();
        assert!(parsed.warnings.is_empty());
        let options = parsed.body.options;
        assert_eq!(options.detector, Some(DetectorName::Robust));
        assert_eq!(options.params["window"], 64.0);
        assert_eq!(options.false_alarm_rate, Some(0.01));
        assert_eq!(options.direction, Some(Sides::Above));
        assert!(options.allow_constant);
        assert_eq!(options.timezone, "Europe/Berlin".parse().ok());
    }

    #[test]
    fn nesting_cannot_overflow_the_stack() {
        let body = format!(r#"{{"x":{}"#, "[".repeat(100_000));
        let message = FitRequest::parse(body.as_bytes()).unwrap_err().to_string();
        assert!(message.contains("recursion limit"), "{message}");
    }
}
