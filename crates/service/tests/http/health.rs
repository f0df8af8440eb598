//! `/livez`, `/readyz` and the admin port.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use service::{
    admin::Admin,
    health::{Health, Need},
};
use tokio::sync::Barrier;
use tokio_util::sync::CancellationToken;

use crate::support::{Client, Reply, Server};

const SECOND: Duration = Duration::from_secs(1);

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\n\r\n")
}

fn serve(health: &Health) -> Server {
    Server::start(health.routes())
}

fn healthy() -> Health {
    Health::new(CancellationToken::new())
}

#[tokio::test]
async fn only_a_required_dependency_makes_a_service_unready() -> anyhow::Result<()> {
    let health = healthy()
        .with("postgres", Need::Required, SECOND, async || {
            Ok::<_, String>(())
        })
        .with("redis", Need::Optional, SECOND, async || Err("refused"));
    let server = serve(&health);
    assert_eq!(server.ask(get("/readyz")).await?.status, 200);
    let reply = server.ask(get("/readyz?verbose")).await?;
    let list: serde_json::Value = serde_json::from_slice(&reply.body)?;
    let expected = serde_json::json!({"status": "ready", "dependencies": [
        {"name": "postgres", "required": true, "ok": true},
        {"name": "redis", "required": false, "ok": false},
    ]});
    assert_eq!((reply.status, list), (200, expected));
    server.stop().await?;

    let health = health.with("kafka", Need::Required, SECOND, async || Err("no leader"));
    let server = serve(&health);
    let problem = server.ask(get("/readyz")).await?.problem()?;
    assert_eq!((problem.status, &*problem.code), (503, "not_ready"));
    assert!(problem.detail.ends_with("kafka"), "{}", problem.detail);
    let reply = server.ask(get("/readyz?verbose=1")).await?;
    assert_eq!(reply.status, 503);
    assert!(!reply.text().contains("no leader"), "for operators only");
    assert_eq!(server.ask(get("/livez")).await?.status, 200);
    server.stop().await
}

#[tokio::test]
async fn a_service_that_stops_is_unready_but_alive() -> anyhow::Result<()> {
    let stopping = CancellationToken::new();
    let health = Health::new(stopping.clone());
    let server = serve(&health);
    assert_eq!(server.ask(get("/readyz")).await?.status, 200);
    stopping.cancel();
    let problem = server.ask(get("/readyz")).await?.problem()?;
    assert_eq!((problem.status, &*problem.code), (503, "shutting_down"));
    assert_eq!(server.ask(get("/readyz?verbose")).await?.status, 503);
    assert_eq!(server.ask(get("/livez")).await?.status, 200);
    server.stop().await
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
    for _ in 0..5 {
        assert_eq!(server.ask(get("/readyz")).await?.status, 200);
    }
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    server.stop().await
}

#[tokio::test]
async fn a_dependency_that_hangs_is_not_waited_for() -> anyhow::Result<()> {
    let hang = std::future::pending::<Result<(), String>>;
    let health = healthy().with("kafka", Need::Required, Duration::from_millis(20), hang);
    let server = serve(&health);
    let reply = server.ask(get("/readyz?verbose")).await?;
    assert_eq!(reply.status, 503);
    server.stop().await
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
    let ask = async |path: &str| -> anyhow::Result<Reply> {
        let mut client = Client::connect(addr).await?;
        client.send(get(path)).await?;
        client.reply().await
    };
    let reply = ask("/metrics").await?;
    assert!(
        reply
            .header("content-type")
            .starts_with("text/plain; version=0.0.4")
    );
    assert!(
        ask("/readyz?verbose")
            .await?
            .text()
            .contains("no answer within 20 ms")
    );
    assert!(reply.text().contains("\nanomaly_test_total 3\n"));
    let value = |name: &str| -> f64 {
        let line = reply.text().lines().find_map(|l| l.strip_prefix(name));
        line.unwrap_or_else(|| panic!("no {name}"))
            .trim()
            .parse()
            .unwrap()
    };
    assert!(value("process_resident_memory_bytes ") > 1e5);
    assert!(value("process_cpu_seconds_total ") >= 0.0);
    assert!(value("process_open_fds ") > 3.0);
    assert!(value("process_start_time_seconds ") > 1.6e9);
    assert_eq!(ask("/readyz").await?.status, 200);
    assert_eq!(ask("/none").await?.problem()?.code, "not_found");
    shutdown.cancel();
    serving.await?.unwrap()
}
