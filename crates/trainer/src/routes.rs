//! The trainer's HTTP interface: called by the gateway, over a socket or in process.

use std::sync::Arc;

use axum::{
    Router,
    body::{Body, HttpBody},
    extract::{Request, State},
    http::{
        HeaderValue,
        header::{CACHE_CONTROL, CONTENT_TYPE},
    },
    response::Response,
    routing::{get, post},
};
use bus::TraceParent;
use contract::SeriesId;
use http_server::{Fallible, RequestContext, method_not_allowed, not_found, read_body};
use serde::Serialize;
use service::{series::SeriesPath, task::on_main};

use crate::{
    App,
    error::Error,
    fit::Fitted,
    health, metrics,
    plot::{
        detect,
        query::{Format, PlotQuery},
    },
    registry,
};

const JSON: HeaderValue = HeaderValue::from_static("application/json");

pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/fit/{series_id}", post(fit))
        .route("/plot", get(plot))
        .route("/v1/detect/plot", detect::route())
        .route("/healthcheck", get(healthcheck))
        .merge(registry::routes())
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(app)
}

async fn fit(
    State(app): State<Arc<App>>,
    SeriesPath(series): SeriesPath,
    request: Request,
) -> Fallible<Response> {
    let context = request.extensions().get::<RequestContext>().cloned();
    let fitted = fit_body(app, series, trace(context.as_ref()), request.into_body()).await?;
    let Fitted { reply, revision } = fitted.map_err(|error| error.reply(context.as_ref()))?;
    Ok(registry::with_revision(json(&reply), revision))
}

/// Reads the body here, where its connection is; what follows goes on to its end on the main runtime, whether or not the
/// client stays.
async fn fit_body(
    app: Arc<App>,
    series: SeriesId,
    trace: TraceParent,
    body: Body,
) -> Fallible<Result<Fitted, Error>> {
    let mut admitted = match app.admission.admit(body.size_hint().exact()) {
        Some(admitted) => admitted,
        None => {
            metrics::FITS.with_label_values(&["overloaded"]).inc();
            return Ok(Err(Error::Overloaded));
        }
    };
    let body = read_body(body, app.max_body_bytes).await?;
    admitted.settle(body.len());
    let in_flight = app.in_flight.clone();
    let fitting = async move {
        let fitted = app.fitter.fit(series, body, trace).await;
        drop(admitted);
        fitted
    };
    Ok(on_main(in_flight.track_future(fitting)).await)
}

async fn plot(State(app): State<Arc<App>>, request: Request) -> Fallible<Response> {
    let context = request.extensions().get::<RequestContext>();
    let refused = |error: Error| error.reply(context);
    let query = PlotQuery::parse(request.uri().query().unwrap_or_default()).map_err(refused)?;
    let format = query.view.format;
    let plotting = async move { app.plotter.plot(query).await };
    let drawn = on_main(plotting).await.map_err(refused)?;
    Ok(picture(format, drawn))
}

pub(crate) fn picture(format: Format, drawn: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(drawn));
    let headers = response.headers_mut();
    let content_type = HeaderValue::from_static(format.content_type());
    headers.insert(CONTENT_TYPE, content_type);
    // Without a version in the query, the next fit changes the picture.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

async fn healthcheck(State(app): State<Arc<App>>) -> Response {
    json(&health::report(&app.figures).await)
}

/// The trace that a request belongs to.
pub(crate) fn trace(context: Option<&RequestContext>) -> TraceParent {
    let trace = context?.traceparent.as_ref()?;
    trace.to_str().ok().map(str::to_owned)
}

fn json(body: &impl Serialize) -> Response {
    let body = serde_json::to_vec(body).expect("texts and numbers are always JSON");
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}
