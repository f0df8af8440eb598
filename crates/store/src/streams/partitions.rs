//! The guard of a commit: the offset of each partition moves only for whoever knew where it was.

use std::collections::BTreeMap;

use super::{PartitionCommit, StreamOffsets, bulk::Bulk, offsets::OffsetRow, sql};
use crate::{StoreError, registry::connection::Connection};

const MOVE: &str = "
    ON CONFLICT (log, partition) DO UPDATE SET effects = excluded.effects, safe = excluded.safe,
        now_ms = excluded.now_ms, outage_ms = excluded.outage_ms";

/// Moves the offsets of the commits that begin where their partition is, and returns these
/// commits by rising partition. Their partitions are locked until the transaction ends.
pub(super) async fn advance<'c>(
    connection: &mut Connection<'_>,
    log: &str,
    commits: &'c [PartitionCommit],
) -> Result<Vec<&'c PartitionCommit>, StoreError> {
    // In one order, so that two processes never wait for each other.
    let mut commits: Vec<&PartitionCommit> = commits.iter().collect();
    commits.sort_by_key(|commit| commit.partition);
    make_new(connection, log, &commits).await?;
    let mut at = lock(connection, log, &commits).await?;
    let mut applied = Vec::new();
    for commit in commits {
        let Some(at) = at.get_mut(&commit.partition) else {
            continue;
        };
        if at.effects == commit.expected && commit.effects >= commit.expected {
            at.effects = commit.effects;
            if commit.safe >= at.safe {
                at.safe = commit.safe;
                (at.now_ms, at.outage_ms) = (commit.now_ms, commit.outage_ms);
            }
            applied.push(commit);
        }
    }
    let moved = || {
        at.values()
            .filter(|at| applied.iter().any(|c| c.partition == at.partition))
    };
    Bulk::of("stream_partitions")
        .texts("log", moved().map(|_| log))
        .numbers("partition", moved().map(|at| i64::from(at.partition)))
        .numbers("effects", moved().map(|at| at.effects))
        .numbers("safe", moved().map(|at| at.safe))
        .numbers("now_ms", moved().map(|at| at.now_ms))
        .numbers("outage_ms", moved().map(|at| at.outage_ms))
        .insert(connection, MOVE)
        .await?;
    Ok(applied)
}

/// Removes the ended streams of `partitions` that no replay can meet any more.
pub(super) async fn bury(
    connection: &mut Connection<'_>,
    log: &str,
    applied: &[&PartitionCommit],
) -> Result<(), StoreError> {
    let partitions = list(applied);
    let bury = dialect(connection).bury;
    let ended = [log.into(), partitions.as_str().into()];
    connection.run::<()>(bury, &ended).await?;
    Ok(())
}

/// Makes the rows of partitions that nobody has judged.
async fn make_new(
    connection: &mut Connection<'_>,
    log: &str,
    commits: &[&PartitionCommit],
) -> Result<(), StoreError> {
    let new = || commits.iter().filter(|commit| commit.expected == 0);
    Bulk::of("stream_partitions")
        .texts("log", new().map(|_| log))
        .numbers("partition", new().map(|new| i64::from(new.partition)))
        .insert(connection, "ON CONFLICT DO NOTHING")
        .await?;
    Ok(())
}

/// Locks the partitions, and returns their offsets.
async fn lock(
    connection: &mut Connection<'_>,
    log: &str,
    commits: &[&PartitionCommit],
) -> Result<BTreeMap<i32, StreamOffsets>, StoreError> {
    let partitions = list(commits);
    let lock = dialect(connection).lock;
    let rows: Vec<OffsetRow> = connection
        .run(lock, &[log.into(), partitions.as_str().into()])
        .await?;
    let offsets = rows.into_iter().map(StreamOffsets::from);
    Ok(offsets.map(|at| (at.partition, at)).collect())
}

fn list(commits: &[&PartitionCommit]) -> String {
    let numbers: Vec<String> = commits.iter().map(|c| c.partition.to_string()).collect();
    numbers.join(",")
}

/// The statements that only this database understands.
pub(super) fn dialect(connection: &Connection<'_>) -> &'static sql::Dialect {
    match connection {
        Connection::Postgres(_) => &sql::POSTGRES,
        Connection::Sqlite(_) => &sql::SQLITE,
    }
}
