//! Training points, and the offsets that say which of them are stored.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use contract::{
    Delivery, DetectorName, FitOptions, MAX_POINTS_PER_PART, Point, TopicLog, TrainingData,
    VersionRef,
};
use detector::{Column, MultivariateModel, StoredModel};
use store::{Store, StoreError, TrainingPoints, VersionedModel};
use tokio::task::JoinSet;

use super::{GROUP, TOPIC, apply, at, deliveries, fit, of, pend, points, series, v, whole};
use crate::backend::Backend;

pub(crate) async fn points_of_a_swept_version_are_dropped(backend: &impl Backend) -> Result<()> {
    let (store, s) = (backend.open().await?, series("s"));
    let (swept, kept) = (points(1, 4), points(2, 6));
    pend(&store, &s, &swept).await?;
    store.sweep_pending(Duration::ZERO).await?;
    let newest = fit(&store, &s, &kept).await?;
    let events = [whole(&s, v(1), &swept), whole(&s, newest.version, &kept)];
    assert_eq!(apply(&store, &deliveries(0, 0, &events)).await?, 6);
    assert_eq!(store.offsets(GROUP, TOPIC).await?, [at(0, 2)]);
    let left = "SELECT count(*) FROM training_data WHERE version = 1";
    assert_eq!(backend.number(left).await?, 0);
    Ok(())
}

pub(crate) async fn a_batch_that_is_delivered_again_changes_nothing(
    backend: &impl Backend,
) -> Result<()> {
    let (store, s) = (backend.open().await?, series("s"));
    let (first, second) = (points(1, 4), points(2, 5));
    let one = fit(&store, &s, &first).await?.version;
    let two = fit(&store, &s, &second).await?.version;
    let events = [whole(&s, one, &first), whole(&s, one, &first)];
    assert_eq!(apply(&store, &deliveries(0, 0, &events)).await?, 4);
    assert_eq!(apply(&store, &deliveries(0, 0, &events)).await?, 0);
    // It is the offset that says so, not the rows: other points at the same offsets are not looked
    // at.
    let other = [whole(&s, two, &second), whole(&s, two, &second)];
    let elsewhere = backend.open().await?;
    assert_eq!(apply(&elsewhere, &deliveries(0, 0, &other)).await?, 0);
    assert_eq!(
        store.training_points(&s, Some(&of(2))).await?,
        TrainingPoints::Incomplete
    );
    assert_eq!(apply(&elsewhere, &deliveries(0, 2, &other)).await?, 5);
    assert_eq!(store.offsets(GROUP, TOPIC).await?, [at(0, 4)]);
    assert_eq!(apply(&store, &[]).await?, 0);
    Ok(())
}

pub(crate) async fn points_that_were_published_twice_are_stored_once(
    backend: &impl Backend,
) -> Result<()> {
    let (store, s) = (backend.open().await?, series("s"));
    let (first, second) = (points(1, MAX_POINTS_PER_PART + 5), points(2, 3));
    let one = fit(&store, &s, &first).await?.version;
    let two = fit(&store, &s, &second).await?.version;
    let mut events: Vec<_> = TrainingData::in_parts(&s, one, &first).collect();
    // Within a batch, and once more in another, at a new offset and with something new beside it.
    events.push(events[0].clone());
    assert_eq!(
        apply(&store, &deliveries(0, 0, &events)).await?,
        first.len() as u64
    );
    events.push(whole(&s, two, &second));
    assert_eq!(apply(&store, &deliveries(0, 3, &events)).await?, 3);
    assert_eq!(store.offsets(GROUP, TOPIC).await?, [at(0, 7)]);
    let stored = store.training_points(&s, Some(&of(1))).await?;
    assert!(matches!(stored, TrainingPoints::Complete(_, back) if back == first));
    all_are_complete(&store, &events[3..]).await
}

