//! The Open Inference Protocol, version 2, as far as a model of one series needs it: a point is a
//! timestamp and a value, and each tensor has one of either for each point.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Point;

/// The header that tells how many bytes of the body are JSON; tensors in binary follow.
pub const JSON_LENGTH: &str = "inference-header-content-length";

/// The most points of a request, as of a batch.
const MAX_POINTS: usize = 100_000;

/// The names of the tensors of a reply, with their types, in their order.
pub const OUTPUTS: [(&str, &str); 7] = [
    ("anomaly", "BOOL"),
    ("score", "FP64"),
    ("p_value", "FP64"),
    ("expected", "FP64"),
    ("lower", "FP64"),
    ("upper", "FP64"),
    ("reason", "BYTES"),
];

/// The tensors of a request, with their types.
pub const INPUTS: [(&str, &str); 2] = [("timestamp", "INT64"), ("value", "FP64")];

/// A request that has been checked.
#[derive(Clone, Debug, PartialEq)]
pub struct InferRequest {
    /// The id that the reply repeats.
    pub id: Option<String>,
    /// The points, in their order.
    pub points: Vec<Point>,
    /// The names of the outputs that are asked for; all if there are none.
    pub outputs: Vec<String>,
}

/// A reply.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct InferReply {
    /// The series.
    pub model_name: String,
    /// The version that judged.
    pub model_version: String,
    /// The id of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The tensors.
    pub outputs: Vec<Tensor>,
}

/// A tensor of a reply, one element for each point.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tensor {
    /// Its name: that of an output of the model.
    pub name: &'static str,
    /// The type of its elements.
    pub datatype: &'static str,
    /// The number of points.
    pub shape: [usize; 1],
    /// The elements.
    pub data: TensorData,
}

/// The elements of a tensor.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
#[expect(missing_docs, reason = "they are named by their types")]
pub enum TensorData {
    Bools(Vec<bool>),
    Numbers(Vec<f64>),
    Texts(Vec<String>),
}

/// What is served.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ServerMetadata {
    /// The name of the server.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// Extensions of the protocol that it speaks.
    pub extensions: [&'static str; 1],
}

/// A model.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModelMetadata {
    /// The series.
    pub name: String,
    /// The version that answers.
    pub versions: [String; 1],
    /// The kind of model.
    pub platform: &'static str,
    /// What a request has.
    pub inputs: Vec<TensorMetadata>,
    /// What a reply has.
    pub outputs: Vec<TensorMetadata>,
}

/// A tensor of any number of points.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TensorMetadata {
    /// Its name.
    name: &'static str,
    /// The type of its elements.
    datatype: &'static str,
    /// Always -1: any number of points.
    shape: [i64; 1],
}

impl TensorMetadata {
    /// Of one of [`INPUTS`] or [`OUTPUTS`].
    pub fn of((name, datatype): (&'static str, &'static str)) -> Self {
        Self {
            name,
            datatype,
            shape: [-1],
        }
    }
}

/// The JSON of a request.
#[derive(Deserialize)]
struct Head {
    id: Option<String>,
    inputs: Vec<Input>,
    outputs: Option<Vec<Output>>,
}

#[derive(Deserialize)]
struct Input {
    name: String,
    shape: Vec<u64>,
    datatype: String,
    parameters: Option<Parameters>,
    data: Option<Value>,
}

#[derive(Deserialize)]
struct Parameters {
    binary_data_size: Option<usize>,
}

#[derive(Deserialize)]
struct Output {
    name: String,
}

