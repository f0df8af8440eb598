//! The behaviour of every bus.

use std::{collections::BTreeSet, time::Duration};

use bus::{Bus, Message, Subscription};
use contract::{
    DeadLetters, Event, InferenceBatch, MetricsEvent, ModelEvent, PointsRecord, Topic, TrainingData,
};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, interval, timeout};

use crate::{
    database::{Database, PATIENCE, consume, event, publish, read},
    fixture::Fixture,
};

const GROUP: &str = "training-data-consumer";
const SERIES: [&str; 6] = ["a", "b", "c", "d", "sensor_1", "sensor_10"];
const SOON: Duration = Duration::from_millis(50);

fn join(bus: &Bus, database: &Database) -> anyhow::Result<Subscription<TrainingData>> {
    Ok(bus.subscribe(GROUP, database.offsets())?)
}

pub(crate) async fn keeps_the_order_of_a_key(fixture: Fixture) -> anyhow::Result<()> {
    let database = Database::default();
    let mut subscription = join(&fixture.bus, &database)?;
    let publishers = SERIES.map(|id| {
        let bus = fixture.bus.clone();
        async move {
            for first in [1, 21, 41] {
                publish(&bus, &[id], first..=first + 19).await?;
            }
            anyhow::Ok(())
        }
    });
    for published in futures_util::future::join_all(publishers).await {
        published?;
    }
    consume(&mut subscription, &database, SERIES.len() * 60).await?;
    for id in SERIES {
        assert_eq!(database.applied(id), (1..=60).collect::<Vec<_>>(), "{id}");
    }
    Ok(())
}

pub(crate) async fn has_on_disk_what_it_acknowledged(fixture: Fixture) -> anyhow::Result<()> {
    publish(&fixture.bus, &SERIES, 1..=5).await?;
    let fixture = fixture.reopen().await?;
    publish(&fixture.bus, &SERIES, 6..=6).await?;
    let database = Database::default();
    consume(
        &mut join(&fixture.bus, &database)?,
        &database,
        SERIES.len() * 6,
    )
    .await?;
    assert_eq!(database.applied("sensor_1"), [1, 2, 3, 4, 5, 6]);
    Ok(())
}

pub(crate) async fn redelivers_what_was_not_applied_even_if_the_bus_was_told_otherwise(
    fixture: Fixture,
) -> anyhow::Result<()> {
    publish(&fixture.bus, &SERIES, 1..=3).await?;
    let database = Database::default();
    let mut subscription = join(&fixture.bus, &database)?;
    let lost = read(&mut subscription, SERIES.len() * 3).await?;
    subscription.commit(&lost);
    subscription.close().await;

    let fixture = fixture.reopen().await?;
    let mut subscription = join(&fixture.bus, &database)?;
    consume(&mut subscription, &database, SERIES.len() * 3).await?;
    assert_eq!(database.applied("a"), [1, 2, 3]);
    Ok(())
}

pub(crate) async fn goes_on_where_the_database_says(fixture: Fixture) -> anyhow::Result<()> {
    publish(&fixture.bus, &["a"], 1..=10).await?;
    let database = Database::default();
    let mut subscription = join(&fixture.bus, &database)?;
    let all = read(&mut subscription, 10).await?;
    subscription.close().await;

    // Applied, and never committed to the bus.
    database.set_position(all[0].partition, all[6].offset + 1);
    let mut subscription = join(&fixture.bus, &database)?;
    let rest = read(&mut subscription, 3).await?;
    assert_eq!(numbers(&rest), [8, 9, 10]);
    Ok(())
}

pub(crate) async fn waits_for_a_database_that_is_away(fixture: Fixture) -> anyhow::Result<()> {
    publish(&fixture.bus, &["a"], 1..=3).await?;
    let database = Database::default();
    database.go_away(3);
    let mut subscription = join(&fixture.bus, &database)?;
    assert_eq!(numbers(&read(&mut subscription, 3).await?), [1, 2, 3]);
    assert_eq!(database.asked(), 4);
    Ok(())
}

