//! Faults that only a bus over Kafka meets: brokers that go, consumers that are too slow, a client
//! that is broken.

use std::time::Duration;

use anyhow::Context as _;
use bus::Bus;
use contract::{ModelEvent, Point, TrainingData};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use tokio::time::{Instant, interval, timeout};

use crate::{
    database::{Database, PATIENCE, consume, event, publish, read},
    fixture::{self, Fixture},
    front::Front,
};

const GROUP: &str = "training-data-consumer";

/// More than a consumer takes in before it pauses: 60 events of 150 KB.
async fn publish_much(bus: &Bus) -> anyhow::Result<()> {
    let big = |number: u32| {
        let series = format!("series_{}", number % 6);
        let point = |n: u32| Point {
            timestamp: i64::from(n),
            value: f64::from(n.wrapping_mul(2_654_435_761)).sqrt(),
        };
        let mut event = event(&series, number);
        event.data = (0..3_000).map(|n| point(n + number * 3_000)).collect();
        event
    };
    bus.publish((1..=60).map(big), None).await?;
    Ok(())
}

async fn keeps_a_slow_consumer_in_its_group(fixture: Fixture) -> anyhow::Result<()> {
    publish_much(&fixture.bus).await?;
    let database = Database::default();
    let mut slow = fixture.bus.subscribe(GROUP, database.offsets())?;
    let first = slow.next_batch(1, Duration::ZERO).await?;
    database.apply(&first)?;

    // Longer than its session is: had it stopped polling, it would be asked to join anew.
    let rejoined = timeout(Duration::from_secs(8), async {
        let mut ticks = interval(Duration::from_millis(20));
        while database.asked() == 1 {
            ticks.tick().await;
        }
    });
    assert!(rejoined.await.is_err(), "lost its membership");
    consume(&mut slow, &database, 60).await?;
    assert_eq!(database.asked(), 1);
    for n in 0..6 {
        let expected: Vec<u32> = (1..=60).filter(|number| number % 6 == n).collect();
        assert_eq!(database.applied(&format!("series_{n}")), expected);
    }
    Ok(())
}

