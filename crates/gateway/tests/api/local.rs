//! A service in this process answers as the same one over HTTP does.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Path, Request},
    http::{StatusCode, header::ETAG},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use contract::ProblemCode;
use gateway::{Backends, Upstream, upstream};
use http_body::Frame;
use http_server::{Fallible, Listener, ProblemReply, read_body, serve};
use serde_json::json;
use service::series::SeriesPath;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::door::Door;

/// A service that says what it was asked.
fn service() -> Router {
    Router::new()
        .route("/fit/{series_id}", post(fit))
        .route("/predict/{series_id}", post(predict))
        .route("/predict/{series_id}/batch", post(predict))
        .route("/v1/detect", post(detect))
        .route("/v1/series/{series_id}", get(unchanged).delete(gone))
        .route("/v1/series/{series_id}/models", post(fit))
        .route("/plot", get(plot))
}

async fn fit(SeriesPath(series): SeriesPath, request: Request) -> Fallible<Response> {
    let told = tell(request).await?;
    if series.as_str() == "unfit" {
        let problem = ProblemReply::new(ProblemCode::InvalidParams, "Cannot be fitted");
        return Err(problem.errors(vec!["here".to_owned()]));
    }
    Ok(([("x-series-revision", "r8")], told).into_response())
}

/// Extracts its path as axum does, which fails when the gateway's own parameters come along.
async fn predict(Path(series): Path<String>, request: Request) -> Fallible<Response> {
    let told = tell(request).await?;
    Ok(format!("{series} {told}").into_response())
}

/// Answers in two pieces of which nobody knows the length beforehand.
async fn detect(request: Request) -> Fallible<Response> {
    let told = tell(request).await?;
    let pieces = Pieces(vec![told.clone().into(), told.into()]);
    Ok((
        [("content-type", "application/x-ndjson")],
        Body::new(pieces),
    )
        .into_response())
}

async fn unchanged() -> Response {
    (StatusCode::NOT_MODIFIED, [(ETAG, "\"r1\"")]).into_response()
}

async fn gone() -> StatusCode {
    StatusCode::NO_CONTENT
}

struct Pieces(Vec<Bytes>);

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop().map(|piece| Ok(Frame::data(piece))))
    }
}

async fn plot(request: Request) -> Fallible<Response> {
    let told = tell(request).await?;
    let picture = told.repeat(100_000 / told.len());
    Ok(([("content-type", "image/png")], picture).into_response())
}

/// Headers about the way that a request came.
const HOP: [&str; 4] = [
    "host",
    "cache-control",
    "content-length",
    "transfer-encoding",
];

/// The request in words.
async fn tell(request: Request) -> Fallible<String> {
    let (parts, body) = request.into_parts();
    let mut headers: Vec<String> = (parts.headers.iter())
        .filter(|(name, _)| !HOP.contains(&name.as_str()))
        .map(|(name, value)| format!("{name}: {value:?}"))
        .collect();
    headers.sort();
    let path = parts.uri.path_and_query().map(ToString::to_string);
    let body = read_body(body, 1 << 20).await?;
    let body = String::from_utf8_lossy(&body);
    Ok(json!([parts.method.as_str(), path, headers, body]).to_string())
}

/// A gateway before [`service`], in this process or over HTTP.
async fn door(local: bool) -> anyhow::Result<(Door, JoinSet<anyhow::Result<()>>)> {
    let config = Door::config(&[&["--max-body-bytes", "1000"]])?;
    let mut serving = JoinSet::new();
    let upstream = if local {
        Upstream::local(service())
    } else {
        let listener = Listener::bind(([127, 0, 0, 1], 0).into())?;
        let url = format!("http://{}", listener.addr());
        let forever = CancellationToken::new();
        serving.spawn(serve(listener, service(), config.server.clone(), forever));
        upstream(url.parse()?)
    };
    let backends = Backends {
        trainer: upstream.clone(),
        predictor: upstream.clone(),
        observer: upstream,
    };
    Ok((Door::start(config, backends).await?, serving))
}

#[tokio::test]
async fn replies_are_the_same_over_http_and_in_process() -> anyhow::Result<()> {
    let (http, _serving) = door(false).await?;
    let (local, _none) = door(true).await?;
    let chunked =
        "POST /fit/c HTTP/1.1\r\nhost: x\r\nx-request-id: r\r\ntransfer-encoding: chunked\r\n\r\n";
    let post = |path: &str, lines: &str, length: usize| {
        let body = "b".repeat(length);
        format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nx-request-id: r\r\ncontent-length: {length}\r\n{lines}\r\n{body}"
        )
    };
    for (status, request) in [
        (
            200,
            post("/predict/s", "content-type: a/b\r\naccept: */*\r\n", 20),
        ),
        (
            200,
            post(
                "/predict/%C3%A9%20+?x=%2F",
                "cookie: c\r\nx-min-revision: r7\r\n",
                0,
            ),
        ),
        (400, post("/predict/%2F", "", 0)),
        (200, post("/fit/s", "", 30)),
        // After the fit: with the revision to be met.
        (200, post("/predict/s", "", 20)),
        (400, post("/fit/unfit", "", 3)),
        (413, post("/fit/s", "", 1001)),
        (200, format!("{chunked}3\r\nabc\r\n0\r\n\r\n")),
        (
            413,
            format!("{chunked}3e9\r\n{}\r\n0\r\n\r\n", "x".repeat(1001)),
        ),
        (200, post("/predict/s%20/batch?version=v1", "", 30)),
        (413, post("/predict/s/batch", "", 1001)),
        (200, post("/v1/detect", "accept: a/b\r\n", 30)),
        (200, post("/v1/series/s/models", "if-match: \"r1\"\r\n", 30)),
        (
            304,
            "GET /v1/series/s HTTP/1.1\r\nhost: x\r\nx-request-id: r\r\n\r\n".to_owned(),
        ),
        (
            204,
            "DELETE /v1/series/s HTTP/1.1\r\nhost: x\r\nx-request-id: r\r\n\r\n".to_owned(),
        ),
        (
            200,
            "GET /plot?a=b HTTP/1.1\r\nhost: x\r\nx-request-id: r\r\n\r\n".to_owned(),
        ),
        (
            404,
            "GET /nope HTTP/1.1\r\nhost: x\r\nx-request-id: r\r\n\r\n".to_owned(),
        ),
    ] {
        let line = request.lines().next().unwrap_or_default();
        let mut replies = Vec::new();
        for door in [&http, &local] {
            let mut reply = door.client().await?.ask(&request).await?;
            assert_eq!(reply.status, status, "{line}");
            reply.headers.retain(|(name, _)| name != "date");
            reply.headers.sort();
            replies.push((reply.headers, String::from_utf8(reply.body)?));
        }
        assert_eq!(replies[0], replies[1], "{line}");
    }
    Ok(())
}

#[tokio::test]
async fn a_fit_in_process_is_remembered_for_predictions() -> anyhow::Result<()> {
    let (door, _none) = door(true).await?;
    assert_eq!(door.fit("s").await?.status, 200);
    let told = String::from_utf8(door.predict("s").await?.body)?;
    assert!(told.contains(r#"x-min-revision: \"r8\""#), "{told}");
    let other = String::from_utf8(door.predict("s1").await?.body)?;
    assert!(!other.contains("x-min-revision"), "{other}");
    assert_eq!(door.get("/readyz").await?.status, 200);
    Ok(())
}
