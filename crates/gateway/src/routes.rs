//! The routes for clients, made from the table of the API.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, Request, State},
    response::{IntoResponse, Response},
    routing::{get, on},
};
use contract::{ENDPOINTS, Endpoint, EndpointName, endpoint::Scope, header};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header::VARY};
use http_server::{Fallible, FastPath, FastRequest, Handler, json};
use serde_json::json;
use service::{error_form, health::Health};

use crate::{
    access::Caller, encoding, events::events, exceptional::Described, healthcheck::healthcheck,
    metrics::Measured, overview::overview, proxy::Proxy, session::session, system::system,
};

/// Tells the trainer that the client may import only what a trusted installation has exported.
const FOREIGN_MODEL: HeaderName = HeaderName::from_static(header::FOREIGN_MODEL);

/// All routes but those about the gateway's own health.
pub(crate) fn routes(proxy: Arc<Proxy>) -> Router {
    let handler = |endpoint, method| {
        on(method, move |State(proxy): State<Arc<Proxy>>, request| {
            answer(proxy, endpoint, request)
        })
    };
    service::routes::router(ENDPOINTS, handler)
        .route("/", get(root))
        .route("/openapi.json", get(document))
        .route("/docs", get(docs))
        .route(dashboard::ASSETS, get(asset))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(proxy)
}

/// All routes, with a fast path for predictions.
pub(crate) fn handler(proxy: Arc<Proxy>, health: &Health) -> Handler {
    let routes = routes(Arc::clone(&proxy))
        .merge(health.routes())
        .method_not_allowed_fallback(method_not_allowed)
        .layer(encoding::packing());
    let routes = match proxy.allowed_origins().layer() {
        Some(cors) => routes.layer(cors),
        None => routes,
    };
    let answer = move |request: &FastRequest<'_>, body: &mut Vec<u8>| {
        Proxy::predict_fast(&proxy, request, body)
    };
    let prefix = EndpointName::Predict.endpoint().prefix();
    Handler::from(routes)
        .with_fast_path(FastPath::new(prefix, answer))
        .public()
}

/// Answers a request for `endpoint`, counts it and times it.
async fn answer(proxy: Arc<Proxy>, endpoint: &'static Endpoint, request: Request) -> Response {
    let measured = Measured::start(endpoint);
    let described = Described::of(endpoint, &request);
    let response = match proxy.access.admit(endpoint, &request) {
        Ok(caller) => {
            let reply = reply(&proxy, endpoint, request, &caller).await;
            let response = reply.unwrap_or_else(IntoResponse::into_response);
            caller.answered(&response);
            response
        }
        Err(refused) => refused.into_response(),
    };
    let response = error_form::write(endpoint.name.error_form(), response);
    let took = measured.answered(response.status());
    if proxy.exceptional.includes(response.status(), took) {
        described.log(response.status(), took);
    }
    response
}

/// The reply to a request of `caller`, who may make it.
async fn reply(
    proxy: &Proxy,
    endpoint: &'static Endpoint,
    request: Request,
    caller: &Caller,
) -> Fallible<Response> {
    let mut request = caller.metered(request);
    // Snappy is a part of remote write, so its service unpacks it.
    if endpoint.name != EndpointName::RemoteWrite {
        request = encoding::unpacked(request)?;
    }
    if endpoint.name == EndpointName::ImportModel && !caller.has(Scope::Admin) {
        let headers = request.headers_mut();
        headers.insert(FOREIGN_MODEL, HeaderValue::from_static("refuse"));
    }
    match endpoint.name {
        EndpointName::Predict => proxy.predict(request).await,
        EndpointName::Healthcheck => healthcheck(proxy, endpoint, request, caller).await,
        EndpointName::Overview => overview(proxy, endpoint, request, caller).await,
        EndpointName::Events => events(proxy, endpoint, request, caller).await,
        EndpointName::BeginSession | EndpointName::EndSession => {
            session(proxy, endpoint, request).await
        }
        EndpointName::System => system(proxy, endpoint, request).await,
        _ => proxy.forward(endpoint, request, caller).await,
    }
}

/// The dashboard for browsers, else what this is and where to go on: load balancers and monitors ask
/// for `/` by default.
async fn root(State(proxy): State<Arc<Proxy>>, headers: HeaderMap) -> Response {
    if proxy.has_dashboard() && dashboard::is_asked_for(&headers) {
        return dashboard::page(&headers);
    }
    let mut about = about();
    let vary = HeaderValue::from_static("accept");
    about.headers_mut().insert(VARY, vary);
    about
}

/// The document of the API.
async fn document(headers: HeaderMap) -> Response {
    dashboard::document(&headers)
}

/// The page that shows it.
async fn docs(State(proxy): State<Arc<Proxy>>, headers: HeaderMap, uri: Uri) -> Response {
    match proxy.has_dashboard() {
        true => dashboard::docs(&headers),
        false => not_found(Method::GET, uri).await,
    }
}

/// A file of the dashboard. They hold no data, so they need no API key.
async fn asset(
    State(proxy): State<Arc<Proxy>>,
    Path((version, name)): Path<(String, String)>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    let has = proxy.has_dashboard();
    match has.then(|| dashboard::asset(&version, &name, &headers)) {
        Some(Some(file)) => file,
        _ => not_found(Method::GET, uri).await,
    }
}

fn about() -> Response {
    json(&json!({
        "name": "anomaly",
        "version": env!("CARGO_PKG_VERSION"),
        "links": {
            "series": EndpointName::ListSeries.endpoint().path,
            "health": EndpointName::Healthcheck.endpoint().path,
            "ready": "/readyz",
            "live": "/livez",
            "api": "/openapi.json",
        },
    }))
}

async fn not_found(method: Method, uri: Uri) -> Response {
    refused(http_server::not_found(method, uri)).await
}

async fn method_not_allowed(method: Method) -> Response {
    refused(http_server::method_not_allowed(method)).await
}

/// Counts a request that no call answers.
async fn refused(response: impl Future<Output = Response>) -> Response {
    let measured = Measured::start_other();
    let response = response.await;
    measured.answered(response.status());
    response
}
