//! How the consumer handles a batch, goes on and stops, over the embedded backends.

use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use anyhow::{Context, ensure};
use bus::{Bus, Message};
use contract::{
    DeadLetters, DetectorName, Event, FitOptions, Point, SeriesId, Topic, TrainingData, Version,
};
use detector::Model;
use serde::{Deserialize, Serialize};
use service::task;
use sqlite::Durability;
use store::{NewModel, Store, TrainingPoints};
use tempfile::TempDir;
use tokio::{task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;
use training_data_consumer::{Backends, Settings, TrainingDataConsumer};

/// Whatever lies in the dead letters.
#[derive(Serialize, Deserialize)]
struct DeadLetter(serde_json::Value);

impl Event for DeadLetter {
    const TOPIC: Topic = DeadLetters::TOPIC;

    fn key(&self) -> Option<&str> {
        None
    }
}

struct Fixture {
    dir: TempDir,
    backends: Backends,
    consumer: TrainingDataConsumer,
}

impl Fixture {
    async fn new() -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?;
        let backends = Backends {
            bus: Bus::sqlite(&dir.path().join("bus.db")).await?,
            store: Store::sqlite(&dir.path().join("store.db")).await?,
        };
        Ok(Self {
            dir,
            consumer: TrainingDataConsumer::new(Settings::default(), backends.clone()),
            backends,
        })
    }

    /// A ready model of `series`, fitted on `points`.
    async fn model(&self, series: &str, points: &[Point]) -> anyhow::Result<Version> {
        let store = &self.backends.store;
        let series = SeriesId::new(series)?;
        let model = Model::fit(points, &FitOptions::default(), DetectorName::Sigma)?
            .model
            .into();
        let new = NewModel::fitted(&model, points, Duration::ZERO);
        let version = store.insert_pending(&series, &new).await?;
        store.mark_ready(&series, version).await?;
        Ok(version)
    }

    /// The stored points of the newest model of `series`, once all are there.
    async fn stored(&self, series: &str) -> anyhow::Result<Vec<Point>> {
        let series = SeriesId::new(series)?;
        match self.backends.store.training_points(&series, None).await? {
            TrainingPoints::Complete(_, points) => Ok(points),
            other => anyhow::bail!("{other:?}"),
        }
    }

    async fn next_offsets(&self) -> anyhow::Result<Vec<(i32, i64)>> {
        let group = "training-data-consumer";
        let offsets = self.backends.store.offsets(group, "training-data").await?;
        let mut offsets: Vec<_> = offsets
            .iter()
            .map(|o| (o.partition, o.next_offset))
            .collect();
        offsets.sort_unstable();
        Ok(offsets)
    }

    /// The payload and the reason of each dead letter, once there are `count`.
    async fn dead_letters(&self, count: usize) -> anyhow::Result<Vec<(String, String)>> {
        let positions = Arc::new(|_: &contract::TopicLog| -> bus::OffsetsFuture {
            Box::pin(async { Ok(vec![]) })
        });
        let mut letters = self
            .backends
            .bus
            .subscribe::<DeadLetter>("test", positions)?;
        let mut found = Vec::new();
        while found.len() < count {
            let batch = letters.next_batch(100, Duration::ZERO);
            for letter in timeout(Duration::from_secs(30), batch).await?? {
                let reason = letter.headers.iter().find(|(name, _)| name == "reason");
                let (_, reason) = reason.context("no reason")?;
                found.push((String::from_utf8(letter.payload)?, reason.clone()));
            }
        }
        Ok(found)
    }

    /// From now on the store answers everything that adds points with an error that may pass.
    async fn store_goes_away(&self) -> anyhow::Result<()> {
        self.execute(
            "CREATE TRIGGER away BEFORE INSERT ON training_data BEGIN SELECT RAISE(ABORT, 'away'); END",
        )
        .await
    }

    async fn store_comes_back(&self) -> anyhow::Result<()> {
        self.execute("DROP TRIGGER away").await
    }

    /// From now on the store refuses the points of `bad` for good.
    async fn store_refuses_bad(&self) -> anyhow::Result<()> {
        self.execute("CREATE TABLE refusal (value CHECK (value = 0))")
            .await?;
        self.execute(
            "CREATE TRIGGER refuse BEFORE INSERT ON training_data WHEN NEW.series_id = 'bad' \
             BEGIN INSERT INTO refusal VALUES (1); END",
        )
        .await
    }

    async fn execute(&self, sql: &str) -> anyhow::Result<()> {
        let path = self.dir.path().join("store.db");
        let database = sqlite::open(&path, Durability::Normal).await?;
        sqlx::query(sql).execute(database.pool()).await?;
        database.pool().close().await;
        Ok(())
    }

    async fn publish(
        &self,
        series: &str,
        version: Version,
        points: &[Point],
    ) -> anyhow::Result<()> {
        let series = SeriesId::new(series)?;
        let parts = TrainingData::in_parts(&series, version, points);
        Ok(self.backends.bus.publish(parts, None).await?)
    }

    /// Another consumer over the same backends, serving.
    fn serve(&self) -> (JoinHandle<Option<anyhow::Result<()>>>, CancellationToken) {
        let consumer = TrainingDataConsumer::new(Settings::default(), self.backends.clone());
        let stop = CancellationToken::new();
        (task::spawn("consumer", consumer.serve(stop.clone())), stop)
    }
}

