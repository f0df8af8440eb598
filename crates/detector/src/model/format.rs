//! Models as text: one JSON object with a format number, the detector's name, the fitted state, and
//! a checksum.
//!
//! Format 5:
//! `{"format":5,"detector":"robust","params":{"contamination":0.0},"false_alarm_rate":0.001,"direction":"both",`
//! `"unit":"seconds","points":4,"state":{…},"checksum":"<sha-256, hex>"}`, where rate, direction and
//! unit may be missing. In place of `state` there may be `packed`: the CBOR (RFC 8949) of the state,
//! compressed (zlib, RFC 1950), in Z85 (ZeroMQ RFC 32). It is written for long states.
//!
//! Format 4 is the same. Its models of `auto` do not know how far values have come from what was
//! expected.
//!
//! In format 3 `packed` is the JSON of the state, compressed, in base64.
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
pub const FORMAT: u32 = 5;

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

/// Formats 2 to 5.
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

fn pack(state: &[u8]) -> String {
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::best());
    let written = packed.write_all(state);
    let bytes = written.and_then(|()| packed.finish());
    z85::encode(bytes.expect("memory takes what is written to it"))
}

fn unpack(packed: &str, format: u32) -> Result<Vec<u8>, BadModel> {
    let bytes = match format {
        ..=3 => STANDARD.decode(packed).ok(),
        _ => z85::decode(packed).ok(),
    };
    let bytes = bytes.ok_or(BadModel::NotPacked)?;
    let mut state = Vec::new();
    ZlibDecoder::new(&bytes[..])
        .take(LARGEST_STATE)
        .read_to_end(&mut state)
        .map_err(|_| BadModel::NotPacked)?;
    Ok(state)
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
        let packed = (state.get().len() > LONG_STATE).then(|| pack(&self.detector.to_cbor()));
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
            Head { format: 2..=FORMAT } => third(json),
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
    let packed = stored.packed.as_deref();
    let unpacked = packed.map(|packed| unpack(packed, stored.format));
    let detector = match (stored.state, unpacked.transpose()?) {
        (Some(state), _) => FittedDetector::from_json(name, state.get().as_bytes())?,
        (None, Some(state)) if stored.format < 4 => FittedDetector::from_json(name, &state)?,
        (None, Some(state)) => FittedDetector::from_cbor(name, &state)?,
        (None, None) => return Err(BadModel::OutOfRange),
    };
    let model = Model {
        detector,
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
    // A fuzzer guesses no checksum. What lies behind it must hold without one.
    if stored == Some(expected()) || cfg!(fuzzing) {
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
    use ciborium::Value;
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

    /// Checks a stored model of `auto` and what it said when it was written: of each point alone, and
    /// after all those before, of which the first `skipped` had others before.
    fn keeps_loading_and_judging(model: &[u8], verdicts: &[u8], skipped: usize) {
        let read = |bytes: &[u8]| {
            let mut text = String::new();
            let mut gz = flate2::read::GzDecoder::new(bytes);
            gz.read_to_string(&mut text).unwrap();
            text
        };
        let model = read(model);
        let model = Model::from_json(model.trim_end()).unwrap();
        assert_eq!(
            (model.detector(), model.period()),
            (DetectorName::Auto, Some(24))
        );
        let plain = JudgeOptions::default();
        let verdicts = read(verdicts);
        let mut before: Vec<Point> = Vec::new();
        for (i, line) in verdicts.lines().enumerate() {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            let point = Point {
                timestamp: line["timestamp"].as_i64().unwrap(),
                value: line["value"].as_f64().unwrap(),
            };
            let alone = serde_json::to_value(model.score(&[], point, &plain).to_reply());
            assert_eq!(alone.unwrap(), line["alone"], "{i}");
            if i >= skipped {
                let row = serde_json::to_value(model.score(&before, point, &plain).to_reply());
                assert_eq!(row.unwrap(), line["row"], "{i}");
            }
            before.push(point);
        }
        assert_eq!(Model::from_json(&model.to_json()).unwrap(), model);
    }

    #[test]
    fn format_2_keeps_loading_and_judging() {
        let model = include_bytes!("fixtures/format_2_auto.json.gz");
        let verdicts = include_bytes!("fixtures/format_2_auto.verdicts.gz");
        keeps_loading_and_judging(model, verdicts, 50);
    }

    #[test]
    fn format_3_keeps_loading_and_judging() {
        let model = include_bytes!("fixtures/format_3_auto.json.gz");
        let verdicts = include_bytes!("fixtures/format_3_auto.verdicts.gz");
        keeps_loading_and_judging(model, verdicts, 0);
    }

    #[test]
    fn format_4_keeps_loading_and_judging() {
        let model = include_bytes!("fixtures/format_4_auto.json.gz");
        let verdicts = include_bytes!("fixtures/format_4_auto.verdicts.gz");
        keeps_loading_and_judging(model, verdicts, 0);
    }

    /// All numbers and arrays in `value`, by the way to them.
    fn leaves(value: &Value, way: &mut Vec<usize>, out: &mut Vec<Vec<usize>>) {
        let inner: Vec<&Value> = match value {
            Value::Map(map) => map.iter().map(|(_, value)| value).collect(),
            Value::Array(list) => list.iter().collect(),
            Value::Float(_) | Value::Integer(_) | Value::Bytes(_) => {
                out.push(way.clone());
                return;
            }
            _ => return,
        };
        for (i, value) in inner.into_iter().enumerate() {
            way.push(i);
            leaves(value, way, out);
            way.pop();
        }
    }

    fn leaf<'a>(value: &'a mut Value, way: &[usize]) -> &'a mut Value {
        way.iter().fold(value, |value, i| match value {
            Value::Map(map) => &mut map[*i].1,
            Value::Array(list) => &mut list[*i],
            _ => unreachable!("the way leads on"),
        })
    }

    /// The names on a way.
    fn name(value: &Value, way: &[usize]) -> String {
        let mut value = value;
        let names = way.iter().map(|i| match value {
            Value::Map(map) => {
                value = &map[*i].1;
                format!("/{}", map[*i].0.as_text().unwrap_or("?"))
            }
            Value::Array(list) => {
                value = &list[*i];
                format!("/{i}")
            }
            _ => String::new(),
        });
        names.collect()
    }

    #[test]
    fn packed_numbers_that_no_fit_gives_are_refused_or_do_no_harm() {
        let point = |i: i64| Point {
            timestamp: 3_600 * i,
            value: 50.0 + 20.0 * (i as f64 * std::f64::consts::TAU / 24.0).sin() + (i % 7) as f64,
        };
        let points: Vec<Point> = (0..400).map(point).collect();
        let options = FitOptions::default();
        let model = Model::fit(&points[..320], &options, DetectorName::Auto).unwrap();
        let state = model.model.detector.to_cbor();
        let state: Value = ciborium::from_reader(&state[..]).unwrap();
        let mut ways = Vec::new();
        leaves(&state, &mut Vec::new(), &mut ways);
        assert!(ways.len() > 100);
        let (mut refused, mut taken, mut harmful) = (0, 0, Vec::new());
        for way in &ways {
            for other in [f64::NAN, f64::INFINITY, -1e300] {
                let mut changed = state.clone();
                match leaf(&mut changed, way) {
                    Value::Bytes(bytes) => bytes.fill(if other.is_nan() { 255 } else { 127 }),
                    number => *number = Value::Float(other),
                }
                let mut cbor = Vec::new();
                ciborium::into_writer(&changed, &mut cbor).unwrap();
                let Ok(detector) = FittedDetector::from_cbor(DetectorName::Auto, &cbor) else {
                    refused += 1;
                    continue;
                };
                taken += 1;
                let changed = Model {
                    detector,
                    ..model.model.clone()
                };
                let judged = std::panic::catch_unwind(|| {
                    let plain = JudgeOptions::default();
                    let mut session = changed.session(&plain);
                    for (i, point) in points.iter().enumerate().skip(320) {
                        let verdict = changed.score(&points[i - 20..i], *point, &plain);
                        assert!(verdict.p_value > 0.0 && verdict.p_value <= 1.0);
                        session.update(*point);
                    }
                });
                if judged.is_err() {
                    harmful.push((name(&state, way), other));
                }
            }
        }
        assert!(harmful.is_empty(), "{harmful:?}");
        assert!(refused > 4 * taken, "{refused} of {taken}");
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
            refused(FIRST, "\"format\":1", "\"format\":6"),
            BadModel::UnknownFormat(6)
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
