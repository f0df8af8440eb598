//! `/v1/silences`: nobody is told of anomalies that they match.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Path, Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use contract::{EndpointName, IncidentId, Moment, SilenceList, SilenceRequest};
use http_server::{Fallible, RequestContext, json, read_body};
use service::task::on_main;

use crate::{
    App,
    error::Error,
    streams::{no_query, now_ms},
};

const MAX_BODY: usize = EndpointName::CreateSilence.endpoint().body.max();

/// Lists the silences.
pub(crate) async fn list(State(app): State<Arc<App>>, request: Request) -> Fallible<Response> {
    let (head, _) = request.into_parts();
    let context = head.extensions.get::<RequestContext>();
    let refused = |error: Error| error.reply(context);
    no_query(head.uri.query()).map_err(refused)?;
    let store = app.shared.store.clone();
    let silences = on_main(async move { store.silences().await }).await;
    let silences = silences.map_err(|error| refused(error.into()))?;
    Ok(json(&SilenceList { silences }))
}

/// Makes a silence.
pub(crate) async fn create(State(app): State<Arc<App>>, request: Request) -> Fallible<Response> {
    let (head, body) = request.into_parts();
    let context = head.extensions.get::<RequestContext>();
    let refused = |error: Error| error.reply(context);
    no_query(head.uri.query()).map_err(refused)?;
    let body = read_body(body, MAX_BODY).await?;
    let request = SilenceRequest::parse(&body).map_err(|fault| refused(fault.into()))?;
    let silence = request.silence(IncidentId(fastrand::u128(..)), Moment(now_ms()));
    let (store, kept) = (app.shared.store.clone(), silence.clone());
    let kept = on_main(async move { store.put_silence(&kept).await }).await;
    match kept.map_err(|error| refused(error.into()))? {
        true => Ok((StatusCode::CREATED, json(&silence)).into_response()),
        false => Err(refused(Error::TooManySilences)),
    }
}

/// Removes a silence.
pub(crate) async fn delete(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    request: Request,
) -> Fallible<Response> {
    let (head, _) = request.into_parts();
    let context = head.extensions.get::<RequestContext>();
    let refused = |error: Error| error.reply(context);
    no_query(head.uri.query()).map_err(refused)?;
    let id: IncidentId = id.parse().map_err(|_| refused(Error::NoSilence))?;
    let store = app.shared.store.clone();
    let removed = on_main(async move { store.delete_silence(id).await }).await;
    match removed.map_err(|error| refused(error.into()))? {
        true => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NO_CONTENT;
            Ok(response)
        }
        false => Err(refused(Error::NoSilence)),
    }
}
