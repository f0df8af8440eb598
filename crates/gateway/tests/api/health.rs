//! The health of the platform and of the gateway.

use serde_json::json;

use crate::{
    door::{Door, NOBODY},
    fake::{Fake, reply},
};

const TRAINER: &str = r#"{"status":"ok","series_trained":3,"training_latency_ms":{"avg":1.5,"p95":2.5},
    "throughput":{"avg_per_minute":4.0},"system_metrics":{"cpu_percent":5.0,"memory_percent":6.0,"load_avg":[1.0,2.0,3.0]}}"#;
const PREDICTOR: &str = r#"{"status":"degraded","inference_latency_ms":{"avg":0.1,"p95":0.2},"throughput":{"avg_per_minute":7.0},
    "model_usage":{"s":"9"},"system_metrics":{"cpu_percent":8.0,"memory_percent":9.0,"load_avg":[1.0,2.0,3.0]}}"#;

#[tokio::test]
async fn the_health_check_puts_both_parts_together() -> anyhow::Result<()> {
    let trainer = Fake::answering(TRAINER).await?;
    let predictor = Fake::answering(PREDICTOR).await?;
    let door = Door::open(&trainer.url(), &predictor.url(), &[]).await?;
    let mut client = door.client().await?;
    let reply = client
        .ask("GET /healthcheck HTTP/1.1\r\nhost: x\r\nx-request-id: h1\r\n\r\n")
        .await?;
    assert_eq!(reply.header("content-type"), Some("application/json"));
    let system = |cpu: f64, memory: f64| json!({"cpu_percent": cpu, "memory_percent": memory, "load_avg": [1.0, 2.0, 3.0]});
    let expected = json!({
        "status": "degraded",
        "series_trained": 3,
        "inference_latency_ms": {"avg": 0.1, "p95": 0.2},
        "training_latency_ms": {"avg": 1.5, "p95": 2.5},
        "throughput": {"trainer": {"avg_per_minute": 4.0}, "predictor": {"avg_per_minute": 7.0}},
        "model_usage": {"s": "9"},
        "system_metrics": {"trainer": system(5.0, 6.0), "predictor": system(8.0, 9.0)},
    });
    assert_eq!((reply.status, reply.json()), (200, expected));
    for part in [trainer, predictor] {
        assert_eq!(part.last().line(), "GET /healthcheck HTTP/1.1");
        assert_eq!(part.last().header("x-request-id"), Some("h1"));
    }
    Ok(())
}

