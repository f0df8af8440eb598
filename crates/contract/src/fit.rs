//! `POST /fit/{series_id}`.

use serde::{Deserialize, Serialize, de::MapAccess};

use crate::{
    Point, SeriesId, Version,
    json::{self, BadJson, Fields, Parsed},
};

/// The body of a fit: the training points, in any order, as two arrays.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct FitRequest {
    /// Timestamps of the points, one for each value.
    pub timestamps: Vec<i64>,
    /// Values of the points; all finite.
    pub values: Vec<f64>,
}

impl FitRequest {
    /// Reads a request body. Whether the two arrays match is [`Self::into_points`]' to say.
    ///
    /// # Errors
    /// A message that names the field, line and column of the first fault.
    pub fn parse(body: &[u8]) -> Result<Parsed<Self>, BadJson> {
        json::parse(body)
    }

    /// The points sorted by timestamp, stably; `None` if the arrays differ in length or are empty.
    pub fn into_points(self) -> Option<Vec<Point>> {
        if self.timestamps.is_empty() || self.timestamps.len() != self.values.len() {
            return None;
        }
        let pairs = self.timestamps.into_iter().zip(self.values);
        let mut points: Vec<Point> = pairs
            .map(|(timestamp, value)| Point { timestamp, value })
            .collect();
        if !points.is_sorted_by_key(|p| p.timestamp) {
            points.sort_by_key(|p| p.timestamp);
        }
        Some(points)
    }
}

impl Fields for FitRequest {
    type Partial = (Option<Vec<i64>>, Option<Vec<f64>>);
    const NAMES: &'static [&'static str] = &["timestamps", "values"];

    fn read<'de, A: MapAccess<'de>>(
        partial: &mut Self::Partial,
        index: usize,
        map: &mut A,
    ) -> Result<(), A::Error> {
        match index {
            0 => partial.0 = Some(map.next_value()?),
            _ => partial.1 = Some(map.next_value()?),
        }
        Ok(())
    }

    fn finish((timestamps, values): Self::Partial) -> Result<Self, &'static str> {
        Ok(Self {
            timestamps: timestamps.ok_or("timestamps")?,
            values: values.ok_or("values")?,
        })
    }
}

/// The reply to a fit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FitReply {
    /// The series that was fitted.
    pub series_id: SeriesId,
    /// The version of the new model.
    pub version: Version,
    /// How many points it was fitted on.
    pub points_used: usize,
    /// What was accepted but ignored; absent when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_sorted_by_timestamp_and_equal_ones_keep_their_order() {
        let request = FitRequest {
            timestamps: vec![3, 1, 3, -2],
            values: vec![0.0, 1.0, 2.0, 3.0],
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
                "values: invalid type: null, expected a sequence at line 1 column 31",
            ),
            (
                r#"{"timestamps":[1.0],"values":[1]}"#,
                "timestamps: invalid type: floating point `1.0`, expected i64",
            ),
            (
                r#"{"timestamps":[9223372036854775808],"values":[1]}"#,
                "timestamps: invalid value: integer `9223372036854775808`",
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
        ] {
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
    fn nesting_cannot_overflow_the_stack() {
        let body = format!(r#"{{"x":{}"#, "[".repeat(100_000));
        let message = FitRequest::parse(body.as_bytes()).unwrap_err().to_string();
        assert!(message.contains("recursion limit"), "{message}");
    }
}
