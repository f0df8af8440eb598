//! The consumer: in this process over the embedded bus and figures, and as a process of its own
//! (`distributed`).

mod distributed;
mod support;

use std::{path::Path, sync::Arc, time::Duration};

use bus::{Bus, Subscription};
use contract::{Figures, MetricsEvent};
use metrics_consumer::{Backends, Handled, MetricsConsumer, Settings};
use serde_json::json;
use stats::{RedisConfig, Stats};
use support::{Anything, eventually, prediction, predictions};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;

async fn backends(folder: &Path) -> anyhow::Result<Backends> {
    Ok(Backends {
        bus: Bus::sqlite(&folder.join("bus.db")).await?,
        stats: Stats::sqlite(&folder.join("stats.db")).await?,
    })
}

/// A consumer at work, and how to stop it.
struct Running(JoinSet<anyhow::Result<()>>, CancellationToken);

impl Running {
    fn start(backends: Backends) -> Self {
        let shutdown = CancellationToken::new();
        let consumer = MetricsConsumer::new(Settings::default(), backends);
        let mut tasks = JoinSet::new();
        tasks.spawn(consumer.serve(shutdown.clone()));
        Self(tasks, shutdown)
    }

    async fn stop(self) -> anyhow::Result<()> {
        self.1.cancel();
        let ended = tokio::time::timeout(Duration::from_secs(60), self.0.join_all()).await?;
        ended.into_iter().collect()
    }
}

async fn figures_when(
    stats: &Stats,
    what: &str,
    condition: impl Fn(&Figures) -> bool,
) -> anyhow::Result<Figures> {
    eventually(what, async || Ok(condition(&stats.figures().await?))).await?;
    Ok(stats.figures().await?)
}

/// A reader that starts at the beginning.
fn read_all<E: contract::Event>(bus: &Bus) -> anyhow::Result<Subscription<E>> {
    Ok(bus.subscribe("test", Arc::new(|_| Box::pin(async { Ok(Vec::new()) })))?)
}

#[tokio::test]
async fn events_of_both_forms_are_counted() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let backends = backends(folder.path()).await?;
    let consumer = Running::start(backends.clone());
    let recorded = [
        json!({"type": "training", "series_id": "a", "latency_ms": 12.5}),
        json!({"type": "inference", "latency_ms": 4}),
    ];
    backends
        .bus
        .publish(recorded.map(Anything::<false>), None)
        .await?;
    backends.bus.publish([predictions("a", 9)], None).await?;

    let all = |f: &Figures| f.inference.per_minute == 10.0 && f.series_trained == 1;
    let figures = figures_when(&backends.stats, "all events", all).await?;
    assert_eq!(figures.training.latency_ms.avg, 12.5);
    assert_eq!(figures.inference.latency_ms.avg, 1.3);
    assert_eq!(figures.model_usage, [("a".to_owned(), 9)].into());
    consumer.stop().await
}

#[tokio::test]
async fn what_makes_no_sense_is_buried_with_the_reason_and_the_rest_is_counted()
-> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let backends = backends(folder.path()).await?;
    let senseless = [
        json!({"type": "inference", "latency_ms": -1}),
        json!({"type": "holiday"}),
        json!("text"),
        json!({"type": "inference", "latency_ms": 1, "count": 1e18}),
        json!({"type": "training", "series_id": "a/b", "latency_ms": 1}),
    ];
    for event in &senseless {
        backends
            .bus
            .publish([Anything::<false>(event.clone())], None)
            .await?;
        backends.bus.publish([prediction(1.0)], None).await?;
    }
    let consumer = Running::start(backends.clone());
    let all = |f: &Figures| f.inference.per_minute == 5.0;
    figures_when(&backends.stats, "the sensible ones", all).await?;
    consumer.stop().await?;

    let mut buried = read_all::<Anything<true>>(&backends.bus)?
        .next_batch(100, Duration::from_secs(1))
        .await?;
    let in_order = |value: &serde_json::Value| senseless.iter().position(|event| event == value);
    buried.sort_by_key(|message| message.event.as_ref().ok().and_then(|any| in_order(&any.0)));
    let (letters, reasons): (Vec<_>, Vec<_>) = buried
        .into_iter()
        .map(|message| {
            let reason = message
                .headers
                .into_iter()
                .find(|(name, _)| name == "reason");
            (
                message.event.map(|any| any.0),
                reason.map_or_else(String::new, |(_, reason)| reason),
            )
        })
        .unzip();
    assert_eq!(letters, senseless.map(Ok));
    for (reason, word) in reasons
        .iter()
        .zip(["latency of -1", "holiday", "text", "u64", "slash"])
    {
        assert!(reason.contains(word), "{reason} does not say {word}");
    }
    Ok(())
}

#[tokio::test]
async fn a_batch_that_comes_again_changes_nothing() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let backends = backends(folder.path()).await?;
    backends
        .bus
        .publish(vec![prediction(1.0); 20], None)
        .await?;
    let mut events = read_all::<MetricsEvent>(&backends.bus)?;
    let mut messages = Vec::new();
    while messages.len() < 20 {
        messages.extend(events.next_batch(7, Duration::ZERO).await?);
    }
    let consumer = MetricsConsumer::new(Settings::default(), backends.clone());
    for batch in [&messages[..8], &messages[3..15], &messages, &messages[..8]] {
        assert_eq!(consumer.handle(batch).await, Handled::Applied);
    }
    assert_eq!(backends.stats.figures().await?.inference.per_minute, 20.0);
    Ok(())
}

#[tokio::test]
async fn every_event_counts_once_however_often_the_consumer_is_cut_off() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let backends = backends(folder.path()).await?;
    for round in 0..20_u64 {
        backends
            .bus
            .publish(vec![prediction(1.0); 50], None)
            .await?;
        let consumer = Running::start(backends.clone());
        // Dropped at any point of its work, without a word to anyone.
        let cut_off = f64::from(u32::try_from(round)?) * 50.0;
        eventually("some of them", async || {
            Ok(backends.stats.figures().await?.inference.per_minute > cut_off)
        })
        .await?;
        drop(consumer);
    }
    let consumer = Running::start(backends.clone());
    figures_when(&backends.stats, "all of them", |f| {
        f.inference.per_minute >= 1_000.0
    })
    .await?;
    consumer.stop().await?;
    assert_eq!(
        backends.stats.figures().await?.inference.per_minute,
        1_000.0
    );
    Ok(())
}

#[tokio::test]
async fn it_stops_at_once_while_redis_is_away_and_loses_nothing() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let backends = backends(folder.path()).await?;
    backends.bus.publish(vec![prediction(1.0); 5], None).await?;

    // Accepts connections and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").await?;
    let nowhere = Stats::redis(&RedisConfig {
        redis_url: None,
        redis_password_file: None,
        redis_host: "127.0.0.1".to_owned(),
        redis_port: silent.local_addr()?.port(),
        redis_key_prefix: String::new(),
        security: stats::RedisSecurity::default(),
    })?;
    let stuck = Running::start(Backends {
        bus: backends.bus.clone(),
        stats: nowhere,
    });
    let _asked = silent.accept().await?;
    stuck.stop().await?;

    let consumer = Running::start(backends.clone());
    figures_when(&backends.stats, "all five", |f| {
        f.inference.per_minute == 5.0
    })
    .await?;
    consumer.stop().await
}
