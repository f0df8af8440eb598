//! Connections and the server's end.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{Router, routing::get};
use http_server::{Listener, ServerConfig};
use tokio::{sync::Semaphore, time::timeout};

use crate::support::{CONFIG, Server};

const HELLO: &str = "GET /hello HTTP/1.1\r\nhost: h\r\n\r\n";
const WAIT: &str = "GET /wait HTTP/1.1\r\nhost: h\r\n\r\n";

/// Requests to `/wait` that began, and permission for them to end.
#[derive(Clone)]
struct Gate {
    began: Arc<Semaphore>,
    open: Arc<Semaphore>,
}

fn app() -> (Router, Gate) {
    let gate = Gate {
        began: Arc::new(Semaphore::new(0)),
        open: Arc::new(Semaphore::new(0)),
    };
    let handler = gate.clone();
    let wait = async move || {
        handler.began.add_permits(1);
        let permit = handler.open.acquire().await;
        permit.expect("the gate is never closed").forget();
        "waited"
    };
    let thread = || async { std::thread::current().name().unwrap_or_default().to_owned() };
    let app = Router::new()
        .route("/hello", get(async || "hello"))
        .route("/thread", get(thread))
        .route("/wait", get(wait));
    (app, gate)
}

#[tokio::test]
async fn a_taken_port_is_refused_by_name() {
    let first = Listener::bind(([127, 0, 0, 1], 0).into()).unwrap();
    let error = Listener::bind(first.addr()).err().unwrap();
    assert!(
        format!("{error:#}").contains(&first.addr().to_string()),
        "{error:#}"
    );
}

#[tokio::test]
async fn connections_are_dealt_to_all_workers() -> anyhow::Result<()> {
    let server = Server::start(app().0);
    let mut threads = HashSet::new();
    for _ in 0..4 {
        let reply = server
            .ask("GET /thread HTTP/1.1\r\nhost: h\r\n\r\n")
            .await?;
        threads.insert(reply.text().to_owned());
    }
    assert_eq!(
        threads,
        HashSet::from(["http-0".to_owned(), "http-1".to_owned()])
    );
    server.stop().await
}

#[tokio::test]
async fn a_stop_ends_idle_connections_and_awaits_the_busy_ones() -> anyhow::Result<()> {
    let (app, gate) = app();
    let server = Server::start(app);
    let (mut idle, mut fresh, mut busy) = (
        server.connect().await,
        server.connect().await,
        server.connect().await,
    );
    idle.send(HELLO).await?;
    assert_eq!(idle.reply().await?.text(), "hello");
    busy.send(WAIT).await?;
    gate.began.acquire().await?.forget();

    server.shutdown.cancel();
    assert!(idle.is_closed().await?);
    assert!(fresh.is_closed().await?);
    gate.open.add_permits(1);
    let reply = busy.reply().await?;
    assert_eq!(
        (reply.text(), reply.header("connection")),
        ("waited", "close")
    );
    let addr = server.addr;
    server.ended().await?;
    assert!(tokio::net::TcpStream::connect(addr).await.is_err());
    Ok(())
}

#[tokio::test]
async fn a_connection_too_many_waits_while_all_are_busy() -> anyhow::Result<()> {
    let (app, gate) = app();
    let server = Server::start_with(
        app,
        ServerConfig {
            max_connections: 1,
            ..CONFIG
        },
    );
    let mut first = server.connect().await;
    first.send(WAIT).await?;
    gate.began.acquire().await?.forget();
    let mut second = server.connect().await;
    second.send(WAIT).await?;
    let served = timeout(Duration::from_millis(300), gate.began.acquire()).await;
    assert!(served.is_err(), "the second is served beside the first");
    gate.open.add_permits(1);
    assert_eq!(first.reply().await?.text(), "waited");
    // The first is idle now, and gives way.
    assert!(first.is_closed().await?);
    gate.open.add_permits(1);
    assert_eq!(second.reply().await?.text(), "waited");
    drop(second);
    server.stop().await
}

