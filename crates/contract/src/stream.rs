//! Streams: points are observed, that is judged and learned from, one after the other.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{
    AnomalyId, Budget, DetectorName, FalseAlarms, FitOptions, JudgeOptions, Learning, Params,
    SeriesId, Sides, TimeUnit, Version,
    fields::fields,
    json::{self, BadJson, Body, Notes},
    judge::{Named, check_deviation, check_rate},
    reference::as_text,
    verdict::words,
};

/// The number of points that a stream warms up with unless its options say otherwise.
pub const DEFAULT_WARMUP: u64 = 750;

/// The most labels of a stream, and the most bytes of all names and values together.
pub const MAX_LABELS: usize = 32;
/// See [`MAX_LABELS`].
pub const MAX_LABEL_BYTES: usize = 4 << 10;

/// Labels by name.
pub type Labels = BTreeMap<String, String>;

words! {
    /// How the values of a stream are read.
    Transform {
        /// As they are.
        None = "none",
        /// As readings of a counter: the change per second since the point before, or per unit of the
        /// timestamps where these are no times since 1970. A counter that falls has begun anew.
        Rate = "rate",
    }
}

/// The options of a stream. All may be left out.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamOptions {
    /// The detector; absent: that of the model that it begins from, else the platform's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detector: Option<DetectorName>,
    /// Parameters of the detector.
    #[serde(default, skip_serializing_if = "Params::is_empty")]
    pub params: Params,
    /// The number of points that it warms up with, 10 to 100,000; absent: [`DEFAULT_WARMUP`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warmup: Option<u64>,
    /// The false-alarm rate, in `(0, 0.5]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub false_alarm_rate: Option<f64>,
    /// The sides on which deviations count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Sides>,
    /// The smallest distance from the expected value that counts, in the unit of the values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_deviation: Option<f64>,
    /// How long points wait for earlier ones, in the unit of the timestamps; absent: 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lateness: Option<i64>,
    /// The silence after which the series is missing, in milliseconds; 0: never; absent: learned
    /// from the points.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing_after_ms: Option<u64>,
    /// How values are read; absent: as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transform: Option<Transform>,
    /// Labels, by which anomalies are grouped, searched and silenced.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
    /// The most anomalies that people want to be told of; absent: any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
}

fields! {
    /// The fields of [`StreamOptions`].
    struct StreamOptionFields {
        detector: Option<DetectorName>,
        params: Option<Named>,
        warmup: Option<u64>,
        false_alarm_rate: Option<f64>,
        direction: Option<Sides>,
        min_deviation: Option<f64>,
        lateness: Option<i64>,
        missing_after_ms: Option<u64>,
        transform: Option<Transform>,
        labels: Option<Labels>,
        budget: Option<Budget>,
    }
}

impl StreamOptions {
    /// Reads a request body. An unknown field is refused; an empty body is an object without
    /// members.
    ///
    /// # Errors
    /// A message that names the field, line and column of the first fault.
    pub fn parse(body: &[u8]) -> Result<Self, BadJson> {
        match body.is_empty() {
            true => Ok(Self::default()),
            false => json::parse(body).map(|parsed| parsed.body),
        }
    }

    /// Checks every option by itself.
    ///
    /// # Errors
    /// A sentence that names the option.
    pub fn check(&self) -> Result<(), String> {
        check_rate(self.false_alarm_rate)?;
        check_deviation(self.min_deviation)?;
        if let Some(warmup) = self.warmup.filter(|n| !(10..=100_000).contains(n)) {
            return Err(format!("warmup: {warmup} is not from 10 to 100000"));
        }
        if let Some(lateness) = self.lateness.filter(|lateness| *lateness < 0) {
            return Err(format!("lateness: {lateness} is less than 0"));
        }
        self.budget.map_or(Ok(()), |budget| budget.check())?;
        check_labels(&self.labels)
    }

    /// The number of points that the stream warms up with.
    pub fn warmup(&self) -> u64 {
        self.warmup.unwrap_or(DEFAULT_WARMUP)
    }

    /// The options of a fit on its first points. Equal values may be fitted.
    pub fn fit(&self) -> FitOptions {
        FitOptions {
            detector: self.detector,
            params: self.params.clone(),
            false_alarm_rate: self.false_alarm_rate,
            direction: self.direction,
            allow_constant: true,
            timezone: None,
        }
    }

    /// The options of its verdicts.
    pub fn judge(&self) -> JudgeOptions {
        JudgeOptions {
            false_alarm_rate: self.false_alarm_rate,
            direction: self.direction,
            min_deviation: self.min_deviation,
        }
    }
}

