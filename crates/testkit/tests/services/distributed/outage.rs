//! The platform during outages of Kafka, Postgres and Redis: on servers of one test, which may stop
//! them.

use std::time::{Duration, Instant};

use anyhow::ensure;
use contract::{HealthReply, Status};
use testkit::{
    Client, Reply,
    distributed::{Distributed, SMALL, Service, run},
    eventually,
    load::{Fitted, check_plot},
    series,
    servers::{OwnServers, Server},
};

use super::{trained, used};

/// Predictions of a held series during an outage.
const PREDICTIONS: usize = 100;

/// How long all of them may take together. If each waited for a stopped server, they would take
/// minutes.
const QUICKLY: Duration = Duration::from_secs(60);

/// Demands a 503 with `retry-after`.
fn unavailable(reply: &Reply) -> anyhow::Result<()> {
    ensure!(reply.status == 503, "{} {}", reply.status, reply.text());
    reply.problem()?;
    ensure!(reply.header("retry-after").is_some(), "no Retry-After");
    Ok(())
}

/// Predicts points of the series `held`, which the predictor holds, all of them quickly and with
/// `version`.
async fn predict_held(client: Client, version: &str) -> anyhow::Result<()> {
    let started = Instant::now();
    for n in 0..PREDICTIONS {
        let judged = client
            .predict("held", if n % 2 == 0 { 1.0 } else { 99.0 })
            .await?;
        ensure!(judged.verdict.anomaly == (n % 2 == 1), "{n}: {judged:?}");
        ensure!(judged.model_version.to_string() == version, "{judged:?}");
    }
    ensure!(started.elapsed() < QUICKLY, "{:?}", started.elapsed());
    Ok(())
}

/// The health check, which is to be 200 with the figures of `last`.
async fn degraded(client: Client, last: &HealthReply) -> anyhow::Result<()> {
    let health = eventually("the figures to be known as old", || async {
        let health = client.health().await?;
        ensure!(health.status == Status::Degraded, "{health:?}");
        Ok(health)
    });
    let health = health.await?;
    assert_eq!(health.series_trained, last.series_trained);
    assert_eq!(health.model_usage, last.model_usage);
    assert_eq!(health.training_latency_ms, last.training_latency_ms);
    Ok(())
}

/// Fits `held` twice and `cold` once, and predicts points of `held` only; the figures then.
async fn prepare(client: Client) -> anyhow::Result<HealthReply> {
    for series in ["held", "held", "cold"] {
        client.fit(series, &series::three(1.0)).await?;
    }
    predict_held(client, "v2").await?;
    used(client, "held", PREDICTIONS).await?;
    trained(client, 2).await
}

/// Waits until `series` can be fitted again; its new version.
async fn fitted_again(client: Client, series: &str, points: usize) -> anyhow::Result<Fitted> {
    eventually("a fit", || async {
        let fitted = client.fit(series, &series::rising(points, 1.0)).await?;
        Ok(Fitted {
            version: fitted.version,
            points,
        })
    })
    .await
}

async fn post_fit(client: Client, series: &str) -> anyhow::Result<Reply> {
    let body = series::body(&series::three(1.0));
    client.post(&format!("/fit/{series}"), &body).await
}

