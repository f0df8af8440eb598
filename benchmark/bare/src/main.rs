//! The reference of the benchmarks: the leanest axum service that reads a point and answers a
//! verdict.
//!
//! It has axum's own server and extractors and one worker, and shares no code with the project.
//! `APP_PORT` sets its port. A second route answers every fit with v1, so that the Locust profile
//! runs against it as well.

use axum::{
    Router,
    body::Bytes,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::{get, post},
};
use clap::Parser;
use serde::{Deserialize, Serialize};

#[derive(Parser)]
struct Config {
    #[arg(long, env = "APP_PORT", default_value_t = 8080)]
    app_port: u16,
}

#[derive(Deserialize)]
struct Point {
    #[expect(dead_code, reason = "it has to be parsed")]
    timestamp: i64,
    value: f64,
}

#[derive(Serialize)]
struct Verdict {
    model_version: &'static str,
    anomaly: bool,
}

async fn predict(body: Bytes) -> Result<impl IntoResponse, StatusCode> {
    let point: Point = serde_json::from_slice(&body).map_err(|_| StatusCode::BAD_REQUEST)?;
    let verdict = Verdict {
        model_version: "v1",
        anomaly: point.value > 20.0,
    };
    let body = serde_json::to_vec(&verdict).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(([(header::CONTENT_TYPE, "application/json")], body))
}

async fn fit() -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "application/json")],
        r#"{"version":"v1"}"#,
    )
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let config = Config::parse();
    let app = Router::new()
        .route("/predict/{series_id}", post(predict))
        .route("/fit/{series_id}", post(fit))
        .route("/livez", get(|| async {}));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", config.app_port)).await?;
    axum::serve(listener, app).await?;
    Ok(())
}
