//! A server that answers only those who know its token.

use axum::{
    Router,
    routing::{get, post},
};
use http_server::{Fast, FastPath, FastRequest, Handler, TokenConfig};

use crate::support::Server;

const TOKEN: &str = "0123456789abcdef";

fn app() -> anyhow::Result<Handler> {
    let routes = Router::new()
        .route("/hello", get(async || "routes"))
        .route("/say/{x}", post(async || "routes"))
        .route("/livez", get(async || "live"));
    let fast = |_: &FastRequest<'_>, body: &mut Vec<u8>| {
        body.extend_from_slice(b"fast");
        Fast::Replied
    };
    let token = TokenConfig {
        service_token: TOKEN.to_owned(),
        service_token_file: None,
    };
    let app = Handler::from(routes).with_fast_path(FastPath::new("/say/", fast));
    Ok(app.demanding(token.read()?, &["/livez"]))
}

fn request(line: &str, token: Option<&str>) -> String {
    let token = token.map_or(String::new(), |token| {
        format!("x-service-token: {token}\r\n")
    });
    format!("{line} HTTP/1.1\r\nhost: h\r\ncontent-length: 0\r\n{token}\r\n")
}

#[tokio::test]
async fn only_requests_with_the_token_are_answered() -> anyhow::Result<()> {
    let server = Server::start(app()?);
    for (line, body) in [("GET /hello", "routes"), ("POST /say/x", "fast")] {
        let reply = server.ask(request(line, Some(TOKEN))).await?;
        assert_eq!((reply.status, reply.text()), (200, body));
        for wrong in [None, Some("0123456789abcdeF"), Some("")] {
            let reply = server.ask(request(line, wrong)).await?;
            assert_eq!(reply.status, 401, "{line} {wrong:?}");
            assert_eq!(reply.problem()?.code, "service_token_required");
        }
    }
    // One after the other on one connection, too.
    let mut client = server.connect().await;
    for (token, status) in [(Some(TOKEN), 200), (None, 401), (Some(TOKEN), 200)] {
        client.send(request("POST /say/x", token)).await?;
        assert_eq!(client.reply().await?.status, status);
    }
    server.stop().await
}

#[tokio::test]
async fn health_checks_need_no_token() -> anyhow::Result<()> {
    let server = Server::start(app()?);
    assert_eq!(
        server.ask(request("GET /livez", None)).await?.text(),
        "live"
    );
    assert_eq!(server.ask(request("GET /livezz", None)).await?.status, 401);
    server.stop().await
}
