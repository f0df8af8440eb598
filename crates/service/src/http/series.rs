//! The series in a path.

use axum::{extract::FromRequestParts, http::request::Parts};
use contract::SeriesId;

use crate::http::ProblemReply;

/// The `{series_id}` of a route, percent-decoded and checked.
pub struct SeriesPath(pub SeriesId);

impl<S: Send + Sync> FromRequestParts<S> for SeriesPath {
    type Rejection = ProblemReply;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let _ = parts;
        todo!()
    }
}
