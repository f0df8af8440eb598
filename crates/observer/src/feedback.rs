//! `/v1/anomalies/{anomaly_id}/feedback`: what people say of anomalies.

use std::sync::Arc;

use axum::{
    extract::{Path, Request, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use contract::{AnomalyId, EndpointName, Feedback, FeedbackRequest};
use http_server::{Fallible, Query, json, read_body};
use service::clock::now;
use store::Store;

use crate::{App, anomalies::may_see, ask::ask, error::Error};

const MAX_BODY: usize = EndpointName::SetFeedback.endpoint().body.max();

/// Keeps what somebody says of an anomaly.
pub(crate) async fn set(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    request: Request,
) -> Fallible<Response> {
    let (head, body) = request.into_parts();
    let body = read_body(body, MAX_BODY).await?;
    ask(&app, head, |store, head| async move {
        Query::none(head.uri.query())?;
        let FeedbackRequest { verdict, comment } = FeedbackRequest::parse(&body)?;
        let id = visible(&store, &head.headers, &id).await?;
        let feedback = Feedback {
            verdict,
            comment,
            at: now(),
        };
        let anomaly = store.put_feedback(id, &feedback).await?;
        Ok(json(&anomaly.ok_or(Error::NoAnomaly)?))
    })
    .await
}

/// Takes back what was said of an anomaly.
pub(crate) async fn remove(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    request: Request,
) -> Fallible<Response> {
    let (head, _) = request.into_parts();
    ask(&app, head, |store, head| async move {
        Query::none(head.uri.query())?;
        let id = visible(&store, &head.headers, &id).await?;
        // Whether or not anything was said, nothing is now.
        store.delete_feedback(id).await?;
        Ok(StatusCode::NO_CONTENT.into_response())
    })
    .await
}

/// The anomaly in the path, if the caller may see it.
async fn visible(store: &Store, headers: &HeaderMap, id: &str) -> Result<AnomalyId, Error> {
    let id: AnomalyId = id.parse().map_err(|_| Error::NoAnomaly)?;
    let known = store.anomaly(id).await?;
    let known = known.filter(|known| may_see(headers, &known.anomaly.series_id));
    known.map(|_| id).ok_or(Error::NoAnomaly)
}
