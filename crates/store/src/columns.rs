//! Conversions between columns of the tables and our types.

use contract::{Revision, SeriesId, TopicOffset, Version};
use detector::StoredModel;

use crate::{StoreError, VersionedModel};

/// The version in a column.
pub(crate) fn version(number: i64) -> Result<Version, StoreError> {
    u32::try_from(number)
        .ok()
        .and_then(Version::new)
        .ok_or_else(|| unreadable(format!("{number} is not a version")))
}

/// The model in a row: the number of its version and its document.
pub(crate) fn stored_model(
    series: &SeriesId,
    number: i64,
    document: &str,
) -> Result<VersionedModel, StoreError> {
    let version = version(number)?;
    match StoredModel::from_json(document) {
        Ok(model) => Ok(VersionedModel { version, model }),
        Err(source) => Err(StoreError::Corrupt {
            series: series.clone(),
            version,
            source,
        }),
    }
}

/// The offsets in rows of a partition and its next offset.
pub(crate) fn offsets(rows: Vec<(i32, i64)>) -> Vec<TopicOffset> {
    let offset = |(partition, next_offset)| TopicOffset {
        partition,
        next_offset,
    };
    rows.into_iter().map(offset).collect()
}

pub(crate) fn unreadable(why: String) -> StoreError {
    StoreError::Unreadable(sqlx::Error::Decode(why.into()))
}

/// The revision in a column.
pub(crate) fn revision(number: i64) -> Result<Revision, StoreError> {
    unsigned(number).map(Revision)
}

pub(crate) fn unsigned(number: i64) -> Result<u64, StoreError> {
    u64::try_from(number).map_err(|why| unreadable(format!("{number}: {why}")))
}

/// The column of a version.
pub(crate) fn number(version: Version) -> i64 {
    i64::from(version.number())
}

/// The column of a position in a training set.
pub(crate) fn position(index: usize) -> i64 {
    i64::try_from(index).unwrap_or(i64::MAX)
}
