//! `/v1/series`: which series and models there are, which of them judges, and models as files.
//!
//! Times are RFC 3339 in UTC with milliseconds. Bodies are read strictly: an unknown field is a fault.

use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::value::RawValue;

use crate::{
    AliasName, DetectorName, Params, Revision, SeriesId, Version, VersionRef,
    fields::fields,
    json::{self, BadJson, Body},
    verdict::words,
};

words! {
    /// Where a model comes from.
    Source {
        /// It was fitted here.
        Fit = "fit",
        /// It was fitted elsewhere and imported; its training points are not here.
        Import = "import",
    } in "fit, import"
}

/// One line of a list of series.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeriesSummary {
    /// Its id.
    pub series_id: SeriesId,
    /// The version that judges where a request names none.
    pub serving: Version,
    /// The newest version.
    pub newest: Version,
    /// How many versions there are.
    pub models: u64,
    /// When something last changed.
    pub changed_at: String,
    /// How often something changed. In quotes it is the ETag.
    pub revision: Revision,
}

/// `GET /v1/series`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeriesList {
    /// Sorted by id, by bytes.
    pub series: Vec<SeriesSummary>,
    /// What to give as `after` for the next page; `null`: this is the last one.
    pub next: Option<String>,
}

/// `GET /v1/series/{id}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeriesDetail {
    /// What the list says of it.
    #[serde(flatten)]
    pub summary: SeriesSummary,
    /// Its aliases, sorted by name.
    pub aliases: Vec<AliasInfo>,
}

/// An alias.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AliasInfo {
    /// Its name.
    pub name: AliasName,
    /// The version that it names.
    pub version: Version,
    /// The version that it named before; `null`: none.
    pub previous: Option<Version>,
    /// When it was last set.
    pub changed_at: String,
}

/// One version of a series.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// Its number.
    pub version: Version,
    /// What was fitted.
    pub detector: DetectorName,
    /// The detector's parameters, also those that were not asked for.
    pub params: Params,
    /// On how many points.
    pub points: u64,
    /// When.
    pub created_at: String,
    /// How long that took, in milliseconds.
    pub fit_ms: f64,
    /// Timestamp of the first training point.
    pub first_timestamp: i64,
    /// Timestamp of the last training point.
    pub last_timestamp: i64,
    /// Size of its document, in bytes.
    pub size_bytes: u64,
    /// SHA-256 of its document, in hexadecimal.
    pub checksum: String,
    /// Where it comes from.
    pub source: Source,
    /// The names that it has.
    pub aliases: Vec<AliasName>,
    /// Whether it judges where a request names no version.
    pub serving: bool,
}

/// `GET /v1/series/{id}/models`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelList {
    /// The series.
    pub series_id: SeriesId,
    /// Newest first.
    pub models: Vec<ModelInfo>,
    /// What to give as `before` for the next page; `null`: this is the last one.
    pub next: Option<Version>,
}

/// The body of `PUT /v1/series/{id}/aliases/{name}`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AliasRequest {
    /// The version that gets the name; may be given by another alias.
    pub version: VersionRef,
}

/// The body of `POST /v1/series/{id}/rollback`: nothing, or an object with nothing in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RollbackRequest;

/// The reply when a version was imported: `POST /v1/series/{id}/models`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImportReply {
    /// The series.
    pub series_id: SeriesId,
    /// The number that it got.
    pub version: Version,
    /// What it is.
    pub detector: DetectorName,
}

/// A model as a file: what export gives and import takes.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelFile {
    /// The form of this file: 1.
    pub anomaly_model: u32,
    /// The series that it was fitted on.
    pub series_id: SeriesId,
    /// Its version there.
    pub version: Version,
    /// When it was fitted.
    pub created_at: String,
    /// How long that took, in milliseconds.
    pub fit_ms: f64,
    /// Timestamp of the first training point.
    pub first_timestamp: i64,
    /// Timestamp of the last training point.
    pub last_timestamp: i64,
    /// The model's document, byte for byte.
    pub model: Box<RawValue>,
    /// SHA-256, in hexadecimal, of this object without its `checksum`, written as here without white space. Absent only
    /// while it is being computed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<String>,
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

    fn build(_: RollbackFields) -> Result<Self, String> {
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

    fn build(AliasFields { version }: AliasFields) -> Result<Self, String> {
        Ok(Self { version })
    }
}

impl ModelFile {
    /// The form of the file that is written and read.
    pub const FORM: u32 = 1;

    /// Reads a file. Whether it matches its checksum, and what the model in it is, is not looked at.
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
    }
}

impl Body for ModelFile {
    type Fields = FileFields;
    const CONTENT: &'static str = "the fields of an exported model";
    const STRICT: bool = true;

    fn build(fields: FileFields) -> Result<Self, String> {
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
