//! A worker that partitions are given to and taken from.

use std::{path::Path, time::Duration};

use bus::Bus;
use contract::{POINT_PARTITIONS, partition_of};
use store::Store;

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

/// The first record of its partition, a point of `series`.
fn record(series: &SeriesId, partition: i32) -> RawMessage {
    RawMessage {
        topic: "points".into(),
        log: "log".into(),
        partition,
        offset: 0,
        timestamp_ms: 0,
        key: None,
        payload: format!(r#"{{"series_id":"{series}","timestamp":1,"value":2.5}}"#).into_bytes(),
        headers: Vec::new(),
    }
}

/// Whether the worker has the stream of each series in memory.
async fn holds(worker: &mpsc::Sender<Work>, series: &[(SeriesId, i32)]) -> Vec<bool> {
    let mut held = Vec::new();
    for (series, partition) in series {
        let (reply, shown) = oneshot::channel();
        let (series, partition) = (series.clone(), *partition);
        let show = Work::Show {
            series,
            partition,
            reply,
        };
        worker.send(show).await.unwrap();
        held.push(shown.await.unwrap().is_some());
    }
    held
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_have_is_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let observer = observer(folder.path()).await;
    let worker = &observer.app.workers[0];
    let series = ["a", "b"].map(|id| SeriesId::new(id).unwrap());
    let series = series.map(|id| {
        let partition = partition_of(&id, POINT_PARTITIONS);
        (id, partition)
    });
    let (kept, given) = (series[0].1, series[1].1);
    assert_ne!(kept, given);
    let assigned = async |partitions: &[i32]| {
        let partitions = partitions.to_vec();
        worker.send(Work::Assigned { partitions }).await.unwrap();
    };

    assigned(&[kept, given]).await;
    let records = series.iter().map(|(id, partition)| record(id, *partition));
    let records = Work::Records {
        is_certain: true,
        records: records.collect(),
    };
    worker.send(records).await.unwrap();
    assert_eq!(holds(worker, &series).await, [true, true]);
    // A rebalance begins: what comes back unchanged goes on.
    assigned(&[]).await;
    assert_eq!(holds(worker, &series).await, [true, true]);
    assigned(&[kept]).await;
    assert_eq!(holds(worker, &series).await, [true, false]);
    let (stopped, waiting) = oneshot::channel();
    let until = Instant::now() + Duration::from_secs(10);
    worker.send(Work::Stop { until, stopped }).await.unwrap();
    waiting.await.unwrap();
}
