//! Removes every trace of a series from the data folder. To delete it over the API leaves its name,
//! and for a while its points among the events.

use std::path::Path;

use anyhow::{Context, ensure};
use contract::{
    AnomalyEvent, DeadLetters, Event, MetricsEvent, ModelEvent, PointsRecord, SeriesId,
    TrainingData,
};
use sqlite::DataDir;
use sqlx::{ConnectOptions, Connection, SqliteConnection, sqlite::SqliteConnectOptions};

/// Points of nobody, in place of those that are erased. The consumer drops them, because no model
/// has this version. A message that is missing would look as if a part of the log were gone.
const NOBODY: &str =
    r#"{"series_id":"erased","version":"v4294967295","data":[{"timestamp":0,"value":0.0}]}"#;

/// Removes the models, points, events, dead letters and figures of `series`, and writes the files
/// anew, so that nothing is left on unused pages either.
///
/// # Errors
/// When standalone runs on the folder, or a file cannot be read or written.
pub(crate) async fn run(folder: &Path, series: &SeriesId) -> anyhow::Result<()> {
    ensure!(folder.is_dir(), "{} is not there", folder.display());
    let folder = DataDir::lock(folder).context("standalone must not run meanwhile")?;
    let (mut store, mut events, mut stats) = (
        open(&folder, "store.db").await?,
        open(&folder, "events.db").await?,
        open(&folder, "stats.db").await?,
    );
    erase_events(&mut events, series).await?;
    for table in [
        "aliases",
        "receipts",
        "training_data",
        "models",
        "series",
        "stream_sessions",
        "stream_points",
        "anomalies",
        "feedback",
    ] {
        erase_rows(&mut store, table, series).await?;
    }
    erase_notifications(&mut store, series).await?;
    for table in ["series_trained", "model_usage"] {
        erase_rows(&mut stats, table, series).await?;
    }
    for mut connection in [store, events, stats] {
        // The second takes out of the log of writes what the first has written.
        for step in ["VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"] {
            sqlx::query(step).execute(&mut connection).await?;
        }
        connection.close().await?;
    }
    tracing::info!(%series, "erased");
    Ok(())
}

async fn open(folder: &DataDir, file: &str) -> anyhow::Result<SqliteConnection> {
    let options = SqliteConnectOptions::new().filename(folder.file(file));
    let opened = options.foreign_keys(true).connect().await;
    opened.with_context(|| format!("opening {file}"))
}

async fn erase_rows(
    connection: &mut SqliteConnection,
    table: &str,
    series: &SeriesId,
) -> anyhow::Result<()> {
    sqlx::query(&format!("DELETE FROM {table} WHERE series_id = ?"))
        .bind(series.as_str())
        .execute(connection)
        .await?;
    Ok(())
}

/// Points and changes have the series as their key; figures and dead letters name it somewhere.
async fn erase_events(events: &mut SqliteConnection, series: &SeriesId) -> anyhow::Result<()> {
    const POINTS: &str =
        "UPDATE events SET key = NULL, payload = CAST(? AS BLOB) WHERE topic = ? AND key = ?";
    const KEYED: &str = "DELETE FROM events WHERE topic = ? AND key = ?";
    const NAMED: &str = "
        DELETE FROM events
        WHERE topic = ?1 AND (key = ?2 OR instr(payload, ?3) > 0 OR instr(CAST(headers AS BLOB), ?2) > 0)";
    let key = series.as_str().as_bytes();
    let in_json = serde_json::to_vec(series)?;
    sqlx::query(POINTS)
        .bind(NOBODY)
        .bind(TrainingData::TOPIC.name)
        .bind(key)
        .execute(&mut *events)
        .await?;
    sqlx::query(KEYED)
        .bind(ModelEvent::TOPIC.name)
        .bind(key)
        .execute(&mut *events)
        .await?;
    erase_points(events, series).await?;
    for topic in [MetricsEvent::TOPIC, AnomalyEvent::TOPIC, DeadLetters::TOPIC] {
        sqlx::query(NAMED)
            .bind(topic.name)
            .bind(key)
            .bind(in_json.as_slice())
            .execute(&mut *events)
            .await?;
    }
    Ok(())
}

/// Takes the series out of the records that streams read. Their offsets stay: a gap would count as
/// lost.
async fn erase_points(events: &mut SqliteConnection, series: &SeriesId) -> anyhow::Result<()> {
    const FIND: &str = "
        SELECT partition, \"offset\", payload FROM events
        WHERE topic = ?1 AND (key = ?2 OR instr(payload, ?3) > 0)";
    const REPLACE: &str = "
        UPDATE events SET key = NULL, payload = ?4 WHERE topic = ?1 AND partition = ?2 AND \"offset\" = ?3";
    let topic = PointsRecord::TOPIC.name;
    let found: Vec<(i32, i64, Vec<u8>)> = sqlx::query_as(FIND)
        .bind(topic)
        .bind(series.as_str().as_bytes())
        .bind(serde_json::to_vec(series)?)
        .fetch_all(&mut *events)
        .await?;
    for (partition, offset, payload) in found {
        let nothing = PointsRecord::Tick { partition };
        let rest = match serde_json::from_slice(&payload) {
            Ok(PointsRecord::Packed { mut points, quiet }) => {
                points.retain(|(id, _)| id != series);
                match points.is_empty() {
                    true => nothing,
                    false => PointsRecord::Packed { points, quiet },
                }
            }
            _ => nothing,
        };
        sqlx::query(REPLACE)
            .bind(topic)
            .bind(partition)
            .bind(offset)
            .bind(serde_json::to_vec(&rest)?)
            .execute(&mut *events)
            .await?;
    }
    Ok(())
}

/// Removes what people were or would be told of the series.
async fn erase_notifications(
    store: &mut SqliteConnection,
    series: &SeriesId,
) -> anyhow::Result<()> {
    let in_json = serde_json::to_string(series)?;
    sqlx::query("DELETE FROM outbox WHERE instr(payload, ?) > 0")
        .bind(in_json)
        .execute(&mut *store)
        .await?;
    // Without labels the group of an incident is the series.
    sqlx::query("DELETE FROM incidents WHERE group_key IN (?1, 'missing ' || ?1)")
        .bind(series.as_str())
        .execute(store)
        .await?;
    Ok(())
}
