//! HTTP/2, in clear and within TLS.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, ensure};
use axum::{
    Router,
    routing::{get, post},
};
use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use http::{Request, Response};
use http_server::{Fast, FastPath, FastRequest, Handler, ServerConfig};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    sync::Semaphore,
    task::JoinSet,
    time::timeout,
};

use crate::support::{CONFIG, Client, PATIENCE, Server};

/// More than any window.
const MUCH: usize = 5 * 1024 * 1024;

fn app() -> Handler {
    let routes = Router::new()
        .route("/hello", get(async |uri: http::Uri| uri.to_string()))
        .route("/say/{x}", post(async |said: String| said))
        .route("/much", get(async || vec![b'x'; MUCH]));
    let say = |request: &FastRequest<'_>, body: &mut Vec<u8>| {
        body.extend_from_slice(request.body);
        Fast::Replied
    };
    let app = Handler::from(routes).with_fast_path(FastPath::new("/say/", say));
    app.public()
}

/// A client over HTTP/2. Its connection ends with it.
struct Http2 {
    requests: SendRequest<Bytes>,
    connection: JoinSet<Result<(), h2::Error>>,
}

impl Http2 {
    async fn connect(server: &Server) -> anyhow::Result<Self> {
        Self::over(TcpStream::connect(server.addr).await?, &Builder::new()).await
    }

    async fn over<S>(stream: S, builder: &Builder) -> anyhow::Result<Self>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (requests, driver) = builder.handshake(stream).await?;
        let mut connection = JoinSet::new();
        connection.spawn(driver);
        Ok(Self {
            requests,
            connection,
        })
    }

    async fn ask(&self, method: &str, path: &str, body: &str) -> anyhow::Result<Response<Bytes>> {
        let asking = async {
            let request = Request::builder()
                .method(method)
                .uri(format!("http://a.example{path}"))
                .body(())?;
            let mut requests = self.requests.clone().ready().await?;
            let (reply, mut sending) = requests.send_request(request, body.is_empty())?;
            if !body.is_empty() {
                sending.send_data(Bytes::copy_from_slice(body.as_bytes()), true)?;
            }
            let (head, mut body) = reply.await?.into_parts();
            let mut whole = Vec::new();
            while let Some(piece) = body.data().await {
                let piece = piece?;
                body.flow_control().release_capacity(piece.len())?;
                whole.extend_from_slice(&piece);
            }
            anyhow::Ok(Response::from_parts(head, whole.into()))
        };
        timeout(PATIENCE, asking).await.context("no reply")?
    }

    /// Waits for the end of the connection.
    async fn ended(mut self) -> anyhow::Result<Result<(), h2::Error>> {
        let ended = timeout(PATIENCE, self.connection.join_next()).await;
        Ok(ended.context("goes on")?.context("was started")??)
    }
}

#[tokio::test]
async fn routes_answer_as_over_http_1() -> anyhow::Result<()> {
    let server = Server::start(app());
    let client = Http2::connect(&server).await?;
    for _ in 0..2 {
        let reply = client.ask("GET", "/hello?a=b", "").await?;
        assert_eq!(
            (reply.status().as_u16(), &reply.body()[..]),
            (200, &b"/hello?a=b"[..])
        );
        assert_eq!(reply.headers()["x-content-type-options"], "nosniff");
        assert_eq!(reply.headers()["x-request-id"].len(), 16);
        let reply = client.ask("POST", "/say/x", "hi").await?;
        assert_eq!(
            (reply.status().as_u16(), &reply.body()[..]),
            (200, &b"hi"[..])
        );
        let reply = client.ask("GET", "/none", "").await?;
        assert_eq!(reply.headers()["content-type"], "application/problem+json");
    }
    drop(client);
    server.stop().await
}

#[tokio::test]
async fn many_large_replies_at_once_arrive_whole() -> anyhow::Result<()> {
    let server = Server::start(app());
    let client = Http2::connect(&server).await?;
    let asking = (0..8).map(|_| client.ask("GET", "/much", ""));
    for reply in futures_util::future::try_join_all(asking).await? {
        assert_eq!(reply.body(), &vec![b'x'; MUCH]);
    }
    drop(client);
    server.stop().await
}

