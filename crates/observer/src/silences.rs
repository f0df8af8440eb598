//! `/v1/silences`: nobody is told of anomalies that they match.

use std::sync::Arc;

use axum::{
    extract::{Path, Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use contract::{EndpointName, IncidentId, SilenceList, SilenceRequest};
use http_server::{Fallible, Query, json, read_body};
use service::clock::now;

use crate::{App, ask::ask, error::Error};

const MAX_BODY: usize = EndpointName::CreateSilence.endpoint().body.max();

/// Lists the silences.
pub(crate) async fn list(State(app): State<Arc<App>>, request: Request) -> Fallible<Response> {
    let (head, _) = request.into_parts();
    ask(&app, head, |store, head| async move {
        Query::none(head.uri.query())?;
        let silences = store.silences().await?;
        Ok(json(&SilenceList { silences }))
    })
    .await
}

/// Makes a silence.
pub(crate) async fn create(State(app): State<Arc<App>>, request: Request) -> Fallible<Response> {
    let (head, body) = request.into_parts();
    let body = read_body(body, MAX_BODY).await?;
    ask(&app, head, |store, head| async move {
        Query::none(head.uri.query())?;
        let request = SilenceRequest::parse(&body)?;
        let silence = request.silence(IncidentId(fastrand::u128(..)), now());
        match store.put_silence(&silence).await? {
            true => Ok((StatusCode::CREATED, json(&silence)).into_response()),
            false => Err(Error::TooManySilences),
        }
    })
    .await
}

/// Removes a silence.
pub(crate) async fn delete(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    request: Request,
) -> Fallible<Response> {
    let (head, _) = request.into_parts();
    ask(&app, head, |store, head| async move {
        Query::none(head.uri.query())?;
        let id: IncidentId = id.parse().map_err(|_| Error::NoSilence)?;
        match store.delete_silence(id).await? {
            true => Ok(StatusCode::NO_CONTENT.into_response()),
            false => Err(Error::NoSilence),
        }
    })
    .await
}
