//! Models as text: one JSON object with a format number, the detector's name, the fitted state, and
//! a checksum.
//!
//! Format 3:
//! `{"format":3,"detector":"robust","params":{"contamination":0.0},"false_alarm_rate":0.001,"direction":"both",`
//! `"unit":"seconds","points":4,"state":{…},"checksum":"<sha-256, hex>"}`, where rate, direction and
//! unit may be missing. In place of `state` there may be `packed`: the JSON of the state, compressed
//! (zlib, RFC 1950), in base64. It is written for
//! long states.
//!
//! Format 2 is the same without a unit and never packed. Its models of `auto` have predictors where
//! later ones have a forecaster, and judge single points as they always did.
//!
//! Format 1 had no state:
//! `{"format":1,"detector":"sigma","params":{"mean":2.0,"std":1.0},"points":4,"checksum":"…"}`.
//!
//! The checksum is over the object without its `checksum`, in the order and spelling above. Numbers
//! are written with enough digits to bring the same bits back. Formats that were ever written keep
//! loading; a new one gets a new number.

use std::io::{Read as _, Write as _};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use contract::{DetectorName, Params, Sides, TimeUnit};
use flate2::{Compression, read::ZlibDecoder, write::ZlibEncoder};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::{Model, OptionalRate};
use crate::{
    detectors::{FittedDetector, sigma::Sigma},
    verdict::is_rate,
};

/// The format number that is written.
pub const FORMAT: u32 = 3;

/// Why a text is not a stored model or session.
#[derive(Debug, thiserror::Error)]
pub enum BadModel {
    /// The text is not the JSON of a model.
    #[error("model is not readable: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// A newer program wrote it.
    #[error("model format {0} is not known")]
    UnknownFormat(u32),
    /// This program does not have the detector.
    #[error("detector {0:?} is not known")]
    UnknownDetector(String),
    /// The text was changed since it was written.
    #[error("model does not match its checksum")]
    ChecksumMismatch,
    /// The packed state is not what it should be.
    #[error("packed model is not readable")]
    NotPacked,
    /// The numbers could not come from a fit.
    #[error("model parameters are out of range")]
    OutOfRange,
}

/// The start of every format.
#[derive(Deserialize)]
pub(crate) struct Head {
    #[serde(default)]
    pub(crate) format: u32,
}

/// Format 1.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct First<'a> {
    format: u32,
    detector: String,
    #[serde(borrow)]
    params: &'a RawValue,
    points: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    checksum: Option<String>,
}

/// The parameters of format 1.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MeanAndDeviation {
    mean: f64,
    std: f64,
}

/// Formats 2 and 3.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Third<'a> {
    format: u32,
    detector: String,
    params: Params,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    false_alarm_rate: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    direction: Option<Sides>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unit: Option<String>,
    points: u64,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    state: Option<&'a RawValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    packed: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    checksum: Option<String>,
}

/// States longer than this many bytes are packed; shorter ones people may want to read.
const LONG_STATE: usize = 4_096;
/// The largest state that is unpacked, in bytes.
const LARGEST_STATE: u64 = 16 << 20;

fn pack(state: &RawValue) -> String {
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::best());
    let written = packed.write_all(state.get().as_bytes());
    let bytes = written.and_then(|()| packed.finish());
    STANDARD.encode(bytes.expect("memory takes what is written to it"))
}

fn unpack(packed: &str) -> Result<Box<RawValue>, BadModel> {
    let bytes = STANDARD.decode(packed).map_err(|_| BadModel::NotPacked)?;
    let mut json = String::new();
    ZlibDecoder::new(&bytes[..])
        .take(LARGEST_STATE)
        .read_to_string(&mut json)
        .map_err(|_| BadModel::NotPacked)?;
    Ok(RawValue::from_string(json)?)
}

impl Model {
    /// The model as JSON.
    pub fn to_json(&self) -> String {
        let state = self.detector.to_json();
        let mut stored = self.stored(&state);
        stored.checksum = Some(checksum(&stored));
        to_json(&stored)
    }

    /// The checksum of the model: SHA-256 of its JSON without it, in hexadecimal.
    pub fn checksum(&self) -> String {
        checksum(&self.stored(&self.detector.to_json()))
    }