#[tokio::test]
async fn a_preface_may_arrive_in_two_parts_and_one_that_is_none_is_refused() -> anyhow::Result<()> {
    let server = Server::start(app());
    let mut client = server.connect().await;
    // The preface, then the empty SETTINGS of a client; the server begins with its own.
    client.send("PRI * HTT").await?;
    client.stream.flush().await?;
    tokio::task::yield_now().await;
    client
        .send(&b"P/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"[..])
        .await?;
    let mut frame = [0; 9];
    let reading = tokio::io::AsyncReadExt::read_exact(&mut client.stream, &mut frame);
    timeout(PATIENCE, reading)
        .await
        .context("nothing comes")??;
    assert_eq!(frame[3], 4, "SETTINGS");

    let refused = server.ask("PRI * HTTP/1.1\r\nhost: h\r\n\r\n").await;
    ensure!(refused.is_err() || refused.is_ok_and(|reply| reply.status >= 400));
    // Methods that begin in the same way are not mistaken.
    assert_eq!(
        server
            .ask("PR /hello HTTP/1.1\r\nhost: h\r\n\r\n")
            .await?
            .status,
        405
    );
    drop(client);
    server.stop().await
}

#[tokio::test]
async fn an_idle_connection_gives_way() -> anyhow::Result<()> {
    let server = Server::start_with(
        app(),
        ServerConfig {
            max_connections: 1,
            ..CONFIG
        },
    );
    let first = Http2::connect(&server).await?;
    first.ask("GET", "/hello", "").await?;
    let second = Http2::connect(&server).await?;
    second.ask("GET", "/hello", "").await?;
    let _ = first.ended().await?;
    drop(second);
    server.stop().await
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_given_up() -> anyhow::Result<()> {
    let server = Server::start_with(
        app(),
        ServerConfig {
            header_timeout_seconds: 1,
            ..CONFIG
        },
    );
    let mut client = Http2::connect(&server).await?;
    let request = Request::get("http://a.example/much").body(())?;
    let (reply, _) = client.requests.send_request(request, true)?;
    let reply = reply.await?;
    // Its body is not read, and so the windows stay full.
    let _ = client.ended().await?;
    drop(reply);
    server.stop().await
}

#[tokio::test]
async fn whoever_cancels_all_the_time_is_disconnected() -> anyhow::Result<()> {
    let server = Server::start(app());
    let mut client = Http2::connect(&server).await?;
    client.ask("GET", "/hello", "").await?;
    // Only requests that are cancelled before they are looked at count, so nobody knows how many
    // it takes.
    let cancel = async {
        while let Ok(mut ready) = client.requests.clone().ready().await {
            let request = Request::get("http://a.example/hello").body(())?;
            let Ok((_, mut sending)) = ready.send_request(request, false) else {
                break;
            };
            sending.send_reset(h2::Reason::CANCEL);
            client.requests = ready;
            // What is to be sent would pile up.
            tokio::task::yield_now().await;
        }
        anyhow::Ok(())
    };
    timeout(PATIENCE, cancel)
        .await
        .context("it goes on for ever")??;
    let error = client.ended().await?.err().context("no fault")?;
    // The connection may break before its last words are read.
    let is_told = error.reason() == Some(h2::Reason::ENHANCE_YOUR_CALM);
    ensure!(is_told || error.is_io(), "{error:?}");
    server.stop().await
}

#[tokio::test]
async fn a_stop_awaits_the_request_in_flight() -> anyhow::Result<()> {
    let (began, open) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let gate = (Arc::clone(&began), Arc::clone(&open));
    let wait = async move || {
        gate.0.add_permits(1);
        let permit = gate.1.acquire().await;
        permit.expect("never closed").forget();
        "waited"
    };
    let app = Router::new().route("/wait", get(wait));
    let server = Server::start(Handler::from(app).public());
    let client = Http2::connect(&server).await?;
    let idle = Http2::connect(&server).await?;
    let asking = client.ask("GET", "/wait", "");
    let stopping = async {
        began.acquire().await?.forget();
        server.shutdown.cancel();
        let _ = idle.ended().await?;
        open.add_permits(1);
        anyhow::Ok(())
    };
    let (reply, stopped) = tokio::join!(asking, stopping);
    stopped?;
    assert_eq!(&reply?.body()[..], b"waited");
    timeout(Duration::from_secs(10), server.ended())
        .await
        .context("waits")?
}

#[tokio::test]
async fn http_1_goes_on_as_before() -> anyhow::Result<()> {
    let server = Server::start(app());
    let mut client: Client = server.connect().await;
    let say = "POST /say/x HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\n\r\nhi";
    // In pieces, so that the first bytes are few.
    for part in [&say[..2], &say[2..30], &say[30..]] {
        client.send(part).await?;
        tokio::task::yield_now().await;
    }
    assert_eq!(client.reply().await?.text(), "hi");
    client.send(say).await?;
    assert_eq!(client.reply().await?.text(), "hi");
    server.stop().await
}
