//! The suite over SQLite, and what only it can show.

use std::{fs, time::Duration};

use anyhow::{Context, Result};
use contract::{Delivery, DetectorName, FitOptions, Point, SeriesId, TrainingData, Version};
use detector::Model;
use sqlx::{Connection, SqliteConnection};
use store::{Store, StoreError, TrainingPoints};
use tokio::task::JoinSet;

use crate::backend::{Backend, Sqlite, error_of, fitted, run, serving};

crate::run_suite!(Sqlite);

fn points(count: i32) -> Vec<Point> {
    (0..count)
        .map(|n| Point {
            timestamp: i64::from(n),
            value: f64::from(n % 100),
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_process_leaves_has_everything_that_was_acknowledged() -> Result<()> {
    run::<Sqlite>(async |backend| {
        let (store, series) = (backend.open().await?, SeriesId::new("s")?);
        let points = points(25_000);
        let model = Model::fit(&points, &FitOptions::default(), DetectorName::Sigma)?
            .model
            .into();
        let one = store.insert_pending(&series, &fitted(&model)).await?;
        let events: Vec<_> = TrainingData::in_parts(&series, one, &points).collect();
        let batch: Vec<_> = (0..)
            .zip(&events)
            .map(|(offset, event)| Delivery {
                partition: 0,
                offset,
                timestamp_ms: 0,
                event: Some(event),
            })
            .collect();
        store.apply_training_data("g", "t", &batch).await?;
        store.mark_ready(&series, one).await?;
        let two = store.insert_pending(&series, &fitted(&model)).await?;
        // Nothing was closed: these are the files that a kill -9 would leave behind.
        let left = Sqlite::fresh().await?;
        let (from, to) = (backend.path(), left.path());
        for suffix in ["", "-wal"] {
            let name = |path: &std::path::Path| format!("{}{suffix}", path.display());
            fs::copy(name(&from), name(&to))?;
        }
        let again = left.open().await?;
        assert_eq!(
            serving(&again, &series).await?.map(|m| m.version),
            Some(one)
        );
        let stored = again.training_points(&series, None).await?;
        assert!(matches!(stored, TrainingPoints::Complete(_, back) if back == points));
        assert_eq!(again.apply_training_data("g", "t", &batch).await?, 0);
        again.mark_ready(&series, two).await?;
        assert_eq!(
            again.insert_pending(&series, &fitted(&model)).await?,
            Version::new(3).unwrap()
        );
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fits_and_reads_go_on_while_a_million_points_are_stored() -> Result<()> {
    run::<Sqlite>(async |backend| {
        let (store, big) = (backend.open().await?, SeriesId::new("big")?);
        let points = points(1_000_000);
        let version = store
            .insert_pending(
                &big,
                &fitted(
                    &Model::fit(&points, &FitOptions::default(), DetectorName::Sigma)?
                        .model
                        .into(),
                ),
            )
            .await?;
        let mut bulk = JoinSet::new();
        let consumer = store.clone();
        let series = big.clone();
        bulk.spawn(async move {
            let events: Vec<_> = TrainingData::in_parts(&series, version, &points).collect();
            let deliveries = (0..).zip(&events).map(|(offset, event)| Delivery {
                partition: 0,
                offset,
                timestamp_ms: 0,
                event: Some(event),
            });
            let batch: Vec<_> = deliveries.collect();
            consumer.apply_training_data("g", "t", &batch).await
        });
        let (fits, slowest) = fit_until_done(&store, &mut bulk).await?;
        println!("{fits} fits meanwhile, the slowest took {slowest:.1?}");
        // Fifty transactions bring the points; writers take turns, so there is a place for a fit
        // between any two.
        assert!(
            fits >= 10,
            "only {fits} fits while a million points were stored"
        );
        Ok(())
    })
    .await
}

/// Fits a small series again and again while `bulk` runs. Returns how often, and how long the
/// slowest took.
async fn fit_until_done(
    store: &Store,
    bulk: &mut JoinSet<Result<u64, store::StoreError>>,
) -> Result<(u32, Duration)> {
    let small = SeriesId::new("small")?;
    let model = Model::fit(&points(10), &FitOptions::default(), DetectorName::Sigma)?
        .model
        .into();
    let (mut fits, mut slowest) = (0, Duration::ZERO);
    loop {
        if let Some(stored) = bulk.try_join_next() {
            assert_eq!(stored??, 1_000_000);
            return Ok((fits, slowest));
        }
        let start = std::time::Instant::now();
        let version = store.insert_pending(&small, &fitted(&model)).await?;
        store.mark_ready(&small, version).await?;
        let newest = serving(store, &small).await?;
        assert_eq!(newest.map(|newest| newest.version), Some(version));
        slowest = slowest.max(start.elapsed());
        fits += 1;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_another_process_holds_is_a_passing_trouble() -> Result<()> {
    run::<Sqlite>(async |backend| {
        let (store, series) = (backend.open().await?, SeriesId::new("s")?);
        let model = Model::fit(&points(3), &FitOptions::default(), DetectorName::Sigma)?
            .model
            .into();
        let address = format!("sqlite://{}", backend.path().display());
        let mut other = SqliteConnection::connect(&address).await?;
        sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await?;
        let error = store
            .insert_pending(&series, &fitted(&model))
            .await
            .unwrap_err();
        assert!(error.is_transient(), "{error:?}");
        assert_eq!(serving(&store, &series).await?, None);
        sqlx::raw_sql("ROLLBACK").execute(&mut other).await?;
        assert_eq!(
            store.insert_pending(&series, &fitted(&model)).await?,
            Version::new(1).unwrap()
        );
        Ok(())
    })
    .await
}

/// A store whose series `s` has one version of 25,000 points, in three blocks.
async fn with_three_blocks(backend: &Sqlite) -> Result<(SeriesId, Vec<Point>)> {
    let (store, series, points) = (backend.open().await?, SeriesId::new("s")?, points(25_000));
    let model = Model::fit(&points, &FitOptions::default(), DetectorName::Sigma)?;
    let version = store
        .insert_pending(&series, &fitted(&model.model.into()))
        .await?;
    let events: Vec<_> = TrainingData::in_parts(&series, version, &points).collect();
    let delivery = |(offset, event)| Delivery {
        partition: 0,
        offset,
        timestamp_ms: 0,
        event: Some(event),
    };
    let batch: Vec<_> = (0..).zip(&events).map(delivery).collect();
    store.apply_training_data("g", "t", &batch).await?;
    store.mark_ready(&series, version).await?;
    // Brings all of it into the file itself.
    store.close().await;
    backend.execute("PRAGMA wal_checkpoint(TRUNCATE)").await?;
    Ok((series, points))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flipped_bit_in_training_points_is_noticed() -> Result<()> {
    run::<Sqlite>(async |backend| {
        let (series, points) = with_three_blocks(backend).await?;
        let mut file = fs::read(backend.path())?;
        // Some points are cut by the end of a page.
        let at = points[12_345..12_350].iter().find_map(|point| {
            let sought = [point.timestamp.to_le_bytes(), point.value.to_le_bytes()].concat();
            file.windows(sought.len()).position(|bytes| bytes == sought)
        });
        file[at.context("no such point")? + 9] ^= 4;
        fs::write(backend.path(), file)?;

        let store = backend.open().await?;
        let error = error_of(store.training_points(&series, None).await)?;
        assert!(
            matches!(&error, StoreError::CorruptPoints { first: 10_000, .. }),
            "{error:?}"
        );
        assert!(!error.is_transient());
        assert!(
            serving(&store, &series).await?.is_some(),
            "the model is whole"
        );
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocks_of_points_know_whose_they_are_and_old_ones_are_read_as_they_are() -> Result<()> {
    run::<Sqlite>(async |backend| {
        let (series, points) = with_three_blocks(backend).await?;
        let swap = "
            UPDATE training_data SET position = -1 WHERE position = 0;
            UPDATE training_data SET position = 0 WHERE position = 10000;
            UPDATE training_data SET position = 10000 WHERE position = -1;";
        backend.execute(swap).await?;
        let store = backend.open().await?;
        let error = error_of(store.training_points(&series, None).await)?;
        assert!(matches!(error, StoreError::CorruptPoints { first: 0, .. }));

        backend.execute(swap).await?;
        backend
            .execute("UPDATE training_data SET checksum = NULL WHERE position > 0")
            .await?;
        let stored = store.training_points(&series, None).await?;
        assert!(matches!(stored, TrainingPoints::Complete(_, back) if back == points));
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused() -> Result<()> {
    let backend = Sqlite::fresh().await?;
    fs::write(
        backend.path(),
        "not a database, but long enough to look like one".repeat(100),
    )?;
    assert!(backend.open().await.is_err());
    Ok(())
}
