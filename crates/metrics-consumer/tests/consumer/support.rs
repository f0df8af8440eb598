//! Helpers that the tests of the consumer share.

use std::time::{Duration, Instant};

use contract::{DeadLetters, Event, InferenceBatch, MetricsEvent, SeriesId, Topic};
use serde::{Deserialize, Serialize};

/// One prediction, as recorded clients report it.
pub(crate) fn prediction(latency_ms: f64) -> MetricsEvent {
    MetricsEvent::Inference(InferenceBatch {
        latency_ms,
        ..InferenceBatch::default()
    })
}

/// `count` predictions of `series` in one event.
pub(crate) fn predictions(series: &str, count: u64) -> MetricsEvent {
    let series_id = SeriesId::new(series).expect("a valid id");
    MetricsEvent::Inference(InferenceBatch {
        latency_ms: 1.0,
        count: Some(count),
        histogram: None,
        usage: [(series_id, count)].into(),
    })
}

/// Any JSON on the topic for metrics, or among the dead letters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Anything<const BURIED: bool>(pub(crate) serde_json::Value);

impl<const BURIED: bool> Event for Anything<BURIED> {
    const TOPIC: Topic = if BURIED {
        DeadLetters::TOPIC
    } else {
        MetricsEvent::TOPIC
    };

    fn key(&self) -> Option<&str> {
        None
    }
}

/// Asks again and again until `condition` holds.
pub(crate) async fn eventually(
    what: &str,
    mut condition: impl AsyncFnMut() -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    let patience = Instant::now() + Duration::from_secs(60);
    while !condition().await? {
        anyhow::ensure!(Instant::now() < patience, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}
