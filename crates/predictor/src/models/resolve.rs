//! Which model a request is scored by.

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderName, HeaderValue, header::CACHE_CONTROL};
use contract::{Revision, SeriesId, Version, VersionRef};

use crate::{
    error::Error,
    models::{
        Models,
        entry::{LoadedModel, ServingEntry},
    },
};

/// The revision at which the caller knows the series to be: `r12`.
pub(crate) const MIN_REVISION: HeaderName = HeaderName::from_static(contract::header::MIN_REVISION);

/// The model that a request is scored by.
pub(crate) enum Resolved {
    /// The model that serves the series.
    Serving(Arc<ServingEntry>),
    /// Another version, which the request names.
    Version(Arc<LoadedModel>),
}

impl Resolved {
    /// The model, with its series and version.
    pub(crate) fn model(&self) -> &LoadedModel {
        match self {
            Self::Serving(entry) => &entry.loaded,
            Self::Version(loaded) => loaded,
        }
    }
}

/// The revision that a caller knows of; 0 if it does not say.
pub(crate) fn min_revision(headers: &HeaderMap) -> Revision {
    revision(headers.get(MIN_REVISION).map(HeaderValue::as_bytes))
}

/// The revision in `value`. Anything but the form `r12` counts as 0: the header comes from the
/// gateway, never from a person.
pub(crate) fn revision(value: Option<&[u8]>) -> Revision {
    let text = value.and_then(|value| std::str::from_utf8(value).ok());
    text.and_then(|text| text.parse().ok()).unwrap_or_default()
}

/// Whether the caller prefers an error to waiting for a load (RFC 9111, 5.2.1.7), because it has
/// other requests on the same connection.
pub(crate) fn only_if_cached(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(CACHE_CONTROL).into_iter();
    let directives = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    directives
        .map(<[u8]>::trim_ascii)
        .any(|directive| directive.eq_ignore_ascii_case(b"only-if-cached"))
}

/// As [`resolve`], from memory alone; `None` if that needs a load.
pub(crate) fn resolve_cached(
    models: &Models,
    series: &str,
    at_least: Revision,
    wanted: Option<&VersionRef>,
) -> Option<Result<Resolved, Error>> {
    let entry = models.cached(series, at_least)?;
    let Some(wanted) = wanted else {
        return Some(Ok(Resolved::Serving(entry)));
    };
    match version_of(&entry, wanted) {
        Err(error) => Some(Err(error)),
        Ok(version) if version == entry.loaded.version => Some(Ok(Resolved::Serving(entry))),
        Ok(version) => {
            let loaded = models.cached_version(&entry, version)?;
            Some(existing(loaded, version))
        }
    }
}

/// The model of `series`, a valid id, that `wanted` names, or else the one that serves; and whether
/// it was in memory.
///
/// # Errors
/// When there is no such model, or it cannot be loaded.
pub(crate) async fn resolve(
    models: &Models,
    series: &str,
    at_least: Revision,
    wanted: Option<&VersionRef>,
) -> Result<(Resolved, bool), Error> {
    match resolve_cached(models, series, at_least, wanted) {
        Some(resolved) => Ok((resolved?, true)),
        None => Ok((load(models, series, at_least, wanted).await?, false)),
    }
}

/// As [`resolve`], where [`resolve_cached`] has said that a load is needed.
///
/// # Errors
/// As [`resolve`].
pub(crate) async fn load(
    models: &Models,
    series: &str,
    at_least: Revision,
    wanted: Option<&VersionRef>,
) -> Result<Resolved, Error> {
    let entry = match models.cached(series, at_least) {
        Some(entry) => entry,
        None => load_serving(models, series, at_least).await?,
    };
    let Some(wanted) = wanted else {
        return Ok(Resolved::Serving(entry));
    };
    let version = version_of(&entry, wanted)?;
    if version == entry.loaded.version {
        return Ok(Resolved::Serving(entry));
    }
    let loaded = match models.cached_version(&entry, version) {
        Some(loaded) => loaded,
        None => models.load_version(&entry, version).await?,
    };
    existing(loaded, version)
}

async fn load_serving(
    models: &Models,
    series: &str,
    at_least: Revision,
) -> Result<Arc<ServingEntry>, Error> {
    let series = SeriesId::new(series)?;
    let entry = models.load(&series, at_least).await?;
    entry.ok_or(Error::NoModel)
}

/// The version that `wanted` stands for.
fn version_of(entry: &ServingEntry, wanted: &VersionRef) -> Result<Version, Error> {
    let version = entry.version_of(wanted);
    version.ok_or_else(|| Error::NoAlias(wanted.clone()))
}

fn existing(loaded: Option<Arc<LoadedModel>>, version: Version) -> Result<Resolved, Error> {
    loaded
        .map(Resolved::Version)
        .ok_or(Error::NoVersion(version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_revision_is_a_minimum() {
        let parse = |text: &str| {
            let value = HeaderValue::from_str(text).unwrap();
            min_revision(&HeaderMap::from_iter([(MIN_REVISION, value)]))
        };
        assert_eq!(parse("r2"), Revision(2));
        for text in ["", "2", "v2", "r", "r2, r3", "é"] {
            assert_eq!(parse(text), Revision(0), "{text}");
        }
        assert_eq!(min_revision(&HeaderMap::new()), Revision(0));
    }

    #[test]
    fn only_who_says_so_does_not_want_to_wait() {
        let says = |lines: &[&str]| {
            let lines = lines
                .iter()
                .map(|line| HeaderValue::from_str(line).unwrap());
            let headers: HeaderMap = lines.map(|line| (CACHE_CONTROL, line)).collect();
            only_if_cached(&headers)
        };
        assert!(says(&["only-if-cached"]) && says(&["no-store", "max-age=0 , Only-If-Cached"]));
        assert!(!says(&[]) && !says(&["no-cache"]) && !says(&["only-if-cached=1, x"]));
    }
}
