//! The suite over Postgres, and what only it can show.

mod roles;

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use contract::{Delivery, DetectorName, FitOptions, Point, SeriesId, TrainingData};
use detector::Model;
use store::{Store, StoreError};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};

use crate::backend::{Backend, Postgres, config, error_of, fitted, run, serving};

crate::run_suite!(Postgres, ignore = "needs Postgres: TEST_DATABASE_URL");

fn points() -> Vec<Point> {
    [1.0, 2.0, 4.0]
        .map(|value| Point {
            timestamp: 0,
            value,
        })
        .into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Postgres: TEST_DATABASE_URL"]
async fn a_server_that_restarted_is_found_again_at_once() -> Result<()> {
    run::<Postgres>(async |backend| {
        let (store, series) = (backend.open().await?, SeriesId::new("s")?);
        store
            .insert_pending(
                &series,
                &fitted(
                    &Model::fit(&points(), &FitOptions::default(), DetectorName::Sigma)?
                        .model
                        .into(),
                ),
            )
            .await?;
        let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                    WHERE datname = current_database() AND pid <> pg_backend_pid()";
        backend.execute(kill).await?;
        assert_eq!(serving(&store, &series).await?, None);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Postgres: TEST_DATABASE_URL"]
async fn a_server_that_falls_silent_is_given_up_in_time_and_its_connection_with_it() -> Result<()> {
    run::<Postgres>(async |backend| {
        in_silence(backend, async |store, series| {
            let start = Instant::now();
            let error = error_of(serving(&store, &series).await)?;
            assert!(matches!(error, StoreError::TimedOut(_)) && error.is_transient());
            assert!(start.elapsed() < Duration::from_secs(8));
            Ok(())
        })
        .await
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Postgres: TEST_DATABASE_URL"]
async fn a_caller_that_gives_up_leaves_no_connection_waiting() -> Result<()> {
    run::<Postgres>(async |backend| {
        in_silence(backend, async |store, series| {
            let impatient = Duration::from_secs(2);
            let gave_up = tokio::time::timeout(impatient, serving(&store, &series)).await;
            assert!(gave_up.is_err());
            Ok(())
        })
        .await
    })
    .await
}

/// Lets the server fall silent in the middle of `call`, and demands that the store, which has one
/// connection, works afterwards.
async fn in_silence(
    backend: &Postgres,
    call: impl AsyncFnOnce(Store, SeriesId) -> Result<()>,
) -> Result<()> {
    let (url, series) = (backend.url(), SeriesId::new("s")?);
    let (user, address) = url.split_once('@').context("no user")?;
    let (server, database) = address.split_once('/').context("no database")?;
    let (silence, port, _wires) = proxy(server.to_owned()).await?;
    let mut config = config(format!("{user}@127.0.0.1:{port}/{database}"));
    config.postgres_max_connections = 1;
    let store = Store::postgres(&config)?;
    let mut other = sqlx::PgPool::connect(&url).await?.begin().await?;
    sqlx::query("LOCK TABLE models")
        .execute(&mut *other)
        .await?;
    let fall_silent = async {
        wait_for_lock(backend).await?;
        silence.send(true)?;
        Ok(other.rollback().await?)
    };
    tokio::try_join!(call(store.clone(), series.clone()), fall_silent)?;
    silence.send(false)?;
    assert_eq!(serving(&store, &series).await?, None);
    Ok(())
}

async fn wait_for_lock(backend: &Postgres) -> Result<()> {
    let waiting = "SELECT count(*) FROM pg_stat_activity
                   WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while backend.number(waiting).await? == 0 {
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// A wire to `server` that falls silent on demand, and on which what was silent stays silent.
async fn proxy(server: String) -> Result<(watch::Sender<bool>, u16, JoinSet<()>)> {
    let (silence, silent) = watch::channel(false);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    let mut wires = JoinSet::new();
    wires.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((mut client, _)) = listener.accept().await {
            let (server, mut silent) = (server.clone(), silent.clone());
            connections.spawn(async move {
                let Ok(mut upstream) = TcpStream::connect(server).await else {
                    return;
                };
                tokio::select! {
                    _ = copy_bidirectional(&mut client, &mut upstream) => {}
                    () = until(&mut silent) => std::future::pending().await,
                }
            });
        }
    });
    Ok((silence, port, wires))
}

async fn until(silent: &mut watch::Receiver<bool>) {
    // Without a sender the test is over.
    let _ = silent.wait_for(|silent| *silent).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Postgres: TEST_DATABASE_URL"]
async fn a_version_that_is_getting_points_can_become_ready_but_not_be_swept() -> Result<()> {
    run::<Postgres>(async |backend| {
        let (store, series) = (backend.open().await?, SeriesId::new("s")?);
        let version = store
            .insert_pending(
                &series,
                &fitted(
                    &Model::fit(&points(), &FitOptions::default(), DetectorName::Sigma)?
                        .model
                        .into(),
                ),
            )
            .await?;
        // A consumer in the middle of its transaction, as far as locks go.
        let mut consumer = sqlx::PgPool::connect(&backend.url()).await?.begin().await?;
        sqlx::query("SELECT 1 FROM models FOR KEY SHARE")
            .execute(&mut *consumer)
            .await?;
        assert_eq!(store.sweep_pending(Duration::ZERO).await?, 0);
        store.mark_ready(&series, version).await?;
        consumer.rollback().await?;
        assert_eq!(store.sweep_pending(Duration::ZERO).await?, 0);
        assert!(serving(&store, &series).await?.is_some());
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Postgres: TEST_DATABASE_URL"]
async fn a_sweep_and_a_consumer_at_once_leave_no_points_without_a_model() -> Result<()> {
    run::<Postgres>(async |backend| {
        let (store, sweeper) = (backend.open().await?, backend.open().await?);
        let series = SeriesId::new("s")?;
        for offset in 0..50 {
            let version = store
                .insert_pending(
                    &series,
                    &fitted(
                        &Model::fit(&points(), &FitOptions::default(), DetectorName::Sigma)?
                            .model
                            .into(),
                    ),
                )
                .await?;
            let event = TrainingData {
                series_id: series.clone(),
                version,
                data: points(),
                part: None,
                parts: None,
            };
            let delivery = Delivery {
                partition: 0,
                offset,
                timestamp_ms: 0,
                event: Some(&event),
            };
            let batch = [delivery];
            let (applied, swept) = tokio::join!(
                store.apply_training_data("g", "t", &batch),
                sweeper.sweep_pending(Duration::ZERO),
            );
            applied?;
            swept?;
        }
        sweeper.sweep_pending(Duration::ZERO).await?;
        assert_eq!(backend.number("SELECT count(*) FROM models").await?, 0);
        assert_eq!(
            backend.number("SELECT count(*) FROM training_data").await?,
            0
        );
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Postgres: TEST_DATABASE_URL"]
async fn tables_that_are_not_there_yet_are_a_passing_trouble() -> Result<()> {
    run::<Postgres>(async |backend| {
        backend
            .execute("DROP TABLE consumer_offsets, training_data, aliases, models, series")
            .await?;
        let store = backend.open().await?;
        let error = serving(&store, &SeriesId::new("s")?).await.unwrap_err();
        assert!(matches!(error, StoreError::NotMigrated(_)), "{error:?}");
        Ok(())
    })
    .await
}
