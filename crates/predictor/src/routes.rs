//! The predictor's HTTP interface: called by the gateway, over a socket or in process.

use std::{sync::Arc, time::Instant};

use axum::{
    Router,
    body::{Body, HttpBody},
    extract::{Request, State},
    http::{StatusCode, request::Parts},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use bytes::Bytes;
use contract::{BadJson, BatchRequest, Parsed, PredictRequest};
use service::{
    admission::Admitted,
    http::{
        Fallible, Handler, ProblemReply, decode_series_text, method_not_allowed, not_found,
        read_body,
    },
};

use crate::{
    App,
    batch::Batch,
    detect::{self, Form},
    lookup::{self, find, find_cached, min_revision, wait_for},
    query::{self, Asked},
    recorder::Judged,
    reply, work,
};

/// The largest body of a prediction, in bytes. A point takes about 50, and there is room for a context of 2,048.
const MAX_PREDICT_BODY: usize = 256 * 1024;

/// A longer batch, in bytes, is read on another thread.
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

/// `routes` with a shortcut for predictions.
pub(crate) fn with_shortcut(routes: Router, app: Arc<App>) -> Handler {
    Handler::from(routes).with_shortcut("/predict/", move |request, _| {
        let app = Arc::clone(&app);
        async move { predict(State(app), request).await.into_response() }
    })
}

/// Judges a point. The content type is not looked at: `curl -d` must work. For a model in memory nothing is allocated here but
/// the reply, and the path is read without axum's extractors, which copy.
async fn predict(State(app): State<Arc<App>>, request: Request) -> Fallible<Response> {
    let start = Instant::now();
    let (head, body) = request.into_parts();
    let series = decode_series_text(segment(&head, 1))?;
    let mut asked = Asked::parse(head.uri.query())?;
    let body = read_body(body, MAX_PREDICT_BODY).await?;
    let parsed = PredictRequest::parse(&body).map_err(|e| invalid_payload(&e))?;
    let Parsed {
        body: mut request,
        mut warnings,
    } = parsed;
    let wanted = asked.version(request.version.take())?;
    warnings.append(&mut asked.warnings);
    let at_least = min_revision(&head.headers);
    let (found, hit) = match find_cached(&app.models, &series, at_least, wanted.as_ref()) {
        Some(found) => (found?, true),
        None if lookup::only_if_cached(&head.headers) => return Err(lookup::not_cached()),
        // Boxed: what is rarely waited for would make the future of every request larger, and that is moved about.
        None => {
            let waiting = wait_for(&app.models, &series, at_least, wanted.as_ref());
            (Box::pin(waiting).await?, false)
        }
    };
    // With the longest context a fifth of a millisecond, less than it takes to read one.
    let model = &found.judge().model;
    let verdict = model.score(&request.context, request.point, &request.judge);
    let reply = reply::prediction(found.judge().version, &verdict, &warnings);
    let judged = Judged {
        points: 1,
        anomalies: u64::from(verdict.anomaly),
        hit,
        took: start.elapsed(),
    };
    app.recorder.record(found.judge(), judged);
    Ok(reply::json(reply))
}

/// Judges many points.
async fn batch(State(app): State<Arc<App>>, request: Request) -> Fallible<Response> {
    let start = Instant::now();
    let (head, body) = request.into_parts();
    let series = decode_series_text(segment(&head, 1))?;
    let mut asked = Asked::parse(head.uri.query())?;
    let (admitted, body) = admit(&app, body).await?;
    let parsed = if body.len() <= MAX_BATCH_HERE {
        BatchRequest::parse(&body)
    } else {
        let turn = app.cores.turn().await?;
        turn.run(move || BatchRequest::parse(&body)).await
    };
    let Parsed {
        body: mut request,
        mut warnings,
    } = parsed.map_err(|e| invalid_payload(&e))?;
    let wanted = asked.version(request.version.take())?;
    warnings.append(&mut asked.warnings);
    let at_least = min_revision(&head.headers);
    let (found, hit) = find(&app.models, &series, at_least, wanted.as_ref()).await?;
    let batch = Batch {
        request,
        warnings,
        found,
        hit,
        start,
    };
    let recorder = Arc::clone(&app.recorder);
    let turn = app.cores.turn().await?;
    let written = turn.write(move |output| {
        let _admitted = admitted;
        batch.write(&recorder, output)
    });
    written.await.map(reply::json)
}

/// Fits and judges a series that is not kept.
async fn detect(State(app): State<Arc<App>>, request: Request) -> Fallible<Response> {
    let (head, body) = request.into_parts();
    query::none(head.uri.query())?;
    let form = Form::of(&head.headers);
    let (admitted, body) = admit(&app, body).await?;
    let default = app.default_detector;
    let turn = app.cores.turn().await?;
    let written = turn.write(move |output| {
        let _admitted = admitted;
        detect::detect(body, form, default, output)
    });
    written.await.map(match form {
        Form::Json => reply::json,
        Form::Lines => reply::lines,
    })
}

async fn healthcheck(State(app): State<Arc<App>>) -> Response {
    let health = app.healthcheck.report().await;
    let mut json = Vec::new();
    reply::value(&health, &mut json);
    reply::json(json)
}

/// Reads a body that may be large, unless too many are in progress.
async fn admit(app: &App, body: Body) -> Fallible<(Admitted, Bytes)> {
    let admitted = app.admission.admit(body.size_hint().exact());
    let mut admitted = admitted.ok_or_else(work::overloaded)?;
    let body = read_body(body, app.max_body_bytes).await?;
    admitted.settle(body.len());
    Ok((admitted, body))
}

fn invalid_payload(error: &BadJson) -> ProblemReply {
    ProblemReply {
        errors: vec![error.to_string()],
        ..ProblemReply::new(
            StatusCode::BAD_REQUEST,
            "invalid_payload",
            "Invalid request payload",
        )
    }
}

/// The segment `index` of the path, counted from 0, as it came.
fn segment(head: &Parts, index: usize) -> &str {
    // A path begins with a slash, so there is an empty text before the first segment.
    let mut segments = head.uri.path().split('/').skip(1);
    segments.nth(index).unwrap_or_default()
}