fn points(n: i64) -> Vec<Point> {
    (0..n)
        .map(|timestamp| Point {
            timestamp,
            value: (timestamp * 7 % 13) as f64,
        })
        .collect()
}

fn part(series: &str, part: Option<u32>, parts: Option<u32>, n: i64) -> TrainingData {
    TrainingData {
        series_id: SeriesId::new(series).expect("a valid id"),
        version: Version::new(1).expect("not zero"),
        data: points(n),
        part,
        parts,
    }
}

/// `event` as it comes from the bus.
fn message(offset: i64, event: Result<TrainingData, String>) -> Message<TrainingData> {
    let payload = event.as_ref().map_or(b"{broken".to_vec(), |event| {
        serde_json::to_vec(event).expect("points are JSON")
    });
    Message {
        topic: "training-data".to_owned(),
        log: "training-data".to_owned(),
        partition: 1,
        offset,
        timestamp_ms: 0,
        key: None,
        payload,
        event,
        trace: None,
        headers: Vec::new(),
    }
}

/// How often anything was tried again in this process.
fn retries() -> f64 {
    let families = prometheus::gather();
    let name = "anomaly_training_data_consumer_retries_total";
    let family = families.iter().find(|family| family.name() == name);
    family.map_or(0.0, |family| {
        family.get_metric()[0].get_counter().get_value()
    })
}

/// Asks until `condition` holds; fails with what it said last.
async fn eventually<T>(mut condition: impl AsyncFnMut() -> anyhow::Result<T>) -> anyhow::Result<T> {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    loop {
        match condition().await {
            Err(_) if tokio::time::Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            last => return last,
        }
    }
}

#[tokio::test]
async fn what_is_delivered_again_changes_nothing() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    fixture.model("s", &points(12_000)).await?;
    let all = points(12_000);
    let series = SeriesId::new("s")?;
    let parts = TrainingData::in_parts(&series, Version::new(1).unwrap(), &all);
    let batch: Vec<_> = (5..)
        .zip(parts)
        .map(|(i, part)| message(i, Ok(part)))
        .collect();
    fixture.consumer.handle(&batch).await;
    fixture.consumer.handle(&batch[1..]).await;
    fixture.consumer.handle(&batch).await;
    assert_eq!(fixture.stored("s").await?, all);
    assert_eq!(fixture.next_offsets().await?, [(1, 7)]);
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_used_is_buried_with_the_reason_and_its_neighbours_are_stored()
-> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    fixture.model("s", &points(20)).await?;
    let poison = [
        (Err("no JSON".to_owned()), "no JSON"),
        (Ok(part("s", None, None, 0)), "no points"),
        (Ok(part("s", Some(0), None, 3)), "do not come together"),
        (Ok(part("s", None, Some(2), 3)), "do not come together"),
        (Ok(part("s", Some(2), Some(2), 3)), "not less than parts"),
        (Ok(part("s", Some(0), Some(2), 9_999)), "not full"),
        (Ok(part("s", Some(1), Some(2), 10_001)), "too many points"),
        (
            Ok(part("s", Some(1), Some(u32::MAX), 10_000)),
            "too many parts",
        ),
    ];
    let mut batch: Vec<_> = (0..)
        .zip(&poison)
        .map(|(i, (event, _))| message(i, event.clone()))
        .collect();
    batch.insert(4, message(3, Err("delivered twice".to_owned())));
    batch.push(message(8, Ok(part("s", None, None, 20))));
    fixture.consumer.handle(&batch).await;

    assert_eq!(fixture.stored("s").await?, points(20));
    assert_eq!(fixture.next_offsets().await?, [(1, 9)]);
    let mut buried = fixture.dead_letters(9).await?;
    assert_eq!(buried.remove(4).1, "delivered twice");
    for ((payload, reason), (event, expected)) in buried.iter().zip(&poison) {
        assert!(reason.contains(expected), "{reason}");
        assert_eq!(payload.as_bytes(), message(0, event.clone()).payload);
    }
    Ok(())
}

