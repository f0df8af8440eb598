//! Request ids and problems, as clients see them.

use std::{sync::Arc, time::Duration};

use axum::{
    Extension, Router,
    extract::{Path, Request, State},
    response::Response,
    routing::{get, post},
};
use http_server::{ProblemReply, RequestContext, method_not_allowed, not_found, with_context};
use tower::{Service, ServiceExt};

use crate::support::Server;

fn app() -> Router {
    let whoami = async |Extension(context): Extension<RequestContext>| {
        let trace = context.traceparent.as_ref();
        format!("{:?} {:?}", context.request_id, trace)
    };
    let busy = async || ProblemReply::overloaded().retry_after(Duration::from_millis(1200));
    Router::new()
        .route("/whoami", get(whoami))
        .route("/busy", get(busy))
        .route("/panic", get(async || -> String { panic!("of the test") }))
        .route("/utf8", post(async |text: String| text))
        .route("/fit/{series_id}", get(async |Path(id): Path<String>| id))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
}

fn request(path: &str, field: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: h\r\n{field}\r\n\r\n")
}

#[tokio::test]
async fn a_request_id_is_kept_if_it_can_be_and_made_if_not() -> anyhow::Result<()> {
    let server = Server::start(app());
    let reply = server
        .ask(request("/whoami", "x-request-id: a-1_(2)"))
        .await?;
    assert_eq!(reply.header("x-request-id"), "a-1_(2)");
    assert_eq!(reply.text(), "\"a-1_(2)\" None");
    let long = "i".repeat(129);
    for given in [
        "x: y",
        "x-request-id: a b",
        "x-request-id: é",
        "x-request-id:",
        &format!("x-request-id: {long}"),
    ] {
        let one = server.ask(request("/whoami", given)).await?;
        let other = server.ask(request("/whoami", given)).await?;
        let (one, other) = (one.header("x-request-id"), other.header("x-request-id"));
        assert!(
            one.len() == 16 && one.bytes().all(|b| b.is_ascii_hexdigit()),
            "{given}: {one}"
        );
        assert_ne!(one, other);
    }
    server.stop().await
}

#[tokio::test]
async fn a_trace_is_carried_only_if_it_is_valid() -> anyhow::Result<()> {
    let server = Server::start(app());
    let valid = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let reply = server
        .ask(request("/whoami", &format!("traceparent: {valid}")))
        .await?;
    assert!(reply.text().contains(valid));
    for invalid in [
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
        "00-0af7651916cd43dd8448eb211c80319cxb7ad6b7169203331-01",
    ] {
        let reply = server
            .ask(request("/whoami", &format!("traceparent: {invalid}")))
            .await?;
        assert!(reply.text().ends_with("None"), "{invalid}");
    }
    server.stop().await
}

#[tokio::test]
async fn every_failure_is_a_problem_with_the_id_of_its_request() -> anyhow::Result<()> {
    let server = Server::start(app());
    let reply = server.ask(request("/none", "x-request-id: mine")).await?;
    let problem = reply.problem()?;
    assert_eq!(
        (problem.status, &*problem.code, &*problem.title),
        (404, "not_found", "Not Found")
    );
    assert_eq!(problem.request_id.as_deref(), Some("mine"));

    let reply = server
        .ask("DELETE /utf8 HTTP/1.1\r\nhost: h\r\n\r\n")
        .await?;
    assert_eq!(reply.problem()?.code, "method_not_allowed");
    assert_eq!(reply.header("allow"), "POST");

    let reply = server.ask("OPTIONS * HTTP/1.1\r\nhost: h\r\n\r\n").await?;
    assert_eq!((reply.status, reply.text()), (204, ""));
    let reply = server
        .ask("OPTIONS /none HTTP/1.1\r\nhost: h\r\n\r\n")
        .await?;
    assert_eq!(reply.problem()?.status, 404);

    // axum refuses this in plain text.
    let reply = server
        .ask(b"POST /utf8 HTTP/1.1\r\nhost: h\r\ncontent-length: 1\r\n\r\n\xff")
        .await?;
    assert_eq!(reply.problem()?.status, 400);
    server.stop().await
}

#[tokio::test]
async fn when_to_come_back_is_said_in_whole_seconds_and_exactly() -> anyhow::Result<()> {
    let server = Server::start(app());
    let reply = server.ask(request("/busy", "x: y")).await?;
    assert_eq!(reply.problem()?.code, "overloaded");
    assert_eq!(
        (reply.header("retry-after"), reply.header("retry-after-ms")),
        ("2", "1200")
    );
    server.stop().await
}

#[tokio::test]
async fn a_panic_is_a_500_that_tells_nothing_and_the_connection_goes_on() -> anyhow::Result<()> {
    let server = Server::start(app());
    let mut client = server.connect().await;
    client.send(request("/panic", "x: y")).await?;
    let reply = client.reply().await?;
    assert_eq!(reply.problem()?.code, "internal_error");
    assert!(!reply.text().contains("of the test"));
    client.send(request("/whoami", "x: y")).await?;
    assert_eq!(client.reply().await?.status, 200);
    server.stop().await
}

#[tokio::test]
async fn a_head_reply_to_a_failure_has_no_body() -> anyhow::Result<()> {
    let server = Server::start(app());
    let mut client = server.connect().await;
    client
        .send("HEAD /none HTTP/1.1\r\nhost: h\r\n\r\nGET /fit/next HTTP/1.1\r\nhost: h\r\n\r\n")
        .await?;
    let mut stream = vec![0; 4096];
    let mut received = String::new();
    while !received.ends_with("next") {
        let n = tokio::io::AsyncReadExt::read(&mut client.stream, &mut stream).await?;
        assert_ne!(n, 0, "{received}");
        received.push_str(std::str::from_utf8(&stream[..n])?);
    }
    assert!(received.starts_with("HTTP/1.1 404"), "{received}");
    assert!(!received.contains('{'), "{received}");
    server.stop().await
}

#[tokio::test]
async fn a_problem_of_a_service_in_process_is_passed_on_whole() -> anyhow::Result<()> {
    let inner = app();
    let relay = async |State(inner): State<Arc<Router>>, request: Request| -> Response {
        let mut inner = Router::clone(&inner);
        let Ok(reply) = inner.as_service().call(request).await;
        reply
    };
    let outer = Router::new().fallback(relay).with_state(Arc::new(inner));
    let server = Server::start(outer);
    let reply = server.ask(request("/busy", "x-request-id: mine")).await?;
    assert_eq!(reply.problem()?.code, "overloaded");
    assert_eq!(reply.header("retry-after"), "2");
    assert_eq!(reply.header("x-request-id"), "mine");
    server.stop().await
}

#[tokio::test]
async fn a_router_without_a_server_has_the_same_context() -> anyhow::Result<()> {
    let app = with_context(app());
    let reply = app
        .oneshot(Request::get("/none").body(axum::body::Body::empty())?)
        .await?;
    let id = reply.headers()["x-request-id"].to_str()?.to_owned();
    let body = axum::body::to_bytes(reply.into_body(), 10_000).await?;
    let problem: contract::Problem = serde_json::from_slice(&body)?;
    assert_eq!(problem.request_id, Some(id));
    Ok(())
}
