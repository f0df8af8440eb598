//! The fast path: a client cannot tell it from the routes, whatever it sends and however that is cut.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::Path,
    response::IntoResponse,
    routing::{get, post},
};
use contract::ProblemCode;
use http_server::{
    Fast, FastPath, FastRequest, Handler, Later, ProblemReply, ServerConfig, not_found,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::Semaphore,
    task::JoinSet,
    time::timeout,
};

use crate::support::{CONFIG, Server};

/// Says which way a request took, and all of it that must not be mixed up.
fn body(way: &str, segment: &str, body: &[u8]) -> String {
    format!("{way} {segment} {}", String::from_utf8_lossy(body))
}

/// The requests that were shown, and their ids.
static NOTED: Mutex<Vec<(String, String)>> = Mutex::new(Vec::new());

/// A server whose fast path does with a series what its name says; `gate` lets replies pass that come later.
fn handler(gate: &Arc<Semaphore>) -> Handler {
    let gate = Arc::clone(gate);
    let answer = move |request: &FastRequest<'_>, out: &mut Vec<u8>| {
        let reply = body("fast", request.segment, request.body);
        let gate = Arc::clone(&gate);
        match request.segment {
            "now" => {
                out.extend_from_slice(reply.as_bytes());
                Fast::Replied
            }
            "later" => Fast::Later(Box::pin(async move {
                gate.acquire().await.expect("is never closed").forget();
                Later::Replied(Bytes::from(reply))
            })),
            "noted" => Fast::Later(Box::pin(async move {
                let note = |request: &FastRequest<'_>| {
                    let id = String::from_utf8_lossy(request.request_id).into_owned();
                    let noted = body("noted", request.segment, request.body);
                    NOTED.lock().expect("no panic").push((noted, id));
                };
                Later::Noted(Bytes::from(reply), Box::new(note))
            })),
            "instead" => Fast::Later(Box::pin(async move {
                Later::Fallback(Box::new(move |request| {
                    Box::pin(async move {
                        let id = request.headers().get("x-request-id").cloned();
                        ProblemReply::new(ProblemCode::ModelInUse, format!("{reply} {id:?}"))
                            .into_response()
                    })
                }))
            })),
            "panics" => panic!("as told"),
            "panics-later" => Fast::Later(Box::pin(async { panic!("as told") })),
            _ => Fast::Fallthrough,
        }
    };
    Handler::from(routes()).with_fast_path(FastPath::new("/f/", answer))
}

fn routes() -> Router {
    Router::new()
        .route(
            "/f/{series}",
            post(async |Path(series): Path<String>, sent: Bytes| body("routes", &series, &sent)),
        )
        .route("/hello", get(async || "hello"))
        .fallback(not_found)
}

/// A server on which no reply is held up.
fn server() -> Server {
    Server::start(handler(&Arc::new(Semaphore::new(Semaphore::MAX_PERMITS))))
}

fn request(series: &str, sent: &str) -> String {
    let length = sent.len();
    format!("POST /f/{series} HTTP/1.1\r\nhost: h\r\ncontent-length: {length}\r\n\r\n{sent}")
}

/// Requests of all kinds, and what the bodies of their replies begin with.
fn kinds() -> Vec<(String, &'static str)> {
    vec![
        (request("now", "1"), "fast now 1"),
        (request("now", ""), "fast now "),
        (request("later", "22"), "fast later 22"),
        (request("noted", "2"), "fast noted 2"),
        (request("instead", "333"), "{\"type\""),
        (request("other", "4444"), "routes other 4444"),
        (request("panics", "5"), "routes panics 5"),
        (request("panics-later", "6"), "routes panics-later 6"),
        ("GET /hello HTTP/1.1\r\nhost: h\r\n\r\n".to_owned(), "hello"),
        (
            "POST /f/now HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n".to_owned(),
            "routes now abc",
        ),
        (
            format!("\r\n{}", request("now", "7")),
            "routes now 7",
        ),
        (request("n%C3%A9", "8"), "routes né 8"),
        ("GET /none HTTP/1.1\r\nhost: h\r\nx: y\r\n\r\n".to_owned(), "{\"type\""),
        // Longer than the fast path takes.
        (request("now", &"x".repeat(20_000)), "routes now xxx"),
    ]
}

/// The bodies of the replies that `received` consists of.
fn bodies(mut received: &[u8]) -> anyhow::Result<Vec<String>> {
    let mut bodies = Vec::new();
    while !received.is_empty() {
        let mut headers = [httparse::EMPTY_HEADER; 16];
        let mut reply = httparse::Response::new(&mut headers);
        let head = reply.parse(received)?.unwrap();
        let value = |name: &str| {
            let line = reply.headers.iter().find(|line| line.name == name);
            line.map(|line| String::from_utf8_lossy(line.value))
        };
        anyhow::ensure!(value("x-request-id").is_some() && value("date").is_some());
        let end = head
            + value("content-length")
                .unwrap_or_default()
                .parse::<usize>()?;
        bodies.push(String::from_utf8(received[head..end].to_vec())?);
        received = &received[end..];
    }
    Ok(bodies)
}

