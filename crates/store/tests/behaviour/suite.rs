//! What holds for every store.

mod models;
mod points;

use std::time::Duration;

use anyhow::Result;
use contract::{DetectorName, FitOptions, Point, SeriesId, TrainingData, Version};
use detector::Model;
use store::{Delivery, Offset, Store, StoreError, VersionedModel};

pub(crate) use self::{models::*, points::*};

const GROUP: &str = "training-data-consumer";
const TOPIC: &str = "training-data";
const AN_HOUR: Duration = Duration::from_secs(3_600);

fn series(id: &str) -> SeriesId {
    SeriesId::new(id).expect("a test names no bad series")
}

fn v(number: u32) -> Version {
    Version::new(number).expect("a test counts from 1")
}

/// `count` points like no others: `seed` is in every one of them.
fn points(seed: i64, count: usize) -> Vec<Point> {
    (0..)
        .take(count)
        .map(|n| Point {
            timestamp: seed * 1_000_000 + n,
            value: (seed * 1_000 + n % 7) as f64 / 3.0,
        })
        .collect()
}

fn model(points: &[Point]) -> Model {
    Model::fit(points, &FitOptions::default(), DetectorName::Sigma)
        .expect("points of a test can be fitted")
        .model
}

/// Stores a model of `points` and makes it ready.
async fn fit(store: &Store, series: &SeriesId, points: &[Point]) -> Result<VersionedModel> {
    let model = model(points);
    let version = store.insert_pending(series, &model).await?;
    store.mark_ready(series, version).await?;
    Ok(VersionedModel { version, model })
}

fn whole(series: &SeriesId, version: Version, points: &[Point]) -> TrainingData {
    TrainingData {
        series_id: series.clone(),
        version,
        data: points.to_vec(),
        part: None,
        parts: None,
    }
}

/// The events as they are delivered from one partition, from `offset` on.
fn deliveries(partition: i32, offset: i64, events: &[TrainingData]) -> Vec<Delivery<'_>> {
    (offset..)
        .zip(events)
        .map(|(offset, event)| Delivery {
            partition,
            offset,
            event: Some(event),
        })
        .collect()
}

async fn apply(store: &Store, batch: &[Delivery<'_>]) -> Result<u64, StoreError> {
    store.apply_training_data(GROUP, TOPIC, batch).await
}

fn at(partition: i32, next_offset: i64) -> Offset {
    Offset {
        topic: TOPIC.to_owned(),
        partition,
        next_offset,
    }
}
