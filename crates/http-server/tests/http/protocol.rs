//! Requests that clients may send, and the replies to all others.

use axum::{
    Router,
    body::Body,
    extract::Request,
    routing::{get, post},
};
use http_server::{Fallible, ServerConfig, read_body};

use crate::support::{CONFIG, Server};

const BODY_LIMIT: usize = 1000;

fn app() -> Router {
    let length = async |body: Body| -> Fallible<String> {
        Ok(read_body(body, BODY_LIMIT).await?.len().to_string())
    };
    Router::new()
        .route("/", get(async |request: Request| request.uri().to_string()))
        .route("/length", post(length))
}

fn server() -> Server {
    Server::start(app())
}

/// Requests that a server must refuse, with the status and code that it gets instead.
fn faults() -> Vec<(String, u16, &'static str)> {
    let get = |target: &str, fields: &str| {
        format!("GET {target} HTTP/1.1\r\nhost: h\r\n{fields}\r\n\r\n")
    };
    let post = |fields: &str| format!("POST /length HTTP/1.1\r\nhost: h\r\n{fields}\r\n\r\n");
    let malformed = [
        "hello\r\n\r\n".to_owned(),
        "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\r\n\r\n".to_owned(),
        "GET / HTTP/1.7\r\n\r\n".to_owned(),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
        get("/\u{1}", "a: b"),
        get("/", "na me: x"),
        get("/", "name: \u{0}"),
        post("content-length: x"),
        post("content-length: -1"),
        post("content-length: 1\r\ncontent-length: 2"),
        post("transfer-encoding: gzip"),
        get("/", "host: h"),
        get("/", "a: b").replace("host: h\r\n", ""),
        get("/", "a: b").replace("host: h", "host: a/b"),
        get("/", "a: b").replace("host: h", "host: h:99999"),
    ];
    let mut faults: Vec<_> = malformed
        .into_iter()
        .map(|request| (request, 400, "malformed_request"))
        .collect();
    for fields in [
        "a: b\r\n".repeat(500),
        format!("a: {}", "b".repeat(100_000)),
        format!("{}: b", "a".repeat(17_000)),
    ] {
        faults.push((get("/", &fields), 431, "headers_too_large"));
    }
    let target = format!("/{}", "a".repeat(100_000));
    faults.push((get(&target, "a: b"), 414, "uri_too_long"));
    let endless = post("content-length: 18446744073709551615");
    for more in ["", "abc\n"] {
        faults.push((format!("{endless}{more}"), 413, "body_too_large"));
    }
    faults
}

#[tokio::test]
async fn whatever_is_no_http_gets_a_problem_and_the_end_of_the_connection() -> anyhow::Result<()> {
    let server = server();
    for (request, status, code) in faults() {
        let what = &request[..request.len().min(60)];
        let mut client = server.connect().await;
        client.send_what_goes(request.as_bytes()).await;
        let reply = client.reply().await?;
        assert_eq!(reply.status, status, "{what}: {reply:?}");
        assert_eq!(reply.problem()?.code, code, "{what}");
        assert_eq!(reply.header("connection"), "close", "{what}");
        assert!(client.is_closed().await?, "{what}");
    }
    server.stop().await
}

#[tokio::test]
async fn a_body_that_stalls_or_trickles_is_given_up() -> anyhow::Result<()> {
    let server = Server::start_with(
        app(),
        ServerConfig {
            header_timeout_seconds: 1,
            ..CONFIG
        },
    );
    let head = "POST /length HTTP/1.1\r\nhost: h\r\ncontent-length: 900\r\n\r\n";
    let mut stalled = server.connect().await;
    stalled.send(format!("{head}abc")).await?;
    let reply = stalled.reply().await?;
    assert_eq!(
        (reply.status, &*reply.problem()?.code),
        (408, "body_timeout")
    );
    assert!(stalled.is_closed().await?);

    // One byte at a time is never silent for long, and yet must come to an end.
    let mut trickling = server.connect().await;
    trickling.send(head).await?;
    let mut tick = tokio::time::interval(std::time::Duration::from_millis(20));
    let reply = loop {
        tokio::select! {
            reply = trickling.reply() => break reply?,
            _ = tick.tick() => {}
        }
        trickling.send("x").await?;
    };
    assert_eq!(
        (reply.status, &*reply.problem()?.code),
        (408, "body_timeout")
    );
    server.stop().await
}

