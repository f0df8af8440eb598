//! The predictor's HTTP interface: called by the gateway, over a socket or in process.

use std::{sync::Arc, time::Instant};

use axum::{
    Router,
    body::{Body, HttpBody},
    extract::{Request, State},
    http::request::Parts,
    response::Response,
    routing::{get, post},
};
use bytes::Bytes;
use contract::{BatchRequest, Parsed};
use http_server::{
    Fallible, Fast, FastPath, FastRequest, Handler, method_not_allowed, not_found, read_body,
};
use service::{admission::Admitted, series::decode_series_text};

use crate::{
    App,
    batch::Batch,
    detect::{self, Form},
    error::Error,
    health,
    models::resolve::{self, min_revision, only_if_cached, resolve_cached},
    output,
    predict::{self, Prediction},
    query::{self, PredictQuery},
    reply::{self, PREDICTION_BYTES},
};

/// The largest body of a prediction, in bytes. A point takes about 50, and there is room for a
/// context of 2,048.
const MAX_PREDICT_BODY: usize = 256 * 1024;

/// The largest batch, in bytes, that is parsed on a thread that serves requests.
const MAX_BATCH_HERE: usize = 64 * 1024;

/// All routes.
pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/predict/{series_id}", post(predict))
        .route("/predict/{series_id}/batch", post(batch))
        .route("/v1/detect", post(detect))
        .route("/healthcheck", get(healthcheck))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(app)
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
    Handler::from(routes).with_fast_path(FastPath::new("/predict/", answer))
}

/// Scores a point. The content type is not looked at: `curl -d` must work.
async fn predict(State(app): State<Arc<App>>, request: Request) -> Fallible<Response> {
    let start = Instant::now();
    let (head, body) = request.into_parts();
    // The series and the query are refused before the body is read. They are parsed again with it.
    decode_series_text(segment(&head, 1))?;
    PredictQuery::parse(head.uri.query())?;
    let body = read_body(body, MAX_PREDICT_BODY).await?;
    let prediction = Prediction::parse(segment(&head, 1), head.uri.query(), &body)?;
    let (series, wanted) = (&*prediction.series, prediction.version.as_ref());
    let at_least = min_revision(&head.headers);
    let (resolved, hit) = match resolve_cached(&app.models, series, at_least, wanted) {
        Some(resolved) => (resolved?, true),
        None if only_if_cached(&head.headers) => return Err(Error::NotCached.into()),
        None => {
            let loaded = resolve::load(&app.models, series, at_least, wanted);
            (loaded.await?, false)
        }
    };
    let mut reply = Vec::with_capacity(PREDICTION_BYTES);
    let verdict = prediction.score(&resolved, &mut reply);
    predict::count(&app, &resolved, &verdict, hit, start);
    Ok(reply::json(reply))
}

/// Scores many points by a model that stays as it is.
async fn batch(State(app): State<Arc<App>>, request: Request) -> Fallible<Response> {
    let start = Instant::now();
    let (head, body) = request.into_parts();
    let series = decode_series_text(segment(&head, 1))?;
    let mut query = PredictQuery::parse(head.uri.query())?;
    let (admitted, body) = admit(&app, body).await?;
    let parsed = if body.len() <= MAX_BATCH_HERE {
        BatchRequest::parse(&body)
    } else {
        let core = output::acquire(&app.cores).await?;
        core.run(move || BatchRequest::parse(&body)).await
    };
    let Parsed {
        body: mut request,
        mut warnings,
    } = parsed.map_err(Error::Malformed)?;
    let wanted = query.version(request.version.take())?;
    warnings.append(&mut query.warnings);
    let at_least = min_revision(&head.headers);
    let resolving = resolve::resolve(&app.models, &series, at_least, wanted.as_ref());
    let (resolved, hit) = resolving.await?;
    let batch = Batch {
        request,
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
    query::none(head.uri.query())?;
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
    let health = health::report(&app.figures).await;
    let mut json = Vec::new();
    reply::value(&health, &mut json);
    reply::json(json)
}

/// Reads a body that may be large, unless too many are in progress.
async fn admit(app: &App, body: Body) -> Fallible<(Admitted, Bytes)> {
    let admitted = app.admission.admit(body.size_hint().exact());
    let mut admitted = admitted.ok_or(Error::Overloaded)?;
    let body = read_body(body, app.max_body_bytes).await?;
    admitted.settle(body.len());
    Ok((admitted, body))
}

/// The segment `index` of the path, counted from 0 and still percent-encoded.
fn segment(head: &Parts, index: usize) -> &str {
    // A path begins with a slash, so there is an empty text before the first segment.
    let mut segments = head.uri.path().split('/').skip(1);
    segments.nth(index).unwrap_or_default()
}
