//! The predictor's HTTP interface: called by the gateway, over a socket or in process.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use contract::{BadJson, PredictReply, PredictRequest, SeriesId, VerdictReply, Version};
use service::http::{
    Fallible, Handler, ProblemReply, decode_series, decode_series_text, method_not_allowed,
    not_found, read_body,
};

use crate::{
    App,
    cache::{Held, LoadError},
    recorder::Judged,
};

/// The largest body that is read, in bytes. A point takes about 50.
const MAX_BODY: usize = 64 * 1024;

/// The newest version of the series that the caller knows of: `v2`.
const MIN_MODEL_VERSION: HeaderName = HeaderName::from_static("x-min-model-version");

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// All routes.
pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/predict/{series_id}", post(predict))
        .route("/healthcheck", get(healthcheck))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(app)
}

/// `routes` with a shortcut for predictions.
pub(crate) fn with_shortcut(routes: Router, app: Arc<App>) -> Handler {
    Handler::from(routes).with_shortcut("/predict/", move |request| {
        let app = Arc::clone(&app);
        async move { predict(State(app), request).await.into_response() }
    })
}

/// Judges a point. The content type is not looked at: `curl -d` must work. For a model in memory nothing is allocated here but
/// the reply, and the path is read without axum's extractors, which copy.
async fn predict(State(app): State<Arc<App>>, request: Request) -> Fallible<Response> {
    let start = Instant::now();
    let (head, body) = request.into_parts();
    let segment = last_segment(head.uri.path());
    let series = decode_series_text(segment)?;
    let body = read_body(body, MAX_BODY).await?;
    let request = PredictRequest::parse(&body).map_err(|e| invalid_payload(&e))?;
    let at_least = min_version(&head.headers);
    let held = app.models.held(&series, at_least);
    let hit = held.is_some();
    let held = match held {
        Some(held) => held,
        None => load(&app, &decode_series(segment)?, at_least).await?,
    };
    let PredictRequest {
        point,
        judge,
        context,
        ..
    } = request.body;
    let verdict = held.model.score(&context, point, &judge);
    let reply = json(write_reply(
        held.version,
        verdict.to_reply(),
        request.warnings,
    ));
    let judged = Judged {
        anomaly: verdict.anomaly,
        hit,
        took: start.elapsed(),
    };
    app.recorder.record(&held, judged);
    Ok(reply)
}

async fn healthcheck(State(app): State<Arc<App>>) -> Response {
    let health = app.healthcheck.report().await;
    json(serde_json::to_vec(&health).expect("texts and numbers are always JSON"))
}

fn last_segment(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

/// Nothing but a version of the form `v2` counts: the header comes from the gateway, never from a person.
fn min_version(headers: &HeaderMap) -> Option<Version> {
    let version = headers.get(MIN_MODEL_VERSION)?;
    version.to_str().ok()?.parse().ok()
}

async fn load(app: &App, series: &SeriesId, at_least: Option<Version>) -> Fallible<Arc<Held>> {
    match app.models.load(series, at_least).await {
        Ok(Some(held)) => Ok(held),
        Ok(None) => Err(ProblemReply::new(
            StatusCode::NOT_FOUND,
            "model_not_found",
            "Model not found",
        )),
        Err(error) => Err(cannot_load(&error)),
    }
}

/// The failed load was logged where it was run, once for all who waited for it.
fn cannot_load(error: &LoadError) -> ProblemReply {
    let (status, code, detail, retry_after) = match error {
        LoadError::Busy => (
            StatusCode::SERVICE_UNAVAILABLE,
            "overloaded",
            "Too many models are being loaded",
            Some(Duration::from_millis(200)),
        ),
        LoadError::Store(error) if !error.is_transient() => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "Internal error",
            None,
        ),
        LoadError::Store(_) | LoadError::TimedOut | LoadError::GivenUp => (
            StatusCode::SERVICE_UNAVAILABLE,
            "backend_unavailable",
            "The model cannot be loaded at the moment",
            Some(Duration::from_secs(1)),
        ),
    };
    ProblemReply {
        retry_after,
        ..ProblemReply::new(status, code, detail)
    }
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

/// A [`PredictReply`] as JSON.
fn write_reply(model_version: Version, verdict: VerdictReply, warnings: Vec<String>) -> Vec<u8> {
    let reply = PredictReply {
        model_version,
        verdict,
        warnings,
    };
    serde_json::to_vec(&reply).expect("texts and numbers are always JSON")
}

fn json(body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

#[cfg(test)]
mod tests {
    use store::StoreError;

    use super::*;

    #[test]
    fn only_a_version_is_a_minimum() {
        let parse = |text: &str| {
            let value = HeaderValue::from_str(text).unwrap();
            min_version(&HeaderMap::from_iter([(MIN_MODEL_VERSION, value)]))
        };
        assert_eq!(parse("v2"), Version::new(2));
        for text in ["", "2", "v0", "v2, v3", "é"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
        assert_eq!(min_version(&HeaderMap::new()), None);
    }

    #[test]
    fn what_may_pass_asks_to_try_again_and_what_will_not_does_not() {
        let refusal = |error| {
            let reply = cannot_load(&error);
            (reply.status.as_u16(), reply.retry_after.is_some())
        };
        for error in [LoadError::Busy, LoadError::TimedOut, LoadError::GivenUp] {
            assert_eq!(refusal(error), (503, true));
        }
        let for_good = StoreError::Swept {
            series: SeriesId::new("s").unwrap(),
            version: Version::new(1).unwrap(),
        };
        assert_eq!(refusal(LoadError::Store(Arc::new(for_good))), (500, false));
    }
}
