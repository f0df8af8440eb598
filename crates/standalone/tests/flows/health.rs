//! Health and figures of the platform.

use anyhow::{Context, ensure};
use contract::{HealthReply, PlatformForm, ServiceFigures, ServiceStatus, SystemReply};
use serde_json::Value;
use testkit::{
    Client, Platform, eventually,
    exposition::{self, Family},
    series,
};

use crate::program::Program;

/// The health check once as many fits and predictions are counted as it should.
async fn counted(client: Client, predictions: f64, fits: f64) -> anyhow::Result<HealthReply> {
    eventually("the figures", || async {
        let health = client.health().await?;
        let Throughputs { trainer, predictor } = Throughputs::of(&health);
        // Within their first minute both are counted as over a minute.
        ensure!(trainer >= fits && predictor >= predictions, "{health:?}");
        Ok(health)
    })
    .await
}

struct Throughputs {
    trainer: f64,
    predictor: f64,
}

impl Throughputs {
    fn of(health: &HealthReply) -> Self {
        Self {
            trainer: health.throughput.trainer.avg_per_minute,
            predictor: health.throughput.predictor.avg_per_minute,
        }
    }
}

/// Two series fitted five times, one predicted 30 times and one 12 times; and what must not count.
async fn use_it(client: Client) -> anyhow::Result<()> {
    for (series, fits) in [("busy", 4), ("quiet", 1)] {
        for _ in 0..fits {
            client.fit(series, &series::three(1.0)).await?;
        }
    }
    for (series, predictions) in [("busy", 30), ("quiet", 12)] {
        for _ in 0..predictions {
            client.predict(series, 1.0).await?;
        }
    }
    let point = r#"{"timestamp":1,"value":1}"#;
    assert_eq!(client.post("/predict/nobody", point).await?.status, 404);
    assert_eq!(client.post("/predict/busy", "{}").await?.status, 400);
    let constant = r#"{"timestamps":[1,2,3],"values":[7,7,7]}"#;
    assert_eq!(client.post("/fit/constant", constant).await?.status, 400);
    Ok(())
}