mod mock {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn keeps_a_slow_consumer_in_its_group() -> anyhow::Result<()> {
        super::keeps_a_slow_consumer_in_its_group(Fixture::mock()?).await
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn is_found_to_answer_by_those_who_wait_less_than_an_answer_takes() -> anyhow::Result<()>
    {
        let fixture = Fixture::mock()?;
        let slow = Duration::from_millis(1_500);
        fixture.cluster()?.broker_round_trip_time(-1, slow)?;
        // As a health check asks again and again.
        let found = timeout(Duration::from_secs(30), async {
            while fixture.bus.ping(slow / 3).await.is_err() {}
        });
        assert!(found.await.is_ok(), "every question was given up");
        Ok(())
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn works_again_after_its_client_broke_for_good() -> anyhow::Result<()> {
        let fixture = Fixture::mock()?;
        fixture.bus.publish([event("a", 1)], None).await?;
        // To the client library that means that nothing which was acknowledged can be trusted.
        let desynchronised = RDKafkaRespErr::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
        fixture
            .cluster()?
            .request_errors(RDKafkaApiKey::Produce, &[desynchronised]);
        let broken = fixture.bus.publish([event("a", 2)], None).await;
        assert!(broken.is_err());
        fixture.bus.publish([event("a", 3)], None).await?;
        Ok(())
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn survives_brokers_that_are_away_when_it_starts() -> anyhow::Result<()> {
        let fixture = Fixture::mock()?;
        fixture.cluster()?.broker_down(-1)?;
        let fixture = fixture.reopen().await?;
        assert!(fixture.bus.ping(Duration::from_millis(500)).await.is_err());
        let database = Database::default();
        let mut member = fixture.bus.subscribe(GROUP, database.offsets())?;
        let mut tail = fixture.bus.tail::<ModelEvent>()?;
        let began = Instant::now();
        assert!(fixture.bus.publish([event("a", 1)], None).await.is_err());
        assert!(
            began.elapsed() < Duration::from_secs(25),
            "{:?}",
            began.elapsed()
        );

        fixture.cluster()?.broker_up(-1)?;
        fixture.bus.publish([event("a", 2)], None).await?;
        let came = read::<TrainingData>(&mut member, 1).await?;
        assert_eq!(came[0].event, Ok(event("a", 2)));

        let deadline = Instant::now() + PATIENCE;
        let mut seen = false;
        while !seen {
            assert!(Instant::now() < deadline);
            let ready = ModelEvent::Ready {
                series_id: event("a", 1).series_id,
                version: event("a", 1).version,
                revision: None,
            };
            fixture.bus.publish([ready], None).await?;
            let batch = tail.next_batch(1, Duration::ZERO);
            seen = timeout(Duration::from_millis(100), batch).await.is_ok();
        }
        Ok(())
    }

    /// A cluster that has just started lists no broker at first. To forget all brokers then, and for
    /// good, takes a client some bad luck: this tries several.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn finds_back_after_kafka_listed_no_broker() -> anyhow::Result<()> {
        let fixture = Fixture::mock()?;
        let cluster = fixture.cluster()?;
        let servers = cluster.bootstrap_servers();
        let port = servers.rsplit(':').next().context("no port")?.parse()?;
        let front = Front::start(port)?;
        let config = fixture::config(front.address.clone(), String::new());
        publish(&fixture.bus, &["a"], 1..=1).await?;
        let mut clients = Vec::new();
        for number in 2..=7 {
            let (bus, database) = (Bus::kafka(&config)?, Database::default());
            let mut member = bus.subscribe(&format!("group-{number}"), database.offsets())?;
            consume(&mut member, &database, 1).await?;
            clients.push((number, bus, database, member));
        }

        front.name(None);
        cluster.broker_down(-1)?;
        // A client that has lost all brokers asks no more.
        let asked = timeout(Duration::from_secs(10), async {
            let mut ticks = interval(Duration::from_millis(20));
            while front.asked() < 500 {
                ticks.tick().await;
            }
        });
        drop(asked.await);
        cluster.broker_up(-1)?;
        front.name(Some(port));

        let deadline = Instant::now() + PATIENCE;
        for (number, bus, ..) in &clients {
            while let Err(error) = bus.publish([event("a", *number)], None).await {
                assert!(Instant::now() < deadline, "{number}: {error}");
            }
        }
        for (number, _, database, member) in &mut clients {
            while (1..=7).any(|number| !database.applied("a").contains(&number)) {
                let one_more = database.len() + 1;
                let read = consume(member, database, one_more).await;
                read.with_context(|| format!("client {number}"))?;
            }
        }
        Ok(())
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn leaves_in_time_while_brokers_are_away() -> anyhow::Result<()> {
        let fixture = Fixture::mock()?;
        let database = Database::default();
        let mut member = fixture.bus.subscribe(GROUP, database.offsets())?;
        publish(&fixture.bus, &["a"], 1..=1).await?;
        consume(&mut member, &database, 1).await?;
        fixture.cluster()?.broker_down(-1)?;
        let began = Instant::now();
        member.close().await;
        // Five seconds are the limit.
        assert!(
            began.elapsed() < Duration::from_secs(9),
            "{:?}",
            began.elapsed()
        );
        Ok(())
    }
}

mod kafka {
    use contract::{AnomalyEvent, DeadLetters, Event, PointsRecord};
    use rdkafka::{
        ClientConfig,
        admin::{AdminClient, AdminOptions, ResourceSpecifier},
        client::DefaultClientContext,
    };

    use super::*;
    use crate::fixture::{brokers, config, unique_prefix};

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs Kafka: TEST_KAFKA_BROKERS"]
    async fn keeps_a_slow_consumer_in_its_group() -> anyhow::Result<()> {
        super::keeps_a_slow_consumer_in_its_group(Fixture::kafka().await?).await
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs Kafka: TEST_KAFKA_BROKERS"]
    async fn leaves_its_group_when_closed() -> anyhow::Result<()> {
        // A member that only fell silent would keep its partitions for so long.
        let mut config = config(brokers()?, unique_prefix()?);
        config.kafka_session_timeout_ms = 30_000;
        let fixture = Fixture::kafka_with(config).await?;
        let database = Database::default();
        let mut leaving = fixture.bus.subscribe(GROUP, database.offsets())?;
        publish(&fixture.bus, &["a"], 1..=1).await?;
        consume(&mut leaving, &database, 1).await?;
        let began = Instant::now();
        leaving.close().await;
        publish(&fixture.bus, &["a"], 2..=2).await?;
        let mut next = fixture.bus.subscribe(GROUP, database.offsets())?;
        consume(&mut next, &database, 2).await?;
        assert!(
            began.elapsed() < Duration::from_secs(15),
            "{:?}",
            began.elapsed()
        );
        Ok(())
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs Kafka: TEST_KAFKA_BROKERS"]
    async fn creates_topics_once_with_their_settings() -> anyhow::Result<()> {
        let fixture = Fixture::kafka().await?;
        fixture.bus.create_topics().await?;
        let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
            .set("bootstrap.servers", brokers()?)
            .create()?;
        for (topic, setting, value) in [
            (ModelEvent::TOPIC, "cleanup.policy", "compact"),
            (TrainingData::TOPIC, "cleanup.policy", "delete"),
            (TrainingData::TOPIC, "min.insync.replicas", "1"),
            (DeadLetters::TOPIC, "max.message.bytes", "1200000"),
            (DeadLetters::TOPIC, "retention.ms", "2592000000"),
            (
                PointsRecord::TOPIC,
                "message.timestamp.type",
                "LogAppendTime",
            ),
            (PointsRecord::TOPIC, "retention.ms", "259200000"),
            (AnomalyEvent::TOPIC, "retention.ms", "604800000"),
            (TrainingData::TOPIC, "message.timestamp.type", "CreateTime"),
        ] {
            let name = fixture.bus.name_of(topic);
            let asked = [ResourceSpecifier::Topic(name)];
            let answer = admin.describe_configs(&asked, &AdminOptions::new()).await?;
            let settings = answer.into_iter().next().transpose();
            let settings = settings.map_err(|code| anyhow::anyhow!("{code}"))?;
            let found = settings.and_then(|s| s.get(setting)?.value.clone());
            assert_eq!(found.as_deref(), Some(value), "{name} {setting}");
        }
        Ok(())
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs Kafka: TEST_KAFKA_BROKERS"]
    async fn is_warm_soon_after_its_start() -> anyhow::Result<()> {
        let mut fixture = Fixture::kafka().await?;
        let mut fastest = Duration::MAX;
        // A busy machine may delay some of them. Cold, the first event never takes less than half a second.
        for number in 1..=5 {
            fixture = fixture.reopen().await?;
            // The warm-up is over when Kafka has answered once.
            fixture.bus.ping(PATIENCE).await?;
            let began = Instant::now();
            fixture.bus.publish([event("a", number)], None).await?;
            fastest = fastest.min(began.elapsed());
        }
        assert!(fastest < Duration::from_millis(400), "{fastest:?}");
        Ok(())
    }
}
