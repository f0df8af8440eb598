//! A damaged file of figures does not keep a platform from starting.

use std::{
    fs::{self, OpenOptions},
    io::{Seek, SeekFrom, Write},
};

use contract::{Delivery, InferenceBatch, MetricsEvent, SeriesId};
use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use stats::Stats;

async fn count(stats: &Stats, offset: i64) -> anyhow::Result<u64> {
    let usage = (0..500).map(|n| Ok((SeriesId::new(&format!("series-{n}"))?, 1)));
    let event = MetricsEvent::Inference(InferenceBatch {
        latency_ms: 1.0,
        usage: usage.collect::<anyhow::Result<_>>()?,
        ..InferenceBatch::default()
    });
    let batch = [Delivery {
        partition: 0,
        offset,
        timestamp_ms: 0,
        event: Some(&event),
    }];
    stats.apply("group", "metrics", &batch).await?;
    Ok(stats.figures().await?.model_usage["series-7"])
}

#[tokio::test]
async fn it_is_set_aside_wherever_the_damage_is() -> anyhow::Result<()> {
    for place in [0, 8_192, 20_480] {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("stats.db");
        let stats = Stats::sqlite(&path).await?;
        count(&stats, 0).await?;
        stats.close().await;
        // Into the file itself.
        let options = SqliteConnectOptions::new().filename(&path);
        let mut connection = SqliteConnection::connect_with(&options).await?;
        sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
            .execute(&mut connection)
            .await?;
        connection.close().await?;
        let mut file = OpenOptions::new().write(true).open(&path)?;
        file.seek(SeekFrom::Start(place))?;
        file.write_all(&[b'x'; 100])?;
        drop(file);

        let stats = Stats::sqlite(&path).await?;
        assert_eq!(count(&stats, 0).await?, 1, "damage at {place}");
        let names = fs::read_dir(folder.path())?.filter_map(Result::ok);
        let aside = names.filter(|file| {
            let name = file.file_name();
            name.to_string_lossy().starts_with("stats.db.damaged-")
        });
        assert!(aside.count() >= 1, "damage at {place}");
        // What is whole stays.
        drop(stats);
        assert_eq!(count(&Stats::sqlite(&path).await?, 1).await?, 2);
    }
    Ok(())
}
