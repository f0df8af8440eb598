//! Services that are killed, restarted, stopped and initialised again.

use std::time::Duration;

use anyhow::ensure;
use contract::FitReply;
use testkit::{
    Client, Reply,
    distributed::{DOUBLE, Distributed, SMALL, Service, run},
    eventually,
    load::{self, Acknowledged},
    series,
    servers::Servers,
};
use tokio::time::timeout;

use super::used;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Kafka, Postgres and Redis: TEST_KAFKA_BROKERS, TEST_DATABASE_URL, TEST_REDIS_URL"]
async fn a_trainer_killed_again_and_again_loses_nothing_that_was_acknowledged() -> anyhow::Result<()>
{
    run(Servers::shared()?, SMALL, async |platform| {
        let mut all = Acknowledged::default();
        for _ in 0..3 {
            let fitting = load::fitting(platform.client(), 8, 4);
            fitting.goes_on_for(30).await?;
            fitting.expect_failures();
            platform.kill(Service::Trainer, 0)?;
            platform.start(Service::Trainer, 0).await?;
            all.go_on(fitting.end().await?)?;
        }
        all.check(platform.client()).await
    })
    .await
}

/// Fits `s` on points in `body`, as the request `key`, until that succeeds.
async fn fitted_once(client: Client, key: &str, body: &str) -> anyhow::Result<Reply> {
    eventually("a fit", || async {
        let headers = [("idempotency-key", key)];
        let reply = client.send("POST", "/fit/s", &headers, Some(body.as_bytes()));
        let reply = reply.await?;
        ensure!(reply.status == 200, "{}", reply.text());
        Ok(reply)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Kafka, Postgres and Redis: TEST_KAFKA_BROKERS, TEST_DATABASE_URL, TEST_REDIS_URL"]
async fn a_fit_with_a_key_makes_one_version_whichever_trainer_is_killed() -> anyhow::Result<()> {
    run(Servers::shared()?, DOUBLE, async |platform| {
        let (client, points) = (platform.client(), 5_000);
        let body = series::body(&series::rising(points, 1.0));
        for round in 1..=10 {
            let (key, killed) = (format!("k{round}"), round % 2);
            // Killed at another moment each time: before, during or after the fit. The client may
            // have had its reply, or tries again while the other trainer still works.
            let moment = Duration::from_millis(12 * round as u64);
            let early = timeout(moment, fitted_once(client, &key, &body)).await;
            platform.kill(Service::Trainer, killed)?;
            let reply = fitted_once(client, &key, &body).await?;
            if let Ok(early) = early {
                assert_eq!(early?.text(), reply.text());
            }
            platform.start(Service::Trainer, killed).await?;
            let again = fitted_once(client, &key, &body).await?;
            assert_eq!(again.text(), reply.text());
            let (version, models) = (reply.ok::<FitReply>()?.version, client.models("s").await?);
            assert_eq!((models.len(), models[0].version), (round, version));
            load::check_plot(client, "s", load::Fitted { version, points }).await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Kafka, Postgres and Redis: TEST_KAFKA_BROKERS, TEST_DATABASE_URL, TEST_REDIS_URL"]
async fn with_one_of_two_predictors_killed_the_other_answers_everything() -> anyhow::Result<()> {
    run(Servers::shared()?, DOUBLE, async |platform| {
        platform.client().fit("held", &series::three(1.0)).await?;
        let predicting = load::predicting(platform.client(), 4, "held");
        for _ in 0..3 {
            // No failure is expected: what a dying predictor leaves unanswered is asked of the
            // other.
            predicting.goes_on_for(200).await?;
            platform.kill(Service::Predictor, 0)?;
            predicting.goes_on_for(200).await?;
            platform.start(Service::Predictor, 0).await?;
        }
        ensure!(predicting.end().await?.len() >= 1_200);
        Ok(())
    })
    .await
}

#[tokio::test]
#[ignore = "needs Kafka, Postgres and Redis: TEST_KAFKA_BROKERS, TEST_DATABASE_URL, TEST_REDIS_URL"]
async fn a_new_predictor_knows_all_that_was_fitted_before_it() -> anyhow::Result<()> {
    run(Servers::shared()?, SMALL, async |platform| {
        let client = platform.client();
        for _ in 0..3 {
            client.fit("s", &series::three(1.0)).await?;
        }
        platform.kill(Service::Predictor, 0)?;
        let point = r#"{"timestamp":1,"value":1}"#;
        let reply = client.post("/predict/s", point).await?;
        assert_eq!(reply.status, 503);
        assert!(reply.header("retry-after").is_some());
        assert_eq!(client.get("/healthcheck").await?.status, 503);
        // Fitting goes on meanwhile.
        client.fit("s", &series::three(1.0)).await?;

        platform.start(Service::Predictor, 0).await?;
        let judged = client.predict("s", 1.0).await?;
        assert_eq!(judged.model_version.to_string(), "v4");
        Ok(())
    })
    .await
}

#[tokio::test]
#[ignore = "needs Kafka, Postgres and Redis: TEST_KAFKA_BROKERS, TEST_DATABASE_URL, TEST_REDIS_URL"]
async fn a_second_init_changes_nothing() -> anyhow::Result<()> {
    run(Servers::shared()?, SMALL, async |platform| {
        let client = platform.client();
        client.fit("s", &series::rising(12, 1.0)).await?;
        client.predict("s", 1.0).await?;
        used(client, "s", 1).await?;
        platform.init().await?;
        let fitted = client.fit("s", &series::rising(13, 1.0)).await?;
        assert_eq!(fitted.version.to_string(), "v2");
        client.predict("s", 1.0).await?;
        used(client, "s", 2).await?;
        for (version, points) in [(1, 12), (2, 13)] {
            let version = contract::Version::new(version).expect("not zero");
            let fitted = load::Fitted { version, points };
            load::check_plot(client, "s", fitted).await?;
        }
        Ok(())
    })
    .await
}

/// Starts all that were stopped.
async fn start_again(platform: &mut Distributed) -> anyhow::Result<()> {
    for service in [
        Service::TrainingDataConsumer,
        Service::Predictor,
        Service::Trainer,
    ] {
        platform.start(service, 0).await?;
    }
    for n in 0..2 {
        platform.start(Service::MetricsConsumer, n).await?;
    }
    platform.start(Service::Gateway, 0).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Kafka, Postgres and Redis: TEST_KAFKA_BROKERS, TEST_DATABASE_URL, TEST_REDIS_URL"]
async fn a_stop_of_all_under_load_loses_no_fit_and_no_count() -> anyhow::Result<()> {
    run(Servers::shared()?, SMALL, async |platform| {
        platform.client().fit("held", &series::three(1.0)).await?;
        let fitting = load::fitting(platform.client(), 4, 4);
        let predicting = load::predicting(platform.client(), 4, "held");
        fitting.goes_on_for(20).await?;
        predicting.goes_on_for(100).await?;

        fitting.expect_failures();
        predicting.expect_failures();
        // Each must end with exit code 0.
        platform.stop_all().await?;
        let mut all = Acknowledged::default();
        all.go_on(fitting.end().await?)?;
        let answered = predicting.end().await?.len();

        start_again(platform).await?;
        used(platform.client(), "held", answered).await?;
        all.check(platform.client()).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Kafka, Postgres and Redis: TEST_KAFKA_BROKERS, TEST_DATABASE_URL, TEST_REDIS_URL"]
async fn services_restarted_one_by_one_under_load_lose_nothing() -> anyhow::Result<()> {
    run(Servers::shared()?, DOUBLE, async |platform| {
        platform.client().fit("held", &series::three(1.0)).await?;
        let fitting = load::fitting(platform.client(), 4, 4);
        let predicting = load::predicting(platform.client(), 4, "held");
        // A stop is clean, but a client may meet a service that is just closing its door.
        fitting.expect_failures();
        for service in [
            Service::Trainer,
            Service::Predictor,
            Service::TrainingDataConsumer,
        ] {
            for n in 0..2 {
                fitting.goes_on_for(5).await?;
                platform.stop(service, n).await?;
                fitting.goes_on_for(5).await?;
                platform.start(service, n).await?;
            }
        }
        let mut all = Acknowledged::default();
        all.go_on(fitting.end().await?)?;
        let answered = predicting.end().await?.len();
        used(platform.client(), "held", answered).await?;
        all.check(platform.client()).await?;
        eventually("both gateways to be ready", || async {
            for n in 0..2 {
                let reply = platform.admin(Service::Gateway, n).get("/readyz").await?;
                ensure!(reply.status == 200, "{}", reply.text());
            }
            Ok(())
        })
        .await
    })
    .await
}
