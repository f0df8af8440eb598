//! The predictor's HTTP interface: called by the gateway, over a socket or in process.

use std::{sync::Arc, time::Instant};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::request::Parts,
    response::Response,
    routing::{MethodFilter, MethodRouter, get, on},
};
use bytes::Bytes;
use contract::{
    BatchRequest, Endpoint, EndpointName, Parsed, Requested, VersionRef, endpoint::Owner,
};
use http_server::{
    Fallible, Fast, FastPath, FastRequest, Handler, Query, json, method_not_allowed, not_found,
    read_body,
};
use service::{admission::Admitted, routes, series::decode_series_text};

use crate::{
    App, azure,
    batch::Batch,
    columns,
    detect::{self, Form},
    error::Error,
    health,
    models::resolve::{self, Resolved, min_revision, only_if_cached, resolve_cached},
    open_inference, output,
    predict::{self, Prediction},
    query::PredictQuery,
    reply::{self, PREDICTION_BYTES},
};

static PREDICT: &Endpoint = EndpointName::Predict.endpoint();

/// The longest body of a prediction, in bytes.
const MAX_PREDICT_BODY: usize = EndpointName::Predict.endpoint().body.max();

/// The largest batch, in bytes, that is parsed on a thread that serves requests.
const MAX_BATCH_HERE: usize = 64 * 1024;

/// All routes.
pub(crate) fn router(app: Arc<App>) -> Router {
    let health = EndpointName::Healthcheck.endpoint();
    routes::router(routes::of(Owner::Predictor), handler)
        .route(health.path, get(healthcheck))
        .route(EndpointName::System.endpoint().path, get(system))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(app)
}

/// The handler of `endpoint`.
fn handler(endpoint: &Endpoint, method: MethodFilter) -> MethodRouter<Arc<App>> {
    use EndpointName as Name;
    match endpoint.name {
        Name::Predict => on(method, predict),
        Name::Batch => on(method, batch),
        Name::Detect => on(method, detect),
        Name::AzureDetect => on(method, azure::detect),
        Name::InferServer => on(method, open_inference::server),
        Name::InferModel | Name::InferModelVersion => on(method, open_inference::model),
        Name::InferReady | Name::InferReadyVersion => on(method, open_inference::ready),
        Name::Infer | Name::InferVersion => on(method, open_inference::infer),
        _ => unreachable!("the predictor does not own {endpoint:?}"),
    }
}

/// `routes` with a fast path for predictions.
pub(crate) fn with_fast_path(routes: Router, app: Arc<App>) -> Handler {
    let answer =
        move |request: &FastRequest<'_>, body: &mut Vec<u8>| match predict::answer_from_memory(
            &app, request, body,
        ) {
            Some(()) => Fast::Replied,
            None => Fast::Fallthrough,
        };
    Handler::from(routes).with_fast_path(FastPath::new(PREDICT.prefix(), answer))
}

/// Scores a point. The content type is not looked at: `curl -d` must work.
async fn predict(State(app): State<Arc<App>>, request: Request) -> Fallible<Response> {
    let start = Instant::now();
    let (head, body) = request.into_parts();
    // The series and the query are refused before the body is read. They are parsed again with it.
    decode_series_text(series_in(&head))?;
    PredictQuery::parse(head.uri.query())?;
    let body = read_body(body, MAX_PREDICT_BODY).await?;
    let prediction = match Prediction::parse(series_in(&head), head.uri.query(), &body) {
        Ok(prediction) => prediction,
        Err(fault) => return columns::predict(&app, &head, &body, fault, start).await,
    };
    let (series, wanted) = (&*prediction.series, prediction.version.as_ref());
    let (resolved, hit) = resolve_for(&app, &head, series, wanted).await?;
    let mut reply = Vec::with_capacity(PREDICTION_BYTES);
    let verdict = prediction.score(&resolved, &mut reply)?;
    predict::count(&app, &resolved, verdict.anomaly, hit, start);
    Ok(reply::json(reply))
}

/// The model that judges for a prediction, and whether it was in memory.
pub(crate) async fn resolve_for(
    app: &App,
    head: &Parts,
    series: &str,
    wanted: Option<&VersionRef>,
) -> Result<(Resolved, bool), Error> {
    let at_least = min_revision(&head.headers);
    match resolve_cached(&app.models, series, at_least, wanted) {
        Some(resolved) => Ok((resolved?, true)),
        None if only_if_cached(&head.headers) => Err(Error::NotCached),
        None => {
            let loaded = resolve::load(&app.models, series, at_least, wanted);
            Ok((loaded.await?, false))
        }
    }
}

/// Scores many points by a model that stays as it is.
async fn batch(State(app): State<Arc<App>>, request: Request) -> Fallible<Response> {
    let start = Instant::now();
    let (head, body) = request.into_parts();
    let series = decode_series_text(series_in(&head))?;
    let mut query = PredictQuery::parse(head.uri.query())?;
    let (admitted, body) = admit(&app, body).await?;
    let parsed = if body.len() <= MAX_BATCH_HERE {
        BatchRequest::parse_any(&body)
    } else {
        let core = output::acquire(&app.cores).await?;
        core.run(move || BatchRequest::parse_any(&body)).await
    };
    let Parsed {
        body: mut request,
        mut warnings,
        unit,
    } = parsed.map_err(Error::Malformed)?;
    let named = match &mut request {
        Requested::Series(request) => request.version.take(),
        Requested::Columns(request) => request.version.take(),
    };
    let wanted = query.version(named)?;
    warnings.append(&mut query.warnings);
    let at_least = min_revision(&head.headers);
    let resolving = resolve::resolve(&app.models, &series, at_least, wanted.as_ref());
    let (resolved, hit) = resolving.await?;
    let batch = Batch {
        request,
        unit,
        warnings,
        resolved,
        hit,
        start,
    };
    let recorder = Arc::clone(&app.recorder);
    let core = output::acquire(&app.cores).await?;
    let written = output::write(core, move |output| {
        let _admitted = admitted;
        batch.write(&recorder, output)
    });
    Ok(reply::json(written.await?))
}

/// Fits and scores a series that is not kept.
async fn detect(State(app): State<Arc<App>>, request: Request) -> Fallible<Response> {
    let (head, body) = request.into_parts();
    Query::none(head.uri.query()).map_err(Error::from)?;
    let form = Form::of(&head.headers);
    let (admitted, body) = admit(&app, body).await?;
    let default = app.default_detector;
    let core = output::acquire(&app.cores).await?;
    let written = output::write(core, move |output| {
        let _admitted = admitted;
        detect::detect(body, form, default, output)
    });
    let body = written.await?;
    Ok(match form {
        Form::Json => reply::json(body),
        Form::Ndjson => reply::ndjson(body),
    })
}

async fn healthcheck(State(app): State<Arc<App>>) -> Response {
    json(&health::report(&app.figures).await)
}

/// What this process tells the gateway of itself.
async fn system(State(app): State<Arc<App>>) -> Response {
    json(&app.figures.process(|figures| figures.inference).await)
}

/// Reads a body that may be large, unless too many are in progress.
pub(crate) async fn admit(app: &App, body: Body) -> Fallible<(Admitted, Bytes)> {
    let read = app.admission.read(body, app.max_body_bytes).await?;
    Ok(read.ok_or(Error::Overloaded)?)
}

/// The series in the path, percent-encoded.
pub(crate) fn series_in(head: &Parts) -> &str {
    PREDICT.series_in(head.uri.path()).unwrap_or_default()
}