/// `count` series with a ready model of three points each, and the events that carry these.
async fn small_sets(store: &Store, count: usize) -> Result<Vec<TrainingData>> {
    let mut events = Vec::new();
    for n in 0..count {
        let (s, points) = (series(&format!("s{n}")), points(n as i64, 3));
        let version = fit(store, &s, &points).await?.version;
        events.push(whole(&s, version, &points));
    }
    Ok(events)
}

async fn all_are_complete(store: &Store, events: &[TrainingData]) -> Result<()> {
    for event in events {
        let stored = store
            .training_points(&event.series_id, Some(&VersionRef::Version(event.version)))
            .await?;
        let TrainingPoints::Complete(_, points) = stored else {
            anyhow::bail!("{} is {stored:?}", event.series_id);
        };
        ensure!(points == event.data, "{} has other points", event.series_id);
    }
    Ok(())
}

pub(crate) async fn overlapping_and_unordered_batches_store_every_point_once(
    backend: &impl Backend,
) -> Result<()> {
    let store = backend.open().await?;
    let events = small_sets(&store, 8).await?;
    let all = deliveries(3, 0, &events);
    assert_eq!(apply(&store, &all[..3]).await?, 9);
    let mut overlapping = all[1..6].to_vec();
    overlapping.reverse();
    overlapping.push(all[5]);
    assert_eq!(apply(&store, &overlapping).await?, 9);
    assert_eq!(store.offsets(GROUP, TOPIC).await?, [at(3, 6)]);
    assert_eq!(apply(&store, &all).await?, 6);
    all_are_complete(&store, &events).await
}

pub(crate) async fn racing_consumers_store_every_point_once(backend: &impl Backend) -> Result<()> {
    let store = backend.open().await?;
    let events = small_sets(&store, 40).await?;
    let mut consumers = JoinSet::new();
    // Each walks over the same partitions, in steps of its own.
    for step in [3, 5, 7] {
        let (store, events) = (backend.open().await?, events.clone());
        consumers.spawn(async move {
            let mut stored = 0;
            let (left, right) = events.split_at(20);
            for offset in (0..20).step_by(step) {
                let end = (offset + step).min(20);
                let mut batch = deliveries(1, offset as i64, &right[offset..end]);
                batch.extend(deliveries(0, offset as i64, &left[offset..end]));
                stored += apply(&store, &batch).await?;
            }
            Ok::<_, StoreError>(stored)
        });
    }
    let stored = consumers
        .join_all()
        .await
        .into_iter()
        .collect::<Result<Vec<_>, _>>()?;
    assert_eq!(stored.iter().sum::<u64>(), 120);
    assert_eq!(store.offsets(GROUP, TOPIC).await?, [at(0, 20), at(1, 20)]);
    all_are_complete(&store, &events).await
}

pub(crate) async fn offsets_are_kept_by_log(backend: &impl Backend) -> Result<()> {
    let (store, s) = (backend.open().await?, series("s"));
    let log = |id: &str, is_cut| TopicLog {
        topic: TOPIC.to_owned(),
        id: Some(id.to_owned()),
        is_cut,
    };
    fit(&store, &s, &points(1, 3)).await?;
    let event = whole(&s, v(1), &points(1, 3));
    let batch = [Delivery {
        partition: 2,
        offset: 6,
        timestamp_ms: 0,
        event: Some(&event),
    }];
    // From before logs had ids: taken over by the first.
    assert_eq!(store.apply_training_data(GROUP, TOPIC, &batch).await?, 3);
    assert_eq!(
        store.start_offsets(GROUP, &log("one", false)).await?,
        [at(2, 7)]
    );
    assert_eq!(
        store.start_offsets(GROUP, &log("one", false)).await?,
        [at(2, 7)]
    );
    // Another log begins anew, and points are stored once all the same.
    let two = log("two", false);
    assert_eq!(store.start_offsets(GROUP, &two).await?, []);
    assert_eq!(
        store.apply_training_data(GROUP, &two.key(), &batch).await?,
        0
    );
    assert_eq!(store.start_offsets(GROUP, &two).await?, [at(2, 7)]);
    // One that was cut begins anew, too.
    assert_eq!(store.start_offsets(GROUP, &log("two", true)).await?, []);
    assert_eq!(store.start_offsets(GROUP, &two).await?, []);
    assert_eq!(
        store.start_offsets(GROUP, &log("one", false)).await?,
        [at(2, 7)]
    );
    Ok(())
}

