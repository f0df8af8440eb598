//! Models as files, which export writes and import reads.

use chrono::DateTime;
use contract::{ModelFile, ModelInfo, SeriesId, Source, Version};
use detector::StoredModel;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use store::NewModel;

use crate::{Exports, error::Error};

/// The most bytes of a file's name that come from the id of its series.
const MAX_NAME: usize = 100;

/// A model from a file, the file's statements about its fit, and whose it is.
#[derive(Debug)]
pub(super) struct Imported {
    pub(super) model: StoredModel,
    pub(super) fit_ms: f64,
    pub(super) first_timestamp: i64,
    pub(super) last_timestamp: i64,
    /// No installation that is trusted has signed it.
    pub(super) is_foreign: bool,
}

/// The file of the model `info` of `series`, whose document is `document`, signed by `exports`. The
/// same model gives the same bytes.
pub(super) fn write(
    series: SeriesId,
    info: ModelInfo,
    document: String,
    exports: &Exports,
) -> String {
    let model = RawValue::from_string(document);
    let model = model.expect("the store gives out only documents that it could read");
    let mut file = ModelFile {
        anomaly_model: ModelFile::FORM,
        series_id: series,
        version: info.version,
        created_at: info.created_at,
        fit_ms: info.fit_ms,
        first_timestamp: info.first_timestamp,
        last_timestamp: info.last_timestamp,
        model,
        checksum: None,
        signature: None,
    };
    file.checksum = Some(checksum(&file));
    file.signature = exports.sign(to_json(&file).as_bytes());
    to_json(&file)
}

/// Reads a file; `exports` knows whose it is.
///
/// # Errors
/// The first thing in it that an export would not have written.
pub(super) fn read(file: &[u8], exports: &Exports) -> Result<Imported, Error> {
    let bad = |why: &str| Error::BadFile(why.to_owned());
    let mut file = ModelFile::parse(file).map_err(|fault| Error::BadFile(fault.to_string()))?;
    let signature = file.signature.take();
    let is_foreign = exports
        .is_foreign(to_json(&file).as_bytes(), signature.as_deref())
        .map_err(|why| Error::BadFile(format!("signature: {why}")));
    let said = file.checksum.take();
    if said != Some(checksum(&file)) {
        return Err(bad("checksum: the file was changed since it was exported"));
    }
    if DateTime::parse_from_rfc3339(&file.created_at).is_err() {
        return Err(bad("created_at: it is not a time of RFC 3339"));
    }
    if file.fit_ms < 0.0 {
        return Err(bad("fit_ms: it is less than 0"));
    }
    if file.first_timestamp > file.last_timestamp {
        return Err(bad("first_timestamp: it is after last_timestamp"));
    }
    let is_foreign = is_foreign?;
    let model = StoredModel::from_json(file.model.get());
    Ok(Imported {
        is_foreign,
        model: model.map_err(|fault| Error::BadFile(format!("model: {fault}")))?,
        fit_ms: file.fit_ms,
        first_timestamp: file.first_timestamp,
        last_timestamp: file.last_timestamp,
    })
}

impl Imported {
    /// The model as the store takes it.
    pub(super) fn as_new(&self) -> NewModel<'_> {
        NewModel {
            model: &self.model,
            fit_ms: self.fit_ms,
            first_timestamp: self.first_timestamp,
            last_timestamp: self.last_timestamp,
            source: Source::Import,
        }
    }
}

/// The name of the file of `version` of `series`: plain ASCII, not a path, not hidden.
pub(super) fn name(series: &SeriesId, version: Version) -> String {
    let safe = |c: char| match c {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' | '.' => c,
        _ => '_',
    };
    let name: String = series.as_str().chars().map(safe).take(MAX_NAME).collect();
    let name = match name.strip_prefix('.') {
        Some(rest) => format!("_{rest}"),
        None => name,
    };
    format!("{name}-{version}.model.json")
}

/// SHA-256 of `file` without a checksum, in hexadecimal.
fn checksum(file: &ModelFile) -> String {
    let digest = Sha256::digest(to_json(file));
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn to_json(file: &ModelFile) -> String {
    serde_json::to_string(file).expect("texts, numbers and JSON are always JSON")
}
