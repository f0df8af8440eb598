//! Needs Kafka, Postgres and Redis.

mod backups;
mod consumers;
mod events;
mod fits;
mod http;
mod outage;
mod registry;
mod restarts;
mod streams;

use anyhow::ensure;
use contract::HealthReply;
use testkit::{Client, eventually};

/// Waits until the health check says that `series` was predicted exactly `times` times.
async fn used(client: Client, series: &str, times: usize) -> anyhow::Result<()> {
    let expected = times.to_string();
    eventually("every prediction to be counted once", || async {
        let health = client.health().await?;
        ensure!(health.status == contract::Status::Ok, "{health:?}");
        let counted = health.model_usage.get(series);
        ensure!(counted == Some(&expected), "{counted:?} of {expected}");
        Ok(())
    })
    .await
}

/// Waits until the health check counts exactly `number` trained series; what it says then.
///
/// [`used`] does not wait for that: what trainer and predictor measured may lie in different
/// partitions, and each of them keeps the figures that it read for up to a second.
async fn trained(client: Client, number: u64) -> anyhow::Result<HealthReply> {
    eventually("every trained series to be counted once", || async {
        let health = client.health().await?;
        ensure!(health.series_trained == number, "{health:?}");
        Ok(health)
    })
    .await
}
