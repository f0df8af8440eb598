//! Importing a model: the next version of a series, without training points.

use std::sync::Arc;

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header::LOCATION},
    response::Response,
};
use bytes::Bytes;
use contract::{EndpointName, ImportReply, SeriesId};
use http_server::{Fallible, json};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use service::{series::SeriesPath, work::blocking};

use super::{extract::RegistryRequest, file, reply::with_tag};
use crate::{
    App,
    context::ChangeContext,
    error::Error,
    metrics::{self, Change},
    publish::Published,
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
    let importing = async move |app: Arc<App>, mut request: RegistryRequest| {
        let once = match request.take_key()? {
            Some(key) => Some(key.over("import", &body).await),
            None => None,
        };
        let turn = app.keyed.begin(&series, once.as_ref())?;
        let refuses_foreign = request.refuses_foreign();
        let mut context = request.changes()?;
        let imported = match app.publisher.earlier(&series, once.as_ref()).await? {
            Some(earlier) => earlier,
            None => {
                context.once = once;
                publish(&app, &series, body, context, refuses_foreign).await?
            }
        };
        drop((admitted, turn));
        Ok(reply(imported))
    };
    Ok(request.answer(importing).await)
}

/// Makes the file in `body` the next version of `series`. With `refuses_foreign` it has to be
/// signed by an installation that is trusted.
async fn publish(
    app: &App,
    series: &SeriesId,
    body: Bytes,
    context: ChangeContext,
    refuses_foreign: bool,
) -> Result<(ImportReply, Published), Error> {
    let exports = app.exports.clone();
    let imported = blocking(move || file::read(&body, &exports)).await?;
    if imported.is_foreign && (refuses_foreign || !app.exports.takes_foreign()) {
        return Err(Error::ForeignModel);
    }
    let new = imported.as_new();
    app.room.check(series).await?;
    let reply = |version| ImportReply {
        detector: imported.model.detector(),
        version,
        warnings: Vec::new(),
        serving: None,
        series_id: series.clone(),
    };
    let publishing = app
        .publisher
        .publish(series, &new, Vec::new(), context, reply);
    let published = publishing.await?;
    metrics::count(Change::Imported, 1);
    Ok(published)
}

fn reply((mut reply, published): (ImportReply, Published)) -> Response {
    reply.version = published.version;
    reply.warnings.extend(published.warning());
    reply.serving = published.serving_instead();
    let mut response = json(&reply);
    *response.status_mut() = StatusCode::CREATED;
    response.headers_mut().insert(LOCATION, location(&reply));
    let response = with_version(response, published.version);
    with_tag(response, published.revision)
}

/// The path of an imported model.
fn location(reply: &ImportReply) -> HeaderValue {
    let series = utf8_percent_encode(reply.series_id.as_str(), ENCODED);
    let path = format!("/v1/series/{series}/models/{}", reply.version);
    HeaderValue::try_from(path).expect("what is encoded is plain ASCII")
}
