//! The events on Kafka, seen from outside of the services.

use std::{marker::PhantomData, sync::Arc, time::Duration};

use anyhow::{Context, ensure};
use bus::{Bus, Message, OffsetSource};
use contract::{DeadLetters, Event, MetricsEvent, Topic, TrainingData};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use testkit::{
    distributed::{Distributed, SMALL, Service, run},
    exposition, series,
    servers::Servers,
};
use tokio::time::timeout;

use super::used;

/// Any JSON on the topic of `E`.
#[derive(Serialize, Deserialize)]
#[serde(transparent, bound = "")]
struct Anything<E>(Value, #[serde(skip)] PhantomData<fn() -> E>);

impl<E: Event> Event for Anything<E> {
    const TOPIC: Topic = E::TOPIC;

    fn key(&self) -> Option<&str> {
        None
    }
}

/// The dead letters.
#[derive(Debug, Serialize, Deserialize)]
#[serde(transparent)]
struct Buried(Value);

impl Event for Buried {
    const TOPIC: Topic = DeadLetters::TOPIC;

    fn key(&self) -> Option<&str> {
        None
    }
}

/// The first `n` messages of the topic of `E`.
async fn first<E: Event>(platform: &Distributed, n: usize) -> anyhow::Result<Vec<Message<E>>> {
    let from_the_start: OffsetSource = Arc::new(|_| Box::pin(async { Ok(Vec::new()) }));
    let mut events = platform.bus()?.subscribe::<E>("test", from_the_start)?;
    let mut messages = Vec::new();
    while messages.len() < n {
        let next = events.next_batch(n - messages.len(), Duration::ZERO);
        let batch = timeout(Duration::from_secs(60), next).await;
        let batch = batch.with_context(|| format!("{} of {n} messages", messages.len()))??;
        messages.extend(batch);
    }
    events.close().await;
    Ok(messages)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Kafka, Postgres and Redis: TEST_KAFKA_BROKERS, TEST_DATABASE_URL, TEST_REDIS_URL"]
async fn a_trace_is_a_header_of_the_training_data() -> anyhow::Result<()> {
    const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    run(Servers::shared()?, SMALL, async |platform| {
        let client = platform.client();
        let body = series::body(&series::three(1.0));
        let headers = [("traceparent", TRACE)];
        let reply = client.send("POST", "/fit/traced", &headers, Some(body.as_bytes()));
        assert_eq!(reply.await?.status, 200);
        let [message] = &first::<TrainingData>(platform, 1).await?[..] else {
            anyhow::bail!("one message was asked for");
        };
        let header = ("traceparent".to_owned(), TRACE.to_owned());
        ensure!(message.headers.contains(&header), "{:?}", message.headers);
        assert_eq!(message.key.as_deref(), Some(&b"traced"[..]));
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Kafka, Postgres and Redis: TEST_KAFKA_BROKERS, TEST_DATABASE_URL, TEST_REDIS_URL"]
async fn a_request_id_is_in_the_logs_of_all_services_that_had_a_part() -> anyhow::Result<()> {
    run(Servers::shared()?, SMALL, async |platform| {
        platform.set("LOG_FORMAT", "json");
        platform.set("LOG_LEVEL", "debug");
        let services = [Service::Trainer, Service::Predictor, Service::Gateway];
        for service in services {
            platform.stop(service, 0).await?;
            platform.start(service, 0).await?;
        }
        let client = platform.client();
        let (points, point) = (
            series::body(&series::three(1.0)),
            r#"{"timestamp":1,"value":1}"#,
        );
        for (id, path, body) in [
            ("the-fit", "/fit/s", &*points),
            ("the-point", "/predict/s", point),
        ] {
            let headers = [("x-request-id", id)];
            let reply = client.send("POST", path, &headers, Some(body.as_bytes()));
            assert_eq!(reply.await?.status, 200);
        }
        let told = services.map(|service| {
            let log = platform.log(service, 0)?;
            let ids =
                ["the-fit", "the-point"].map(|id| log.contains(&format!(r#""request_id":"{id}""#)));
            anyhow::Ok(ids)
        });
        let [trainer, predictor, gateway] = told;
        assert_eq!(
            (trainer?, predictor?, gateway?),
            ([true, false], [false, true], [true, true])
        );
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Kafka, Postgres and Redis: TEST_KAFKA_BROKERS, TEST_DATABASE_URL, TEST_REDIS_URL"]
async fn every_service_tells_operators_what_it_does_and_no_series() -> anyhow::Result<()> {
    run(Servers::shared()?, SMALL, async |platform| {
        const SECRET: &str = "turbine_47";
        let client = platform.client();
        let fitted = client.fit(SECRET, &series::three(1.0)).await?;
        client.predict(SECRET, 1.0).await?;
        client.plot(SECRET, fitted.version).await?;
        used(client, SECRET, 1).await?;
        for (service, expected) in [
            (Service::Gateway, &["requests", "shed"][..]),
            (Service::Trainer, &["fits", "events_dropped"]),
            (
                Service::Predictor,
                &["predictions", "cache_hits", "events_dropped"],
            ),
            (Service::MetricsConsumer, &["lag"]),
            (Service::TrainingDataConsumer, &["lag"]),
        ] {
            let exported = exposition::check(platform.admin(service, 0), SECRET).await?;
            for part in expected {
                ensure!(
                    exported.keys().any(|name| name.contains(part)),
                    "{service:?}: {part} in {exported:?}"
                );
            }
        }
        Ok(())
    })
    .await
}

/// Publishes messages on both topics that are JSON, but that no consumer can use.
async fn publish_nonsense(bus: &Bus) -> anyhow::Result<usize> {
    let metrics = [
        json!({"type": "rumour", "latency_ms": 1}),
        json!({"type": "inference", "latency_ms": "fast"}),
        json!([]),
    ];
    let training_data = [
        json!({"series_id": "", "version": "v1", "data": []}),
        json!({"series_id": "s", "version": "v0", "data": []}),
        json!("text"),
    ];
    let all = metrics.len() + training_data.len();
    let metrics = metrics.map(|json| Anything::<MetricsEvent>(json, PhantomData));
    bus.publish(metrics, None).await?;
    let training_data = training_data.map(|json| Anything::<TrainingData>(json, PhantomData));
    bus.publish(training_data, None).await?;
    Ok(all)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Kafka, Postgres and Redis: TEST_KAFKA_BROKERS, TEST_DATABASE_URL, TEST_REDIS_URL"]
async fn what_makes_no_sense_is_buried_with_its_reason_and_held_up_nothing() -> anyhow::Result<()> {
    run(Servers::shared()?, SMALL, async |platform| {
        let client = platform.client();
        let bus = platform.bus()?;
        let nonsense = publish_nonsense(&bus).await?;
        // What comes after it on every partition is used.
        for i in 0..8 {
            let series = format!("s{i}");
            let fitted = client.fit(&series, &series::three(1.0)).await?;
            client.plot(&series, fitted.version).await?;
        }
        for _ in 0..20 {
            client.predict("s0", 1.0).await?;
        }
        used(client, "s0", 20).await?;

        let buried = first::<Buried>(platform, nonsense).await?;
        for topic in [MetricsEvent::TOPIC, TrainingData::TOPIC] {
            let name = bus.name_of(topic);
            let of_topic: Vec<_> = buried
                .iter()
                .filter(|m| header(m, "topic") == Some(name))
                .collect();
            assert_eq!(of_topic.len(), 3, "{name}: {buried:?}");
            for message in of_topic {
                for place in ["partition", "offset"] {
                    let number = header(message, place).and_then(|text| text.parse::<i64>().ok());
                    ensure!(number.is_some_and(|n| n >= 0), "{place} of {message:?}");
                }
                ensure!(
                    header(message, "reason").is_some_and(|r| !r.is_empty()),
                    "{message:?}"
                );
            }
        }
        let payloads: Vec<_> = buried
            .iter()
            .map(|m| String::from_utf8_lossy(&m.payload))
            .collect();
        ensure!(
            payloads.iter().any(|p| p.contains("rumour")),
            "{payloads:?}"
        );
        Ok(())
    })
    .await
}

fn header<'a>(message: &'a Message<Buried>, name: &str) -> Option<&'a str> {
    let mut headers = message.headers.iter();
    let (_, value) = headers.find(|(other, _)| other == name)?;
    Some(value)
}
