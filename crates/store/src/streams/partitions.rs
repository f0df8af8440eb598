//! The guard of a commit: the offset of each partition moves only for whoever knew where it was.

use std::collections::BTreeMap;

use super::{PartitionCommit, bulk::Bulk, offsets::OffsetRow, sql};
use crate::{StoreError, registry::connection::Connection};

const MOVE: &str = "
    ON CONFLICT (log, partition) DO UPDATE SET effects = excluded.effects, safe = excluded.safe";

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
        let Some((effects, safe)) = at.get_mut(&commit.partition) else {
            continue;
        };
        if *effects == commit.expected && commit.effects >= commit.expected {
            *effects = commit.effects;
            *safe = commit.safe.max(*safe);
            applied.push(commit);
        }
    }
    let moved = || {
        at.iter()
            .filter(|(partition, _)| applied.iter().any(|c| c.partition == **partition))
    };
    Bulk::of("stream_partitions")
        .texts("log", moved().map(|_| log))
        .numbers(
            "partition",
            moved().map(|(partition, _)| i64::from(*partition)),
        )
        .numbers("effects", moved().map(|(_, (effects, _))| *effects))
        .numbers("safe", moved().map(|(_, (_, safe))| *safe))
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

/// Locks the partitions, and returns the offset of effects and the safe one of each.
async fn lock(
    connection: &mut Connection<'_>,
    log: &str,
    commits: &[&PartitionCommit],
) -> Result<BTreeMap<i32, (i64, i64)>, StoreError> {
    let partitions = list(commits);
    let lock = dialect(connection).lock;
    let rows: Vec<OffsetRow> = connection
        .run(lock, &[log.into(), partitions.as_str().into()])
        .await?;
    let row = |(partition, effects, safe)| (partition, (effects, safe));
    Ok(rows.into_iter().map(row).collect())
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
