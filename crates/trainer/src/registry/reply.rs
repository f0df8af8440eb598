//! Replies about series and models.

use axum::{
    body::Body,
    http::{
        HeaderName, HeaderValue, StatusCode,
        header::{CONTENT_TYPE, ETAG},
    },
    response::Response,
};
use contract::Revision;
use serde::Serialize;
use store::Changed;

use super::etag::{Conditions, Reading, etag};
use crate::error::Error;

/// Tells the gateway, which reads no bodies, the revision of a series that was changed.
const SERIES_REVISION: HeaderName = HeaderName::from_static(contract::header::SERIES_REVISION);

pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// 200 with `body`.
pub(super) fn json(body: &impl Serialize) -> Response {
    let body = serde_json::to_vec(body).expect("texts and numbers are always JSON");
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

/// `body`, which tells of a series at `revision`, unless the client has it.
///
/// # Errors
/// When a condition does not hold.
pub(super) fn shown(
    conditions: &Conditions,
    revision: Revision,
    body: &impl Serialize,
) -> Result<Response, Error> {
    let mut response = match conditions.read(revision)? {
        Reading::Send => json(body),
        Reading::NotModified => with_status(StatusCode::NOT_MODIFIED),
    };
    response.headers_mut().insert(ETAG, etag(revision));
    Ok(response)
}

/// 204: something is gone.
pub(super) fn gone(changed: &Changed) -> Response {
    with_tag(with_status(StatusCode::NO_CONTENT), changed.revision)
}

/// `response` to a change after which the series is at `revision`.
pub(super) fn with_tag(mut response: Response, revision: Revision) -> Response {
    response.headers_mut().insert(ETAG, etag(revision));
    with_revision(response, revision)
}

/// `response` with what the gateway notes of the series.
pub(crate) fn with_revision(mut response: Response, revision: Revision) -> Response {
    let revision = HeaderValue::try_from(revision.to_string());
    let revision = revision.expect("a letter and digits make a header value");
    response.headers_mut().insert(SERIES_REVISION, revision);
    response
}

fn with_status(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