#[tokio::test]
async fn a_fault_is_named() -> anyhow::Result<()> {
    let server = server();
    for (fields, named) in [
        ("content-length: x", "content-length"),
        ("transfer-encoding: gzip", "transfer-encoding"),
        ("na me: x", "header"),
    ] {
        let reply = server
            .ask(format!("POST / HTTP/1.1\r\nhost: h\r\n{fields}\r\n\r\n"))
            .await?;
        let detail = reply.problem()?.detail;
        assert!(detail.contains(named), "{fields}: {detail}");
    }
    server.stop().await
}

#[tokio::test]
async fn a_request_at_the_limits_is_answered() -> anyhow::Result<()> {
    let server = server();
    let fields = "a: b\r\n".repeat(99);
    let reply = server
        .ask(format!("GET / HTTP/1.1\r\nhost: h\r\n{fields}\r\n"))
        .await?;
    assert_eq!(reply.status, 200);
    let reply = server
        .ask(format!(
            "GET / HTTP/1.1\r\nhost: h\r\na: {}\r\n\r\n",
            "b".repeat(16_000)
        ))
        .await?;
    assert_eq!(reply.status, 200);
    let query = "q".repeat(8 * 1024 - 2);
    let reply = server
        .ask(format!("GET /?{query} HTTP/1.1\r\nhost: h\r\n\r\n"))
        .await?;
    assert_eq!(reply.status, 200);
    let reply = server
        .ask(format!("GET /?{query}q HTTP/1.1\r\nhost: h\r\n\r\n"))
        .await?;
    assert_eq!(reply.problem()?.code, "uri_too_long");
    server.stop().await
}

#[tokio::test]
async fn a_fault_after_a_good_request_does_not_touch_its_reply() -> anyhow::Result<()> {
    let server = server();
    let mut client = server.connect().await;
    client
        .send("GET /?1 HTTP/1.1\r\nhost: h\r\n\r\nGET /none HTTP/1.1\r\nhost: h\r\n\r\nnonsense\r\n\r\n")
        .await?;
    assert_eq!(client.reply().await?.text(), "/?1");
    // The 404 of a handler begins like what hyper says by itself; it must not be taken for that.
    assert_eq!(client.reply().await?.problem()?.code, "not_found");
    assert_eq!(client.reply().await?.problem()?.code, "malformed_request");
    assert!(client.is_closed().await?);
    server.stop().await
}

