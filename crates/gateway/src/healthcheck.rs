//! `GET /healthcheck`: what trainer and predictor know, put together.

use std::time::Duration;

use axum::{body::Body, http::request::Parts, response::Response};
use bytes::Bytes;
use contract::{HealthReply, PredictorHealth, TrainerHealth};
use http::{HeaderValue, StatusCode, header::CONTENT_TYPE};
use http_client::{Call, RequestHead, Upstream};
use http_server::{Fallible, RequestContext, read_body};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::{
    failure::{no_figures, no_reply},
    metrics::Route,
    proxy::Proxy,
};

/// How long the parts may take.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The longest part, in bytes: a thousand series with ids of 200 bytes, each escaped.
const MAX_PART_BYTES: usize = 2 * 1024 * 1024;

/// Asks both services at once.
///
/// # Errors
/// 503 if either gives no figures.
pub(crate) async fn healthcheck(proxy: &Proxy, parts: &Parts) -> Fallible<Response> {
    let _permit = proxy.healthchecks.take(Route::Healthcheck)?;
    let context = parts.extensions.get::<RequestContext>();
    let (trainer, predictor) = tokio::join!(
        part::<TrainerHealth>("trainer", &proxy.trainer, context),
        part::<PredictorHealth>("predictor", &proxy.predictor, context),
    );
    let reply = HealthReply::of(trainer?, predictor?);
    let json = serde_json::to_vec(&reply).map_err(|error| no_figures("gateway", error))?;
    let mut response = Response::new(Body::from(json));
    let json_type = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json_type);
    Ok(response)
}

async fn part<T: DeserializeOwned>(
    service: &'static str,
    upstream: &Upstream,
    context: Option<&RequestContext>,
) -> Fallible<T> {
    let head = RequestHead::get("/healthcheck", context.cloned());
    let call = Call::whole(head, Bytes::new(), TIMEOUT);
    let figures = async {
        let response = upstream.call(call).await;
        let response = response.map_err(|error| no_reply(service, error))?;
        let status = response.status();
        if status != StatusCode::OK {
            return Err(no_figures(service, status));
        }
        let body = read_body(response.into_body(), MAX_PART_BYTES)
            .await
            .map_err(|problem| no_figures(service, problem.detail))?;
        serde_json::from_slice(&body).map_err(|error| no_figures(service, error))
    };
    timeout(TIMEOUT, figures)
        .await
        .unwrap_or_else(|_| Err(no_figures(service, "no answer in time")))
}