impl InferRequest {
    /// Reads and checks a body, of which the first `json` bytes are JSON, or all of it.
    ///
    /// # Errors
    /// The first fault, in a sentence.
    pub fn parse(body: &[u8], json: Option<usize>) -> Result<Self, String> {
        let json = json.unwrap_or(body.len());
        let (head, mut binary) = body
            .split_at_checked(json)
            .ok_or_else(|| format!("the body has fewer than the {json} bytes of JSON"))?;
        let head: Head =
            serde_json::from_slice(head).map_err(|fault| format!("request: {fault}"))?;
        let (mut timestamps, mut values) = (None, None);
        for input in &head.inputs {
            let elements = input.elements(&mut binary)?;
            let known = match &*input.name {
                "timestamp" => &mut timestamps,
                "value" => &mut values,
                other => {
                    return Err(format!(
                        "there is no input '{other}', only timestamp and value"
                    ));
                }
            };
            if known.replace(elements).is_some() {
                return Err(format!("input '{}' is there twice", input.name));
            }
        }
        let named = |name: &str, elements: Option<Vec<f64>>| {
            elements.ok_or_else(|| format!("input '{name}' is missing"))
        };
        let (timestamps, values) = (named("timestamp", timestamps)?, named("value", values)?);
        if timestamps.len() != values.len() {
            let (t, v) = (timestamps.len(), values.len());
            return Err(format!("there are {t} timestamps and {v} values"));
        }
        if !(1..=MAX_POINTS).contains(&values.len()) {
            return Err(format!("there must be 1 to {MAX_POINTS} points"));
        }
        let outputs: Vec<String> = head.outputs.into_iter().flatten().map(|o| o.name).collect();
        if let Some(unknown) = outputs
            .iter()
            .find(|name| OUTPUTS.iter().all(|(known, _)| known != *name))
        {
            return Err(format!("there is no output '{unknown}'"));
        }
        Ok(Self {
            id: head.id,
            points: points(&timestamps, &values)?,
            outputs,
        })
    }
}

fn points(timestamps: &[f64], values: &[f64]) -> Result<Vec<Point>, String> {
    let pairs = timestamps.iter().zip(values).enumerate();
    pairs
        .map(|(i, (timestamp, value))| {
            // Larger ones would have been rounded.
            let is_whole = timestamp.fract() == 0.0 && timestamp.abs() <= 2_f64.powi(53);
            match (is_whole, value.is_finite()) {
                (true, true) => Ok(Point {
                    timestamp: *timestamp as i64,
                    value: *value,
                }),
                (false, _) => Err(format!("timestamp {i} is not a whole number within 2^53")),
                (_, false) => Err(format!("value {i} is not finite")),
            }
        })
        .collect()
}

impl Input {
    /// The elements, from JSON or from the beginning of `binary`, which they are taken off.
    fn elements(&self, binary: &mut &[u8]) -> Result<Vec<f64>, String> {
        let name = &self.name;
        let elements = match self.parameters.as_ref().and_then(|p| p.binary_data_size) {
            Some(size) => {
                let (own, rest) = binary
                    .split_at_checked(size)
                    .ok_or_else(|| format!("input '{name}': fewer than {size} bytes follow"))?;
                *binary = rest;
                self.decoded(own)?
            }
            None => {
                let data = self
                    .data
                    .as_ref()
                    .ok_or_else(|| format!("input '{name}' has no data"))?;
                let mut elements = Vec::new();
                flatten(data, &mut elements)
                    .ok_or_else(|| format!("input '{name}': data are not numbers"))?;
                elements
            }
        };
        let expected = self.shape.iter().try_fold(1_u64, |n, d| n.checked_mul(*d));
        match expected == u64::try_from(elements.len()).ok() {
            true => Ok(elements),
            false => Err(format!(
                "input '{name}': {} elements are not of its shape",
                elements.len()
            )),
        }
    }

