//! What holds for every store.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use contract::{MAX_POINTS_PER_PART, Point, SeriesId, TrainingData, Version};
use detector::Model;
use store::{Delivery, Offset, Store, StoreError, TrainingPoints, VersionedModel};
use tokio::task::JoinSet;

use crate::backend::{Backend, error_of};

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
    Model::fit(points).expect("points of a test can be fitted")
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

pub(crate) async fn concurrent_fits_of_one_series_get_versions_without_gap_or_repeat(
    backend: &impl Backend,
) -> Result<()> {
    let (hot, cold) = (series("hot"), series("cold"));
    let mut fits = JoinSet::new();
    for _ in 0..3 {
        let store = backend.open().await?;
        for n in 0..20 {
            let (store, hot) = (store.clone(), hot.clone());
            fits.spawn(async move { store.insert_pending(&hot, &model(&points(n, 3))).await });
        }
    }
    let versions = fits
        .join_all()
        .await
        .into_iter()
        .collect::<Result<Vec<_>, _>>()?;
    let distinct: BTreeSet<u32> = versions.iter().map(|version| version.number()).collect();
    assert_eq!(distinct, (1..=60).collect());
    let store = backend.open().await?;
    let other = store.insert_pending(&cold, &model(&points(0, 3))).await?;
    assert_eq!(other, v(1));
    Ok(())
}

pub(crate) async fn a_pending_version_is_not_seen(backend: &impl Backend) -> Result<()> {
    let (store, s) = (backend.open().await?, series("s"));
    let (first, second) = (points(1, 3), points(2, 3));
    assert_eq!(store.newest(&s).await?, None);
    let one = store.insert_pending(&s, &model(&first)).await?;
    apply(&store, &deliveries(0, 0, &[whole(&s, one, &first)])).await?;
    assert_eq!(store.newest(&s).await?, None);
    assert_eq!(
        store.training_points(&s, None).await?,
        TrainingPoints::NoModel
    );
    assert_eq!(
        store.training_points(&s, Some(one)).await?,
        TrainingPoints::NoModel
    );
    assert_eq!(store.ready_within(AN_HOUR).await?, []);

    store.mark_ready(&s, one).await?;
    let expected = VersionedModel {
        version: one,
        model: model(&first),
    };
    // Another process sees it too, and not the one that follows.
    let elsewhere = backend.open().await?;
    let two = store.insert_pending(&s, &model(&second)).await?;
    assert_eq!(elsewhere.newest(&s).await?, Some(expected.clone()));
    let stored = TrainingPoints::Complete(expected, first);
    assert_eq!(elsewhere.training_points(&s, None).await?, stored);
    assert_eq!(
        elsewhere.training_points(&s, Some(two)).await?,
        TrainingPoints::NoModel
    );
    assert_eq!(elsewhere.ready_within(AN_HOUR).await?, [(s, one)]);
    Ok(())
}

pub(crate) async fn the_newest_is_the_highest_number_not_the_latest_to_be_ready(
    backend: &impl Backend,
) -> Result<()> {
    let (store, s) = (backend.open().await?, series("s"));
    for n in 1..=11 {
        store.insert_pending(&s, &model(&points(n, 3))).await?;
    }
    // 9 before 11 and 10: neither time nor the spelling of a number decides.
    for number in [9, 11, 10] {
        store.mark_ready(&s, v(number)).await?;
    }
    let newest = store.newest(&s).await?.map(|newest| newest.version);
    assert_eq!(newest, Some(v(11)));
    Ok(())
}

pub(crate) async fn to_mark_a_version_ready_again_changes_nothing(
    backend: &impl Backend,
) -> Result<()> {
    let (store, s) = (backend.open().await?, series("s"));
    fit(&store, &s, &points(1, 3)).await?;
    age(backend, "ready_at", "s", v(1)).await?;
    store.mark_ready(&s, v(1)).await?;
    assert_eq!(store.ready_within(AN_HOUR).await?, []);
    let never = error_of(store.mark_ready(&s, v(2)).await)?;
    assert!(matches!(never, StoreError::Swept { version, .. } if version == v(2)));
    Ok(())
}

/// Makes a time of a version two hours older.
async fn age<B: Backend>(backend: &B, time: &str, series: &str, version: Version) -> Result<()> {
    let (hour, number) = (B::HOUR, version.number());
    let sql = format!(
        "UPDATE models SET {time} = {time} - {hour} - {hour} WHERE series_id = '{series}' AND version = {number}"
    );
    backend.execute(&sql).await
}

pub(crate) async fn a_number_is_not_given_out_again_after_its_version_was_swept(
    backend: &impl Backend,
) -> Result<()> {
    let (store, s) = (backend.open().await?, series("s"));
    for number in [1, 2] {
        let version = store.insert_pending(&s, &model(&points(1, 3))).await?;
        assert_eq!(version, v(number));
    }
    assert_eq!(store.sweep_pending(Duration::ZERO).await?, 2);
    let swept = error_of(store.mark_ready(&s, v(2)).await)?;
    assert!(matches!(swept, StoreError::Swept { .. }) && !swept.is_transient());
    assert_eq!(fit(&store, &s, &points(3, 3)).await?.version, v(3));
    Ok(())
}

