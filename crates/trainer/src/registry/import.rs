//! Importing a model: the next version of a series, without training points.

use std::sync::Arc;

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header::LOCATION},
    response::Response,
};
use contract::{EndpointName, ImportReply};
use http_server::{Fallible, json};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use service::{series::SeriesPath, work::blocking};

use super::{extract::RegistryRequest, file, reply::with_tag};
use crate::{
    App,
    error::Error,
    metrics::{self, Change},
    reply::with_version,
};

/// The longest file, in bytes.
const MAX_FILE_BYTES: usize = EndpointName::ImportModel.endpoint().body.max();

/// The characters that are encoded in a path: all but the unreserved ones of RFC 3986.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

pub(crate) async fn import(
    SeriesPath(series): SeriesPath,
    request: RegistryRequest,
    body: Body,
) -> Fallible<Response> {
    let app = request.app();
    let limit = app.max_body_bytes.min(MAX_FILE_BYTES);
    let Some((admitted, body)) = app.admission.read(body, limit).await? else {
        return Ok(request.refuse(Error::Overloaded));
    };
    let importing = async move |app: Arc<App>, request: RegistryRequest| {
        let context = request.changes()?;
        let imported = blocking(move || file::read(&body)).await?;
        let new = imported.as_new();
        app.room.check(&series).await?;
        let published = app
            .publisher
            .publish(&series, &new, Vec::new(), context)
            .await?;
        drop(admitted);
        metrics::count(Change::Imported, 1);
        let reply = ImportReply {
            detector: imported.model.detector(),
            version: published.version,
            warnings: published.warning().into_iter().collect(),
            serving: published.serving_instead(),
            series_id: series,
        };
        let mut response = json(&reply);
        *response.status_mut() = StatusCode::CREATED;
        response.headers_mut().insert(LOCATION, location(&reply));
        let response = with_version(response, published.version);
        Ok(with_tag(response, published.revision))
    };
    Ok(request.answer(importing).await)
}

/// The path of an imported model.
fn location(reply: &ImportReply) -> HeaderValue {
    let series = utf8_percent_encode(reply.series_id.as_str(), ENCODED);
    let path = format!("/v1/series/{series}/models/{}", reply.version);
    HeaderValue::try_from(path).expect("what is encoded is plain ASCII")
}
