//! A worker that partitions are given to and taken from.

use std::{path::Path, time::Duration};

use bus::Bus;
use contract::{POINT_PARTITIONS, partition_of};
use store::{PartitionCommit, Store};

use super::*;
use crate::{Backends, Observer};

async fn observer(folder: &Path) -> Observer {
    let backends = Backends {
        bus: Bus::sqlite(&folder.join("events.db")).await.unwrap(),
        store: Store::sqlite(&folder.join("store.db")).await.unwrap(),
    };
    let settings = Settings {
        observer_threads: 1,
        ..Settings::default()
    };
    Observer::embedded(settings, backends).unwrap()
}

const LOG: &str = "log";

fn series(id: &str) -> (SeriesId, i32) {
    let id = SeriesId::new(id).unwrap();
    let partition = partition_of(&id, POINT_PARTITIONS);
    (id, partition)
}

/// A record with one point.
fn record((series, partition): &(SeriesId, i32), offset: i64) -> RawMessage {
    let point = format!(r#"{{"series_id":"{series}","timestamp":{offset},"value":2.5}}"#);
    RawMessage {
        topic: "points".into(),
        log: LOG.into(),
        partition: *partition,
        offset,
        timestamp_ms: 0,
        key: None,
        payload: point.into_bytes(),
        headers: Vec::new(),
    }
}

/// The number of points of the stream, if the worker has it in memory.
async fn points(worker: &mpsc::Sender<Work>, series: &(SeriesId, i32)) -> Option<u64> {
    let (reply, shown) = oneshot::channel();
    let (series, partition) = series.clone();
    let show = Work::Show {
        series,
        partition,
        reply,
    };
    worker.send(show).await.unwrap();
    shown.await.unwrap().map(|stream| stream.points)
}

async fn assign(worker: &mpsc::Sender<Work>, partitions: &[i32]) {
    let partitions = partitions.to_vec();
    worker.send(Work::Assigned { partitions }).await.unwrap();
}

async fn stop(worker: &mpsc::Sender<Work>) {
    let (stopped, waiting) = oneshot::channel();
    let until = Instant::now() + Duration::from_secs(10);
    worker.send(Work::Stop { until, stopped }).await.unwrap();
    waiting.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_have_is_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let observer = observer(folder.path()).await;
    let worker = &observer.app.workers[0];
    let (kept, given) = (series("a"), series("b"));
    assert_ne!(kept.1, given.1);
    assign(worker, &[kept.1, given.1]).await;
    let records = vec![record(&kept, 0), record(&given, 0)];
    worker.send(Work::Records(records)).await.unwrap();
    assert_eq!(points(worker, &given).await, Some(1));
    // A rebalance begins: what comes back unchanged goes on.
    assign(worker, &[]).await;
    assert_eq!(points(worker, &given).await, Some(1));
    assign(worker, &[kept.1]).await;
    assert_eq!(points(worker, &kept).await, Some(1));
    assert_eq!(points(worker, &given).await, None);
    stop(worker).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partition_that_was_lost_is_left_alone_until_it_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let observer = observer(folder.path()).await;
    let (worker, store) = (&observer.app.workers[0], &observer.app.shared.store);
    let series = series("a");
    let send = async |offset| {
        let records = vec![record(&series, offset)];
        worker.send(Work::Records(records)).await.unwrap();
    };
    assign(worker, &[series.1]).await;
    send(0).await;
    while store.stream_offsets_of(LOG).await.unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    let moved = PartitionCommit {
        partition: series.1,
        expected: 1,
        effects: 3,
        safe: 0,
        now_ms: 0,
        outage_ms: 0,
        anomalies: Vec::new(),
        states: Vec::new(),
        points: Vec::new(),
        ended: Vec::new(),
    };
    while store
        .commit_streams(LOG, std::slice::from_ref(&moved))
        .await
        .unwrap()
        .is_empty()
    {
        tokio::task::yield_now().await;
    }
    send(1).await;
    while points(worker, &series).await.is_some() {
        tokio::task::yield_now().await;
    }
    // It was read before the loss was known, and does not follow what is stored.
    send(3).await;
    assert_eq!(points(worker, &series).await, None);

    assign(worker, &[series.1]).await;
    for offset in 0..4 {
        send(offset).await;
    }
    assert_eq!(points(worker, &series).await, Some(4));
    stop(worker).await;
}
