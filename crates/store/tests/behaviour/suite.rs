//! The behaviour of every store.

mod anomalies;
mod changes;
mod feedback;
mod history;
mod life;
mod lists;
mod models;
mod outbox;
mod overview;
mod points;
mod queries;
mod receipts;
mod streams;
mod upgrade;

use std::time::Duration;

use anyhow::Result;
use contract::{
    AliasName, Delivery, DetectorName, FitOptions, Point, SeriesId, TopicOffset, TrainingData,
    Version, VersionRef,
};
use detector::{Model, StoredModel};
use store::{Refusal, RegistryError, Store, StoreError, VersionedModel};

pub(crate) use self::{
    anomalies::*,
    changes::*,
    feedback::*,
    history::{
        points_are_added_to_their_block,
        points_go_with_their_series_with_time_and_when_they_are_too_many,
    },
    life::*,
    lists::*,
    models::*,
    outbox::*,
    overview::*,
    points::*,
    queries::*,
    receipts::*,
    streams::*,
    upgrade::*,
};
use crate::backend::fitted;

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

fn model(points: &[Point]) -> StoredModel {
    Model::fit(points, &FitOptions::default(), DetectorName::Sigma)
        .expect("points of a test can be fitted")
        .model
        .into()
}

/// Stores a model of `points`, and leaves it pending.
async fn pend(store: &Store, series: &SeriesId, points: &[Point]) -> Result<Version, StoreError> {
    store.insert_pending(series, &fitted(&model(points))).await
}

/// Stores a model of `points` and makes it ready.
async fn fit(store: &Store, series: &SeriesId, points: &[Point]) -> Result<VersionedModel> {
    let version = pend(store, series, points).await?;
    store.mark_ready(series, version).await?;
    let model = model(points);
    Ok(VersionedModel { version, model })
}

/// Version `number`, as a request names it.
fn of(number: u32) -> VersionRef {
    VersionRef::Version(v(number))
}

fn alias(name: &str) -> AliasName {
    AliasName::new(name).expect("a test names no bad alias")
}

/// The version that the alias `name` names.
fn named(name: &str) -> VersionRef {
    VersionRef::Alias(alias(name))
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
fn deliveries(
    partition: i32,
    offset: i64,
    events: &[TrainingData],
) -> Vec<Delivery<'_, TrainingData>> {
    (offset..)
        .zip(events)
        .map(|(offset, event)| Delivery {
            partition,
            offset,
            timestamp_ms: 0,
            event: Some(event),
        })
        .collect()
}

async fn apply(store: &Store, batch: &[Delivery<'_, TrainingData>]) -> Result<u64, StoreError> {
    store.apply_training_data(GROUP, TOPIC, batch).await
}

fn at(partition: i32, next_offset: i64) -> TopicOffset {
    TopicOffset {
        partition,
        next_offset,
    }
}

/// Why the registry did not do what it was asked.
fn refusal<T: std::fmt::Debug>(done: Result<T, RegistryError>) -> Result<Refusal> {
    match done {
        Err(RegistryError::Refused(refusal)) => Ok(refusal),
        Err(RegistryError::Store(error)) => Err(error.into()),
        Ok(done) => anyhow::bail!("nothing was refused: {done:?}"),
    }
}
