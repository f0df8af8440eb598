//! `POST /predict/{series_id}`.

use serde::{Deserialize, Serialize, de::MapAccess};

use crate::{
    Point, Version,
    json::{self, BadJson, Fields, Parsed},
};

/// The body of a prediction: one point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PredictRequest {
    /// The point to judge.
    pub point: Point,
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

impl Fields for PredictRequest {
    type Partial = (Option<i64>, Option<f64>);
    const NAMES: &'static [&'static str] = &["timestamp", "value"];

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

    fn finish((timestamp, value): Self::Partial) -> Result<Self, &'static str> {
        let point = Point {
            timestamp: timestamp.ok_or("timestamp")?,
            value: value.ok_or("value")?,
        };
        Ok(Self { point })
    }
}

/// The reply to a prediction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PredictReply {
    /// The version of the model that judged.
    pub model_version: Version,
    /// Whether the point is an anomaly to that model.
    pub anomaly: bool,
    /// What was accepted but ignored; absent when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn the_reply_is_as_recorded() {
        let reply = PredictReply {
            model_version: Version::new(2).unwrap(),
            anomaly: false,
            warnings: Vec::new(),
        };
        assert_eq!(
            serde_json::to_string(&reply).unwrap(),
            r#"{"model_version":"v2","anomaly":false}"#
        );
    }
}
