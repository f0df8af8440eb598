//! Replies of several routes.

use axum::{
    body::Body,
    http::{
        HeaderName, HeaderValue,
        header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE},
    },
    response::Response,
};
use contract::{Revision, Version};

use crate::plot::query::Format;

/// Tells the revision of a series that was changed to the gateway, which reads no bodies.
const SERIES_REVISION: HeaderName = HeaderName::from_static(contract::header::SERIES_REVISION);
const MODEL_VERSION: HeaderName = HeaderName::from_static(contract::header::MODEL_VERSION);

/// Keeps a browser that opens a picture by itself from running or loading anything.
const NO_SCRIPTS: HeaderValue =
    HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; font-src data:");

/// `response` with the version that a change made or named.
pub(crate) fn with_version(mut response: Response, version: Version) -> Response {
    let version = HeaderValue::try_from(version.to_string());
    let version = version.expect("a letter and digits make a header value");
    response.headers_mut().insert(MODEL_VERSION, version);
    response
}

/// `response` with the revision that the gateway notes of the series.
pub(crate) fn with_revision(mut response: Response, revision: Revision) -> Response {
    let revision = HeaderValue::try_from(revision.to_string());
    let revision = revision.expect("a letter and digits make a header value");
    response.headers_mut().insert(SERIES_REVISION, revision);
    response
}

/// 200 with a plot.
pub(crate) fn picture(format: Format, drawn: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(drawn));
    let headers = response.headers_mut();
    let content_type = HeaderValue::from_static(format.content_type());
    headers.insert(CONTENT_TYPE, content_type);
    if format == Format::Svg {
        headers.insert(CONTENT_SECURITY_POLICY, NO_SCRIPTS);
    }
    // Without a version in the query, the next fit changes the picture.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}
