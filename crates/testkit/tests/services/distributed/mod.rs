//! Needs Kafka, Postgres and Redis.

mod consumers;
mod events;
mod fits;
mod http;
mod outage;
mod registry;
mod restarts;

use anyhow::ensure;
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
