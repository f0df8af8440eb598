//! Which model is to judge, and what a client hears where there is none.

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderName, HeaderValue, header::CACHE_CONTROL};
use contract::{Revision, SeriesId, Version, VersionRef};

use crate::{
    error::Error,
    models::{
        Models,
        entry::{Held, Judge},
    },
};

/// The revision at which the caller knows the series to be: `r12`.
pub(crate) const MIN_REVISION: HeaderName = HeaderName::from_static(contract::header::MIN_REVISION);

/// The model that is to judge.
pub(crate) enum Found {
    /// The one that does so anyway.
    Serving(Arc<Held>),
    /// One that was asked for by name.
    Pinned(Arc<Judge>),
}

impl Found {
    /// It.
    pub(crate) fn judge(&self) -> &Judge {
        match self {
            Self::Serving(held) => &held.judge,
            Self::Pinned(judge) => judge,
        }
    }
}

/// The revision that a caller knows of.
pub(crate) fn min_revision(headers: &HeaderMap) -> Revision {
    revision(headers.get(MIN_REVISION).map(HeaderValue::as_bytes))
}

/// The revision that `value` says. Nothing but one of the form `r12` counts: it comes from the gateway, never from a person.
pub(crate) fn revision(value: Option<&[u8]>) -> Revision {
    let text = value.and_then(|value| std::str::from_utf8(value).ok());
    text.and_then(|text| text.parse().ok()).unwrap_or_default()
}

/// Whether the caller would rather have no answer than wait for one (RFC 9111, 5.2.1.7): it has others on the same connection.
pub(crate) fn only_if_cached(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(CACHE_CONTROL).into_iter();
    let directives = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    directives
        .map(<[u8]>::trim_ascii)
        .any(|directive| directive.eq_ignore_ascii_case(b"only-if-cached"))
}

/// As [`find`], of what is in memory. `None` if that does not say.
pub(crate) fn find_cached(
    models: &Models,
    series: &str,
    at_least: Revision,
    wanted: Option<&VersionRef>,
) -> Option<Result<Found, Error>> {
    let held = models.held(series, at_least)?;
    let Some(wanted) = wanted else {
        return Some(Ok(Found::Serving(held)));
    };
    match resolve(&held, wanted) {
        Err(problem) => Some(Err(problem)),
        Ok(version) if version == held.judge.version => Some(Ok(Found::Serving(held))),
        Ok(version) => {
            let judge = models.pinned(&held, version)?;
            Some(pinned(judge, version))
        }
    }
}

/// The model of `series`, a valid id, that is `wanted`, and whether it was in memory.
///
/// # Errors
/// 404 that names what there is not; 503 when the store does not answer.
pub(crate) async fn find(
    models: &Models,
    series: &str,
    at_least: Revision,
    wanted: Option<&VersionRef>,
) -> Result<(Found, bool), Error> {
    match find_cached(models, series, at_least, wanted) {
        Some(found) => Ok((found?, true)),
        None => Ok((wait_for(models, series, at_least, wanted).await?, false)),
    }
}

/// As [`find`], of what [`find_cached`] does not say.
///
/// # Errors
/// As [`find`].
pub(crate) async fn wait_for(
    models: &Models,
    series: &str,
    at_least: Revision,
    wanted: Option<&VersionRef>,
) -> Result<Found, Error> {
    let held = match models.held(series, at_least) {
        Some(held) => held,
        None => load(models, series, at_least).await?,
    };
    let Some(wanted) = wanted else {
        return Ok(Found::Serving(held));
    };
    let version = resolve(&held, wanted)?;
    if version == held.judge.version {
        return Ok(Found::Serving(held));
    }
    let judge = match models.pinned(&held, version) {
        Some(judge) => judge,
        None => models.load_pinned(&held, version).await?,
    };
    pinned(judge, version)
}

async fn load(models: &Models, series: &str, at_least: Revision) -> Result<Arc<Held>, Error> {
    let series = SeriesId::new(series)?;
    let loaded = models.load(&series, at_least).await?;
    loaded.ok_or(Error::NoModel)
}

/// The version that `wanted` stands for.
fn resolve(held: &Held, wanted: &VersionRef) -> Result<Version, Error> {
    let version = held.resolve(wanted);
    version.ok_or_else(|| Error::NoAlias(wanted.clone()))
}

fn pinned(judge: Option<Arc<Judge>>, version: Version) -> Result<Found, Error> {
    judge.map(Found::Pinned).ok_or(Error::NoVersion(version))
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
