//! Consumers that are killed in the middle of their work have done each piece of it once.

use anyhow::ensure;
use contract::{Point, SeriesId, VersionRef};
use store::TrainingPoints;
use testkit::{
    distributed::{DOUBLE, Distributed, Service, run},
    eventually,
    load::{self, Acknowledged},
    series,
    servers::Servers,
};

use super::{trained, used};

/// Kills the `n`th of `service` while fits and predictions go on, and starts it again.
async fn kill_under_load(
    platform: &mut Distributed,
    service: Service,
    n: usize,
) -> anyhow::Result<()> {
    platform.kill(service, n)?;
    let client = platform.client();
    for i in 0..3 {
        client.fit("between", &series::rising(10 + i, 1.0)).await?;
    }
    platform.start(service, n).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Kafka, Postgres and Redis: TEST_KAFKA_BROKERS, TEST_DATABASE_URL, TEST_REDIS_URL"]
async fn kills_of_consumers_lose_and_double_nothing() -> anyhow::Result<()> {
    run(Servers::shared()?, DOUBLE, async |platform| {
        let client = platform.client();
        client.fit("held", &series::three(1.0)).await?;
        let fitting = load::fitting(client, 4, 4);
        let predicting = load::predicting(client, 4, "held");
        for round in 0..5 {
            // Nobody who asks notices: no failure is expected.
            fitting.goes_on_for(5).await?;
            predicting.goes_on_for(100).await?;
            kill_under_load(platform, Service::MetricsConsumer, 0).await?;
            kill_under_load(platform, Service::TrainingDataConsumer, round % 2).await?;
            kill_under_load(platform, Service::MetricsConsumer, 1).await?;
        }
        let (fits, predictions) = (fitting.end().await?, predicting.end().await?);

        used(client, "held", predictions.len()).await?;
        // load_0 … load_3, held, between
        trained(client, 6).await?;
        let mut all = Acknowledged::default();
        all.go_on(fits)?;
        all.check(client).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Kafka, Postgres and Redis: TEST_KAFKA_BROKERS, TEST_DATABASE_URL, TEST_REDIS_URL"]
async fn every_training_point_is_stored_once_though_its_consumer_is_killed() -> anyhow::Result<()> {
    run(Servers::shared()?, DOUBLE, async |platform| {
        let client = platform.client();
        let points = series::daily(60_000, 20.0);
        for round in 0..4 {
            let fitted = client.fit("big", &points).await?;
            // Six parts are on their way.
            platform.kill(Service::TrainingDataConsumer, round % 2)?;
            platform
                .start(Service::TrainingDataConsumer, round % 2)
                .await?;
            let stored = stored(platform, "big", fitted.version).await?;
            ensure!(
                stored == points,
                "{}: {} points",
                fitted.version,
                stored.len()
            );
        }
        Ok(())
    })
    .await
}

/// All training points of a version, as they are in the database.
async fn stored(
    platform: &Distributed,
    series: &str,
    version: contract::Version,
) -> anyhow::Result<Vec<Point>> {
    let (store, series) = (platform.store()?, SeriesId::new(series)?);
    let version = VersionRef::Version(version);
    let points = eventually("all points to be stored", || async {
        match store.training_points(&series, Some(&version)).await? {
            TrainingPoints::Complete(_, points) => Ok(points),
            other => anyhow::bail!("{other:?}"),
        }
    });
    let points = points.await;
    store.close().await;
    points
}