#[tokio::test]
async fn the_parts_of_the_health_check_may_be_long() -> anyhow::Result<()> {
    let usage: String = (0..1000)
        .map(|n| format!(r#","{}{n}":"1""#, "s".repeat(190)))
        .collect();
    let long: &'static str = PREDICTOR
        .replace(r#""s":"9""#, &format!(r#""s":"9"{usage}"#))
        .leak();
    let (trainer, predictor) = (
        Fake::answering(TRAINER).await?,
        Fake::answering(long).await?,
    );
    let door = Door::open(&trainer.url(), &predictor.url(), &[]).await?;
    let reply = door.get("/healthcheck").await?;
    assert_eq!(reply.status, 200);
    let usage = reply.json()["model_usage"]
        .as_object()
        .map(serde_json::Map::len);
    assert_eq!(usage, Some(1001));
    Ok(())
}

#[tokio::test]
async fn the_health_check_fails_when_either_part_does() -> anyhow::Result<()> {
    let good = Fake::answering(TRAINER).await?;
    let silent = Fake::start(|mut peer| async move {
        peer.until_closed().await;
        Ok(())
    })
    .await?;
    let failing = Fake::saying(reply("500 Oops", "", TRAINER)).await?;
    let wrong = Fake::answering(r#"{"series_trained":"#).await?;
    for bad in [NOBODY.to_owned(), silent.url(), failing.url(), wrong.url()] {
        for (trainer, predictor) in [(good.url(), bad.clone()), (bad.clone(), good.url())] {
            let door = Door::open(&trainer, &predictor, &[]).await?;
            let (status, code) = door.get("/healthcheck").await?.problem();
            assert_eq!(status, 503, "{code}");
            assert!(["upstream_unavailable", "upstream_timeout"].contains(&&*code));
        }
    }
    Ok(())
}

#[tokio::test]
async fn the_gateway_is_ready_while_the_predictor_can_be_reached() -> anyhow::Result<()> {
    let fake = Fake::answering("ok").await?;
    let door = Door::to(&fake).await?;
    assert_eq!(door.get("/livez").await?.status, 200);
    assert_eq!(door.get("/readyz").await?.status, 200);
    assert_eq!(fake.last().line(), "GET / HTTP/1.1");

    let door = Door::open(&fake.url(), NOBODY, &[]).await?;
    assert_eq!(door.get("/livez").await?.status, 200);
    assert_eq!(door.get("/readyz").await?.problem().0, 503);
    let verbose = door.get("/readyz?verbose").await?.json();
    let found = |index: usize| {
        let dependency = &verbose["dependencies"][index];
        (dependency["name"].as_str(), dependency["ok"].as_bool())
    };
    assert_eq!(found(0), (Some("trainer"), Some(true)));
    assert_eq!(found(1), (Some("predictor"), Some(false)));

    // Predictions go on without the trainer.
    let door = Door::open(NOBODY, &fake.url(), &[]).await?;
    assert_eq!(door.get("/readyz").await?.status, 200);
    let verbose = door.get("/readyz?verbose").await?.json();
    assert_eq!(verbose["dependencies"][0]["ok"], false);
    Ok(())
}

#[tokio::test]
async fn a_stop_ends_what_is_in_flight_and_then_the_gateway() -> anyhow::Result<()> {
    let permits = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
    let script_permits = std::sync::Arc::clone(&permits);
    let fake = Fake::start(move |mut peer| {
        let permits = std::sync::Arc::clone(&script_permits);
        async move {
            peer.request().await;
            permits.acquire().await?.forget();
            peer.answer("{}").await
        }
    })
    .await?;
    let mut door = Door::to(&fake).await?;
    let mut client = door.client().await?;
    client
        .send("POST /predict/s HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}")
        .await?;
    fake.has_received(1).await?;
    door.shutdown.cancel();
    permits.add_permits(1);
    assert_eq!(client.reply().await?.status, 200);
    door.serving.join_next().await.expect("it serves")??;
    assert!(door.client().await.is_err());
    Ok(())
}

#[tokio::test]
async fn the_default_checks_of_load_balancers_find_it_alive() -> anyhow::Result<()> {
    let fake = Fake::answering("{}").await?;
    let door = Door::to(&fake).await?;
    let mut client = door.client().await?;
    let about = client.get("/").await?;
    assert_eq!(
        (about.status, &about.json()["name"]),
        (200, &json!("anomaly"))
    );
    for (_, link) in about.json()["links"].as_object().expect("an object") {
        let path = link.as_str().expect("a path");
        let options = client
            .ask(&format!("OPTIONS {path} HTTP/1.1\r\nhost: x\r\n\r\n"))
            .await?;
        assert_eq!(
            (options.status, options.header("allow")),
            (204, Some("GET,HEAD")),
            "{path}"
        );
    }
    for path in [
        "/",
        "/livez",
        "/healthz",
        "/ping",
        "/readyz",
        "/v2/health/live",
        "/v2/health/ready",
    ] {
        assert_eq!(client.get(path).await?.status, 200, "{path}");
        client
            .send(format!("HEAD {path} HTTP/1.1\r\nhost: x\r\n\r\n"))
            .await?;
        assert_eq!(client.bare_reply().await?.status, 200, "{path}");
    }
    for (request, status, allow) in [
        ("OPTIONS / HTTP/1.0", 204, Some("GET,HEAD")),
        ("OPTIONS * HTTP/1.1\r\nhost: x", 204, None),
        ("OPTIONS /fit/s HTTP/1.1\r\nhost: x", 204, Some("POST")),
        ("POST /readyz HTTP/1.1\r\nhost: x", 405, Some("GET,HEAD")),
        ("OPTIONS /nothing HTTP/1.1\r\nhost: x", 404, None),
    ] {
        let reply = door
            .client()
            .await?
            .ask(&format!("{request}\r\n\r\n"))
            .await?;
        assert_eq!(
            (reply.status, reply.header("allow")),
            (status, allow),
            "{request}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn browsers_get_the_dashboard_unless_it_is_off() -> anyhow::Result<()> {
    let fake = Fake::answering("{}").await?;
    let browser = "GET / HTTP/1.1\r\nhost: x\r\naccept: text/html,*/*;q=0.8\r\n\r\n";
    let door = Door::to(&fake).await?;
    let page = door.client().await?.ask(browser).await?;
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    assert_eq!(page.header("cache-control"), Some("no-cache"));
    let text = String::from_utf8(page.body.clone())?;
    let (_, rest) = text.split_once("/assets/").expect("files");
    let (path, _) = rest.split_once('"').expect("a path");
    let file = door.get(&format!("/assets/{path}")).await?;
    assert_eq!(file.status, 200);
    assert_eq!(door.get("/assets/0/main.js").await?.problem().0, 404);

    let off = Door::open(&fake.url(), &fake.url(), &["--dashboard", "false"]).await?;
    let about = off.client().await?.ask(browser).await?;
    assert_eq!(about.json()["name"], "anomaly");
    let file = off.get(&format!("/assets/{path}")).await?;
    assert_eq!(file.problem().0, 404);
    Ok(())
}
