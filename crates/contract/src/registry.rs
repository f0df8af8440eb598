//! `/v1/series`: lists of series and models, aliases, and models as files.
//!
//! Times are RFC 3339 in UTC with milliseconds. Bodies are read strictly: an unknown field is
//! refused.

use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::value::RawValue;

use crate::{
    AliasName, DetectorName, Params, Revision, SeriesId, StreamState, Version, VersionRef,
    fields::fields,
    json::{self, BadJson, Body, Notes},
    verdict::words,
};

words! {
    /// The origin of a model.
    Source {
        /// The model was fitted by this platform.
        Fit = "fit",
        /// The model was imported from a file; its training points are not kept.
        Import = "import",
    }
}

/// A series with models.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeriesSummary {
    /// The id of the series.
    pub series_id: SeriesId,
    /// The version that requests are scored by unless they name another.
    pub serving: Version,
    /// The newest version of the series.
    pub newest: Version,
    /// The number of versions, at least 1.
    pub models: u64,
    /// The time of the last change to the series: RFC 3339, UTC, with milliseconds.
    pub changed_at: String,
    /// The number of changes to the series so far. In quotes it is the ETag of the series.
    pub revision: Revision,
}

/// A series in a list of series. One that has only a stream lacks what is known of models.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ListedSeries {
    /// The id of the series.
    pub series_id: SeriesId,
    /// The version that requests are scored by unless they name another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serving: Option<Version>,
    /// The newest version of the series.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest: Option<Version>,
    /// The number of versions.
    pub models: u64,
    /// The time of the last change to the series: RFC 3339, UTC, with milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed_at: Option<String>,
    /// The number of changes to the series so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<Revision>,
    /// The state of its stream when that was stored last; absent if it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<StreamState>,
}

/// The reply of `GET /v1/series`: a page of series.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeriesList {
    /// The series, sorted by the bytes of their ids.
    pub series: Vec<ListedSeries>,
    /// The value of `after` for the next page; `null` on the last page.
    pub next: Option<String>,
}

/// The reply of `GET /v1/series/{id}`: one series.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeriesDetail {
    /// What is known of it.
    #[serde(flatten)]
    pub summary: SeriesSummary,
    /// The aliases of the series, sorted by name.
    pub aliases: Vec<AliasInfo>,
}

/// An alias: a name that a series gives to one of its versions.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AliasInfo {
    /// The name.
    pub name: AliasName,
    /// The version that has the name.
    pub version: Version,
    /// The version that had the name before; `null` if no version had it.
    pub previous: Option<Version>,
    /// The time at which the alias was last set: RFC 3339, UTC, with milliseconds.
    pub changed_at: String,
}

/// One version of a series: a model and its facts.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// The number of the version.
    pub version: Version,
    /// The detector that was fitted.
    pub detector: DetectorName,
    /// The detector's parameters, including those that the fit left at their defaults.
    pub params: Params,
    /// The number of points that the model was fitted on.
    pub points: u64,
    /// The time at which the model was fitted: RFC 3339, UTC, with milliseconds.
    pub created_at: String,
    /// The duration of the fit, in milliseconds.
    pub fit_ms: f64,
    /// The timestamp of the first training point.
    pub first_timestamp: i64,
    /// The timestamp of the last training point.
    pub last_timestamp: i64,
    /// The size of the model's stored document, in bytes.
    pub size_bytes: u64,
    /// The SHA-256 of the model's stored document, in hexadecimal.
    pub checksum: String,
    /// The origin of the model.
    pub source: Source,
    /// The aliases that name this version, sorted.
    pub aliases: Vec<AliasName>,
    /// Whether requests are scored by this version unless they name another.
    pub serving: bool,
}

/// The reply of `GET /v1/series/{id}/models`: a page of versions.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelList {
    /// The id of the series.
    pub series_id: SeriesId,
    /// The versions, newest first.
    pub models: Vec<ModelInfo>,
    /// The value of `before` for the next page; `null` on the last page.
    pub next: Option<Version>,
}

/// The body of `PUT /v1/series/{id}/aliases/{name}`.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AliasRequest {
    /// The version that gets the name, as a version or as another alias.
    pub version: VersionRef,
}