#[tokio::test]
async fn replies_come_in_order_whatever_is_asked_and_however_it_is_cut() -> anyhow::Result<()> {
    let (server, kinds) = (server(), kinds());
    let mut random = fastrand::Rng::with_seed(1);
    for round in 0..60 {
        let asked: Vec<_> = (0..30)
            .map(|_| random.choice(&kinds).expect("some"))
            .collect();
        let bytes = asked
            .iter()
            .map(|(request, _)| request.as_str())
            .collect::<String>();
        // All at once, in big pieces, in small ones.
        let most = [bytes.len(), 3_000, 40][round % 3];
        let (mut read, mut write) = server.connect().await.stream.into_split();
        let sizes = random.fork();
        let mut sending = JoinSet::new();
        sending.spawn(async move {
            let (mut rest, mut sizes) = (bytes.as_bytes(), sizes);
            while !rest.is_empty() {
                let (piece, after) = rest.split_at(sizes.usize(1..=most.min(rest.len())));
                write.write_all(piece).await?;
                tokio::task::yield_now().await;
                rest = after;
            }
            write.shutdown().await
        });
        let mut received = Vec::new();
        read.read_to_end(&mut received).await?;
        sending.join_next().await.expect("was started")??;
        let bodies = bodies(&received)?;
        assert_eq!(bodies.len(), asked.len());
        for (body, (request, wanted)) in bodies.iter().zip(asked) {
            // One that comes in many pieces is left to the routes.
            let in_pieces = wanted.replacen("fast", "routes", 1);
            let is_cut = body.starts_with(&in_pieces) || body.starts_with("routes instead");
            assert!(body.starts_with(wanted) || is_cut, "{request}: {body}");
        }
    }
    server.stop().await
}

#[tokio::test]
async fn requests_go_the_fast_way_again_after_others() -> anyhow::Result<()> {
    let server = server();
    let mut client = server.connect().await;
    for (request, wanted) in kinds() {
        client.send(&request).await?;
        let reply = client.reply().await?;
        assert!(reply.text().starts_with(wanted), "{}", reply.text());
        client.send(self::request("now", "again")).await?;
        assert_eq!(client.reply().await?.text(), "fast now again");
    }
    server.stop().await
}

#[tokio::test]
async fn both_ways_say_the_same_of_a_request_but_for_what_they_answer() -> anyhow::Result<()> {
    let server = server();
    let mut client = server.connect().await;
    let mut headers = Vec::new();
    for (series, kind) in [
        ("now", "application/json"),
        ("other", "text/plain; charset=utf-8"),
    ] {
        let request = request(series, "x").replace("host: h", "host: h\r\nx-request-id: mine");
        client.send(request).await?;
        let mut reply = client.reply().await?;
        assert_eq!((reply.status, reply.header("content-type")), (200, kind));
        assert_eq!(reply.header("x-request-id"), "mine");
        reply
            .headers
            .retain(|name, _| name != "content-type" && name != "content-length");
        headers.push(reply.headers);
    }
    headers
        .iter_mut()
        .for_each(|headers| drop(headers.remove("date")));
    assert_eq!(headers[0], headers[1]);
    // An id that could break a log is replaced.
    client
        .send(request("now", "x").replace("host: h", "x-request-id: a b"))
        .await?;
    assert_eq!(client.reply().await?.header("x-request-id").len(), 16);
    server.stop().await
}

/// `request` with some bytes replaced, put in or taken out.
fn damaged(request: &str, random: &mut fastrand::Rng) -> Vec<u8> {
    let mut bytes = request.as_bytes().to_vec();
    for _ in 0..random.usize(0..4) {
        let place = random.usize(0..bytes.len());
        let byte = match random.bool() {
            true => random.u8(..),
            false => *random.choice(b"\r\n:;, 0129aA\t\0/%?").expect("some"),
        };
        match random.u8(0..3) {
            0 => bytes[place] = byte,
            1 => bytes.insert(place, byte),
            _ => drop(bytes.remove(place)),
        }
    }
    bytes
}

