//! Models over several gateways, trainers and predictors.

use testkit::{
    distributed::{DOUBLE, run},
    registry,
    servers::Servers,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Kafka, Postgres and Redis: TEST_KAFKA_BROKERS, TEST_DATABASE_URL, TEST_REDIS_URL"]
async fn what_changes_through_one_gateway_is_soon_seen_through_another() -> anyhow::Result<()> {
    run(Servers::shared()?, DOUBLE, async |platform| {
        registry::check(platform.gateway(0), platform.gateway(1)).await
    })
    .await
}
