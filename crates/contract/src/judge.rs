//! Options of fits and verdicts: the fields that `/fit`, `/predict`, its batch and `/v1/detect`
//! have in common.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
    ser::SerializeStruct,
};

use crate::{DetectorName, Point, Sides, TimeZone, json::Notes, timestamps::Timestamps};

/// Parameters of a detector by name. The detector says which it has and in which range.
pub type Params = BTreeMap<String, f64>;

/// The most parameters that are read.
const MAX_PARAMS: usize = 32;

/// The longest context, in points.
pub const MAX_CONTEXT: usize = 2_048;

/// Options of a verdict that override those of the model. They do not change the model.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct JudgeOptions {
    /// The false-alarm rate: the fraction of normal points that may be called anomalies, in
    /// `(0, 0.5]`; `None`: that of the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub false_alarm_rate: Option<f64>,
    /// The sides on which deviations count as anomalies; `None`: those of the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direction: Option<Sides>,
    /// The smallest distance from the expected value that counts as an anomaly, in the unit of the
    /// values; at least 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_deviation: Option<f64>,
}

/// Options of a fit. By default all are left to the platform.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct FitOptions {
    /// The detector; `None`: the platform's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detector: Option<DetectorName>,
    /// Parameters of the detector; those that are not named have their defaults.
    #[serde(skip_serializing_if = "Params::is_empty")]
    pub params: Params,
    /// The false-alarm rate of verdicts that do not say otherwise: the fraction of normal points
    /// that may be called anomalies, in `(0, 0.5]`; `None`: that of the detector.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub false_alarm_rate: Option<f64>,
    /// The sides on which deviations count as anomalies, for verdicts that do not say otherwise;
    /// `None`: both.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direction: Option<Sides>,
    /// Whether points that all have one value may be fitted; any other value is then an anomaly.
    #[serde(skip_serializing_if = "is_false")]
    pub allow_constant: bool,
    /// The time zone whose clocks the season follows; `None`: UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timezone: Option<TimeZone>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it")]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// Checks a false-alarm rate.
pub(crate) fn check_rate(rate: Option<f64>) -> Result<(), String> {
    match rate {
        Some(rate) if !(rate > 0.0 && rate <= 0.5) => Err(format!(
            "false_alarm_rate: {rate} is not above 0 and at most 0.5"
        )),
        _ => Ok(()),
    }
}

/// Checks a smallest deviation.
pub(crate) fn check_deviation(deviation: Option<f64>) -> Result<(), String> {
    match deviation {
        Some(deviation) if deviation < 0.0 => {
            Err(format!("min_deviation: {deviation} is less than 0"))
        }
        _ => Ok(()),
    }
}

/// Points as two arrays of equal length.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Columns {
    timestamps: Timestamps,
    values: Values,
}

/// The values of a request. NaN stands for `null`: there is none.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Values(pub(crate) Vec<f64>);

impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut values = Vec::new();
        deserializer.deserialize_seq(ValuesVisitor(&mut values))?;
        Ok(Self(values))
    }
}

impl Serialize for Values {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

/// Reads values one by one, so that an error has a place; `null` as NaN.
pub(crate) struct ValuesVisitor<'a>(pub(crate) &'a mut Vec<f64>);

impl<'de> Visitor<'de> for ValuesVisitor<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sequence of numbers and nulls")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(value) = seq.next_element::<Option<f64>>()? {
            self.0.push(value.unwrap_or(f64::NAN));
        }
        Ok(())
    }
}

/// Puts two columns of a request together. Points without a value are left out, and counted in
/// `notes`.
///
/// # Errors
/// When the columns differ in length, or no value is there.
pub(crate) fn points(
    timestamps: Vec<i64>,
    values: Values,
    notes: &mut Notes,
) -> Result<Vec<Point>, String> {
    let mut points = zip(timestamps, values.0)?;
    let sent = points.len();
    points.retain(|point| !point.value.is_nan());
    if points.is_empty() && sent > 0 {
        return Err("values: all are null".to_owned());
    }
    notes.gaps(sent - points.len(), "value");
    Ok(points)
}

/// Writes points as [`Columns`].
pub(crate) fn columns<S: Serializer>(points: &[Point], serializer: S) -> Result<S::Ok, S::Error> {
    let timestamps: Vec<i64> = points.iter().map(|p| p.timestamp).collect();
    let values: Vec<f64> = points.iter().map(|p| p.value).collect();
    let mut object = serializer.serialize_struct("Columns", 2)?;
    object.serialize_field("timestamps", &timestamps)?;
    object.serialize_field("values", &values)?;
    object.end()
}

fn same_length(timestamps: usize, values: usize) -> Result<(), String> {
    match timestamps == values {
        true => Ok(()),
        false => Err(format!(
            "there are {timestamps} timestamps and {values} values"
        )),
    }
}

/// Puts two columns together.
pub(crate) fn zip(timestamps: Vec<i64>, values: Vec<f64>) -> Result<Vec<Point>, String> {
    same_length(timestamps.len(), values.len())?;
    let pairs = timestamps.into_iter().zip(values);
    Ok(pairs
        .map(|(timestamp, value)| Point { timestamp, value })
        .collect())
}

/// The points just before those to be scored, oldest first; their values may be NaN.
pub(crate) struct Context {
    timestamps: Timestamps,
    values: Values,
}

impl Context {
    /// The points with a value, in one unit with `times`, which may change.
    ///
    /// # Errors
    /// See [`Timestamps::align`].
    pub(crate) fn align(
        mut self,
        times: &mut Timestamps,
        notes: &mut Notes,
    ) -> Result<Vec<Point>, String> {
        let fault = |why| format!("context: {why}");
        times.align(&mut self.timestamps).map_err(fault)?;
        if self.values.0.is_empty() {
            return Ok(Vec::new());
        }
        points(self.timestamps.counts, self.values, notes).map_err(fault)
    }
}

/// Takes an object only: by itself serde reads a struct from an array too.
struct ColumnsVisitor;

impl<'de> Visitor<'de> for ColumnsVisitor {
    type Value = Columns;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with timestamps and values")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Columns, A::Error> {
        Columns::deserialize(MapAccessDeserializer::new(map))
    }
}

impl<'de> Deserialize<'de> for Context {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Columns { timestamps, values } = deserializer.deserialize_map(ColumnsVisitor)?;
        same_length(timestamps.counts.len(), values.0.len()).map_err(de::Error::custom)?;
        if timestamps.counts.len() > MAX_CONTEXT {
            let n = timestamps.counts.len();
            return Err(de::Error::custom(format_args!(
                "{n} points are more than {MAX_CONTEXT}"
            )));
        }
        if !timestamps.counts.is_sorted() {
            return Err(de::Error::custom("the oldest point must come first"));
        }
        Ok(Self { timestamps, values })
    }
}

/// [`Params`] without duplicate names.
pub(crate) struct Named(pub(crate) Params);

impl<'de> Deserialize<'de> for Named {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(NamedVisitor)
    }
}

struct NamedVisitor;

impl<'de> Visitor<'de> for NamedVisitor {
    type Value = Named;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of numbers")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Named, A::Error> {
        let mut params = Params::new();
        while let Some(name) = map.next_key::<String>()? {
            if params.len() == MAX_PARAMS {
                return Err(de::Error::custom(format_args!(
                    "there are more than {MAX_PARAMS}"
                )));
            }
            let value = map.next_value()?;
            if params.insert(name.clone(), value).is_some() {
                return Err(de::Error::custom(format_args!("duplicate field `{name}`")));
            }
        }
        Ok(Named(params))
    }
}