async fn all_ready(platform: &Distributed) -> anyhow::Result<()> {
    for (service, number) in SMALL {
        for n in 0..number {
            eventually(&format!("{service:?} to be ready"), || async {
                let reply = platform.admin(service, n).get("/readyz?verbose").await?;
                ensure!(reply.status == 200, "{}", reply.text());
                Ok(())
            })
            .await?;
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Kafka, Postgres and Redis to start and stop: .ci/servers.sh install"]
async fn with_all_three_gone_held_series_are_judged_and_the_rest_is_refused() -> anyhow::Result<()>
{
    let servers = OwnServers::start().await?;
    run(servers.addresses(), SMALL, async |platform| {
        let client = platform.client();
        let last = prepare(client).await?;
        servers.halt(&Server::ALL).await?;

        predict_held(client, "v2").await?;
        degraded(client, &last).await?;
        let point = r#"{"timestamp":1,"value":1}"#;
        unavailable(&client.post("/predict/cold", point).await?)?;
        unavailable(&post_fit(client, "held").await?)?;
        unavailable(&post_fit(client, "new").await?)?;
        unavailable(&client.get("/plot?series_id=held").await?)?;
        // Who can still do what matters says so, and who cannot says that.
        let ready = async |service| platform.admin(service, 0).get("/readyz").await;
        assert_eq!(ready(Service::Predictor).await?.status, 200);
        assert_eq!(ready(Service::Trainer).await?.status, 503);
        assert_eq!(client.get("/livez").await?.status, 200);
        predict_held(client, "v2").await?;

        servers.resume(&Server::ALL).await?;
        // All by itself: nothing was restarted.
        all_ready(platform).await?;
        let held = fitted_again(client, "held", 17).await?;
        check_plot(client, "held", held).await?;
        assert_eq!(
            client.predict("held", 1.0).await?.model_version,
            held.version
        );
        assert_eq!(
            client.predict("cold", 1.0).await?.model_version.to_string(),
            "v1"
        );
        assert_eq!(client.post("/predict/new", point).await?.status, 404);
        counted_again(client, &last).await
    })
    .await
}

/// Demands figures that go on from `last`.
async fn counted_again(client: Client, last: &HealthReply) -> anyhow::Result<()> {
    eventually("the figures to go on", || async {
        let health = client.health().await?;
        ensure!(health.status == Status::Ok, "{health:?}");
        ensure!(
            health.model_usage.get("cold").is_some_and(|n| n == "1"),
            "{health:?}"
        );
        let held: usize = health.model_usage["held"].parse()?;
        // What was measured while Kafka was away may be lost, but nothing from before, and nothing
        // counts twice.
        ensure!(
            (PREDICTIONS + 1..=3 * PREDICTIONS + 1).contains(&held),
            "{held} predictions"
        );
        ensure!(health.series_trained == last.series_trained, "{health:?}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Kafka, Postgres and Redis to start and stop: .ci/servers.sh install"]
async fn a_version_whose_points_kafka_did_not_take_is_never_seen() -> anyhow::Result<()> {
    let servers = OwnServers::start().await?;
    run(servers.addresses(), SMALL, async |platform| {
        let client = platform.client();
        prepare(client).await?;
        servers.halt(&[Server::Kafka]).await?;
        unavailable(&post_fit(client, "held").await?)?;
        unavailable(&post_fit(client, "new").await?)?;
        predict_held(client, "v2").await?;
        // v3 has its number, and its model lies in Postgres.
        let lost = "/plot?series_id=held&version=v3";
        assert_eq!(client.get(lost).await?.status, 404);
        assert_eq!(client.get("/plot?series_id=new").await?.status, 404);

        servers.resume(&[Server::Kafka]).await?;
        all_ready(platform).await?;
        predict_held(client, "v2").await?;
        let held = fitted_again(client, "held", 17).await?;
        ensure!(
            held.version.number() > 3,
            "{held:?} is a number that was given before"
        );
        check_plot(client, "held", held).await?;
        assert_eq!(
            client.predict("held", 1.0).await?.model_version,
            held.version
        );
        assert_eq!(client.get(lost).await?.status, 404);
        let point = r#"{"timestamp":1,"value":1}"#;
        assert_eq!(client.post("/predict/new", point).await?.status, 404);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Kafka, Postgres and Redis to start and stop: .ci/servers.sh install"]
async fn without_redis_everything_works_and_is_counted_later() -> anyhow::Result<()> {
    let servers = OwnServers::start().await?;
    run(servers.addresses(), SMALL, async |platform| {
        let client = platform.client();
        let last = prepare(client).await?;
        servers.halt(&[Server::Redis]).await?;
        degraded(client, &last).await?;
        predict_held(client, "v2").await?;
        let fitted = client.fit("held", &series::three(1.0)).await?;
        client.plot("held", fitted.version).await?;
        client.fit("new", &series::three(1.0)).await?;

        servers.resume(&[Server::Redis]).await?;
        used(client, "held", 2 * PREDICTIONS).await?;
        trained(client, 3).await.map(drop)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Kafka, Postgres and Redis to start and stop: .ci/servers.sh install"]
async fn servers_that_hang_hold_up_no_prediction() -> anyhow::Result<()> {
    let servers = OwnServers::start().await?;
    run(servers.addresses(), SMALL, async |platform| {
        let client = platform.client();
        let last = prepare(client).await?;
        let hanging = [Server::Kafka, Server::Redis];
        servers.freeze(&hanging).await?;
        predict_held(client, "v2").await?;
        degraded(client, &last).await?;
        unavailable(&post_fit(client, "held").await?)?;
        // Held or not: models come from Postgres, which is well.
        assert_eq!(
            client.predict("cold", 1.0).await?.model_version.to_string(),
            "v1"
        );
        predict_held(client, "v2").await?;

        servers.thaw(&hanging).await?;
        all_ready(platform).await?;
        let held = fitted_again(client, "held", 17).await?;
        check_plot(client, "held", held).await?;
        assert_eq!(
            client.predict("held", 1.0).await?.model_version,
            held.version
        );
        counted_again(client, &last).await
    })
    .await
}