pub(crate) async fn shares_partitions_and_loses_nothing_when_members_come_and_go(
    fixture: Fixture,
) -> anyhow::Result<()> {
    let database = Database::default();
    let mut first = join(&fixture.bus, &database)?;
    publish(&fixture.bus, &SERIES, 1..=10).await?;
    consume(&mut first, &database, SERIES.len() * 10).await?;

    // Publishes on while the second joins, until both have had something.
    let mut second = join(&fixture.bus, &database)?;
    let deadline = Instant::now() + PATIENCE;
    let (mut by_first, mut by_second, mut round) = (0, 0, 11);
    while by_first == 0 || by_second == 0 {
        assert!(Instant::now() < deadline, "{by_first} {by_second}");
        publish(&fixture.bus, &SERIES, round..=round).await?;
        let rows = SERIES.len() * round as usize;
        let (a, b) = tokio::join!(
            consume(&mut first, &database, rows),
            consume(&mut second, &database, rows)
        );
        let (a, b) = (a?, b?);
        if b > 0 {
            (by_first, by_second) = (by_first + a, by_second + b);
        }
        round += 1;
    }

    first.close().await;
    publish(&fixture.bus, &SERIES, round..=round + 9).await?;
    consume(&mut second, &database, SERIES.len() * (round as usize + 9)).await?;
    for id in SERIES {
        assert_eq!(
            database.applied(id),
            (1..=round + 9).collect::<Vec<_>>(),
            "{id}"
        );
    }
    Ok(())
}

pub(crate) async fn gives_all_partitions_to_the_one_that_stays(
    fixture: Fixture,
) -> anyhow::Result<()> {
    let database = Database::default();
    let mut gone = join(&fixture.bus, &database)?;
    publish(&fixture.bus, &SERIES, 1..=1).await?;
    consume(&mut gone, &database, SERIES.len()).await?;
    let mut stays = join(&fixture.bus, &database)?;
    gone.close().await;
    publish(&fixture.bus, &SERIES, 2..=2).await?;
    let applied = consume(&mut stays, &database, SERIES.len() * 2).await?;
    assert_eq!(applied, SERIES.len());
    Ok(())
}

/// Something that somebody else put on our topic.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Foreign {
    note: String,
}

impl Event for Foreign {
    const TOPIC: Topic = TrainingData::TOPIC;

    fn key(&self) -> Option<&str> {
        Some("a")
    }
}