/// The replies of `server` to `sent` and its end: status, `connection` and body of each reply, but for which way it took.
async fn replies(
    server: &Server,
    sent: &[u8],
) -> anyhow::Result<Vec<(Option<u16>, Vec<u8>, String)>> {
    let (mut read, mut write) = server.connect().await.stream.into_split();
    // The server may have ended the connection by then.
    let _ = write.write_all(sent).await;
    let _ = write.shutdown().await;
    let mut received = Vec::new();
    read.read_to_end(&mut received).await?;
    let (mut rest, mut replies) = (&received[..], Vec::new());
    while !rest.is_empty() {
        let mut headers = [httparse::EMPTY_HEADER; 16];
        let mut reply = httparse::Response::new(&mut headers);
        let head = reply.parse(rest)?.unwrap();
        let value = |name: &str| {
            let line = reply.headers.iter().find(|line| line.name == name);
            line.map(|line| line.value).unwrap_or_default()
        };
        let length: usize = std::str::from_utf8(value("content-length"))?.parse()?;
        let text = String::from_utf8_lossy(&rest[head..head + length]);
        // The id in a problem is new each time.
        let said = match text.find("\"request_id\"") {
            Some(id) => text[..id].to_owned(),
            None => text.replacen("fast", "routes", 1),
        };
        replies.push((reply.code, value("connection").to_vec(), said));
        rest = &rest[head + length..];
    }
    Ok(replies)
}

#[tokio::test]
async fn a_request_is_never_read_otherwise_than_by_hyper_however_damaged_it_is()
-> anyhow::Result<()> {
    let (server, ordinary) = (server(), Server::start(Handler::from(routes())));
    let whole = [
        request("now", "12"),
        request("n%6fw?a=b", "").replace("host: h", "Connection: keep-alive\r\nX-Request-Id: r"),
        request("now", "x\r\n\r\nPOST /f/now HTTP/1.1\r\nhost: h\r\n\r\n"),
    ];
    let mut random = fastrand::Rng::with_seed(7);
    let mut refused = 0;
    for _ in 0..1_500 {
        let chosen = random.choice(&whole).expect("some").clone();
        let mut sent = damaged(&chosen, &mut random);
        // Where one request ends shows in what is made of the next.
        sent.extend_from_slice(request("now", "after it").as_bytes());
        let said = replies(&server, &sent).await?;
        assert_eq!(
            said,
            replies(&ordinary, &sent).await?,
            "{:?}",
            String::from_utf8_lossy(&sent)
        );
        refused += usize::from(said.iter().any(|(status, ..)| *status != Some(200)));
    }
    assert!((100..1_400).contains(&refused), "{refused}");
    server.stop().await?;
    ordinary.stop().await
}

#[tokio::test]
async fn a_request_keeps_its_id_when_it_is_left_half_way() -> anyhow::Result<()> {
    let server = server();
    for given in ["host: h", "host: h\r\nx-request-id: mine"] {
        let reply = server
            .ask(request("instead", "x").replace("host: h", given))
            .await?;
        // Checks that reply and problem have the same id.
        assert_eq!(reply.problem()?.code, "model_in_use");
    }
    server.stop().await
}

#[tokio::test]
async fn a_request_is_shown_as_it_was_once_it_is_answered() -> anyhow::Result<()> {
    let server = server();
    let mut client = server.connect().await;
    let given = request("noted", "shown").replace("\r\n\r\n", "\r\nx-request-id: r7\r\n\r\n");
    client
        .send(request("now", "a") + &given + &request("now", "b"))
        .await?;
    for text in ["fast now a", "fast noted shown", "fast now b"] {
        assert_eq!(client.reply().await?.text(), text);
    }
    let shown = ("noted noted shown".to_owned(), "r7".to_owned());
    assert!(NOTED.lock().expect("no panic").contains(&shown));
    server.stop().await
}

#[tokio::test]
async fn a_stop_awaits_the_reply_that_comes_later_and_says_that_it_is_the_last()
-> anyhow::Result<()> {
    let gate = Arc::new(Semaphore::new(0));
    let server = Server::start(handler(&gate));
    let (mut idle, mut busy) = (server.connect().await, server.connect().await);
    for client in [&mut idle, &mut busy] {
        client.send(request("now", "")).await?;
        client.reply().await?;
    }
    // Both replies at once, so the second request is being answered when the first reply is here.
    busy.send(request("now", "a") + &request("later", "b") + &request("now", "c"))
        .await?;
    assert_eq!(busy.reply().await?.text(), "fast now a");
    server.shutdown.cancel();
    assert!(idle.is_closed().await?);
    gate.add_permits(1);
    let last = busy.reply().await?;
    assert_eq!(
        (last.text(), last.header("connection")),
        ("fast later b", "close")
    );
    assert!(busy.is_closed().await?);
    server.ended().await
}

