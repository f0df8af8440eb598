//! JSON replies. Each body ends in a line feed, so that a terminal shows its prompt on a new line.

use axum::{body::Body, response::Response};
use http::{HeaderValue, header::CONTENT_TYPE};
use serde::Serialize;

/// The media type of JSON.
pub const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A reply with the status 200 and `body` as JSON.
pub fn json(body: &impl Serialize) -> Response {
    let mut response = Response::new(Body::from(line(body)));
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

/// `body` as JSON, and a line feed.
pub(crate) fn line(body: &impl Serialize) -> Vec<u8> {
    let mut json = serde_json::to_vec(body).expect("texts and numbers are always JSON");
    json.push(b'\n');
    json
}
