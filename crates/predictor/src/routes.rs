//! The predictor's HTTP interface: called by the gateway, over a socket or in process.

use std::{borrow::Cow, sync::Arc, time::Instant};

use axum::{
    Router,
    body::{Body, HttpBody},
    extract::{Request, State},
    http::request::Parts,
    response::Response,
    routing::{get, post},
};
use bytes::Bytes;
use contract::{BatchRequest, Parsed, PredictRequest, VersionRef};
use detector::Verdict;
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
    models::resolve::{self, Found, MIN_REVISION, find, find_cached, min_revision, wait_for},
    query::{self, Asked},
    recorder::Judged,
    reply::{self, PREDICTION_BYTES},
    work,
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

/// `routes` with a fast path for predictions.
pub(crate) fn with_fast_path(routes: Router, app: Arc<App>) -> Handler {
    let answer = move |request: &FastRequest<'_>, body: &mut Vec<u8>| match predict_fast(
        &app, request, body,
    ) {
        Some(()) => Fast::Replied,
        None => Fast::Left,
    };
    Handler::from(routes).with_fast_path(FastPath::new("/predict/", answer))
}

/// Judges a point on the fast path, if its model is in memory and nothing is to be said but the verdict. Nothing is allocated here, and
/// no header is looked for but one.
fn predict_fast(app: &App, request: &FastRequest<'_>, body: &mut Vec<u8>) -> Option<()> {
    let start = Instant::now();
    let question = Question::read(request.segment, request.query, request.body).ok()?;
    let at_least = resolve::revision(request.header(MIN_REVISION.as_str()));
    let found = find_cached(
        &app.models,
        &question.series,
        at_least,
        question.version.as_ref(),
    )?;
    let found = found.ok()?;
    let verdict = question.answer(&found, body);
    count(app, &found, &verdict, true, start);
    Some(())
}

/// Judges a point. The content type is not looked at: `curl -d` must work.
async fn predict(State(app): State<Arc<App>>, request: Request) -> Fallible<Response> {
    let start = Instant::now();
    let (head, body) = request.into_parts();
    // The series and the query are refused before the body is read, though that is read as one with them.
    decode_series_text(segment(&head, 1))?;
    Asked::parse(head.uri.query())?;
    let body = read_body(body, MAX_PREDICT_BODY).await?;
    let question = Question::read(segment(&head, 1), head.uri.query(), &body)?;
    let (series, wanted) = (&*question.series, question.version.as_ref());
    let at_least = min_revision(&head.headers);
    let (found, hit) = match find_cached(&app.models, series, at_least, wanted) {
        Some(found) => (found?, true),
        None if resolve::only_if_cached(&head.headers) => return Err(Error::NotCached.into()),
        None => (
            wait_for(&app.models, series, at_least, wanted).await?,
            false,
        ),
    };
    let mut reply = Vec::with_capacity(PREDICTION_BYTES);
    let verdict = question.answer(&found, &mut reply);
    count(&app, &found, &verdict, hit, start);
    Ok(reply::json(reply))
}

/// What a prediction is asked for, read from all parts of its request.
struct Question<'a> {
    series: Cow<'a, str>,
    version: Option<VersionRef>,
    request: PredictRequest,
    warnings: Vec<String>,
}

impl<'a> Question<'a> {
    /// Reads it. `series` is a segment of a path, percent-encoded.
    ///
    /// # Errors
    /// 400 that names the first fault.
    fn read(series: &'a str, query: Option<&str>, body: &[u8]) -> Fallible<Self> {
        let series = decode_series_text(series)?;
        let mut asked = Asked::parse(query)?;
        let parsed = PredictRequest::parse(body).map_err(Error::Malformed)?;
        let Parsed {
            body: mut request,
            mut warnings,
        } = parsed;
        let version = asked.version(request.version.take())?;
        warnings.append(&mut asked.warnings);
        Ok(Self {
            series,
            version,
            request,
            warnings,
        })
    }

    /// Judges the point and appends the reply to `body`.
    fn answer(&self, found: &Found, body: &mut Vec<u8>) -> Verdict {
        let PredictRequest {
            context,
            point,
            judge,
            ..
        } = &self.request;
        // With the longest context a fifth of a millisecond, less than it takes to read one.
        let verdict = found.judge().model.score(context, *point, judge);
        reply::prediction(found.judge().version, &verdict, &self.warnings, body);
        verdict
    }
}

/// Counts a prediction that was asked for at `start`.
fn count(app: &App, found: &Found, verdict: &Verdict, hit: bool, start: Instant) {
    let judged = Judged {
        points: 1,
        anomalies: u64::from(verdict.anomaly),
        hit,
        took: start.elapsed(),
    };
    app.recorder.record(found.judge(), judged);
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
        let core = work::acquire(&app.cores).await?;
        core.run(move || BatchRequest::parse(&body)).await
    };
    let Parsed {
        body: mut request,
        mut warnings,
    } = parsed.map_err(Error::Malformed)?;
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
    let core = work::acquire(&app.cores).await?;
    let written = work::write(core, move |output| {
        let _admitted = admitted;
        batch.write(&recorder, output)
    });
    Ok(reply::json(written.await?))
}

/// Fits and judges a series that is not kept.
async fn detect(State(app): State<Arc<App>>, request: Request) -> Fallible<Response> {
    let (head, body) = request.into_parts();
    query::none(head.uri.query())?;
    let form = Form::of(&head.headers);
    let (admitted, body) = admit(&app, body).await?;
    let default = app.default_detector;
    let core = work::acquire(&app.cores).await?;
    let written = work::write(core, move |output| {
        let _admitted = admitted;
        detect::detect(body, form, default, output)
    });
    let body = written.await?;
    Ok(match form {
        Form::Json => reply::json(body),
        Form::Lines => reply::lines(body),
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

/// The segment `index` of the path, counted from 0, as it came.
fn segment(head: &Parts, index: usize) -> &str {
    // A path begins with a slash, so there is an empty text before the first segment.
    let mut segments = head.uri.path().split('/').skip(1);
    segments.nth(index).unwrap_or_default()
}
