//! Retention: deletes events that no group needs, so that the log does not grow without limit.

use std::time::Duration;

use contract::{DeadLetters, Topic};
use sqlite::Database;
use sqlx::SqliteConnection;

use crate::TOPICS;

/// How long events are kept that all groups have applied. An embedded consumer may commit a little
/// before its effects are saved, and after a crash it continues from what was saved.
const GRACE: Duration = Duration::from_secs(60);
/// How many of the newest events are kept in each partition of a topic that no group reads.
const KEPT: i64 = 1_000;
/// How many events one transaction deletes at most, so that publishers do not wait for it.
const AT_ONCE: u32 = 100;
/// Free pages that are kept for later events; the rest goes back to the file system.
const FREE_PAGES: i64 = 2_000;

/// Deletes some of the events that may be deleted at `now_ms`. Returns whether there may be more.
pub(super) async fn run(database: &Database, now_ms: i64) -> Result<bool, sqlx::Error> {
    let grace = i64::try_from(GRACE.as_millis()).unwrap_or(i64::MAX);
    let mut write = database.begin().await?;
    let mut deleted = delete_applied(&mut write, now_ms - grace).await?;
    for topic in TOPICS {
        for partition in 0..topic.partitions {
            if is_capped(topic) {
                deleted += delete_beyond_cap(&mut write, topic.name, partition).await?;
            } else if let Some(kept_ms) = topic.retention_ms {
                let before_ms = now_ms - kept_ms;
                deleted += delete_old(&mut write, topic.name, partition, before_ms).await?;
            }
        }
    }
    write.commit().await?;
    if deleted > 0 {
        tracing::debug!(deleted, "deleted events that nobody needs");
    }
    Ok(database.shrink(FREE_PAGES).await? || deleted >= u64::from(AT_ONCE))
}

/// Whether no group reads `topic`: people do, or listeners that take what is new.
fn is_capped(topic: &Topic) -> bool {
    topic.compacted || *topic == DeadLetters::TOPIC
}

async fn delete_applied(
    connection: &mut SqliteConnection,
    before_ms: i64,
) -> Result<u64, sqlx::Error> {
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
    .execute(connection)
    .await?;
    Ok(deleted.rows_affected())
}

/// Deletes events from before `before_ms`, the oldest first, if no group reads `topic`. Where one
/// does, it says when an event has served, however old it is.
async fn delete_old(
    connection: &mut SqliteConnection,
    topic: &str,
    partition: i32,
    before_ms: i64,
) -> Result<u64, sqlx::Error> {
    let deleted = sqlx::query(
        "DELETE FROM events WHERE rowid IN (
             SELECT rowid FROM (
                 SELECT rowid, timestamp_ms FROM events
                 WHERE topic = ?1 AND partition = ?2 ORDER BY \"offset\" LIMIT ?4)
             WHERE timestamp_ms < ?3
                 AND NOT EXISTS (SELECT 1 FROM group_offsets WHERE topic = ?1))",
    )
    .bind(topic)
    .bind(partition)
    .bind(before_ms)
    .bind(AT_ONCE)
    .execute(connection)
    .await?;
    Ok(deleted.rows_affected())
}

async fn delete_beyond_cap(
    connection: &mut SqliteConnection,
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
    .execute(connection)
    .await?;
    Ok(deleted.rows_affected())
}

#[cfg(test)]
mod tests {
    use sqlite::Durability;

    use super::*;

    const LATER: i64 = 10_000_000;

    async fn log() -> anyhow::Result<(tempfile::TempDir, Database)> {
        let folder = tempfile::tempdir()?;
        let database = sqlite::open(&folder.path().join("log.db"), Durability::Normal).await?;
        crate::sqlite::migrator().run(database.pool()).await?;
        Ok((folder, database))
    }