    fn stored<'a>(&self, state: &'a RawValue) -> Third<'a> {
        let packed = (state.get().len() > LONG_STATE).then(|| pack(state));
        Third {
            format: FORMAT,
            detector: self.detector().as_str().to_owned(),
            params: self.params(),
            false_alarm_rate: self.rate.get(),
            direction: self.sides,
            unit: self.unit.map(|unit| unit.name().to_owned()),
            points: self.points,
            state: packed.is_none().then_some(state),
            packed,
            checksum: None,
        }
    }

    /// Reads the text that [`Self::to_json`] wrote, in this or any earlier format.
    ///
    /// # Errors
    /// [`BadModel`] for any other text.
    pub fn from_json(json: &str) -> Result<Self, BadModel> {
        match serde_json::from_str(json)? {
            Head { format: 1 } => first(json),
            Head { format: 2 | 3 } => third(json),
            Head { format } => Err(BadModel::UnknownFormat(format)),
        }
    }
}

fn first(json: &str) -> Result<Model, BadModel> {
    let mut stored: First<'_> = serde_json::from_str(json)?;
    verify(stored.checksum.take(), || checksum(&stored))?;
    if stored.detector != DetectorName::Sigma.as_str() {
        return Err(BadModel::UnknownDetector(stored.detector));
    }
    let MeanAndDeviation { mean, std } = serde_json::from_str(stored.params.get())?;
    if !(mean.is_finite() && std.is_finite() && std >= 0.0) {
        return Err(BadModel::OutOfRange);
    }
    Ok(Model {
        detector: FittedDetector::Sigma(Sigma::recorded(mean, std, stored.points)),
        points: stored.points,
        rate: OptionalRate::NONE,
        sides: None,
        unit: None,
    })
}

fn third(json: &str) -> Result<Model, BadModel> {
    let mut stored: Third<'_> = serde_json::from_str(json)?;
    verify(stored.checksum.take(), || checksum(&stored))?;
    let Ok(name) = stored.detector.parse() else {
        return Err(BadModel::UnknownDetector(stored.detector));
    };
    let rate = stored.false_alarm_rate;
    let unpacked = stored.packed.as_deref().map(unpack).transpose()?;
    let state = stored.state.or(unpacked.as_deref());
    let model = Model {
        detector: FittedDetector::from_json(name, state.ok_or(BadModel::OutOfRange)?)?,
        points: stored.points,
        rate: OptionalRate::new(rate),
        sides: stored.direction,
        unit: stored.unit.as_deref().map(unit).transpose()?,
    };
    if !rate.is_none_or(|rate| is_rate(&rate)) || model.params() != stored.params {
        return Err(BadModel::OutOfRange);
    }
    Ok(model)
}

/// The unit of a name.
fn unit(name: &str) -> Result<TimeUnit, BadModel> {
    let mut units = TimeUnit::ALL.iter().copied();
    units
        .find(|unit| unit.name() == name)
        .ok_or(BadModel::OutOfRange)
}

/// Compares a checksum with the expected one.
pub(crate) fn verify(
    stored: Option<String>,
    expected: impl FnOnce() -> String,
) -> Result<(), BadModel> {
    if stored == Some(expected()) {
        Ok(())
    } else {
        Err(BadModel::ChecksumMismatch)
    }
}