    /// Little-endian elements.
    fn decoded(&self, bytes: &[u8]) -> Result<Vec<f64>, String> {
        fn of<const N: usize>(bytes: &[u8], read: fn([u8; N]) -> f64) -> Option<Vec<f64>> {
            let (elements, rest) = bytes.as_chunks::<N>();
            rest.is_empty()
                .then(|| elements.iter().copied().map(read).collect())
        }
        let (name, kind) = (&self.name, &*self.datatype);
        let elements = match kind {
            "INT64" => of(bytes, |b| i64::from_le_bytes(b) as f64),
            "INT32" => of(bytes, |b| i32::from_le_bytes(b).into()),
            "FP64" => of(bytes, f64::from_le_bytes),
            "FP32" => of(bytes, |b| f32::from_le_bytes(b).into()),
            _ => {
                return Err(format!(
                    "input '{name}': {kind} is not INT64, INT32, FP64 or FP32"
                ));
            }
        };
        elements.ok_or_else(|| format!("input '{name}': its bytes are no whole number of {kind}"))
    }
}

/// The numbers in nested arrays, in their order.
fn flatten(data: &Value, into: &mut Vec<f64>) -> Option<()> {
    match data {
        Value::Array(parts) => parts.iter().try_for_each(|part| flatten(part, into)),
        other => other.as_f64().map(|number| into.push(number)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(body: &Value) -> Result<InferRequest, String> {
        InferRequest::parse(body.to_string().as_bytes(), None)
    }

    fn request() -> Value {
        json!({"id": "7", "inputs": [
            {"name": "timestamp", "shape": [2, 1], "datatype": "INT64", "data": [[13], [14]]},
            {"name": "value", "shape": [2], "datatype": "FP64", "data": [10.5, 99]},
        ], "outputs": [{"name": "score"}]})
    }

    #[test]
    fn tensors_come_as_json_or_in_binary() {
        let expected = parse(&request()).unwrap();
        assert_eq!(
            expected.points[1],
            Point {
                timestamp: 14,
                value: 99.0
            }
        );
        assert_eq!(
            (expected.id.as_deref(), &expected.outputs[..]),
            (Some("7"), &["score".to_owned()][..])
        );

        let head = json!({"id": "7", "inputs": [
            {"name": "timestamp", "shape": [2], "datatype": "INT64", "parameters": {"binary_data_size": 16}},
            {"name": "value", "shape": [2], "datatype": "FP32", "parameters": {"binary_data_size": 8}},
        ], "outputs": [{"name": "score", "parameters": {"binary_data": true}}]});
        let mut body = head.to_string().into_bytes();
        let json = body.len();
        body.extend([13_i64, 14].iter().flat_map(|t| t.to_le_bytes()));
        body.extend([10.5_f32, 99.0].iter().flat_map(|v| v.to_le_bytes()));
        assert_eq!(InferRequest::parse(&body, Some(json)), Ok(expected));
        let cut = InferRequest::parse(&body[..json + 20], Some(json)).unwrap_err();
        assert_eq!(cut, "input 'value': fewer than 8 bytes follow");
        assert!(InferRequest::parse(&body, Some(10_000)).is_err());
    }

    #[test]
    fn faults_are_named() {
        for (place, value, fault) in [
            (
                "/inputs/0/name",
                json!("time"),
                "there is no input 'time', only timestamp and value",
            ),
            (
                "/inputs/0/name",
                json!("value"),
                "input 'value' is there twice",
            ),
            (
                "/inputs/0/data",
                json!([13, 14.5]),
                "timestamp 1 is not a whole number within 2^53",
            ),
            (
                "/inputs/1/data",
                json!(["x", 1]),
                "input 'value': data are not numbers",
            ),
            (
                "/inputs/1/data",
                json!([1]),
                "input 'value': 1 elements are not of its shape",
            ),
            (
                "/inputs/1/shape",
                json!([3]),
                "input 'value': 2 elements are not of its shape",
            ),
            (
                "/outputs/0/name",
                json!("mood"),
                "there is no output 'mood'",
            ),
        ] {
            let mut body = request();
            *body.pointer_mut(place).unwrap() = value;
            assert_eq!(parse(&body), Err(fault.to_owned()));
        }
        let mut one = request();
        one["inputs"].as_array_mut().unwrap().pop();
        assert_eq!(parse(&one), Err("input 'value' is missing".to_owned()));
    }
}