pub(crate) async fn a_zombie_moves_no_offset_back(backend: &impl Backend) -> Result<()> {
    let (store, zombie) = (backend.open().await?, backend.open().await?);
    let events = small_sets(&store, 5).await?;
    let all = deliveries(0, 0, &events);
    apply(&store, &all).await?;
    assert_eq!(apply(&zombie, &all[1..3]).await?, 0);
    assert_eq!(store.offsets(GROUP, TOPIC).await?, [at(0, 5)]);
    Ok(())
}

pub(crate) async fn a_buried_message_moves_the_offset(backend: &impl Backend) -> Result<()> {
    let store = backend.open().await?;
    let events = small_sets(&store, 1).await?;
    let buried = |offset| Delivery {
        partition: 2,
        offset,
        timestamp_ms: 0,
        event: None,
    };
    let batch = [buried(7), deliveries(2, 8, &events).remove(0), buried(9)];
    assert_eq!(apply(&store, &batch).await?, 3);
    assert_eq!(store.offsets(GROUP, TOPIC).await?, [at(2, 10)]);
    assert_eq!(apply(&store, &[buried(12)]).await?, 0);
    assert_eq!(store.offsets(GROUP, TOPIC).await?, [at(2, 13)]);
    Ok(())
}

pub(crate) async fn groups_topics_and_partitions_are_counted_apart(
    backend: &impl Backend,
) -> Result<()> {
    let store = backend.open().await?;
    let buried = |partition, offset| Delivery {
        partition,
        offset,
        timestamp_ms: 0,
        event: None,
    };
    store
        .apply_training_data("a", "t", &[buried(0, 4), buried(1, 0)])
        .await?;
    store.apply_training_data("a", "u", &[buried(0, 9)]).await?;
    store.apply_training_data("b", "t", &[buried(0, 1)]).await?;
    let mut offsets = Vec::new();
    for (group, topic) in [("a", "t"), ("a", "u"), ("b", "t"), ("b", "u")] {
        let stored = store.offsets(group, topic).await?;
        offsets.extend(stored.iter().map(|o| (topic, o.partition, o.next_offset)));
    }
    let expected = [("t", 0, 5), ("t", 1, 1), ("u", 0, 10), ("t", 0, 2)];
    assert_eq!(offsets, expected);
    Ok(())
}

pub(crate) async fn when_the_offset_cannot_move_no_point_is_stored<B: Backend>(
    backend: &B,
) -> Result<()> {
    let store = backend.open().await?;
    let events = small_sets(&store, 3).await?;
    let batch = deliveries(0, 0, &events);
    backend.execute(B::STOP_OFFSETS).await?;
    assert!(apply(&store, &batch).await.is_err());
    assert_eq!(
        backend.number("SELECT count(*) FROM training_data").await?,
        0
    );
    backend.execute(B::LET_OFFSETS_GO).await?;
    assert_eq!(apply(&store, &batch).await?, 9);
    all_are_complete(&store, &events).await
}

pub(crate) async fn points_are_incomplete_until_the_last_part_arrives(
    backend: &impl Backend,
) -> Result<()> {
    let (store, s) = (backend.open().await?, series("s"));
    let points = points(1, 2 * MAX_POINTS_PER_PART + 1);
    let fitted = fit(&store, &s, &points).await?;
    assert_eq!(
        store.training_points(&s, None).await?,
        TrainingPoints::Incomplete
    );
    let parts: Vec<_> = TrainingData::in_parts(&s, fitted.version, &points).collect();
    // The last part alone is not all, nor is all but the middle one, nor all but the last one.
    let all = deliveries(0, 0, &parts);
    for (partition, part) in [(0, 2), (1, 0)] {
        let delivery = Delivery {
            partition,
            ..all[part]
        };
        apply(&store, &[delivery]).await?;
        assert_eq!(
            store.training_points(&s, None).await?,
            TrainingPoints::Incomplete
        );
    }
    let middle = Delivery {
        partition: 2,
        ..all[1]
    };
    assert_eq!(apply(&store, &[middle]).await?, MAX_POINTS_PER_PART as u64);
    let complete = TrainingPoints::Complete(fitted, points);
    assert_eq!(store.training_points(&s, None).await?, complete);
    Ok(())
}