    /// Puts `count` events of `bytes` bytes into partition 0 of `topic`, the first at offset 0 and
    /// time 0, one each millisecond.
    async fn fill(database: &Database, topic: &str, count: i64, bytes: i64) -> anyhow::Result<()> {
        sqlx::query(
            "WITH RECURSIVE numbers(n) AS (
                 SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?3 - 1)
             INSERT INTO events (topic, partition, \"offset\", timestamp_ms, headers, payload)
             SELECT ?1, 0, n, n, '[]', zeroblob(?2) FROM numbers",
        )
        .bind(topic)
        .bind(bytes)
        .bind(count)
        .execute(database.pool())
        .await?;
        sqlx::query("INSERT INTO partitions VALUES (?, 0, ?)")
            .bind(topic)
            .bind(count)
            .execute(database.pool())
            .await?;
        Ok(())
    }

    async fn commit(database: &Database, group: &str, next: i64) -> anyhow::Result<()> {
        sqlx::query("INSERT OR REPLACE INTO group_offsets VALUES (?, 'metrics', 0, ?)")
            .bind(group)
            .bind(next)
            .execute(database.pool())
            .await?;
        Ok(())
    }

    /// Tidies until nothing is left to do. Returns the first offset and the number of events that
    /// are left.
    async fn tidied(database: &Database, topic: &str, now_ms: i64) -> anyhow::Result<(i64, i64)> {
        while run(database, now_ms).await? {}
        let left = sqlx::query_as(
            "SELECT coalesce(min(\"offset\"), -1), count(*) FROM events WHERE topic = ?",
        );
        Ok(left.bind(topic).fetch_one(database.pool()).await?)
    }

    #[tokio::test]
    async fn what_the_slowest_group_has_not_applied_is_kept() -> anyhow::Result<()> {
        let (_folder, database) = log().await?;
        fill(&database, "metrics", 500, 10).await?;
        assert_eq!(tidied(&database, "metrics", LATER).await?, (0, 500));
        commit(&database, "fast", 500).await?;
        commit(&database, "slow", 0).await?;
        assert_eq!(tidied(&database, "metrics", LATER).await?, (0, 500));
        commit(&database, "slow", 450).await?;
        assert_eq!(tidied(&database, "metrics", LATER).await?, (450, 50));
        Ok(())
    }

    #[tokio::test]
    async fn what_was_applied_just_now_is_kept_for_a_minute() -> anyhow::Result<()> {
        let (_folder, database) = log().await?;
        fill(&database, "metrics", 500, 10).await?;
        commit(&database, "group", 500).await?;
        assert_eq!(tidied(&database, "metrics", 60_000).await?, (0, 500));
        assert_eq!(tidied(&database, "metrics", 60_200).await?, (200, 300));
        Ok(())
    }

    #[tokio::test]
    async fn topics_without_groups_keep_their_newest() -> anyhow::Result<()> {
        let (_folder, database) = log().await?;
        for topic in ["models", "dead-letters"] {
            fill(&database, topic, 1_500, 10).await?;
            assert_eq!(tidied(&database, topic, 0).await?, (500, 1_000), "{topic}");
        }
        Ok(())
    }

    #[tokio::test]
    async fn of_a_topic_without_groups_and_cap_the_old_is_deleted() -> anyhow::Result<()> {
        let (_folder, database) = log().await?;
        fill(&database, "metrics", 500, 10).await?;
        let mut write = database.begin().await?;
        while delete_old(&mut write, "metrics", 0, 200).await? > 0 {}
        write.commit().await?;
        assert_eq!(tidied(&database, "metrics", 0).await?, (200, 300));

        commit(&database, "group", 250).await?;
        let mut write = database.begin().await?;
        assert_eq!(delete_old(&mut write, "metrics", 0, 400).await?, 0);
        Ok(())
    }

    #[tokio::test]
    async fn the_file_gives_back_what_was_deleted() -> anyhow::Result<()> {
        let (_folder, database) = log().await?;
        fill(&database, "metrics", 300, 200_000).await?;
        commit(&database, "group", 300).await?;
        assert_eq!(tidied(&database, "metrics", LATER).await?, (-1, 0));
        let pages: i64 = sqlx::query_scalar("PRAGMA page_count")
            .fetch_one(database.pool())
            .await?;
        assert!(pages < FREE_PAGES + 500, "{pages}");
        Ok(())
    }
}