#[tokio::test]
async fn the_longest_idle_connection_gives_way_and_no_busy_one() -> anyhow::Result<()> {
    let (app, gate) = app();
    let server = Server::start_with(
        app,
        ServerConfig {
            max_connections: 4,
            ..CONFIG
        },
    );
    let mut busy = server.connect().await;
    busy.send(WAIT).await?;
    gate.began.acquire().await?.forget();
    // One says nothing at all, one only half of a head, and one has been answered.
    let mut silent = server.connect().await;
    let mut slow = server.connect().await;
    slow.send("GET /hello HT").await?;
    let mut kept = server.connect().await;
    kept.send(HELLO).await?;
    assert_eq!(kept.reply().await?.text(), "hello");
    let mut held = Vec::new();
    for client in [&mut silent, &mut slow, &mut kept] {
        let mut new = server.connect().await;
        new.send(WAIT).await?;
        gate.began.acquire().await?.forget();
        assert!(client.is_closed().await?);
        // Busy as well, and so it stays.
        held.push(new);
    }
    gate.open.add_permits(4);
    assert_eq!(busy.reply().await?.text(), "waited");
    server.stop().await
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_its_place() -> anyhow::Result<()> {
    let (app, gate) = app();
    let server = Server::start_with(
        app,
        ServerConfig {
            max_connections: 1,
            ..CONFIG
        },
    );
    for _ in 0..3 {
        let mut client = server.connect().await;
        client.send(WAIT).await?;
        gate.began.acquire().await?.forget();
        drop(client);
        gate.open.add_permits(1);
    }
    assert_eq!(server.ask(HELLO).await?.text(), "hello");
    server.stop().await
}

#[tokio::test]
async fn a_client_that_takes_none_of_its_reply_is_cut_off() -> anyhow::Result<()> {
    let megabytes = "x".repeat(64 << 20);
    let big = Router::new().route("/", get(async move || megabytes.clone()));
    let server = Server::start_with(
        big,
        ServerConfig {
            max_connections: 1,
            header_timeout_seconds: 1,
            ..CONFIG
        },
    );
    let mut stuck = server.connect().await;
    stuck.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n").await?;
    // Its place is given to the next.
    let reply = server.ask("GET /none HTTP/1.1\r\nhost: h\r\n\r\n").await?;
    assert_eq!(reply.status, 404);
    server.stop().await
}

#[tokio::test]
async fn a_stop_waits_neither_for_lingerers_nor_for_half_a_request() -> anyhow::Result<()> {
    let server = Server::start(app().0);
    let (mut lingering, mut late) = (server.connect().await, server.connect().await);
    lingering.send("nonsense\r\n\r\n").await?;
    assert_eq!(lingering.reply().await?.status, 400);
    late.send(format!("{HELLO}GET / HT")).await?;
    assert_eq!(late.reply().await?.text(), "hello");
    let started = Instant::now();
    server.stop().await?;
    // Ten seconds are the limit for a head.
    assert!(started.elapsed().as_secs() < 8, "{:?}", started.elapsed());
    assert!(late.is_closed().await?);
    Ok(())
}

#[tokio::test]
async fn a_reply_begun_before_a_stop_is_sent_to_its_end_however_slowly_it_is_read()
-> anyhow::Result<()> {
    let size = 32 << 20;
    let (text, began) = ("x".repeat(size), Arc::new(Semaphore::new(0)));
    let signal = Arc::clone(&began);
    let big = Router::new().route(
        "/",
        get(async move || {
            signal.add_permits(1);
            text.clone()
        }),
    );
    let server = Server::start(big);
    let mut client = server.connect().await;
    client.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n").await?;
    began.acquire().await?.forget();
    server.shutdown.cancel();
    // Longer than a stop waits for those who owe it half a request.
    tokio::time::sleep(Duration::from_millis(1200)).await;
    assert_eq!(client.reply().await?.body.len(), size);
    server.ended().await
}
