//! What clients can ask for.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Request, State},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http_server::{Fallible, FastPath, FastRequest, Handler};
use service::health::Health;

use crate::{
    healthcheck,
    metrics::{Measured, Route},
    proxy::Proxy,
};

/// All routes but those about the gateway's own health.
pub(crate) fn routes(proxy: Arc<Proxy>) -> Router {
    Router::new()
        .route("/fit/{series_id}", post(fit))
        .route("/predict/{series_id}", post(predict))
        .route("/predict/{series_id}/batch", post(batch))
        .route("/plot", get(plot))
        .route("/v1/detect", post(detect))
        .route("/v1/detect/plot", post(detect_plot))
        .merge(series_routes())
        .route("/healthcheck", get(healthcheck))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(proxy)
}

/// All of `/v1/series`: questions about series, and changes to one.
fn series_routes() -> Router<Arc<Proxy>> {
    let of_series = |rest: &str| format!("/v1/series/{{series_id}}{rest}");
    Router::new()
        .route("/v1/series", get(ask))
        .route(&of_series(""), get(ask).delete(change))
        .route(&of_series("/models"), get(ask).post(import))
        .route(&of_series("/models/{version}"), get(ask).delete(change))
        .route(&of_series("/models/{version}/export"), get(ask))
        .route(
            &of_series("/aliases/{name}"),
            get(ask).put(change).delete(change),
        )
        .route(&of_series("/rollback"), post(change))
}

/// All routes, with a fast path for predictions.
pub(crate) fn handler(proxy: Arc<Proxy>, health: &Health) -> Handler {
    let routes = routes(Arc::clone(&proxy)).merge(health.routes());
    let answer = move |request: &FastRequest<'_>, body: &mut Vec<u8>| {
        Proxy::predict_fast(&proxy, request, body)
    };
    Handler::from(routes).with_fast_path(FastPath::new("/predict/", answer))
}

async fn fit(State(proxy): State<Arc<Proxy>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    measured(Route::Fit, proxy.fit(parts, body)).await
}

async fn predict(State(proxy): State<Arc<Proxy>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    measured(Route::Predict, proxy.predict(parts, body)).await
}

async fn batch(State(proxy): State<Arc<Proxy>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    measured(Route::Batch, proxy.batch(parts, body)).await
}

async fn plot(State(proxy): State<Arc<Proxy>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    measured(Route::Plot, proxy.plot(parts)).await
}

async fn detect(State(proxy): State<Arc<Proxy>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    measured(Route::Detect, proxy.detect(parts, body)).await
}

async fn detect_plot(State(proxy): State<Arc<Proxy>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    measured(Route::DetectPlot, proxy.detect_plot(parts, body)).await
}

async fn ask(State(proxy): State<Arc<Proxy>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    measured(Route::Series, proxy.ask_of_series(parts)).await
}

async fn change(State(proxy): State<Arc<Proxy>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    measured(Route::Series, proxy.change_series(parts, body)).await
}

async fn import(State(proxy): State<Arc<Proxy>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    measured(Route::Series, proxy.import(parts, body)).await
}

async fn healthcheck(State(proxy): State<Arc<Proxy>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let reply = healthcheck::healthcheck(&proxy, &parts);
    measured(Route::Healthcheck, reply).await
}

async fn not_found() -> Response {
    measured(Route::Other, async { Err(http_server::not_found().await) }).await
}

async fn method_not_allowed() -> Response {
    let refusal = async { Err(http_server::method_not_allowed().await) };
    measured(Route::Other, refusal).await
}

/// Counts and times `reply`.
async fn measured(route: Route, reply: impl Future<Output = Fallible<Response>>) -> Response {
    let request = Measured::start(route);
    let response = reply.await.unwrap_or_else(IntoResponse::into_response);
    request.answered(response.status());
    response
}