pub(crate) async fn a_sweep_takes_what_is_old_and_pending_and_its_points(
    backend: &impl Backend,
) -> Result<()> {
    let (store, s) = (backend.open().await?, series("s"));
    let points = points(1, 5);
    for number in 1..=4 {
        let version = store.insert_pending(&s, &model(&points)).await?;
        let event = whole(&s, version, &points);
        apply(&store, &deliveries(0, i64::from(number), &[event])).await?;
    }
    // Old and pending; old and ready; young and pending; old and pending.
    store.mark_ready(&s, v(2)).await?;
    for number in [1, 2, 4] {
        age(backend, "created_at", "s", v(number)).await?;
    }
    assert_eq!(store.sweep_pending(3 * AN_HOUR).await?, 0);
    assert_eq!(store.sweep_pending(AN_HOUR).await?, 2);
    assert_eq!(store.sweep_pending(AN_HOUR).await?, 0);
    let left = "SELECT count(*) FROM training_data WHERE version IN";
    assert_eq!(backend.number(&format!("{left} (1, 4)")).await?, 0);
    assert_ne!(backend.number(&format!("{left} (2)")).await?, 0);
    store.mark_ready(&s, v(3)).await?;
    let complete = store.training_points(&s, Some(v(3))).await?;
    assert!(matches!(complete, TrainingPoints::Complete(_, stored) if stored == points));
    Ok(())
}

pub(crate) async fn points_of_a_swept_version_are_dropped(backend: &impl Backend) -> Result<()> {
    let (store, s) = (backend.open().await?, series("s"));
    let (swept, kept) = (points(1, 4), points(2, 6));
    store.insert_pending(&s, &model(&swept)).await?;
    store.sweep_pending(Duration::ZERO).await?;
    let newest = fit(&store, &s, &kept).await?;
    let events = [whole(&s, v(1), &swept), whole(&s, newest.version, &kept)];
    assert_eq!(apply(&store, &deliveries(0, 0, &events)).await?, 6);
    assert_eq!(store.offsets(GROUP, TOPIC).await?, [at(0, 2)]);
    let left = "SELECT count(*) FROM training_data WHERE version = 1";
    assert_eq!(backend.number(left).await?, 0);
    Ok(())
}

pub(crate) async fn only_series_that_changed_lately_are_told_with_their_newest(
    backend: &impl Backend,
) -> Result<()> {
    let store = backend.open().await?;
    let points = points(1, 3);
    for (id, versions) in [("old", 2), ("young", 2), ("late", 2)] {
        for _ in 0..versions {
            fit(&store, &series(id), &points).await?;
        }
    }
    store
        .insert_pending(&series("young"), &model(&points))
        .await?;
    // In "late" the older version became ready after the newer one: the newest is still the newest.
    for (id, number) in [("old", 1), ("old", 2), ("young", 1), ("late", 2)] {
        age(backend, "ready_at", id, v(number)).await?;
    }
    let mut ready = store.ready_within(AN_HOUR).await?;
    ready.sort();
    assert_eq!(ready, [(series("late"), v(2)), (series("young"), v(2))]);
    assert_eq!(store.ready_within(Duration::MAX).await?.len(), 3);
    assert_eq!(store.ready_within(Duration::ZERO).await?, []);
    Ok(())
}

pub(crate) async fn ids_that_look_alike_have_nothing_in_common(
    backend: &impl Backend,
) -> Result<()> {
    let store = backend.open().await?;
    let long = "é".repeat(100);
    #[rustfmt::skip]
    let ids = [
        "sensor_1", "sensor_10", "sensor_1_v2", "sensor_1 ", " sensor_1", "SENSOR_1", "sensor%", "sensor_", "sensor__",
        "%", "_", "'", "\"", "''; DROP TABLE models; --", "\\", "$1", "?", "NULL", "1", "01", "1.0",
        "e\u{301}", "é", "ß", "ss", "🌡️", "🌡", "\u{200b}", &long,
    ];
    for (seed, id) in (1..).zip(ids) {
        let (s, points) = (series(id), points(seed, 3));
        let fitted = fit(&store, &s, &points).await?;
        ensure!(fitted.version == v(1), "{id:?} shares numbers");
        let event = whole(&s, v(1), &points);
        ensure!(apply(&store, &deliveries(0, seed, &[event])).await? == 3);
    }
    for (seed, id) in (1..).zip(ids) {
        let stored = store.training_points(&series(id), None).await?;
        let points = points(seed, 3);
        let model = model(&points);
        let version = v(1);
        let expected = TrainingPoints::Complete(VersionedModel { version, model }, points);
        ensure!(stored == expected, "{id:?} has the points of another");
    }
    Ok(())
}

