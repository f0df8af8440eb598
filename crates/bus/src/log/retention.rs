//! What may be deleted from the log, so that it does not grow without limit.

use std::time::Duration;

use contract::{DeadLetters, Topic};
use sqlx::SqlitePool;

use crate::TOPICS;

/// Events that all groups are done with are kept for so long: an embedded consumer may save its effects a little after it
/// says that it is done, and comes back to what it saved.
const GRACE: Duration = Duration::from_secs(60);
/// In topics that no group reads, so many of the newest events are kept in each partition.
const KEPT: i64 = 1_000;
/// As many events are deleted in one transaction, so that publishers do not wait for it.
const AT_ONCE: u32 = 100;
/// Free pages are kept for later events up to this, and given back to the file system beyond; so many at once: 4 MB.
const FREE_PAGES: i64 = 2_000;
const PAGES_AT_ONCE: i64 = 1_000;

/// Deletes some of what may be deleted at `now_ms`. Whether there may be more.
pub(super) async fn run(pool: &SqlitePool, now_ms: i64) -> Result<bool, sqlx::Error> {
    let grace = i64::try_from(GRACE.as_millis()).unwrap_or(i64::MAX);
    let mut deleted = delete_applied(pool, now_ms - grace).await?;
    for topic in TOPICS.into_iter().filter(is_capped) {
        for partition in 0..topic.partitions {
            deleted += delete_beyond_cap(pool, topic.name, partition).await?;
        }
    }
    if deleted > 0 {
        tracing::debug!(deleted, "deleted events that nobody needs");
    }
    Ok(shrink(pool).await? || deleted >= u64::from(AT_ONCE))
}

/// Gives some free pages back. Whether there are more to give.
async fn shrink(pool: &SqlitePool) -> Result<bool, sqlx::Error> {
    let free: i64 = sqlx::query_scalar("PRAGMA freelist_count")
        .fetch_one(pool)
        .await?;
    let pages = (free - FREE_PAGES).clamp(0, PAGES_AT_ONCE);
    if pages > 0 {
        sqlx::query(&format!("PRAGMA incremental_vacuum({pages})"))
            .execute(pool)
            .await?;
    }
    Ok(pages == PAGES_AT_ONCE)
}

/// Whether people, or whoever happens to listen, read `topic`, and no group.
fn is_capped(topic: &Topic) -> bool {
    topic.compacted || *topic == DeadLetters::TOPIC
}

async fn delete_applied(pool: &SqlitePool, before_ms: i64) -> Result<u64, sqlx::Error> {
    let deleted = sqlx::query(
        "DELETE FROM events WHERE rowid IN (
             SELECT events.rowid
             FROM (SELECT topic, partition, min(next_offset) AS done
                   FROM group_offsets GROUP BY topic, partition) AS applied
             JOIN events ON events.topic = applied.topic
                 AND events.partition = applied.partition
                 AND events.\"offset\" < applied.done
             WHERE events.timestamp_ms < ?
             LIMIT ?)",
    )
    .bind(before_ms)
    .bind(AT_ONCE)
    .execute(pool)
    .await?;
    Ok(deleted.rows_affected())
}

async fn delete_beyond_cap(
    pool: &SqlitePool,
    topic: &str,
    partition: i32,
) -> Result<u64, sqlx::Error> {
    let deleted = sqlx::query(
        "DELETE FROM events WHERE rowid IN (
             SELECT rowid FROM events
             WHERE topic = ?1 AND partition = ?2 AND \"offset\" < ?3 + (
                 SELECT next_offset FROM partitions WHERE topic = ?1 AND partition = ?2)
             LIMIT ?4)",
    )
    .bind(topic)
    .bind(partition)
    .bind(-KEPT)
    .bind(AT_ONCE)
    .execute(pool)
    .await?;
    Ok(deleted.rows_affected())
}
