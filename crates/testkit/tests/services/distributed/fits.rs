//! Versions over several gateways, trainers and predictors.

use anyhow::ensure;
use contract::Version;
use testkit::{
    Client,
    distributed::{DOUBLE, run},
    eventually,
    load::{Fitted, check_plot},
    series,
    servers::Servers,
};
use tokio::task::JoinSet;

/// Fits `series` on `points` points.
async fn fit(client: Client, series: &'static str, points: usize) -> anyhow::Result<Fitted> {
    let fitted = client.fit(series, &series::rising(points, 1.0)).await?;
    ensure!(fitted.points_used == points, "{fitted:?}");
    Ok(Fitted {
        version: fitted.version,
        points,
    })
}

#[tokio::test]
#[ignore = "needs Kafka, Postgres and Redis: TEST_KAFKA_BROKERS, TEST_DATABASE_URL, TEST_REDIS_URL"]
async fn fits_at_once_through_two_gateways_and_trainers_get_each_version_once() -> anyhow::Result<()>
{
    const FITS: u32 = 40;
    run(Servers::shared()?, DOUBLE, async |platform| {
        let mut fits = JoinSet::new();
        for n in 0..FITS as usize {
            fits.spawn(fit(platform.gateway(n % 2), "contended", 10 + n));
        }
        let mut fitted = Vec::new();
        while let Some(fit) = fits.join_next().await {
            fitted.push(fit??);
        }
        fitted.sort_unstable();
        let versions: Vec<_> = fitted.iter().map(|fitted| fitted.version).collect();
        let expected: Vec<_> = (1..=FITS).filter_map(Version::new).collect();
        assert_eq!(versions, expected);
        for fitted in &fitted {
            check_plot(platform.client(), "contended", *fitted).await?;
        }
        Ok(())
    })
    .await
}

/// Fits and predicts in turn through one gateway; a prediction must know of every fit that was
/// answered before it.
async fn read_own_writes(gateway: Client, series: &'static str) -> anyhow::Result<()> {
    for n in 0..20 {
        let fitted = fit(gateway, series, 3 + n).await?;
        // Twice, so that both predictors are asked.
        for _ in 0..2 {
            let judged = gateway.predict(series, 1.0).await?;
            let version = judged.model_version;
            ensure!(version >= fitted.version, "{version} after {fitted:?}");
        }
    }
    Ok(())
}

#[tokio::test]
#[ignore = "needs Kafka, Postgres and Redis: TEST_KAFKA_BROKERS, TEST_DATABASE_URL, TEST_REDIS_URL"]
async fn who_was_told_of_a_version_is_judged_by_it_whichever_predictor_is_asked()
-> anyhow::Result<()> {
    run(Servers::shared()?, DOUBLE, async |platform| {
        let mut clients = JoinSet::new();
        for n in 0..8 {
            // Every series is fitted through both gateways.
            let series = ["a", "b", "c", "d"][n / 2];
            clients.spawn(read_own_writes(platform.gateway(n % 2), series));
        }
        while let Some(client) = clients.join_next().await {
            client??;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
#[ignore = "needs Kafka, Postgres and Redis: TEST_KAFKA_BROKERS, TEST_DATABASE_URL, TEST_REDIS_URL"]
async fn a_version_soon_judges_through_another_gateway_too() -> anyhow::Result<()> {
    run(Servers::shared()?, DOUBLE, async |platform| {
        let (writer, reader) = (platform.gateway(0), platform.gateway(1));
        for round in 0..5 {
            let fitted = fit(writer, "shared", 3 + round).await?;
            eventually("the other gateway's predictors to know", || async {
                for _ in 0..4 {
                    let judged = reader.predict("shared", 1.0).await?;
                    let version = judged.model_version;
                    ensure!(version >= fitted.version, "{version} after {fitted:?}");
                }
                Ok(())
            })
            .await?;
        }
        Ok(())
    })
    .await
}