/// The checksum of the JSON of `stored`.
pub(crate) fn checksum(stored: &impl Serialize) -> String {
    let digest = Sha256::digest(to_json(stored));
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `stored` as JSON.
pub(crate) fn to_json(stored: &impl Serialize) -> String {
    serde_json::to_string(stored).expect("numbers and texts are always JSON")
}

#[cfg(test)]
mod tests {
    use contract::{FitOptions, JudgeOptions, Point};

    use super::*;

    /// A model of format 1, as it was first written. It must load for ever.
    const FIRST: &str = concat!(
        r#"{"format":1,"detector":"sigma","params":{"mean":2.0,"std":1.0},"points":4,"#,
        r#""checksum":"72e2ac8078a1e8d066c3ff24cde8615c915baae7f222d5e23d9c32595b909b13"}"#
    );

    #[test]
    fn format_1_keeps_loading_and_judging() {
        let model = Model::from_json(FIRST).unwrap();
        assert_eq!((model.detector(), model.points()), (DetectorName::Sigma, 4));
        let plain = JudgeOptions::default();
        for (value, anomaly) in [(5.0, false), (5.0_f64.next_up(), true), (-1e9, false)] {
            let point = Point {
                timestamp: 0,
                value,
            };
            assert_eq!(model.score(&[], point, &plain).anomaly, anomaly);
        }
        assert_eq!(Model::from_json(&model.to_json()).unwrap(), model);
        let p = |value| {
            model
                .score(
                    &[],
                    Point {
                        timestamp: 0,
                        value,
                    },
                    &plain,
                )
                .p_value
        };
        assert!(
            (p(2.0) - 0.5).abs() < 0.01 && (p(5.0) - 0.00135).abs() < 3e-4,
            "{}",
            p(5.0)
        );
    }

    /// A model of `auto` of format 2, and what it said when it was written: of each point alone, and
    /// after all those before.
    #[test]
    fn format_2_keeps_loading_and_judging() {
        let read = |bytes: &[u8]| {
            let mut text = String::new();
            let mut gz = flate2::read::GzDecoder::new(bytes);
            gz.read_to_string(&mut text).unwrap();
            text
        };
        let model = read(include_bytes!("fixtures/format_2_auto.json.gz"));
        let model = Model::from_json(model.trim_end()).unwrap();
        assert_eq!(
            (model.detector(), model.period()),
            (DetectorName::Auto, Some(24))
        );
        let plain = JudgeOptions::default();
        let verdicts = read(include_bytes!("fixtures/format_2_auto.verdicts.gz"));
        let mut before: Vec<Point> = Vec::new();
        for (i, line) in verdicts.lines().enumerate() {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            let point = Point {
                timestamp: line["timestamp"].as_i64().unwrap(),
                value: line["value"].as_f64().unwrap(),
            };
            let alone = serde_json::to_value(model.score(&[], point, &plain).to_reply());
            assert_eq!(alone.unwrap(), line["alone"]);
            // The first rows had a context of training points, which are not here.
            if i >= 50 {
                let row = serde_json::to_value(model.score(&before, point, &plain).to_reply());
                assert_eq!(row.unwrap(), line["row"], "{i}");
            }
            before.push(point);
        }
        assert_eq!(Model::from_json(&model.to_json()).unwrap(), model);
    }

    fn refused(json: &str, from: &str, to: &str) -> BadModel {
        let changed = json.replacen(from, to, 1);
        assert_ne!(changed, json, "{from} is not in it");
        Model::from_json(&changed).unwrap_err()
    }

    #[test]
    fn what_was_changed_or_is_not_known_is_refused() {
        let points = [1.0, 1.0, 3.0, 3.0].map(|value| Point {
            timestamp: 0,
            value,
        });
        let sigma = Model::fit(&points, &FitOptions::default(), DetectorName::Sigma);
        let third = sigma.unwrap().model.to_json();
        for (json, mean) in [(FIRST, "2.0"), (&third, "\"mean\":2.0")] {
            assert!(matches!(
                refused(json, mean, "\"mean\":2.5"),
                BadModel::Unreadable(_) | BadModel::ChecksumMismatch
            ));
            assert!(matches!(
                refused(json, "\"points\":4", "\"points\":5"),
                BadModel::ChecksumMismatch
            ));
            assert!(matches!(
                refused(json, "\"checksum\"", "\"x\""),
                BadModel::Unreadable(_)
            ));
            assert!(matches!(refused(json, "{", ""), BadModel::Unreadable(_)));
            assert!(matches!(
                refused(json, "sigma", "omega"),
                BadModel::ChecksumMismatch
            ));
        }
        assert!(matches!(
            refused(FIRST, "\"format\":1", "\"format\":4"),
            BadModel::UnknownFormat(4)
        ));
        assert!(matches!(
            refused(FIRST, "\"format\":1", "\"format\":2"),
            BadModel::ChecksumMismatch
        ));
        for text in ["", "[]", "null", "{}", "{\"format\":-1}", "{\"format\":2}"] {
            assert!(Model::from_json(text).is_err(), "{text}");
        }
    }
}