#[tokio::test]
async fn a_client_that_never_ends_its_head_is_told_and_cut_off() -> anyhow::Result<()> {
    let server = Server::start_with(
        app(),
        ServerConfig {
            header_timeout_seconds: 1,
            keep_alive_seconds: 1,
            ..CONFIG
        },
    );
    let mut slow = server.connect().await;
    let mut silent = server.connect().await;
    let mut kept = server.connect().await;
    slow.send("GET / HTTP/1.1\r\nhost: h\r\na: ").await?;
    kept.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n").await?;
    assert_eq!(kept.reply().await?.status, 200);
    let reply = slow.reply().await?;
    assert_eq!(
        (reply.status, &*reply.problem()?.code),
        (408, "request_timeout")
    );
    assert!(slow.is_closed().await?);
    // Those who began no request hear nothing: a reply could be taken for that to their next one.
    assert!(silent.is_closed().await?);
    assert!(kept.is_closed().await?);
    server.stop().await
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() -> anyhow::Result<()> {
    let server = server();
    let mut client = server.connect().await;
    let requests: String = (0..50)
        .map(|n| format!("GET /?{n} HTTP/1.1\r\nhost: h\r\n\r\n"))
        .collect();
    client.send(&requests).await?;
    for n in 0..50 {
        assert_eq!(client.reply().await?.text(), format!("/?{n}"));
    }
    server.stop().await
}

#[tokio::test]
async fn a_reply_does_not_wait_for_the_rest_of_the_next_request() -> anyhow::Result<()> {
    let server = server();
    let mut client = server.connect().await;
    client
        .send("GET /?1 HTTP/1.1\r\nhost: h\r\n\r\nGET /?2 HT")
        .await?;
    assert_eq!(client.reply().await?.text(), "/?1");
    client.send("TP/1.1\r\nhost: h\r\n\r\n").await?;
    assert_eq!(client.reply().await?.text(), "/?2");
    server.stop().await
}

#[tokio::test]
async fn old_clients_and_clients_that_end_their_side_are_answered() -> anyhow::Result<()> {
    let server = server();
    let mut old = server.connect().await;
    old.send("GET / HTTP/1.0\r\n\r\n").await?;
    assert_eq!(old.reply().await?.text(), "/");
    assert!(old.is_closed().await?);

    let mut half = server.connect().await;
    half.send("POST /length HTTP/1.1\r\nhost: h\r\ncontent-length: 3\r\n\r\nabc")
        .await?;
    tokio::io::AsyncWriteExt::shutdown(&mut half.stream).await?;
    assert_eq!(half.reply().await?.text(), "3");
    assert!(half.is_closed().await?);
    server.stop().await
}

#[tokio::test]
async fn a_body_is_asked_for_only_when_it_is_wanted() -> anyhow::Result<()> {
    let server = server();
    let head = "POST /length HTTP/1.1\r\nhost: h\r\nexpect: 100-continue\r\ncontent-length:";
    let mut client = server.connect().await;
    client.send(format!("{head} 3\r\n\r\n")).await?;
    assert_eq!(client.reply().await?.status, 100);
    client.send("abc").await?;
    assert_eq!(client.reply().await?.text(), "3");

    let reply = server.ask(format!("{head} 1001\r\n\r\n")).await?;
    assert_eq!(reply.problem()?.code, "body_too_large");
    server.stop().await
}

#[tokio::test]
async fn who_sends_too_much_can_still_read_why_not() -> anyhow::Result<()> {
    let server = server();
    let megabytes = vec![b'x'; 8 << 20];
    for (field, prefix) in [
        (
            format!("content-length: {}", megabytes.len()),
            String::new(),
        ),
        (
            "transfer-encoding: chunked".to_owned(),
            format!("{:x}\r\n", megabytes.len()),
        ),
    ] {
        let mut client = server.connect().await;
        client
            .send(format!(
                "POST /length HTTP/1.1\r\nhost: h\r\n{field}\r\n\r\n{prefix}"
            ))
            .await?;
        client.send_what_goes(&megabytes).await;
        let reply = client.reply().await?;
        assert_eq!(reply.status, 413, "{field}");
        assert_eq!(reply.problem()?.code, "body_too_large");
        assert_eq!(reply.header("connection"), "close");
        assert!(client.is_closed().await?);
    }
    server.stop().await
}

#[tokio::test]
async fn a_body_may_have_as_much_as_the_limit_however_it_comes() -> anyhow::Result<()> {
    let server = server();
    let body = "x".repeat(BODY_LIMIT);
    let chunks = "a\r\n0123456789\r\n".repeat(BODY_LIMIT / 10);
    for rest in [
        format!("content-length: {BODY_LIMIT}\r\n\r\n{body}"),
        format!("transfer-encoding: chunked\r\n\r\n{chunks}0\r\n\r\n"),
    ] {
        let mut client = server.connect().await;
        client
            .send(format!("POST /length HTTP/1.1\r\nhost: h\r\n{rest}"))
            .await?;
        assert_eq!(client.reply().await?.text(), "1000");
        client.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n").await?;
        assert_eq!(client.reply().await?.text(), "/", "the connection goes on");
    }
    let rest = format!("transfer-encoding: chunked\r\n\r\n{chunks}1\r\nx\r\n0\r\n\r\n");
    let reply = server
        .ask(format!("POST /length HTTP/1.1\r\nhost: h\r\n{rest}"))
        .await?;
    assert_eq!(reply.status, 413);
    server.stop().await
}

#[tokio::test]
async fn a_body_that_breaks_off_is_the_clients_fault() -> anyhow::Result<()> {
    let server = server();
    for rest in [
        "content-length: 10\r\n\r\nabc",
        "transfer-encoding: chunked\r\n\r\nzz\r\nabc",
        "transfer-encoding: chunked\r\n\r\n3\r\nabcdef\r\n",
        "transfer-encoding: chunked\r\n\r\n5\r\nab",
    ] {
        let mut client = server.connect().await;
        client
            .send(format!("POST /length HTTP/1.1\r\nhost: h\r\n{rest}"))
            .await?;
        tokio::io::AsyncWriteExt::shutdown(&mut client.stream).await?;
        let reply = client.reply().await?;
        assert_eq!(reply.status, 400, "{rest}: {reply:?}");
        assert_eq!(reply.problem()?.code, "body_incomplete", "{rest}");
    }
    server.stop().await
}