impl Body for StreamOptions {
    type Fields = StreamOptionFields;
    const CONTENT: &'static str = "options of a stream";
    const STRICT: bool = true;

    fn build(fields: StreamOptionFields, _: &mut Notes) -> Result<Self, String> {
        let options = Self {
            detector: fields.detector,
            params: fields.params.map(|named| named.0).unwrap_or_default(),
            warmup: fields.warmup,
            false_alarm_rate: fields.false_alarm_rate,
            direction: fields.direction,
            min_deviation: fields.min_deviation,
            lateness: fields.lateness,
            missing_after_ms: fields.missing_after_ms,
            transform: fields.transform,
            labels: fields.labels.unwrap_or_default(),
            budget: fields.budget,
        };
        options.check()?;
        Ok(options)
    }
}

/// Checks labels: names as Prometheus has them, values of any text.
fn check_labels(labels: &Labels) -> Result<(), String> {
    if labels.len() > MAX_LABELS {
        let n = labels.len();
        return Err(format!("labels: {n} are more than {MAX_LABELS}"));
    }
    let bytes: usize = labels.iter().map(|(k, v)| k.len() + v.len()).sum();
    if bytes > MAX_LABEL_BYTES {
        return Err(format!(
            "labels: {bytes} bytes are more than {MAX_LABEL_BYTES}"
        ));
    }
    if let Some((name, _)) = labels.iter().find(|(_, value)| value.contains('\0')) {
        return Err(format!("labels: the value of `{name}` has a NUL"));
    }
    match labels.keys().find(|name| !is_label(name)) {
        Some(name) => Err(format!(
            "labels: `{name}` is not a name of letters, digits and _ that begins with no digit"
        )),
        None => Ok(()),
    }
}

pub(crate) fn is_label(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes
        .next()
        .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// A command to a stream. It lies in the log among the points, so every replay meets it at its
/// place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum StreamControl {
    /// The options are these from the next point on.
    Options(StreamOptions),
    /// The labels and the transform are these where the options have none. Begins the stream if
    /// there is none.
    Defaults(StreamOptions),
    /// The stream begins anew at the next point.
    Restart(Restart),
    /// The stream ends.
    End {
        /// Whether its anomalies are removed too.
        forget: bool,
    },
    /// The series is known to have no points until the next one: its silence is no anomaly.
    Stale {},
}

/// A new beginning of a stream.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Restart {
    /// What it begins from; absent: the model that judges the series.
    #[cfg_attr(
        feature = "schema",
        schemars(skip_serializing_if = "crate::schema::absent")
    )]
    pub from: Origin,
    /// Whether points may have timestamps before the last one; absent: no.
    #[serde(default)]
    #[cfg_attr(
        feature = "schema",
        schemars(skip_serializing_if = "crate::schema::absent")
    )]
    pub rewind: bool,
}

/// What a stream begins from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nothing: it warms up.
    Nothing,
    /// The model that judges the series.
    Champion,
    /// The model of this version.
    Version(Version),
}

/// A text that is not an [`Origin`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is neither nothing, champion nor a version of the form v1, v2, …")]
pub struct InvalidOrigin;

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Nothing => f.pad("nothing"),
            Self::Champion => f.pad("champion"),
            Self::Version(version) => version.fmt(f),
        }
    }
}

impl std::str::FromStr for Origin {
    type Err = InvalidOrigin;

    fn from_str(text: &str) -> Result<Self, InvalidOrigin> {
        match text {
            "nothing" => Ok(Self::Nothing),
            "champion" => Ok(Self::Champion),
            _ => text.parse().map(Self::Version).map_err(|_| InvalidOrigin),
        }
    }
}

as_text!(Origin);

fields! {
    /// The fields of a restart.
    struct RestartFields {
        from: Option<Origin>,
        rewind: Option<bool>,
    }
}

impl Restart {
    /// Reads a request body. By default a stream begins from the model that judges the series.
    ///
    /// # Errors
    /// A message that names the field, line and column of the first fault.
    pub fn parse(body: &[u8]) -> Result<Self, BadJson> {
        let body: &[u8] = if body.is_empty() { b"{}" } else { body };
        json::parse(body).map(|parsed| parsed.body)
    }
}

impl Body for Restart {
    type Fields = RestartFields;
    const CONTENT: &'static str = "from and rewind";
    const STRICT: bool = true;