pub(crate) async fn the_points_of_columns_come_back_column_by_column(
    backend: &impl Backend,
) -> Result<()> {
    let (store, s) = (backend.open().await?, series("s"));
    let timestamps: Vec<i64> = (0..6_000).collect();
    let columns = [("a", 1), ("b", 2)].map(|(name, seed)| {
        let values = points(seed, 6_000).iter().map(|p| p.value).collect();
        Column::new(name.to_owned(), &timestamps, values)
    });
    let options = FitOptions::default();
    let fitted = MultivariateModel::fit(&columns, &options, DetectorName::Robust)?;
    let model = StoredModel::from(fitted.model);
    let version = store
        .insert_pending(&s, &crate::backend::fitted(&model))
        .await?;
    store.mark_ready(&s, version).await?;
    let points: Vec<Point> = columns
        .iter()
        .flat_map(|column| column.points.clone())
        .collect();
    let parts: Vec<_> = TrainingData::in_parts(&s, version, &points).collect();
    ensure!(parts.len() == 2);
    apply(&store, &deliveries(0, 0, &parts[..1])).await?;
    ensure!(store.training_points(&s, None).await? == TrainingPoints::Incomplete);
    apply(&store, &deliveries(0, 1, &parts[1..])).await?;
    let complete = TrainingPoints::Complete(VersionedModel { version, model }, points);
    ensure!(store.training_points(&s, None).await? == complete);
    let info = store.model_info(&s, &of(1)).await?.1;
    ensure!(info.points == 6_000, "{info:?}");
    Ok(())
}

pub(crate) async fn a_million_points_come_back_in_order_and_bit_for_bit(
    backend: &impl Backend,
) -> Result<()> {
    let (store, s) = (backend.open().await?, series("s"));
    #[rustfmt::skip]
    let extremes = [
        0.0, -0.0, 1.0, -1.0, 1e308, -1e308, f64::MAX, f64::MIN, f64::MIN_POSITIVE, 5e-324, -5e-324, 2.5e-310,
        0.1, 1.0 / 3.0, 9_007_199_254_740_993.0, 9.223_372_036_854_776e18, f64::EPSILON,
    ];
    // Equal and falling timestamps too: the position is the order, not the time.
    let points: Vec<Point> = (0..1_000_000_i64)
        .map(|n| Point {
            timestamp: [n / 3, -n, i64::MAX - n, i64::MIN + n][n as usize % 4],
            value: extremes.get(n as usize).copied().unwrap_or(n as f64 / 7.0),
        })
        .collect();
    let fitted = fit(&store, &s, &points).await?;
    let parts: Vec<_> = TrainingData::in_parts(&s, fitted.version, &points).collect();
    let start = Instant::now();
    assert_eq!(apply(&store, &deliveries(0, 0, &parts)).await?, 1_000_000);
    let stored = start.elapsed();
    let start = Instant::now();
    let back = store.training_points(&s, None).await?;
    let read = start.elapsed();
    println!("a million points: stored in {stored:.2?}, read in {read:.2?}");
    let TrainingPoints::Complete(model, back) = back else {
        anyhow::bail!("incomplete");
    };
    ensure!(model == fitted);
    let bits = |points: &[Point]| -> Vec<_> {
        points
            .iter()
            .map(|p| (p.timestamp, p.value.to_bits()))
            .collect()
    };
    ensure!(bits(&back) == bits(&points), "order or bits differ");
    Ok(())
}
