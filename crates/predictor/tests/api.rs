//! The predictor's HTTP interface over the embedded backends, called in process and once over a socket.

mod support;

use std::net::SocketAddr;

use anyhow::{Context, ensure};
use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Request, StatusCode, header},
};
use bus::Bus;
use clap::Parser;
use contract::{MetricsEvent, ModelEvent, SeriesId, Version};
use http_body_util::BodyExt;
use predictor::{Backends, Config, Predictor, Settings};
use serde_json::{Value, json};
use service::http::with_context;
use stats::Stats;
use store::Store;
use tempfile::TempDir;
use tokio::{net::TcpStream, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::support::{eventually, exchange, published, store_model};

const NORMAL: &str = r#"{"timestamp":4,"value":2.0}"#;
const ANOMALOUS: &str = r#"{"timestamp":4,"value":99.0}"#;

/// A predictor whose models the test itself puts into the store.
struct Fixture {
    _dir: TempDir,
    backends: Backends,
    router: Router,
    running: Option<(JoinHandle<Option<anyhow::Result<()>>>, CancellationToken)>,
}

struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

impl Fixture {
    /// Its routes alone: nothing goes on in the background.
    async fn new() -> anyhow::Result<Self> {
        let (dir, backends) = backends().await?;
        let predictor = Predictor::embedded(Settings::default(), backends.clone());
        Ok(Self {
            _dir: dir,
            backends,
            router: with_context(predictor.router()),
            running: None,
        })
    }

    /// Follows changes and reports metrics, too.
    async fn running() -> anyhow::Result<Self> {
        let (dir, backends) = backends().await?;
        Ok(Self::run(dir, backends))
    }

    fn run(dir: TempDir, backends: Backends) -> Self {
        let predictor = Predictor::embedded(Settings::default(), backends.clone());
        let router = with_context(predictor.router());
        let stop = CancellationToken::new();
        let served = service::task::spawn("predictor", predictor.serve(stop.clone()));
        Self {
            _dir: dir,
            backends,
            router,
            running: Some((served, stop)),
        }
    }

    async fn stop(&mut self) -> anyhow::Result<()> {
        let (served, stop) = self.running.take().context("is not running")?;
        stop.cancel();
        served.await?.context("predictor panicked")?
    }

    /// Stores the next version of `series` and tells nobody. All of them know 1, 2 and 3 to be normal.
    async fn store(&self, series: &str) -> anyhow::Result<Version> {
        store_model(&self.backends.store, series, &[1.0, 2.0, 3.0]).await
    }

    async fn publish(&self, event: ModelEvent) -> anyhow::Result<()> {
        Ok(self.backends.bus.publish([event], None).await?)
    }

    async fn predict(&self, series: &str, body: &str) -> anyhow::Result<Reply> {
        self.send("POST", &format!("/predict/{series}"), &[], body)
            .await
    }

    /// As the gateway asks that knows of `version`.
    async fn predict_since(&self, series: &str, version: &str) -> anyhow::Result<Reply> {
        let headers = [("x-min-model-version", version)];
        self.send("POST", &format!("/predict/{series}"), &headers, NORMAL)
            .await
    }

    async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> anyhow::Result<Reply> {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body.to_owned()))?;
        let reply = self.router.clone().oneshot(request).await?;
        let (head, body) = reply.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Reply {
            status: head.status,
            headers: head.headers,
            body: serde_json::from_slice(&body).unwrap_or_default(),
        })
    }

    /// The version that judges `series`.
    async fn judge(&self, series: &str) -> anyhow::Result<String> {
        let reply = self.predict(series, NORMAL).await?;
        ensure!(
            reply.status == StatusCode::OK,
            "{} {}",
            reply.status,
            reply.body
        );
        let version = &reply.body["model_version"];
        Ok(version.as_str().context("no version")?.to_owned())
    }
}

impl Reply {
    fn refusal(&self) -> (u16, &str, &str) {
        let text = |name: &str| self.body[name].as_str().unwrap_or_default();
        (self.status.as_u16(), text("code"), text("detail"))
    }
}

