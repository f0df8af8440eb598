//! Models as data: one JSON object with a format number, the detector's name and parameters, and a checksum.
//!
//! `{"format":1,"detector":"sigma","params":{"mean":2.0,"std":1.0},"points":4,"checksum":"<sha-256, hex>"}`
//!
//! The checksum is over the object without its `checksum`, in the order and spelling above. Numbers are written with as many
//! digits as bring the same bits back. Formats that were ever written keep loading: a new one gets a new number.

use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};
use sha2::{Digest, Sha256};

use crate::{Detector, Model, Sigma};

/// The format number that is written.
pub const FORMAT: u32 = 1;

/// A text that is no stored model.
#[derive(Debug, thiserror::Error)]
pub enum BadModel {
    /// Not the JSON of a model.
    #[error("model is not readable: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// Written by a newer program.
    #[error("model format {0} is not known")]
    UnknownFormat(u32),
    /// Fitted by a detector that this program does not have.
    #[error("detector {0:?} is not known")]
    UnknownDetector(String),
    /// Changed since it was written.
    #[error("model does not match its checksum")]
    ChecksumMismatch,
    /// Parameters that no fit gives.
    #[error("model parameters are out of range")]
    OutOfRange,
}

#[derive(Serialize, Deserialize)]
struct Stored<'a> {
    format: u32,
    detector: String,
    #[serde(borrow)]
    params: &'a RawValue,
    points: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    checksum: Option<String>,
}

impl Model {
    /// The model as JSON.
    pub fn to_json(&self) -> String {
        let params = match &self.detector {
            Detector::Sigma(sigma) => serde_json::value::to_raw_value(sigma),
        };
        let params = params.expect("parameters are plain numbers");
        let mut stored = Stored {
            format: FORMAT,
            detector: self.detector.name().to_owned(),
            params: &params,
            points: self.points,
            checksum: None,
        };
        stored.checksum = Some(checksum(&stored));
        to_json(&stored)
    }

    /// Reads what [`Self::to_json`] wrote.
    ///
    /// # Errors
    /// [`BadModel`] for anything else.
    pub fn from_json(json: &str) -> Result<Self, BadModel> {
        let format: Value = serde_json::from_str(json)?;
        let format = format.get("format").and_then(Value::as_u64).unwrap_or(0);
        if format != u64::from(FORMAT) {
            return Err(BadModel::UnknownFormat(
                u32::try_from(format).unwrap_or(u32::MAX),
            ));
        }
        let mut stored: Stored<'_> = serde_json::from_str(json)?;
        let expected = stored.checksum.take();
        if expected.as_deref() != Some(checksum(&stored).as_str()) {
            return Err(BadModel::ChecksumMismatch);
        }
        let detector = match stored.detector.as_str() {
            "sigma" => Detector::Sigma(serde_json::from_str::<Sigma>(stored.params.get())?),
            _ => return Err(BadModel::UnknownDetector(stored.detector)),
        };
        let Detector::Sigma(sigma) = &detector;
        if !sigma.is_finite() {
            return Err(BadModel::OutOfRange);
        }
        Ok(Self {
            detector,
            points: stored.points,
        })
    }
}

fn checksum(stored: &Stored<'_>) -> String {
    let digest = Sha256::digest(to_json(stored));
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn to_json(stored: &Stored<'_>) -> String {
    serde_json::to_string(stored).expect("numbers and texts are always JSON")
}

#[cfg(test)]
mod tests {
    use contract::Point;

    use super::*;

    /// A model of format 1, as it was first written. It must load for ever.
    const FIRST: &str = concat!(
        r#"{"format":1,"detector":"sigma","params":{"mean":2.0,"std":1.0},"points":4,"#,
        r#""checksum":"72e2ac8078a1e8d066c3ff24cde8615c915baae7f222d5e23d9c32595b909b13"}"#
    );

    #[test]
    fn the_stored_form_is_pinned() {
        let values = [1.0, 1.0, 3.0, 3.0].map(|value| Point {
            timestamp: 0,
            value,
        });
        let model = Model::fit(&values).unwrap();
        assert_eq!(model.to_json(), FIRST);
        assert_eq!(Model::from_json(FIRST).unwrap(), model);
    }

    #[test]
    fn what_was_changed_or_is_not_known_is_refused() {
        let load = |from: &str, to: &str| Model::from_json(&FIRST.replace(from, to)).unwrap_err();
        assert!(matches!(load("2.0", "2.5"), BadModel::ChecksumMismatch));
        assert!(matches!(
            load("\"points\":4", "\"points\":5"),
            BadModel::ChecksumMismatch
        ));
        assert!(matches!(
            load("\"format\":1", "\"format\":2"),
            BadModel::UnknownFormat(2)
        ));
        assert!(matches!(load("}", ""), BadModel::Unreadable(_)));
    }
}