/// The body of `POST /v1/series/{id}/rollback`: empty, or an object without members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RollbackRequest;

/// The reply of `POST /v1/series/{id}/models`, which imports a model.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImportReply {
    /// The id of the series.
    pub series_id: SeriesId,
    /// The version that the imported model got.
    pub version: Version,
    /// The detector of the imported model.
    pub detector: DetectorName,
    /// Warnings: that the model does not serve predictions, and how to change that. Absent when
    /// empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// The version that serves predictions after this import; absent when it is `version`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serving: Option<Version>,
}

/// A model as a file, as export writes it and import reads it.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelFile {
    /// The form of this file: always 1.
    pub anomaly_model: u32,
    /// The series that the model was fitted on.
    pub series_id: SeriesId,
    /// The version of the model in that series.
    pub version: Version,
    /// The time at which the model was fitted: RFC 3339, UTC, with milliseconds.
    pub created_at: String,
    /// The duration of the fit, in milliseconds.
    pub fit_ms: f64,
    /// The timestamp of the first training point.
    pub first_timestamp: i64,
    /// The timestamp of the last training point.
    pub last_timestamp: i64,
    /// The model's stored document, byte for byte.
    #[cfg_attr(feature = "schema", schemars(with = "serde_json::Value"))]
    pub model: Box<RawValue>,
    /// The SHA-256, in hexadecimal, of this object without its `checksum`, with its members in this
    /// order and without white space. Absent only while it is being computed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<String>,
    /// The signature of this object without it, of the form `ed25519:KEY:SIGNATURE`, with the
    /// public key of the installation and the signature in base64. Absent from exports that are not
    /// signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

impl AliasRequest {
    /// Reads a request body.
    ///
    /// # Errors
    /// A message that names the field, line and column of the first fault.
    pub fn parse(body: &[u8]) -> Result<Self, BadJson> {
        json::parse(body).map(|parsed| parsed.body)
    }
}

impl RollbackRequest {
    /// Reads a request body.
    ///
    /// # Errors
    /// A message that names the field, line and column of the first fault.
    pub fn parse(body: &[u8]) -> Result<Self, BadJson> {
        if body.trim_ascii().is_empty() {
            return Ok(Self);
        }
        json::parse(body).map(|parsed| parsed.body)
    }
}

fields! {
    /// The fields of a rollback: none.
    struct RollbackFields {}
}

impl Body for RollbackRequest {
    type Fields = RollbackFields;
    const CONTENT: &'static str = "nothing in it";
    const STRICT: bool = true;

    fn build(_: RollbackFields, _: &mut Notes) -> Result<Self, String> {
        Ok(Self)
    }
}

fields! {
    /// The fields of a change of an alias.
    struct AliasFields {
        version: VersionRef,
    }
}

impl Body for AliasRequest {
    type Fields = AliasFields;
    const CONTENT: &'static str = "a version";
    const STRICT: bool = true;

    fn build(AliasFields { version }: AliasFields, _: &mut Notes) -> Result<Self, String> {
        Ok(Self { version })
    }
}

impl ModelFile {
    /// The form of file that is written and read.
    pub const FORM: u32 = 1;

    /// Reads a file. Neither its checksum nor the model in it is checked.
    ///
    /// # Errors
    /// A message that names the field, line and column of the first fault; an unknown form is one.
    pub fn parse(file: &[u8]) -> Result<Self, BadJson> {
        json::parse(file).map(|parsed| parsed.body)
    }
}

fields! {
    /// The fields of a model as a file.
    struct FileFields {
        anomaly_model: KnownForm,
        series_id: SeriesId,
        version: Version,
        created_at: String,
        fit_ms: f64,
        first_timestamp: i64,
        last_timestamp: i64,
        model: Box<RawValue>,
        checksum: String,
        signature: Option<String>,
    }
}

impl Body for ModelFile {
    type Fields = FileFields;
    const CONTENT: &'static str = "the fields of an exported model";
    const STRICT: bool = true;