pub(crate) async fn hands_out_what_cannot_be_read_as_it_came(
    fixture: Fixture,
) -> anyhow::Result<()> {
    let foreign = Foreign {
        note: "é".to_owned(),
    };
    publish(&fixture.bus, &["a"], 1..=1).await?;
    fixture.bus.publish([foreign], None).await?;
    publish(&fixture.bus, &["a"], 2..=2).await?;

    let mut subscription = join(&fixture.bus, &Database::default())?;
    let messages = read(&mut subscription, 3).await?;
    assert_eq!(numbers(&messages[..1]), [1]);
    assert_eq!(messages[1].payload, r#"{"note":"é"}"#.as_bytes());
    let why = messages[1].event.as_ref().err();
    assert!(why.is_some_and(|why| why.contains("series_id")), "{why:?}");
    assert_eq!(messages[1].key.as_deref(), Some(&b"a"[..]));
    assert_eq!(numbers(&messages[2..]), [2]);
    Ok(())
}

/// A dead letter, whatever is in it.
#[derive(Debug, Serialize, Deserialize)]
struct Dead;

impl Event for Dead {
    const TOPIC: Topic = DeadLetters::TOPIC;

    fn key(&self) -> Option<&str> {
        None
    }
}

pub(crate) async fn keeps_dead_letters_byte_for_byte_with_their_origin(
    fixture: Fixture,
) -> anyhow::Result<()> {
    let bytes: Vec<u8> = (0..=255).cycle().take(1_000_000).collect();
    let message = Message::<TrainingData> {
        topic: "training-data".to_owned(),
        log: "training-data".to_owned(),
        partition: 3,
        offset: 41,
        timestamp_ms: 0,
        key: Some(vec![0, 255]),
        payload: bytes.clone(),
        event: Err("no".to_owned()),
        trace: Some("00-0-0-00".to_owned()),
        headers: Vec::new(),
    };
    fixture.bus.dead_letter(&message, "no series_id").await?;

    let offsets = Database::default().offsets();
    let mut letters: Subscription<Dead> = fixture.bus.subscribe("reader", offsets)?;
    let letter = read(&mut letters, 1).await?.remove(0);
    assert!(letter.payload == bytes);
    assert_eq!(letter.key, message.key);
    let headers = [
        ("topic", "training-data"),
        ("partition", "3"),
        ("offset", "41"),
        ("reason", "no series_id"),
        ("traceparent", "00-0-0-00"),
    ];
    assert_eq!(
        letter.headers,
        headers.map(|(name, value)| (name.to_owned(), value.to_owned()))
    );
    Ok(())
}

pub(crate) async fn carries_the_trace_of_a_request(fixture: Fixture) -> anyhow::Result<()> {
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let traced = Some(trace.to_owned());
    fixture.bus.publish([event("a", 1)], traced.clone()).await?;
    fixture.bus.publish([event("a", 2)], None).await?;
    let mut subscription = join(&fixture.bus, &Database::default())?;
    let messages = read(&mut subscription, 2).await?;
    assert_eq!((&messages[0].trace, &messages[1].trace), (&traced, &None));
    let now = std::time::UNIX_EPOCH.elapsed()?.as_millis();
    let age_ms = i128::try_from(now)? - i128::from(messages[0].timestamp_ms);
    assert!((0..60_000).contains(&age_ms), "{age_ms}");
    Ok(())
}

fn ready(number: u32) -> ModelEvent {
    ModelEvent::Ready {
        series_id: event("a", number).series_id,
        version: event("a", number).version,
        revision: None,
    }
}

pub(crate) async fn shows_a_tail_only_what_is_new(fixture: Fixture) -> anyhow::Result<()> {
    fixture.bus.publish((1..=3).map(ready), None).await?;
    let (mut one, mut other) = (fixture.bus.tail::<ModelEvent>()?, fixture.bus.tail()?);
    // A tail over Kafka begins when it has found the end: a moment after it was made.
    let (mut number, mut first) = (3, None);
    let deadline = Instant::now() + PATIENCE;
    while first.is_none() {
        number += 1;
        fixture.bus.publish([ready(number)], None).await?;
        first = timeout(SOON, one.next_batch(1, SOON))
            .await
            .ok()
            .transpose()?;
        assert!(Instant::now() < deadline);
    }
    let first = first.unwrap_or_default().remove(0).event;
    assert!((4..=number).any(|new| first == Ok(ready(new))), "{first:?}");

    // Every tail sees every event.
    let deadline = Instant::now() + PATIENCE;
    for tail in [&mut one, &mut other] {
        let mut seen = Vec::new();
        while seen.last() != Some(&ready(number + 1)) {
            assert!(Instant::now() < deadline, "{seen:?}");
            fixture.bus.publish([ready(number + 1)], None).await?;
            if let Ok(batch) = timeout(SOON, tail.next_batch(9, SOON)).await {
                seen.extend(batch?.into_iter().filter_map(|m| m.event.ok()));
            }
        }
        assert!(!seen.contains(&ready(3)), "{seen:?}");
    }
    Ok(())
}

pub(crate) async fn loses_nothing_when_a_read_is_cancelled(fixture: Fixture) -> anyhow::Result<()> {
    let mut subscription = join(&fixture.bus, &Database::default())?;
    let bus = fixture.bus.clone();
    let publisher = async move {
        for first in [1, 101, 201, 301] {
            publish(&bus, &["a"], first..=first + 99).await?;
        }
        anyhow::Ok(())
    };
    let reader = async {
        let (mut seen, deadline) = (Vec::new(), Instant::now() + PATIENCE);
        for turn in 0_u64.. {
            let limit = Duration::from_micros(turn % 50 * 50);
            let batch = subscription.next_batch(3, Duration::from_millis(1));
            if let Ok(batch) = timeout(limit, batch).await {
                seen.extend(numbers(&batch?));
            }
            if seen.len() >= 400 || Instant::now() > deadline {
                break;
            }
        }
        anyhow::Ok(seen)
    };
    let (published, seen) = tokio::join!(publisher, reader);
    published?;
    assert_eq!(seen?, (1..=400).collect::<Vec<_>>());
    Ok(())
}

pub(crate) async fn holds_batches_to_the_number_asked_for(fixture: Fixture) -> anyhow::Result<()> {
    publish(&fixture.bus, &["a"], 1..=10).await?;
    let mut subscription = join(&fixture.bus, &Database::default())?;
    // The first may come alone, the others are there by then.
    let mut seen = numbers(&subscription.next_batch(4, PATIENCE).await?);
    assert_eq!(seen, [1, 2, 3, 4]);
    let began = Instant::now();
    seen = numbers(&subscription.next_batch(100, SOON).await?);
    assert_eq!(seen, [5, 6, 7, 8, 9, 10]);
    assert!(began.elapsed() < PATIENCE / 2);
    Ok(())
}

pub(crate) async fn knows_how_far_a_reader_is_behind(fixture: Fixture) -> anyhow::Result<()> {
    let database = Database::default();
    let mut subscription = join(&fixture.bus, &database)?;
    publish(&fixture.bus, &["a"], 1..=20).await?;
    let seen = read(&mut subscription, 5).await?;
    assert_eq!(seen.len(), 5);
    let known = timeout(PATIENCE, async {
        let mut ticks = interval(Duration::from_millis(20));
        while subscription.lag() != 15 {
            ticks.tick().await;
        }
    });
    assert!(known.await.is_ok(), "{}", subscription.lag());
    read(&mut subscription, 15).await?;
    assert_eq!(subscription.lag(), 0);
    Ok(())
}

fn metric(latency_ms: f64) -> MetricsEvent {
    MetricsEvent::Inference(InferenceBatch {
        latency_ms,
        ..InferenceBatch::default()
    })
}

pub(crate) async fn drops_and_counts_rather_than_waits_when_it_is_stuck(
    fixture: Fixture,
) -> anyhow::Result<()> {
    let (bus, _jam) = fixture.stuck().await?;
    let began = Instant::now();
    let taken = (0..100_000).take_while(|_| bus.try_publish(&metric(1.0), None));
    let taken = taken.count();
    // One that waited for its turn would take ten seconds for a single event.
    assert!(
        began.elapsed() < Duration::from_secs(9),
        "{:?}",
        began.elapsed()
    );
    assert!((1_000..50_000).contains(&taken), "{taken}");
    assert_eq!(bus.dropped(), 1);

    // What must be durable is refused within about fifteen seconds, and is not kept waiting by what
    // was dropped.
    let refused = timeout(Duration::from_secs(25), bus.publish([event("a", 1)], None)).await?;
    assert!(refused.is_err());
    bus.flush(PATIENCE).await;
    assert_eq!(bus.dropped(), taken as u64 + 1);
    Ok(())
}

pub(crate) async fn spreads_events_without_a_key(fixture: Fixture) -> anyhow::Result<()> {
    for latency_ms in 0..30 {
        assert!(
            fixture
                .bus
                .try_publish(&metric(f64::from(latency_ms)), None)
        );
        // The client of Kafka changes partitions between batches only.
        fixture.bus.flush(PATIENCE).await;
    }
    assert_eq!(fixture.bus.dropped(), 0);
    let mut subscription: Subscription<MetricsEvent> = fixture
        .bus
        .subscribe("metrics-consumer", Database::default().offsets())?;
    let messages = read(&mut subscription, 30).await?;
    let partitions: BTreeSet<_> = messages.iter().map(|m| m.partition).collect();
    assert_eq!(partitions, BTreeSet::from([0, 1]));
    assert!(messages.iter().all(|message| message.key.is_none()));
    Ok(())
}

pub(crate) async fn tells_of_a_log_that_is_shorter_than_it_was(
    fixture: Fixture,
) -> anyhow::Result<()> {
    let database = Database::default();
    publish(&fixture.bus, &["a"], 1..=3).await?;
    for partition in 0..4 {
        database.set_position(partition, 1_000);
    }
    let mut subscription = join(&fixture.bus, &database)?;
    // Nothing is handed out, and whoever asks is told why.
    let told = timeout(PATIENCE, async {
        loop {
            let batch = subscription.next_batch(9, Duration::ZERO);
            assert!(timeout(Duration::from_millis(50), batch).await.is_err());
            if let Err(error) = fixture.bus.ping(PATIENCE).await {
                return error.to_string();
            }
        }
    });
    let told = told.await?;
    assert!(told.contains("before the offset 1000 of group"), "{told}");
    assert_eq!(fixture.bus.cut_logs(), 1);
    for partition in 0..4 {
        database.set_position(partition, 0);
    }
    assert_eq!(numbers(&read(&mut subscription, 3).await?), [1, 2, 3]);
    fixture.bus.ping(PATIENCE).await?;
    assert_eq!(fixture.bus.cut_logs(), 0);
    Ok(())
}

pub(crate) async fn knows_how_many_partitions_a_topic_has(fixture: Fixture) -> anyhow::Result<()> {
    for topic in [TrainingData::TOPIC, PointsRecord::TOPIC] {
        let count = fixture.bus.partition_count(topic).await?;
        assert_eq!(count, topic.partitions, "{topic:?}");
    }
    Ok(())
}

pub(crate) async fn answers_a_ping(fixture: Fixture) -> anyhow::Result<()> {
    fixture.bus.ping(PATIENCE).await?;
    Ok(())
}

fn numbers(messages: &[Message<TrainingData>]) -> Vec<u32> {
    let events = messages.iter().filter_map(|m| m.event.as_ref().ok());
    events.map(|event| event.version.number()).collect()
}
