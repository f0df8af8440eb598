//! Replies about series and models.

use axum::{
    body::Body,
    http::{StatusCode, header::ETAG},
    response::{IntoResponse, Response},
};
use contract::Revision;
use http_server::{RequestContext, json};
use serde::Serialize;
use store::{Changed, Refusal};

use super::etag::{Conditions, Reading, etag};
use crate::{error::Error, reply::with_revision};

/// `body`, which describes a series at `revision`, or 304 if the client has it.
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

/// 204: something was removed.
pub(super) fn gone(changed: &Changed) -> Response {
    with_tag(with_status(StatusCode::NO_CONTENT), changed.revision)
}

/// `response` to a change that brought the series to `revision`.
pub(super) fn with_tag(mut response: Response, revision: Revision) -> Response {
    response.headers_mut().insert(ETAG, etag(revision));
    with_revision(response, revision)
}

fn with_status(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// The reply that `error` is. If the client knew an old revision, it has the present ETag.
pub(super) fn refusal(error: Error, context: Option<&RequestContext>) -> Response {
    let present = match &error {
        Error::Refused(Refusal::Stale(present)) => Some(etag(*present)),
        _ => None,
    };
    let mut response = error.reply(context).into_response();
    if let Some(present) = present {
        response.headers_mut().insert(ETAG, present);
    }
    response
}