async fn backends() -> anyhow::Result<(TempDir, Backends)> {
    let dir = tempfile::tempdir()?;
    let backends = Backends {
        bus: Bus::log(&dir.path().join("bus.db")).await?,
        store: Store::sqlite(&dir.path().join("store.db")).await?,
        stats: Stats::sqlite(&dir.path().join("stats.db")).await?,
    };
    Ok((dir, backends))
}

/// Kafka and Redis that are not there.
fn nowhere() -> anyhow::Result<Config> {
    let args = ["--kafka-brokers=127.0.0.1:1", "--redis-port=1"];
    Ok(Config::try_parse_from(
        ["predictor"].into_iter().chain(args),
    )?)
}

#[tokio::test]
async fn judges_as_recorded() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    let store = &fixture.backends.store;
    store_model(store, "sensor_01", &[10.0, 10.5, 11.0]).await?;
    store_model(store, "sensor_01", &[12.0, 12.5, 13.0]).await?;
    let body = r#"{"timestamp": 1693460000, "value": 10.5}"#;
    let reply = fixture.predict("sensor_01", body).await?;
    assert_eq!(reply.status, StatusCode::OK);
    assert_eq!(reply.headers[header::CONTENT_TYPE], "application/json");
    assert_eq!(reply.body, json!({"model_version": "v2", "anomaly": false}));
    let body = r#"{"timestamp": 1693460060, "value": 22.5}"#;
    let reply = fixture.predict("sensor_01", body).await?;
    assert_eq!(reply.body, json!({"model_version": "v2", "anomaly": true}));
    Ok(())
}

