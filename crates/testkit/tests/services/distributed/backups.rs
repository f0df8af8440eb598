//! What a dump of Postgres brings back.

use std::{path::Path, process::Command};

use anyhow::{Context, ensure};
use testkit::{
    distributed::{Distributed, SMALL, Service, run},
    eventually,
    load::{self, Acknowledged},
    series,
    servers::Servers,
};

/// Runs a program of Postgres on the database of `platform`, with `flags`.
fn on_database(
    platform: &Distributed,
    program: &str,
    flags: &[&str],
    file: &Path,
) -> anyhow::Result<()> {
    let file = format!("--file={}", file.display());
    let file = match program {
        "pg_restore" => file.trim_start_matches("--file="),
        _ => &file,
    };
    let ended = Command::new(program)
        .args(flags)
        .arg(format!("--dbname={}", platform.database_url()?))
        .arg(file)
        .status()
        .with_context(|| format!("starting {program}"))?;
    ensure!(ended.success(), "{program}: {ended}");
    Ok(())
}

/// Starts all processes, the training-data consumer first: it passes over the points of versions
/// that the database has forgotten, before their numbers are given out again.
async fn start_after_restore(platform: &mut Distributed) -> anyhow::Result<()> {
    let consumer = Service::TrainingDataConsumer;
    platform.start(consumer, 0).await?;
    let admin = platform.admin(consumer, 0);
    let platform = &mut *platform;
    for service in [Service::Predictor, Service::Trainer] {
        platform.start(service, 0).await?;
    }
    for n in 0..2 {
        platform.start(Service::MetricsConsumer, n).await?;
    }
    eventually("the consumer to have read all", || {
        let log = platform.log(consumer, 0);
        async move {
            ensure!(log?.contains("reading"), "it has not begun");
            let metrics = admin.get("/metrics").await?.text().to_owned();
            ensure!(metrics.contains("anomaly_training_data_consumer_lag_messages 0\n"));
            Ok(())
        }
    })
    .await?;
    platform.start(Service::Gateway, 0).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Kafka, Postgres and Redis: TEST_KAFKA_BROKERS, TEST_DATABASE_URL, TEST_REDIS_URL"]
async fn what_was_acknowledged_before_a_dump_under_load_is_there_after_a_restore()
-> anyhow::Result<()> {
    run(Servers::shared()?, SMALL, async |platform| {
        let folder = tempfile::tempdir()?;
        let dump = folder.path().join("dump");
        let client = platform.client();
        client.fit("quiet", &series::rising(500, 1.0)).await?;
        let judge = async || {
            let point = r#"{"timestamp":501,"value":77.5}"#;
            let reply = client.post("/predict/quiet", point).await?;
            ensure!(reply.status == 200, "{}", reply.text());
            Ok(reply.text().to_owned())
        };
        let judged = judge().await?;
        let mut before = Acknowledged::default();
        let fitting = load::fitting(client, 8, 4);
        fitting.goes_on_for(40).await?;
        before.go_on(fitting.end().await?)?;

        let fitting = load::fitting(client, 8, 4);
        fitting.goes_on_for(8).await?;
        on_database(platform, "pg_dump", &["-Fc"], &dump)?;
        fitting.goes_on_for(8).await?;
        fitting.end().await?;

        platform.stop_all().await?;
        on_database(platform, "pg_restore", &["--clean", "--if-exists"], &dump)?;
        start_after_restore(platform).await?;
        assert_eq!(judge().await?, judged);
        let fitting = load::fitting(client, 8, 4);
        fitting.goes_on_for(16).await?;
        before.go_on(fitting.end().await?)?;
        before.check(client).await
    })
    .await
}