    fn build(fields: FileFields, _: &mut Notes) -> Result<Self, String> {
        Ok(Self {
            anomaly_model: fields.anomaly_model.0,
            series_id: fields.series_id,
            version: fields.version,
            created_at: fields.created_at,
            fit_ms: fields.fit_ms,
            first_timestamp: fields.first_timestamp,
            last_timestamp: fields.last_timestamp,
            model: fields.model,
            checksum: Some(fields.checksum),
            signature: fields.signature,
        })
    }
}

/// The form of a file. Another form is refused at this field, before fields of that form are met.
pub(crate) struct KnownForm(u32);

impl<'de> Deserialize<'de> for KnownForm {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u32::deserialize(deserializer)? {
            ModelFile::FORM => Ok(Self(ModelFile::FORM)),
            form => Err(de::Error::custom(format_args!(
                "form {form} is not known, only {}",
                ModelFile::FORM
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rollback_asks_for_nothing_else() {
        for body in ["", " \n", "{}", " { } "] {
            assert_eq!(
                RollbackRequest::parse(body.as_bytes()),
                Ok(RollbackRequest),
                "{body}"
            );
        }
        for (body, fault) in [
            ("[]", "expected an object with nothing in it"),
            ("null", "expected an object with nothing in it"),
            (
                r#"{"version":"v1"}"#,
                "unknown field `version`, there are no fields",
            ),
            ("{}{}", "trailing characters"),
        ] {
            let message = RollbackRequest::parse(body.as_bytes())
                .unwrap_err()
                .to_string();
            assert!(message.contains(fault), "{body}: {message}");
        }
    }

    const FILE: &str = r#"{"anomaly_model":1,"series_id":"s","version":"v3","created_at":"2026-01-02T03:04:05.678Z","fit_ms":1.5,"first_timestamp":-1,"last_timestamp":7,"model":{"a": 1.50},"checksum":"00"}"#;

    #[test]
    fn a_model_file_reads_what_it_writes_byte_for_byte() {
        let file = ModelFile::parse(FILE.as_bytes()).unwrap();
        assert_eq!(file.model.get(), r#"{"a": 1.50}"#);
        assert_eq!(serde_json::to_string(&file).unwrap(), FILE);
        let signed = FILE.replace(r#""00"}"#, r#""00","signature":"ed25519:a:b"}"#);
        let file = ModelFile::parse(signed.as_bytes()).unwrap();
        assert_eq!(serde_json::to_string(&file).unwrap(), signed);
    }

    #[test]
    fn a_fault_in_a_model_file_is_named() {
        let with = |from: &str, to: &str| FILE.replace(from, to);
        for (file, fault) in [
            (
                "[1]".to_owned(),
                "expected an object with the fields of an exported model",
            ),
            (
                with(r#"{"anomaly_model":1"#, r#"{"anomaly_model":2,"new":1"#),
                "anomaly_model: form 2 is not known, only 1",
            ),
            (
                with(r#""anomaly_model":1,"#, ""),
                "missing field `anomaly_model`",
            ),
            (with("v3", "3"), "version: version is not of the form"),
            (with("1.5,", "null,"), "fit_ms: invalid type: null"),
            (with("checksum", "sum"), "unknown field `sum`"),
            (with(r#","checksum":"00""#, ""), "missing field `checksum`"),
            (FILE[..FILE.len() - 1].to_owned(), "EOF"),
        ] {
            let message = ModelFile::parse(file.as_bytes()).unwrap_err().to_string();
            assert!(message.contains(fault), "{file}: {message}");
        }
    }

    #[test]
    fn an_alias_is_set_to_a_version_or_to_what_another_names() {
        let parse = |body: &str| AliasRequest::parse(body.as_bytes());
        let version = Version::new(3).unwrap();
        let request = parse(r#"{"version":"v3"}"#).unwrap();
        assert_eq!(request.version, VersionRef::Version(version));
        assert!(parse(r#"{"version":"canary"}"#).is_ok());
        for (body, fault) in [
            ("{}", "missing field `version`"),
            (r#"{"version":3}"#, "version: invalid type"),
            (r#"{"version":"v0"}"#, "version: it is neither a version"),
            (r#"{"version":"v1","to":1}"#, "unknown field `to`"),
        ] {
            let message = parse(body).unwrap_err().to_string();
            assert!(message.contains(fault), "{body}: {message}");
        }
    }
}