#[tokio::test]
async fn zeros_integers_exponents_and_any_content_type_are_taken() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    fixture.store("a b").await?;
    for body in [
        r#"{"timestamp":0,"value":1.5}"#,
        r#"{"timestamp":-1,"value":0}"#,
        r#"{"value":1.5e0,"timestamp":1}"#,
    ] {
        for content_type in ["application/x-www-form-urlencoded", "text/plain"] {
            let headers = [("content-type", content_type)];
            let reply = fixture
                .send("POST", "/predict/a%20b", &headers, body)
                .await?;
            assert_eq!(reply.body["anomaly"], false, "{body}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn unknown_fields_are_named_in_warnings() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    fixture.store("s").await?;
    let body = r#"{"timestamp":1,"value":1.5,"note":[{}]}"#;
    assert_eq!(
        fixture.predict("s", body).await?.body,
        json!({"model_version": "v1", "anomaly": false, "warnings": ["unknown field `note` was ignored"]})
    );
    Ok(())
}

#[tokio::test]
async fn a_bad_payload_is_refused_whether_or_not_the_series_is_trained() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    fixture.store("trained").await?;
    for (body, fault) in [
        ("", "EOF"),
        ("{}", "timestamp"),
        (r#"{"timestamp":1}"#, "value"),
        (r#"{"timestamp":"now","value":1.5}"#, "timestamp"),
        (r#"{"timestamp":1.5,"value":1.5}"#, "timestamp"),
        (r#"{"timestamp":1,"value":null}"#, "value"),
        (r#"{"timestamp":1,"value":"x"}"#, "value"),
        (r#"{"timestamp":1,"value":NaN}"#, "value"),
        (r#"{"timestamp":1,"value":1e400}"#, "value"),
        (r#"{"timestamp":1,"value":1,"value":2}"#, "duplicate"),
        (r#"{"timestamp":1,"value":1} x"#, "after"),
        ("[1,2.5]", "object"),
    ] {
        for series in ["trained", "nobody"] {
            let reply = fixture.predict(series, body).await?;
            let refusal = (400, "invalid_payload", "Invalid request payload");
            assert_eq!(reply.refusal(), refusal, "{body}");
            let named = reply.body["errors"][0]["detail"].as_str().unwrap();
            assert!(named.contains(fault), "{body}: {named}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn what_is_asked_wrongly_is_refused_as_a_problem() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    let untrained = fixture.predict("sensor_999", NORMAL).await?;
    let refusal = (404, "model_not_found", "Model not found");
    assert_eq!(untrained.refusal(), refusal);
    // The id comes first: this body would be refused too.
    for id in ["..%2F..%2Fetc", "a%0Ab", "%FF", &"l".repeat(201)] {
        assert_eq!(fixture.predict(id, "{").await?.status, 400, "{id}");
    }
    let large = format!("{NORMAL}{}", " ".repeat(64 * 1024));
    assert_eq!(fixture.predict("s", &large).await?.status, 413);
    let method = fixture.send("GET", "/predict/s", &[], "").await?;
    assert_eq!(method.status, 405);
    assert_eq!(method.headers[header::ALLOW], "POST");
    for path in ["/predict/", "/predict", "/predict/s/", "/fit/s"] {
        assert_eq!(
            fixture.send("POST", path, &[], NORMAL).await?.status,
            404,
            "{path}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn whoever_knows_of_a_newer_version_gets_it_and_the_others_from_then_on() -> anyhow::Result<()>
{
    let fixture = Fixture::new().await?;
    fixture.store("s").await?;
    assert_eq!(fixture.judge("s").await?, "v1");
    fixture.store("s").await?;
    assert_eq!(fixture.judge("s").await?, "v1", "nothing was heard of v2");
    let reply = fixture.predict_since("s", "v2").await?;
    assert_eq!(reply.body["model_version"], "v2");
    assert_eq!(fixture.judge("s").await?, "v2");
    // The store is right, whatever the caller says.
    let reply = fixture.predict_since("s", "v9").await?;
    assert_eq!(reply.body["model_version"], "v2");
    Ok(())
}

#[tokio::test]
async fn a_series_is_found_right_after_its_first_fit() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    assert_eq!(fixture.predict("s", NORMAL).await?.status, 404);
    fixture.store("s").await?;
    let reply = fixture.predict_since("s", "v1").await?;
    assert_eq!(reply.body["model_version"], "v1");
    Ok(())
}

#[tokio::test]
async fn an_event_brings_the_new_version() -> anyhow::Result<()> {
    let mut fixture = Fixture::running().await?;
    fixture.store("s").await?;
    assert_eq!(fixture.judge("s").await?, "v1");
    let version = fixture.store("s").await?;
    let series_id = SeriesId::new("s")?;
    let event = ModelEvent::Ready {
        series_id,
        version,
        revision: None,
    };
    eventually(async || {
        fixture.publish(event.clone()).await?;
        let judge = fixture.judge("s").await?;
        ensure!(judge == "v2", "{judge} judges");
        Ok(())
    })
    .await?;
    fixture.stop().await
}

#[tokio::test]
async fn an_event_takes_a_deleted_version_away_even_without_the_store() -> anyhow::Result<()> {
    let mut fixture = Fixture::running().await?;
    let version = fixture.store("s").await?;
    assert_eq!(fixture.judge("s").await?, "v1");
    fixture.backends.store.close().await;
    let series_id = SeriesId::new("s")?;
    let event = ModelEvent::Deleted {
        series_id,
        version: Some(version),
        revision: None,
    };
    eventually(async || {
        fixture.publish(event.clone()).await?;
        let status = fixture.predict("s", NORMAL).await?.status;
        ensure!(status == 503, "{status}");
        Ok(())
    })
    .await?;
    fixture.stop().await
}

#[tokio::test]
async fn the_store_is_asked_for_what_no_event_told() -> anyhow::Result<()> {
    let (dir, mut backends) = backends().await?;
    backends.bus = Bus::kafka(&nowhere()?.kafka)?;
    let mut fixture = Fixture::run(dir, backends);
    fixture.store("s").await?;
    assert_eq!(fixture.judge("s").await?, "v1");
    fixture.store("s").await?;
    eventually(async || {
        let judge = fixture.judge("s").await?;
        ensure!(judge == "v2", "{judge} judges");
        Ok(())
    })
    .await?;
    fixture.stop().await
}

#[tokio::test]
async fn goes_on_for_the_series_it_holds_when_all_else_is_away() -> anyhow::Result<()> {
    let (dir, mut backends) = backends().await?;
    let nowhere = nowhere()?;
    backends.bus = Bus::kafka(&nowhere.kafka)?;
    backends.stats = Stats::redis(&nowhere.redis)?;
    let mut fixture = Fixture::run(dir, backends);
    fixture.store("held").await?;
    fixture.store("not_held").await?;
    assert_eq!(fixture.judge("held").await?, "v1");
    fixture.backends.store.close().await;

    for _ in 0..3 {
        assert_eq!(fixture.judge("held").await?, "v1");
        let refused = fixture.predict("not_held", NORMAL).await?;
        assert_eq!(
            (refused.status.as_u16(), refused.refusal().1),
            (503, "backend_unavailable")
        );
        assert!(refused.headers.contains_key(header::RETRY_AFTER));
        // To answer with an older version than the caller's own would be wrong; then rather not.
        assert_eq!(fixture.predict_since("held", "v2").await?.status, 503);
    }
    let health = fixture.send("GET", "/healthcheck", &[], "").await?;
    assert_eq!(health.status, StatusCode::OK);
    assert_eq!(health.body["status"], "degraded");
    fixture.stop().await
}

#[tokio::test]
async fn metrics_events_count_exactly_what_was_judged() -> anyhow::Result<()> {
    let mut fixture = Fixture::running().await?;
    let mut events = fixture.backends.bus.tail::<MetricsEvent>()?;
    for series in ["a", "b"] {
        fixture.store(series).await?;
    }
    for i in 0..250 {
        let series = if i % 5 == 0 { "b" } else { "a" };
        fixture.predict(series, ANOMALOUS).await?;
        if i % 10 == 0 {
            fixture.predict(series, "{").await?;
            fixture.predict("nobody", NORMAL).await?;
        }
    }
    // Whatever is left goes out when it stops, so what comes now is all there will ever be.
    fixture.stop().await?;
    let sum = published(&mut events, 250).await?;
    assert_eq!(sum.count, Some(250));
    let usage: Vec<(&str, u64)> = sum.usage.iter().map(|(id, n)| (id.as_str(), *n)).collect();
    assert_eq!(usage, [("a", 200), ("b", 50)]);
    let histogram = sum.histogram.context("no histogram")?;
    assert_eq!(histogram.count(), 250);
    assert!(sum.latency_ms > 0.0 && histogram.quantile(1.0) > 0.0);
    Ok(())
}

#[tokio::test]
async fn what_was_judged_just_before_the_end_is_published() -> anyhow::Result<()> {
    let mut fixture = Fixture::running().await?;
    let mut events = fixture.backends.bus.tail::<MetricsEvent>()?;
    fixture.store("s").await?;
    fixture.judge("s").await?;
    fixture.stop().await?;
    assert_eq!(published(&mut events, 1).await?.count, Some(1));
    Ok(())
}

#[tokio::test]
async fn an_empty_platform_reports_zeros() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    let health = fixture.send("GET", "/healthcheck", &[], "").await?.body;
    assert_eq!(health["status"], "ok");
    assert_eq!(
        health["inference_latency_ms"],
        json!({"avg": 0.0, "p95": 0.0})
    );
    assert_eq!(health["throughput"], json!({"avg_per_minute": 0.0}));
    assert_eq!(health["model_usage"], json!({}));
    assert_eq!(
        health["system_metrics"]["load_avg"]
            .as_array()
            .map(Vec::len),
        Some(3)
    );
    Ok(())
}

#[tokio::test]
async fn serves_on_its_port_until_it_is_told_to_stop() -> anyhow::Result<()> {
    let (_dir, backends) = backends().await?;
    store_model(&backends.store, "s", &[1.0, 2.0, 3.0]).await?;
    let config = nowhere()?;
    let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
    let predictor = Predictor::bind(any_port, config.server, Settings::default(), backends).await?;
    let (addr, stop) = (predictor.addr(), CancellationToken::new());
    let served = service::task::spawn("predictor", predictor.serve(stop.clone()));

    let ready = exchange(addr, "GET", "/readyz", "").await?;
    assert!(ready.starts_with("HTTP/1.1 200"), "{ready}");
    let reply = exchange(addr, "POST", "/predict/s", ANOMALOUS).await?;
    assert!(reply.contains("x-request-id: "), "{reply}");
    assert!(
        reply.ends_with(r#"{"model_version":"v1","anomaly":true}"#),
        "{reply}"
    );
    stop.cancel();
    served.await?.context("predictor panicked")??;
    assert!(TcpStream::connect(addr).await.is_err());
    Ok(())
}