pub(crate) async fn a_model_is_stored_letter_for_letter(backend: &impl Backend) -> Result<()> {
    let (store, s) = (backend.open().await?, series("s"));
    let extremes = [1e308, -1e308, 5e-324].map(|value| Point {
        timestamp: i64::MIN,
        value,
    });
    let fitted = fit(&store, &s, &extremes).await?;
    let document = backend.text("SELECT model FROM models").await?;
    assert_eq!(document, fitted.model.to_json());
    let sql = "SELECT count(*) FROM models WHERE detector = 'sigma' AND points = 3 AND format = 1";
    assert_eq!(backend.number(sql).await?, 1);
    Ok(())
}

pub(crate) async fn a_model_that_was_changed_is_refused(backend: &impl Backend) -> Result<()> {
    let store = backend.open().await?;
    let (bad, good) = (series("bad"), series("good"));
    fit(&store, &bad, &points(1, 3)).await?;
    let fitted = fit(&store, &good, &points(2, 3)).await?;
    let change = "UPDATE models SET model = replace(model, '\"points\":3', '\"points\":4') WHERE series_id = 'bad'";
    backend.execute(change).await?;
    for error in [
        error_of(store.newest(&bad).await)?,
        error_of(store.training_points(&bad, None).await)?,
    ] {
        assert!(matches!(&error, StoreError::Corrupt { series, .. } if *series == bad));
        assert!(!error.is_transient());
    }
    assert_eq!(store.newest(&good).await?, Some(fitted));
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
    // It is the offset that says so, not the rows: other points at the same offsets are not looked at.
    let other = [whole(&s, two, &second), whole(&s, two, &second)];
    let elsewhere = backend.open().await?;
    assert_eq!(apply(&elsewhere, &deliveries(0, 0, &other)).await?, 0);
    assert_eq!(
        store.training_points(&s, Some(two)).await?,
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
    let stored = store.training_points(&s, Some(one)).await?;
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
            .training_points(&event.series_id, Some(event.version))
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
    overlapping.push(all[5].clone());
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
        event: None,
    };
    store
        .apply_training_data("a", "t", &[buried(0, 4), buried(1, 0)])
        .await?;
    store.apply_training_data("a", "u", &[buried(0, 9)]).await?;
    store.apply_training_data("b", "t", &[buried(0, 1)]).await?;
    let place = |offset: Offset| (offset.topic, offset.partition, offset.next_offset);
    let mut places = Vec::new();
    for (group, topic) in [("a", "t"), ("a", "u"), ("b", "t"), ("b", "u")] {
        places.extend(store.offsets(group, topic).await?.into_iter().map(place));
    }
    let expected = [("t", 0, 5), ("t", 1, 1), ("u", 0, 10), ("t", 0, 2)];
    assert_eq!(
        places,
        expected.map(|(topic, p, next)| (topic.to_owned(), p, next))
    );
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
            ..all[part].clone()
        };
        apply(&store, &[delivery]).await?;
        assert_eq!(
            store.training_points(&s, None).await?,
            TrainingPoints::Incomplete
        );
    }
    let middle = Delivery {
        partition: 2,
        ..all[1].clone()
    };
    assert_eq!(apply(&store, &[middle]).await?, MAX_POINTS_PER_PART as u64);
    let complete = TrainingPoints::Complete(fitted, points);
    assert_eq!(store.training_points(&s, None).await?, complete);
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

pub(crate) async fn migrations_may_run_at_once_and_again(backend: &impl Backend) -> Result<()> {
    let tables = [
        "training_data",
        "models",
        "series",
        "consumer_offsets",
        "_sqlx_migrations",
    ];
    drop(backend.open().await?);
    for table in tables {
        backend.execute(&format!("DROP TABLE {table}")).await?;
    }
    let mut processes = JoinSet::new();
    let mut stores = Vec::new();
    for _ in 0..4 {
        // Opening SQLite migrates it already; the others find that done.
        stores.push(backend.open().await?);
    }
    for store in stores {
        processes.spawn(async move {
            store.migrate().await?;
            store.migrate().await
        });
    }
    processes
        .join_all()
        .await
        .into_iter()
        .collect::<Result<Vec<_>, _>>()?;
    let store = backend.open().await?;
    let fitted = fit(&store, &series("s"), &points(1, 3)).await?;
    store.migrate().await?;
    assert_eq!(store.newest(&series("s")).await?, Some(fitted));
    Ok(())
}

pub(crate) async fn a_closed_store_fails_and_says_so(backend: &impl Backend) -> Result<()> {
    let store = backend.open().await?;
    store.ping().await?;
    store.close().await;
    let error = error_of(store.ping().await)?;
    assert!(error.is_transient(), "{error:?}");
    error_of(store.newest(&series("s")).await)?;
    Ok(())
}