#[tokio::test]
async fn whoever_is_silent_for_too_long_is_let_go() -> anyhow::Result<()> {
    let config = ServerConfig {
        header_timeout_seconds: 1,
        keep_alive_seconds: 1,
        ..CONFIG
    };
    let gate = Arc::new(Semaphore::new(Semaphore::MAX_PERMITS));
    let server = Server::start_with(handler(&gate), config);
    let (mut idle, mut slow) = (server.connect().await, server.connect().await);
    for client in [&mut idle, &mut slow] {
        client.send(request("now", "")).await?;
        client.reply().await?;
    }
    slow.send("POST /f/now HTTP/1.1\r\nhost:").await?;
    assert!(idle.is_closed().await?);
    assert_eq!(slow.reply().await?.problem()?.code, "request_timeout");
    assert!(slow.is_closed().await?);
    server.stop().await
}

#[tokio::test]
async fn a_connection_may_be_idle_for_longer_than_a_head_may_take() -> anyhow::Result<()> {
    let config = ServerConfig {
        header_timeout_seconds: 1,
        keep_alive_seconds: 60,
        ..CONFIG
    };
    let gate = Arc::new(Semaphore::new(Semaphore::MAX_PERMITS));
    let server = Server::start_with(handler(&gate), config);
    let hello = "GET /hello HTTP/1.1\r\nhost: h\r\n\r\n".to_owned();
    for again in [request("now", ""), hello] {
        let mut client = server.connect().await;
        client.send(&again).await?;
        client.reply().await?;
        let idle = timeout(Duration::from_millis(2500), client.is_closed()).await;
        assert!(idle.is_err(), "{again}");
        client.send(&again).await?;
        assert_eq!(client.reply().await?.status, 200);
        // A head that has begun is late after a second, and not after the sixty of an idle one.
        client.send(&again[..30]).await?;
        assert_eq!(client.reply().await?.problem()?.code, "request_timeout");
        assert!(client.is_closed().await?);
    }
    server.stop().await
}

#[tokio::test]
async fn until_the_delay_is_over_all_that_arrives_is_answered_and_told_to_go_elsewhere()
-> anyhow::Result<()> {
    let config = ServerConfig {
        shutdown_delay_seconds: 2,
        ..CONFIG
    };
    let gate = Arc::new(Semaphore::new(Semaphore::MAX_PERMITS));
    let server = Server::start_with(handler(&gate), config);
    let (mut kept, mut idle) = (server.connect().await, server.connect().await);
    for client in [&mut kept, &mut idle] {
        client.send(request("now", "")).await?;
        assert_eq!(client.reply().await?.header("connection"), "");
    }
    server.shutdown.cancel();
    // Together: the first of them must not end the connection before the others are answered.
    let three = request("now", "a") + &request("later", "b") + &request("now", "c");
    kept.send(three).await?;
    for (text, connection) in [("now a", ""), ("later b", ""), ("now c", "close")] {
        let reply = kept.reply().await?;
        assert_eq!(reply.text(), format!("fast {text}"));
        assert_eq!(reply.header("connection"), connection, "{text}");
    }
    assert!(kept.is_closed().await?);
    for new in [request("now", "d"), request("other", "d")] {
        let mut client = server.connect().await;
        client.send(new).await?;
        let reply = client.reply().await?;
        assert_eq!((reply.status, reply.header("connection")), (200, "close"));
        assert!(client.is_closed().await?);
    }
    // In the end nobody gets in any more.
    assert!(idle.is_closed().await?);
    let addr = server.addr;
    server.ended().await?;
    assert!(tokio::net::TcpStream::connect(addr).await.is_err());
    Ok(())
}

#[tokio::test]
async fn a_client_that_reads_late_gets_all_replies_and_holds_up_nobody() -> anyhow::Result<()> {
    // One worker for both.
    let config = ServerConfig {
        worker_threads: 1,
        ..CONFIG
    };
    let gate = Arc::new(Semaphore::new(Semaphore::MAX_PERMITS));
    let server = Server::start_with(handler(&gate), config);
    let late = server.connect().await;
    let (mut read, mut write) = late.stream.into_split();
    let many = 50_000;
    let mut sending = JoinSet::new();
    sending.spawn(async move {
        let requests = request("now", "x").repeat(100);
        for _ in 0..many / 100 {
            write.write_all(requests.as_bytes()).await?;
        }
        write.shutdown().await
    });
    for _ in 0..100 {
        assert_eq!(server.ask(request("now", "y")).await?.text(), "fast now y");
    }
    let mut received = Vec::new();
    read.read_to_end(&mut received).await?;
    sending.join_next().await.expect("was started")??;
    let replies = received.windows(10).filter(|bytes| bytes == b"fast now x");
    assert_eq!(replies.count(), many);
    server.stop().await
}
