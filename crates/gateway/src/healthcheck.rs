//! `GET /healthcheck`: the figures of trainer and predictor, put together.

use axum::{extract::Request, response::Response};
use bytes::Bytes;
use contract::{Endpoint, HealthReply, PredictorHealth, TrainerHealth};
use http::StatusCode;
use http_client::{Call, RequestHead, Upstream};
use http_server::{Fallible, RequestContext, json, read_body};
use serde::de::DeserializeOwned;
use tokio::time;

use crate::{
    access::Caller,
    failure::{no_figures, no_reply},
    proxy::{Proxy, client_of},
};

/// The longest part, in bytes: a thousand series with ids of 200 bytes, each escaped.
const MAX_PART_BYTES: usize = 2 * 1024 * 1024;

/// Asks both services at once. Each answers the path of `endpoint` with its own part. The `caller`
/// sees the use of its series only.
///
/// # Errors
/// 503 if either gives no figures.
pub(crate) async fn healthcheck(
    proxy: &Proxy,
    endpoint: &'static Endpoint,
    request: Request,
    caller: &Caller,
) -> Fallible<Response> {
    let _permit = proxy.limits.acquire(endpoint, client_of(&request))?;
    let context = request.extensions().get::<RequestContext>().cloned();
    let call = || {
        let head = RequestHead::get(endpoint.path, context.clone());
        Call::whole(head, Bytes::new(), proxy.timeout(endpoint))
    };
    let trainer = part::<TrainerHealth>("trainer", &proxy.trainer, call());
    let predictor = part::<PredictorHealth>("predictor", &proxy.predictor, call());
    let (trainer, predictor) = tokio::join!(trainer, predictor);
    let mut reply = HealthReply::of(trainer?, predictor?);
    reply.model_usage.retain(|series, _| caller.may_see(series));
    Ok(json(&reply))
}

async fn part<T: DeserializeOwned>(
    service: &'static str,
    upstream: &Upstream,
    call: Call,
) -> Fallible<T> {
    let timeout = call.timeout;
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
    time::timeout(timeout, figures)
        .await
        .unwrap_or_else(|_| Err(no_figures(service, "no answer in time")))
}