#[tokio::test]
async fn what_the_store_refuses_is_found_among_others_and_buried_alone() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    for series in ["before", "bad", "after"] {
        fixture.model(series, &points(3)).await?;
    }
    fixture.store_refuses_bad().await?;
    let batch = [(0, "before"), (1, "bad"), (2, "after")]
        .map(|(offset, series)| message(offset, Ok(part(series, None, None, 3))));
    fixture.consumer.handle(&batch).await;
    assert_eq!(fixture.stored("before").await?, points(3));
    assert_eq!(fixture.stored("after").await?, points(3));
    assert!(fixture.stored("bad").await.is_err());
    assert_eq!(fixture.next_offsets().await?, [(1, 3)]);
    let [(payload, _)] = fixture.dead_letters(1).await?.try_into().unwrap();
    assert!(payload.contains(r#""series_id":"bad""#), "{payload}");
    Ok(())
}

#[tokio::test]
async fn many_points_take_several_transactions_and_all_arrive() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    let settings = Settings {
        training_data_batch_points: NonZeroUsize::MIN,
    };
    let consumer = TrainingDataConsumer::new(settings, fixture.backends.clone());
    let series: Vec<String> = (0..5).map(|i| format!("s{i}")).collect();
    for series in &series {
        fixture.model(series, &points(4)).await?;
    }
    let messages = (0..).zip(&series);
    let batch: Vec<_> = messages
        .map(|(i, series)| message(i, Ok(part(series, None, None, 4))))
        .collect();
    consumer.handle(&batch).await;
    for series in &series {
        assert_eq!(fixture.stored(series).await?, points(4));
    }
    assert_eq!(fixture.next_offsets().await?, [(1, 5)]);
    Ok(())
}

#[tokio::test]
async fn a_store_that_is_away_is_waited_for_and_nothing_is_buried() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    fixture.model("s", &points(3)).await?;
    fixture.store_goes_away().await?;
    let batch = [message(0, Ok(part("s", None, None, 3)))];
    let handling = fixture.consumer.handle(&batch);
    tokio::pin!(handling);
    let early = timeout(Duration::from_millis(300), &mut handling).await;
    assert!(early.is_err(), "done without a store");
    assert_eq!(fixture.next_offsets().await?, []);
    fixture.store_comes_back().await?;
    timeout(Duration::from_secs(30), handling).await?;
    assert_eq!(fixture.stored("s").await?, points(3));
    Ok(())
}

#[tokio::test]
async fn one_goes_on_where_the_one_before_stopped() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    let (first, second) = (points(25_000), points(3));
    let version = fixture.model("first", &first).await?;
    fixture.publish("first", version, &first).await?;
    let (ended, stop) = fixture.serve();
    assert_eq!(
        eventually(async || fixture.stored("first").await).await?,
        first
    );
    stop.cancel();
    ended.await?.context("consumer panicked")??;

    // What it had read is gone: one that started over would find that out.
    fixture.execute("DELETE FROM training_data").await?;
    let version = fixture.model("second", &second).await?;
    fixture.publish("second", version, &second).await?;
    let (ended, stop) = fixture.serve();
    assert_eq!(
        eventually(async || fixture.stored("second").await).await?,
        second
    );
    assert!(fixture.stored("first").await.is_err());
    stop.cancel();
    ended.await?.context("consumer panicked")?
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_store_that_is_away() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    let version = fixture.model("s", &points(3)).await?;
    fixture.store_goes_away().await?;
    fixture.publish("s", version, &points(3)).await?;
    let before = retries();
    let (ended, stop) = fixture.serve();
    eventually(async || {
        ensure!(retries() > before, "it has not met the outage");
        Ok(())
    })
    .await?;
    stop.cancel();
    timeout(Duration::from_secs(10), ended)
        .await??
        .context("consumer panicked")??;
    fixture.store_comes_back().await?;
    let (ended, stop) = fixture.serve();
    assert_eq!(
        eventually(async || fixture.stored("s").await).await?,
        points(3)
    );
    stop.cancel();
    ended.await?.context("consumer panicked")?
}