    fn build(fields: RestartFields, _: &mut Notes) -> Result<Self, String> {
        Ok(Self {
            from: fields.from.unwrap_or(Origin::Champion),
            rewind: fields.rewind.unwrap_or(false),
        })
    }
}

words! {
    /// The state of a stream.
    StreamState {
        /// It warms up.
        Learning = "learning",
        /// It has warmed up.
        Ready = "ready",
        /// No point has come for longer than usual.
        Silent = "silent",
    }
}

/// The reply of `GET /v1/series/{id}/stream`.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StreamReply {
    /// The series.
    pub series_id: SeriesId,
    /// The state of the stream.
    pub state: StreamState,
    /// The detector; `null` before the first verdict.
    pub detector: Option<DetectorName>,
    /// The version of the model that it began from; `null` if it warmed up.
    pub begun_from: Option<Version>,
    /// The number of points that were learned.
    pub points: u64,
    /// The timestamp of the last of them; `null` before the first.
    pub last_timestamp: Option<i64>,
    /// The usual distance of two timestamps; `null` before the second point.
    pub usual_step: Option<i64>,
    /// How far it has warmed up; `null` once it has.
    pub learning: Option<Learning>,
    /// The number of points by what became of them.
    pub counts: StreamCounts,
    /// By how much the last late point was late, in the unit of the timestamps; `null` if none was.
    pub latest_by: Option<i64>,
    /// The open anomaly of the series; `null` if there is none.
    pub open_anomaly: Option<AnomalyId>,
    /// The labels.
    pub labels: Labels,
    /// The options as they were set.
    pub options: StreamOptions,
    /// The partition of the topic `points` that it lies in.
    pub partition: i32,
    /// The age of its last checkpoint in milliseconds; `null` if it was never stored.
    pub checkpoint_age_ms: Option<u64>,
    /// The unit of its timestamps since 1970; `null` if they are no such times.
    #[serde(default)]
    pub unit: Option<TimeUnit>,
    /// How many anomalies people were told of; absent in replies to commands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub false_alarms: Option<FalseAlarms>,
}

/// The number of points that a stream was sent, by what became of them.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamCounts {
    /// Points with a verdict.
    pub judged: u64,
    /// Repeated points.
    pub duplicate: u64,
    /// Points with the timestamp of another and another value.
    pub conflict: u64,
    /// Points before the last one.
    pub late: u64,
    /// Points too far ahead.
    pub implausible: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_checked_one_by_one() {
        let body = br#"{"detector":"robust","warmup":100,"lateness":60,"missing_after_ms":0,
            "transform":"rate","labels":{"host":"a1"},"params":{"window":64}}"#;
        let options = StreamOptions::parse(body).unwrap();
        assert_eq!((options.warmup(), options.lateness), (100, Some(60)));
        assert_eq!(options.transform, Some(Transform::Rate));
        assert_eq!(StreamOptions::parse(b"").unwrap(), StreamOptions::default());
        for (body, fault) in [
            (r#"{"warmup":9}"#, "warmup: 9 is not from 10 to 100000"),
            (r#"{"lateness":-1}"#, "lateness: -1 is less than 0"),
            (r#"{"false_alarm_rate":0}"#, "false_alarm_rate: 0"),
            (r#"{"labels":{"a-b":"c"}}"#, "labels: `a-b` is not a name"),
            (
                r#"{"labels":{"a":"\u0000"}}"#,
                "labels: the value of `a` has a NUL",
            ),
            (r#"{"transform":"log"}"#, "transform: unknown variant `log`"),
            (r#"{"warm":1}"#, "unknown field `warm`"),
            (
                r#"{"budget":{"alarms":0,"per":"week"}}"#,
                "budget: alarms: 0 is not from 1 to 10000",
            ),
            (
                r#"{"budget":{"alarms":1,"per":"year"}}"#,
                "budget: unknown variant `year`",
            ),
        ] {
            let message = StreamOptions::parse(body.as_bytes())
                .unwrap_err()
                .to_string();
            assert!(message.contains(fault), "{body}: {message}");
        }
    }

    #[test]
    fn a_restart_says_from_where() {
        let restart = Restart::parse(b"").unwrap();
        assert_eq!((restart.from, restart.rewind), (Origin::Champion, false));
        let restart = Restart::parse(br#"{"from":"v3","rewind":true}"#).unwrap();
        assert_eq!(restart.from.to_string(), "v3");
        let fault = Restart::parse(br#"{"from":"x"}"#).unwrap_err().to_string();
        assert!(
            fault.contains("from: \"x\" is neither") || fault.contains("neither nothing"),
            "{fault}"
        );
    }
}
