//! `/livez`, `/readyz` and the admin port.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use axum::{
    Router,
    body::{Body, to_bytes},
    http::Request,
};
use contract::Problem;
use http_server::with_context;
use service::{
    admin::Admin,
    health::{Health, Need},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::{Barrier, Notify},
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

const SECOND: Duration = Duration::from_secs(1);

/// The routes about some health, as a server has them.
struct Server(Router);

struct Reply {
    status: u16,
    content_type: String,
    body: String,
}

impl Reply {
    fn problem(&self) -> anyhow::Result<Problem> {
        let problem: Problem = serde_json::from_str(&self.body)?;
        ensure!(self.content_type == Problem::CONTENT_TYPE);
        ensure!(problem.status == self.status, "{problem:?}");
        Ok(problem)
    }
}

impl Server {
    async fn ask(&self, path: &str) -> anyhow::Result<Reply> {
        let request = Request::get(path).body(Body::empty())?;
        let reply = self.0.clone().oneshot(request).await?;
        let content_type = reply.headers().get("content-type");
        Ok(Reply {
            status: reply.status().as_u16(),
            content_type: content_type
                .map_or("", |kind| kind.to_str().expect("text"))
                .to_owned(),
            body: String::from_utf8(to_bytes(reply.into_body(), 10_000).await?.into())?,
        })
    }
}

fn serve(health: &Health) -> Server {
    Server(with_context(health.routes()))
}

fn healthy() -> Health {
    Health::new(CancellationToken::new())
}

/// The reply of the server at `addr` to `GET path`.
async fn ask(addr: SocketAddr, path: &str) -> anyhow::Result<Reply> {
    let mut stream = TcpStream::connect(addr).await?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    let (head, body) = text.split_once("\r\n\r\n").context("no head")?;
    let status = head.split(' ').nth(1).context("no status")?;
    let content_type = head.lines().find_map(|l| l.strip_prefix("content-type: "));
    Ok(Reply {
        status: status.parse()?,
        content_type: content_type.unwrap_or_default().to_owned(),
        body: body.to_owned(),
    })
}

#[tokio::test]
async fn only_a_required_dependency_makes_a_service_unready() -> anyhow::Result<()> {
    let health = healthy()
        .with("postgres", Need::Required, SECOND, async || {
            Ok::<_, String>(())
        })
        .with("redis", Need::Optional, SECOND, async || Err("refused"));
    let server = serve(&health);
    assert_eq!(server.ask("/readyz").await?.status, 200);
    let reply = server.ask("/readyz?verbose").await?;
    let list: serde_json::Value = serde_json::from_str(&reply.body)?;
    let expected = serde_json::json!({"status": "ready", "dependencies": [
        {"name": "postgres", "required": true, "ok": true},
        {"name": "redis", "required": false, "ok": false},
    ]});
    assert_eq!((reply.status, list), (200, expected));

    let health = health.with("kafka", Need::Required, SECOND, async || Err("no leader"));
    let server = serve(&health);
    let problem = server.ask("/readyz").await?.problem()?;
    assert_eq!((problem.status, &*problem.code), (503, "not_ready"));
    assert!(problem.detail.ends_with("kafka"), "{}", problem.detail);
    let reply = server.ask("/readyz?verbose=1").await?;
    assert_eq!(reply.status, 503);
    assert!(!reply.body.contains("no leader"), "for operators only");
    assert_eq!(server.ask("/livez").await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn a_service_that_stops_is_unready_but_alive() -> anyhow::Result<()> {
    let stopping = CancellationToken::new();
    let health = Health::new(stopping.clone());
    let server = serve(&health);
    assert_eq!(server.ask("/readyz").await?.status, 200);
    stopping.cancel();
    let problem = server.ask("/readyz").await?.problem()?;
    assert_eq!((problem.status, &*problem.code), (503, "shutting_down"));
    assert_eq!(server.ask("/readyz?verbose").await?.status, 503);
    assert_eq!(server.ask("/livez").await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn dependencies_are_asked_at_once_and_at_most_once_a_second() -> anyhow::Result<()> {
    let asked = Arc::new(AtomicUsize::new(0));
    // Each check ends only when the other has begun.
    let together = Arc::new(Barrier::new(2));
    let check = {
        let asked = Arc::clone(&asked);
        move || {
            let together = Arc::clone(&together);
            asked.fetch_add(1, Ordering::SeqCst);
            async move {
                together.wait().await;
                Ok::<_, String>(())
            }
        }
    };
    let health = healthy()
        .with("one", Need::Required, 10 * SECOND, check.clone())
        .with("two", Need::Required, 10 * SECOND, check);
    let server = serve(&health);
    let began = Instant::now();
    for _ in 0..5 {
        assert_eq!(server.ask("/readyz").await?.status, 200);
    }
    let seconds = began.elapsed().as_secs() + 1;
    let asked = asked.load(Ordering::SeqCst) as u64;
    assert!(
        (2..=2 * seconds).contains(&asked),
        "{asked} in {seconds} seconds"
    );
    Ok(())
}

#[tokio::test]
async fn a_dependency_that_hangs_is_not_waited_for() -> anyhow::Result<()> {
    let hang = std::future::pending::<Result<(), String>>;
    let health = healthy().with("kafka", Need::Required, Duration::from_millis(20), hang);
    let server = serve(&health);
    let reply = server.ask("/readyz?verbose").await?;
    assert_eq!(reply.status, 503);
    Ok(())
}

#[tokio::test]
async fn an_answer_that_comes_late_is_heard() -> anyhow::Result<()> {
    let (asked, may_answer) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let check = {
        let (asked, may_answer) = (Arc::clone(&asked), Arc::clone(&may_answer));
        move || {
            asked.fetch_add(1, Ordering::SeqCst);
            let may_answer = Arc::clone(&may_answer);
            async move {
                may_answer.notified().await;
                Ok::<_, String>(())
            }
        }
    };
    let soon = Duration::from_millis(20);
    let server = serve(&healthy().with("kafka", Need::Required, soon, check));
    for _ in 0..3 {
        assert_eq!(server.ask("/readyz").await?.status, 503);
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1, "the question stays open");
    may_answer.notify_one();
    while server.ask("/readyz").await?.status != 200 {
        tokio::task::yield_now().await;
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    Ok(())
}

#[tokio::test]
async fn one_question_answers_for_a_dependency_and_what_is_in_it() -> anyhow::Result<()> {
    /// Of a database.
    #[derive(Debug, thiserror::Error)]
    #[error("no tables")]
    struct NoTables;

    let asked = Arc::new(AtomicUsize::new(0));
    let check = {
        let asked = Arc::clone(&asked);
        move || {
            asked.fetch_add(1, Ordering::SeqCst);
            async { Err(NoTables) }
        }
    };
    let names = ["postgres", "tables"];
    let server = serve(&healthy().with_contents(names, SECOND, check, |NoTables| true));
    let reply = server.ask("/readyz?verbose").await?;
    let list: serde_json::Value = serde_json::from_str(&reply.body)?;
    let expected = serde_json::json!([
        {"name": "postgres", "required": true, "ok": true},
        {"name": "tables", "required": true, "ok": false},
    ]);
    assert_eq!((reply.status, &list["dependencies"]), (503, &expected));
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    Ok(())
}

#[tokio::test]
async fn the_admin_port_has_metrics_and_health() -> anyhow::Result<()> {
    let counter = prometheus::register_int_counter!("anomaly_test_total", "Of this test.")?;
    counter.inc_by(3);
    let shutdown = CancellationToken::new();
    let hang = std::future::pending::<Result<(), String>>;
    let health = healthy().with("kafka", Need::Optional, Duration::from_millis(20), hang);
    let admin = Admin::bind(([127, 0, 0, 1], 0).into(), health).await?;
    let addr = admin.addr();
    let serving = service::task::spawn("admin", admin.serve(shutdown.clone()));
    let reply = ask(addr, "/metrics").await?;
    assert!(reply.content_type.starts_with("text/plain; version=0.0.4"));
    assert!(
        ask(addr, "/readyz?verbose")
            .await?
            .body
            .contains("no answer within 20 ms")
    );
    assert!(reply.body.contains("\nanomaly_test_total 3\n"));
    let value = |name: &str| -> f64 {
        let line = reply.body.lines().find_map(|l| l.strip_prefix(name));
        line.unwrap_or_else(|| panic!("no {name}"))
            .trim()
            .parse()
            .unwrap()
    };
    assert!(value("process_resident_memory_bytes ") > 1e5);
    assert!(value("process_cpu_seconds_total ") >= 0.0);
    assert!(value("process_open_fds ") > 3.0);
    assert!(value("process_start_time_seconds ") > 1.6e9);
    assert_eq!(ask(addr, "/readyz").await?.status, 200);
    assert_eq!(ask(addr, "/none").await?.problem()?.code, "not_found");
    shutdown.cancel();
    serving.await?.unwrap()
}
