//! `/v1/series`: which series and models there are, which of them judges, and models as files.
//!
//! Times are RFC 3339 in UTC with milliseconds. Bodies are read strictly: an unknown field is a fault.

use serde::{Deserialize, Serialize, de::MapAccess};
use serde_json::value::RawValue;

use crate::{
    AliasName, DetectorName, Params, Revision, SeriesId, Version, VersionRef,
    json::{self, BadJson, Fault, Fields},
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

impl Fields for AliasRequest {
    type Partial = Option<VersionRef>;
    const NAMES: &'static [&'static str] = &["version"];
    const REQUIRED: &'static str = "a version";
    const STRICT: bool = true;

    fn read<'de, A: MapAccess<'de>>(
        partial: &mut Self::Partial,
        _: usize,
        map: &mut A,
    ) -> Result<(), A::Error> {
        *partial = Some(map.next_value()?);
        Ok(())
    }

    fn finish(version: Self::Partial) -> Result<Self, Fault> {
        Ok(Self {
            version: version.ok_or(Fault::Missing("version"))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
