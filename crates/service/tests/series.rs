//! The series in a path, as clients name it.

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, StatusCode},
    routing::get,
};
use contract::Problem;
use http_server::{Fallible, with_context};
use service::series::{SeriesPath, decode_series};
use tower::ServiceExt;

/// The status and the body of the reply to `GET path`.
async fn ask(app: &Router, path: &str) -> anyhow::Result<(StatusCode, String)> {
    let request = Request::get(path).body(Body::empty())?;
    let reply = app.clone().oneshot(request).await?;
    let status = reply.status();
    let body = to_bytes(reply.into_body(), 10_000).await?;
    Ok((status, String::from_utf8(body.into())?))
}

#[tokio::test]
async fn a_series_in_a_path_is_decoded_and_checked() -> anyhow::Result<()> {
    let app = Router::new().route(
        "/fit/{series_id}",
        get(async |SeriesPath(id): SeriesPath| id.to_string()),
    );
    let app = with_context(app);
    for (raw, id) in [
        ("sensor_01", "sensor_01"),
        ("a%20b+c", "a b+c"),
        ("%C3%A9t%c3%a9", "été"),
        ("%2525", "%25"),
        ("a%3Fb%23c", "a?b#c"),
        ("...", "..."),
    ] {
        let (status, body) = ask(&app, &format!("/fit/{raw}?q=1")).await?;
        assert_eq!((status, &*body), (StatusCode::OK, id));
        assert_eq!(
            decode_series(raw).map(|id| id.to_string()).ok().as_deref(),
            Some(id)
        );
    }
    let long = "l".repeat(201);
    for (raw, rule) in [
        ("..", "relative path"),
        ("%2e%2E", "relative path"),
        ("a%2Fb", "slash"),
        ("a%0ab", "control character"),
        ("a%00", "control character"),
        ("%ff%fe", "not UTF-8"),
        (&long, "longer than 200"),
    ] {
        let (status, body) = ask(&app, &format!("/fit/{raw}")).await?;
        let problem: Problem = serde_json::from_str(&body)?;
        assert_eq!(
            (status, &*problem.code),
            (StatusCode::BAD_REQUEST, "invalid_series_id"),
            "{raw}"
        );
        assert!(problem.detail.contains(rule), "{raw}: {}", problem.detail);
        let direct: Fallible<_> = decode_series(raw);
        assert_eq!(direct.map_err(|p| p.detail).err(), Some(problem.detail));
    }
    Ok(())
}
