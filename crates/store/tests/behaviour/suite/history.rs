//! Points of streams that people look at.

use anyhow::Result;
use contract::{LearnedPoint, Moment};
use store::{EndedStream, PartitionCommit, PointBlock, PointExtent, Store};

use super::{
    series,
    streams::{LOG, step},
};
use crate::backend::Backend;

fn point(timestamp: i64) -> LearnedPoint {
    LearnedPoint {
        timestamp,
        value: timestamp as f64 / 3.0,
        expected: (timestamp != 2).then_some(0.1),
        lower: None,
        upper: Some(f64::MAX),
        anomaly: timestamp == 3,
        alarm: timestamp == 4,
    }
}

fn block(id: &str, first: i64, timestamps: &[i64]) -> PointBlock {
    PointBlock {
        series_id: series(id),
        first,
        at: Moment(1_000 * timestamps[0]),
        points: timestamps.iter().copied().map(point).collect(),
    }
}

async fn commit(store: &Store, at: i64, points: Vec<PointBlock>) -> Result<Vec<i32>> {
    let commit = PartitionCommit {
        points,
        ..step(0, at, at + 1)
    };
    Ok(store.commit_streams(LOG, &[commit]).await?)
}

/// The names of the blocks of `id` from one timestamp to another, with their timestamps.
async fn blocks(store: &Store, id: &str, from: i64, to: i64) -> Result<Vec<(i64, Vec<i64>)>> {
    let found = store.point_blocks(&series(id), from, to, i64::MIN).await?;
    for point in found.iter().flat_map(|(_, points)| points) {
        assert_eq!(*point, self::point(point.timestamp));
    }
    let timestamps = |points: Vec<LearnedPoint>| points.iter().map(|p| p.timestamp).collect();
    let found = found.into_iter();
    Ok(found
        .map(|(name, points)| (name, timestamps(points)))
        .collect())
}

pub(crate) async fn points_are_added_to_their_block<B: Backend>(backend: &B) -> Result<()> {
    let store = backend.open().await?;
    let several = vec![
        block("a", 1, &[1, 2]),
        block("a", 1, &[3]),
        block("a", 4, &[4, 5]),
        block("b", 7, &[7]),
    ];
    assert_eq!(commit(&store, 0, several).await?, [0]);
    assert_eq!(commit(&store, 1, vec![block("a", 4, &[6])]).await?, [0]);
    // Somebody else was here: nothing is added.
    let late = commit(&store, 1, vec![block("a", 4, &[7])]).await?;
    assert!(late.is_empty());
    let both = [(1, vec![1, 2, 3]), (4, vec![4, 5, 6])];
    assert_eq!(blocks(&store, "a", i64::MIN, i64::MAX).await?, both);
    assert_eq!(blocks(&store, "a", 4, 4).await?, both[1..]);
    assert_eq!(blocks(&store, "a", 3, 3).await?, both[..1]);
    let extent = store.point_extent(&series("a"), 3, 9).await?;
    let expected = PointExtent {
        points: 6,
        first: 1,
        last: 6,
    };
    assert_eq!(extent, expected);
    let a = series("a");
    let rest = store.point_blocks(&a, i64::MIN, i64::MAX, 1).await?;
    assert_eq!(rest.len(), 1);
    assert_eq!(store.point_extent(&series("c"), 0, 9).await?.points, 0);
    Ok(())
}

pub(crate) async fn points_go_with_their_series_with_time_and_when_they_are_too_many<B: Backend>(
    backend: &B,
) -> Result<()> {
    let store = backend.open().await?;
    let several = vec![
        block("a", 1, &[1]),
        block("b", 2, &[2]),
        block("b", 4, &[4]),
        block("b", 8, &[8, 9]),
    ];
    commit(&store, 0, several).await?;
    let forget = PartitionCommit {
        ended: vec![EndedStream {
            series_id: series("a"),
            next_offset: 2,
            run: 1,
            forget: true,
        }],
        ..step(0, 1, 2)
    };
    store.commit_streams(LOG, &[forget]).await?;
    assert!(blocks(&store, "a", 0, 9).await?.is_empty());
    assert_eq!(blocks(&store, "b", 0, 9).await?.len(), 3);

    assert_eq!(store.forget_old_points(Moment(3_000), i64::MAX).await?, 1);
    // Two blocks of three points are left; two points and the newest block take 82 bytes.
    assert_eq!(store.forget_old_points(Moment(0), 123).await?, 0);
    assert_eq!(store.forget_old_points(Moment(0), 122).await?, 1);
    assert_eq!(blocks(&store, "b", 0, 9).await?, [(8, vec![8, 9])]);
    Ok(())
}
