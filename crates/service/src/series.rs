//! The series in a path.

use std::borrow::Cow;

use axum::{
    extract::{FromRequestParts, RawPathParams},
    http::request::Parts,
};
use contract::{InvalidSeriesId, ProblemCode, SeriesId};
use percent_encoding::percent_decode_str;

use http_server::{Fallible, ProblemReply};

/// The `{series_id}` of a route, percent-decoded and checked.
pub struct SeriesPath(pub SeriesId);

impl<S: Send + Sync> FromRequestParts<S> for SeriesPath {
    type Rejection = ProblemReply;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        // axum decodes parameters while routing. The only failure left is text that is not UTF-8.
        let params = RawPathParams::from_request_parts(parts, state)
            .await
            .map_err(|_| not_utf8())?;
        let (_, id) = params
            .iter()
            .find(|(name, _)| *name == "series_id")
            .ok_or_else(|| invalid_series(InvalidSeriesId::Empty))?;
        SeriesId::new(id).map(Self).map_err(invalid_series)
    }
}

/// The series id in `raw`, a percent-encoded segment of a path.
///
/// # Errors
/// 400 with the rule that it breaks.
pub fn decode_series(raw: &str) -> Fallible<SeriesId> {
    SeriesId::new(&decode(raw)?).map_err(invalid_series)
}

/// Like [`decode_series`], but as text: enough to look a series up, and without an allocation for
/// most ids.
///
/// # Errors
/// 400 with the rule that it breaks.
pub fn decode_series_text(raw: &str) -> Fallible<Cow<'_, str>> {
    let id = decode(raw)?;
    SeriesId::validate(&id).map_err(invalid_series)?;
    Ok(id)
}

fn decode(raw: &str) -> Fallible<Cow<'_, str>> {
    percent_decode_str(raw)
        .decode_utf8()
        .map_err(|_| not_utf8())
}

/// 400: the id of a series breaks `rule`.
pub fn invalid_series(rule: InvalidSeriesId) -> ProblemReply {
    refused(format!("Invalid series id: {rule}"))
}

fn not_utf8() -> ProblemReply {
    refused("Invalid series id: series id is not UTF-8")
}

fn refused(detail: impl Into<Cow<'static, str>>) -> ProblemReply {
    ProblemReply::new(ProblemCode::InvalidSeriesId, detail)
}
