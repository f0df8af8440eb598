//! The series in a path.

use std::borrow::Cow;

use axum::{
    extract::{FromRequestParts, RawPathParams},
    http::request::Parts,
};
use contract::{InvalidSeriesId, ProblemCode, SeriesId};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use http_server::{BadParameter, Fallible, ProblemReply};

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

/// The ids in a query parameter `name`, whose value is `list`: separated by commas, and each
/// percent-encoded, so that an id may have a comma.
///
/// # Errors
/// Says which rule an id breaks.
pub fn parse_list(name: &str, list: &str) -> Result<Vec<SeriesId>, BadParameter> {
    let id = |raw: &str| {
        let id = percent_decode_str(raw).decode_utf8();
        let id = id.map_err(|_| BadParameter::invalid(name, "it is not UTF-8"))?;
        SeriesId::new(&id).map_err(|rule| BadParameter::invalid(name, rule))
    };
    list.split(',').map(id).collect()
}

/// `series` as the value of a query parameter, for [`parse_list`].
pub fn write_list(series: &[SeriesId]) -> String {
    let id = |id: &SeriesId| {
        let once = utf8_percent_encode(id.as_str(), NON_ALPHANUMERIC).to_string();
        utf8_percent_encode(&once, NON_ALPHANUMERIC).to_string()
    };
    let ids: Vec<String> = series.iter().map(id).collect();
    ids.join(",")
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

#[cfg(test)]
mod tests {
    use http_server::Query;

    use super::*;

    #[test]
    fn a_list_of_ids_may_have_any() {
        let ids = ["a", "b,c", "50% & more", "é+ü"].map(|id| SeriesId::new(id).unwrap());
        let text = format!("x={}", write_list(&ids));
        let query = Query::parse(&text);
        assert_eq!(
            parse_list("x", query.get("x").unwrap().unwrap()).unwrap(),
            ids
        );
        assert!(parse_list("x", "a,,b").is_err());
    }
}
