//! A copy of the data folder, made while the platform runs or while it does not.
//!
//! The models are copied before the events. So the points of every model in the copy are either
//! stored in it, or on their way in its events, where a platform that starts on the copy finds them.

use std::{
    fs::{self, DirBuilder, File},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail, ensure};
use contract::{Event, TrainingData};
use sqlx::{ConnectOptions, Connection, SqliteConnection, sqlite::SqliteConnectOptions};

use crate::EXPORT_KEY;

/// The files of the data folder, in the order in which they are copied.
const FILES: [&str; 3] = ["store.db", "stats.db", "events.db"];

/// How often the files are copied before giving up, because events that the copy of the models
/// needed were deleted before they could be copied.
const TRIES: u32 = 5;

/// Copies the data folder `from` into the new folder `to`. There is no folder of that name before
/// the copy is whole and on the disk.
///
/// # Errors
/// When `to` exists or cannot be written, or a file of `from` cannot be read or is damaged.
pub(crate) async fn run(from: &Path, to: &Path) -> anyhow::Result<()> {
    ensure!(!to.exists(), "{} exists already", to.display());
    let mut part = to.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    for _ in 0..TRIES {
        copy(from, &part).await?;
        if is_whole(&part).await? {
            forget_later_versions(&part).await?;
            File::open(&part)?.sync_all()?;
            fs::rename(&part, to)?;
            tracing::info!(from = %from.display(), to = %to.display(), "copied");
            return Ok(());
        }
    }
    bail!("points are stored more slowly than events are deleted; try again later")
}

async fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    if to.exists() {
        fs::remove_dir_all(to)?;
    }
    let made = DirBuilder::new().mode(0o700).create(to);
    made.with_context(|| format!("{} cannot be made", to.display()))?;
    for file in FILES {
        let copied = sqlite::snapshot(&from.join(file), &to.join(file)).await;
        copied.with_context(|| format!("{} cannot be copied", from.join(file).display()))?;
    }
    let key = from.join(EXPORT_KEY);
    if key.exists() {
        // With its rights.
        let copied = fs::copy(&key, to.join(EXPORT_KEY));
        copied.with_context(|| format!("{} cannot be copied", key.display()))?;
    }
    Ok(())
}

/// Whether the events have every message of points that the models' file has not applied.
async fn is_whole(folder: &Path) -> anyhow::Result<bool> {
    const IS_WHOLE: &str = r#"
        SELECT NOT EXISTS (
            SELECT 1 FROM partitions p JOIN log LEFT JOIN store.consumer_offsets o
                ON o.topic = p.topic || '@' || log.id AND o.partition = p.partition
            WHERE p.topic = ? AND p.next_offset - COALESCE(o.next_offset, 0) > (
                SELECT count(*) FROM events e WHERE e.topic = p.topic AND e.partition = p.partition
                    AND e."offset" >= COALESCE(o.next_offset, 0)
            )
        )"#;
    let mut both = both(folder).await?;
    let is_whole = sqlx::query_scalar(IS_WHOLE)
        .bind(TrainingData::TOPIC.name)
        .fetch_one(&mut both)
        .await?;
    both.close().await?;
    Ok(is_whole)
}

/// Removes the points of versions that were numbered after the models were copied. A platform that
/// starts on the copy will give these numbers to other models.
async fn forget_later_versions(folder: &Path) -> anyhow::Result<()> {
    const FORGET: &str = "
        DELETE FROM events WHERE topic = ? AND CASE WHEN json_valid(CAST(payload AS TEXT)) THEN NOT EXISTS (
            SELECT 1 FROM store.models m
            WHERE m.series_id = CAST(payload AS TEXT) ->> '$.series_id'
                AND 'v' || m.version = CAST(payload AS TEXT) ->> '$.version'
        ) END";
    let mut both = both(folder).await?;
    sqlx::query(FORGET)
        .bind(TrainingData::TOPIC.name)
        .execute(&mut both)
        .await?;
    Ok(both.close().await?)
}

/// A connection to the events of `folder`, with the models beside them as `store`.
async fn both(folder: &Path) -> anyhow::Result<SqliteConnection> {
    let mut events = SqliteConnectOptions::new()
        .filename(folder.join("events.db"))
        .connect()
        .await?;
    let store = folder.join("store.db");
    sqlx::query("ATTACH ? AS store")
        .bind(store.to_str().context("a folder whose name is not UTF-8")?)
        .execute(&mut events)
        .await?;
    Ok(events)
}

#[cfg(test)]
mod tests {
    use bus::Bus;
    use contract::{Point, SeriesId, Version};
    use stats::Stats;
    use store::Store;

    use super::*;

    /// A data folder with version 1 of a series, and the points of versions 1 and 2 in its events,
    /// which nobody has applied.
    async fn data() -> anyhow::Result<tempfile::TempDir> {
        const MODEL: &str = "
            INSERT INTO store.series (series_id, last_version) VALUES ('s', 1);
            INSERT INTO store.models (series_id, version, detector, format, points, model)
            VALUES ('s', 1, 'sigma', 1, 1, '{}')";
        let folder = tempfile::tempdir()?;
        let file = |name: &str| folder.path().join(name);
        let bus = Bus::sqlite(&file("events.db")).await?;
        Store::sqlite(&file("store.db")).await?.close().await;
        Stats::sqlite(&file("stats.db")).await?.close().await;
        let events = [1, 2].map(|version| TrainingData {
            series_id: SeriesId::new("s").unwrap(),
            version: Version::new(version).unwrap(),
            data: vec![Point {
                timestamp: 1,
                value: 1.0,
            }],
            part: None,
            parts: None,
        });
        bus.publish(events, None).await?;
        execute(folder.path(), MODEL).await?;
        Ok(folder)
    }

    async fn execute(folder: &Path, sql: &str) -> anyhow::Result<()> {
        let mut both = both(folder).await?;
        sqlx::raw_sql(sql).execute(&mut both).await?;
        Ok(both.close().await?)
    }

    #[tokio::test]
    async fn points_of_versions_that_the_copy_does_not_know_are_not_in_it() -> anyhow::Result<()> {
        let (data, elsewhere) = (data().await?, tempfile::tempdir()?);
        let to = elsewhere.path().join("copy");
        run(data.path(), &to).await?;
        let mut both = both(&to).await?;
        let versions: Vec<String> =
            sqlx::query_scalar("SELECT CAST(payload AS TEXT) ->> '$.version' FROM events")
                .fetch_all(&mut both)
                .await?;
        assert_eq!(versions, ["v1"]);
        Ok(())
    }

    #[tokio::test]
    async fn a_copy_without_points_that_are_still_needed_is_none() -> anyhow::Result<()> {
        let (data, elsewhere) = (data().await?, tempfile::tempdir()?);
        assert!(is_whole(data.path()).await?);
        execute(data.path(), "DELETE FROM events WHERE \"offset\" = 0").await?;
        assert!(!is_whole(data.path()).await?);
        let to = elsewhere.path().join("copy");
        assert!(run(data.path(), &to).await.is_err());
        assert!(!to.exists());

        // What is applied may be gone.
        let applied = "
            INSERT INTO store.consumer_offsets
            SELECT 'training-data-consumer', 'training-data@' || id, partition, 1 FROM log, partitions";
        execute(data.path(), applied).await?;
        assert!(is_whole(data.path()).await?);
        Ok(())
    }
}
