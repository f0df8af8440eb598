//! The HTTP contract is the same as in one process.

use testkit::{
    columns, compat,
    distributed::{SMALL, run},
    hostile,
    servers::Servers,
    times,
};

#[tokio::test]
#[ignore = "needs Kafka, Postgres and Redis: TEST_KAFKA_BROKERS, TEST_DATABASE_URL, TEST_REDIS_URL"]
async fn dates_are_answered_as_the_integers_that_they_stand_for() -> anyhow::Result<()> {
    run(Servers::shared()?, SMALL, async |platform| {
        times::check(platform.client()).await
    })
    .await
}

#[tokio::test]
#[ignore = "needs Kafka, Postgres and Redis: TEST_KAFKA_BROKERS, TEST_DATABASE_URL, TEST_REDIS_URL"]
async fn columns_are_fitted_judged_drawn_and_refused_as_documented() -> anyhow::Result<()> {
    run(Servers::shared()?, SMALL, async |platform| {
        columns::check(platform.client()).await
    })
    .await
}

#[tokio::test]
#[ignore = "needs Kafka, Postgres and Redis: TEST_KAFKA_BROKERS, TEST_DATABASE_URL, TEST_REDIS_URL"]
async fn everything_recorded_is_answered_as_recorded() -> anyhow::Result<()> {
    run(Servers::shared()?, SMALL, async |platform| {
        compat::check(platform.client()).await
    })
    .await
}

#[tokio::test]
#[ignore = "needs Kafka, Postgres and Redis: TEST_KAFKA_BROKERS, TEST_DATABASE_URL, TEST_REDIS_URL"]
async fn hostile_requests_are_refused_by_name_and_change_nothing() -> anyhow::Result<()> {
    run(Servers::shared()?, SMALL, async |platform| {
        hostile::check(platform.client()).await
    })
    .await
}