fn check(health: &HealthReply) {
    assert_eq!(health.status, contract::Status::Ok);
    assert_eq!(health.series_trained, 2);
    let usage = [("busy", "30"), ("quiet", "12")].map(|(k, v)| (k.to_owned(), v.to_owned()));
    assert_eq!(health.model_usage, usage.into());
    let Throughputs { trainer, predictor } = Throughputs::of(health);
    assert_eq!((trainer, predictor), (5.0, 42.0));
    for latency in [health.inference_latency_ms, health.training_latency_ms] {
        assert!(latency.avg > 0.0 && latency.p95 > 0.0, "{health:?}");
        assert!(
            latency.avg < 60_000.0 && latency.p95 < 60_000.0,
            "{health:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_figures_are_exactly_what_was_done_and_survive_a_restart() -> anyhow::Result<()> {
    let platform = Platform::start().await?;
    use_it(platform.client()).await?;
    check(&counted(platform.client(), 42.0, 5.0).await?);

    let platform = platform.restart().await?;
    let health = platform.client().health().await?;
    assert_eq!(health.series_trained, 2);
    assert_eq!(health.model_usage["busy"], "30");
    assert!(health.inference_latency_ms.p95 > 0.0);
    platform.client().predict("busy", 1.0).await?;
    eventually("one more", || async {
        let health = platform.client().health().await?;
        ensure!(health.model_usage["busy"] == "31", "{health:?}");
        Ok(())
    })
    .await?;
    platform.stop().await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_system_shows_what_runs_and_how_well() -> anyhow::Result<()> {
    let platform = Platform::start().await?;
    let client = platform.client();
    use_it(client).await?;
    let system: SystemReply = eventually("the figures of predictions", || async {
        let system: SystemReply = client.get("/v1/system").await?.ok()?;
        let predictor = system
            .services
            .iter()
            .find(|service| service.name == "predictor");
        ensure!(
            predictor.is_some_and(|service| service.p99_ms.is_some()),
            "{system:?}"
        );
        Ok(system)
    })
    .await?;
    assert_eq!(system.form, PlatformForm::Standalone);
    let names: Vec<&str> = system.services.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["standalone", "predictor", "trainer", "observer"]);
    let is_up = |service: &ServiceFigures| service.up == 1 && service.status == ServiceStatus::Ok;
    assert!(system.services.iter().all(is_up), "{system:?}");
    let [process, predictor, trainer, observer] = &system.services[..] else {
        anyhow::bail!("{system:?}");
    };
    assert!(process.memory_bytes > Some(1 << 20) && process.p99_ms > process.p50_ms);
    // This call itself.
    assert!(process.in_flight >= Some(1));
    assert!(predictor.p50_ms > Some(0.0) && predictor.p50_ms <= predictor.p99_ms);
    assert!(trainer.p99_ms > Some(0.0) && predictor.memory_bytes.is_none());
    assert_eq!(observer.lag_messages, Some(0));
    let dependencies: Vec<_> = system
        .dependencies
        .iter()
        .map(|d| (&*d.name, &*d.kind))
        .collect();
    let expected = ["store", "events", "figures"].map(|name| (name, "SQLite"));
    assert_eq!(dependencies, expected);
    assert!(system.dependencies.iter().all(|d| d.ok && d.ms > Some(0.0)));
    let history = &system.history;
    assert!(
        history.step == 60 && history.from > 1_700_000_000,
        "{history:?}"
    );
    assert!(history.memory[0] > Some(1 << 20), "{history:?}");
    assert_eq!(client.get("/v1/system?x=1").await?.status, 400);
    platform.stop().await.map(drop)
}

#[tokio::test]
async fn the_95th_percentile_of_a_single_request_is_its_own_latency() -> anyhow::Result<()> {
    let platform = Platform::start().await?;
    platform.client().fit("s", &series::three(1.0)).await?;
    let latency = counted(platform.client(), 0.0, 1.0)
        .await?
        .training_latency_ms;
    assert!(
        (latency.p95 / latency.avg - 1.0).abs() <= 0.05,
        "{latency:?}"
    );
    Ok(())
}

#[tokio::test]
async fn an_empty_platform_reports_zeros() -> anyhow::Result<()> {
    let platform = Platform::start().await?;
    let mut health: Value = platform.client().get("/healthcheck").await?.ok()?;
    let system = health["system_metrics"].take();
    let expected = serde_json::json!({
        "status": "ok",
        "series_trained": 0,
        "inference_latency_ms": {"avg": 0.0, "p95": 0.0},
        "training_latency_ms": {"avg": 0.0, "p95": 0.0},
        "throughput": {"trainer": {"avg_per_minute": 0.0}, "predictor": {"avg_per_minute": 0.0}},
        "model_usage": {},
        "system_metrics": null,
    });
    assert_eq!(health, expected);
    for service in ["trainer", "predictor"] {
        let system = &system[service];
        assert!(
            system["cpu_percent"].as_f64().is_some_and(|cpu| cpu >= 0.0),
            "{system}"
        );
        assert!(
            system["memory_percent"]
                .as_f64()
                .is_some_and(|m| m > 0.0 && m < 100.0),
            "{system}"
        );
        assert_eq!(
            system["load_avg"].as_array().map(Vec::len),
            Some(3),
            "{system}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn readiness_lists_what_it_depends_on() -> anyhow::Result<()> {
    let platform = Platform::start().await?;
    let client = platform.client();
    assert_eq!(client.get("/livez").await?.status, 200);
    assert_eq!(client.get("/readyz").await?.status, 200);
    let listed: Value = client.get("/readyz?verbose").await?.ok()?;
    let dependencies = listed["dependencies"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    // What it really depends on: there is no Kafka here.
    let names: Vec<_> = dependencies.iter().map(|d| d["name"].as_str()).collect();
    assert_eq!(names, ["store", "tables", "events", "stats"].map(Some));
    assert!(dependencies.iter().all(|d| d["ok"] == true), "{listed}");
    Ok(())
}

/// The row of a metric in the documents.
fn row(name: &str, family: &Family) -> String {
    let labels = family.labels.iter().map(|label| format!("`{label}`"));
    let labels: Vec<String> = labels.collect();
    let (kind, help) = (&family.kind, &family.help);
    let unit = exposition::unit(name).unwrap_or_default();
    format!(
        "| `{name}` | {kind} | {unit} | {} | {help} |",
        labels.join(", ")
    )
}

#[tokio::test]
async fn operators_are_told_on_a_port_of_their_own_and_of_no_series() -> anyhow::Result<()> {
    const SECRET: &str = "turbine_47";
    let folder = tempfile::tempdir()?;
    let program = Program::start(folder.path()).await?;
    program.client.fit(SECRET, &series::three(1.0)).await?;
    program.client.predict(SECRET, 1.0).await?;
    for path in ["/livez", "/readyz"] {
        assert_eq!(program.admin.get(path).await?.status, 200, "{path}");
    }
    let exported = exposition::check(program.admin, SECRET).await?;
    // The table of the document is what is exported, line by line.
    let page = include_str!("../../../../docs/operations.md");
    let table = page.split_once("\n| metric | type | unit | labels | meaning |\n");
    let (_, table) = table.context("no table of metrics")?;
    let documented: Vec<&str> = table
        .lines()
        .skip(1)
        .take_while(|line| line.starts_with("| `"))
        .collect();
    let rows = exported.iter().map(|(name, family)| row(name, family));
    let rows: Vec<String> = rows.collect();
    ensure!(
        documented == rows,
        "docs/operations.md should have\n{}",
        rows.join("\n")
    );
    assert_eq!(program.client.get("/metrics").await?.status, 404);
    assert_eq!(program.admin.get("/healthcheck").await?.status, 404);
    Ok(())
}
