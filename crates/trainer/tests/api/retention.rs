//! Old versions make room for new ones.

use std::time::Duration;

use contract::{ModelEvent, Revision, TrainingData};
use trainer::Settings;

use crate::fixture::{Fixture, THREE};

async fn keeping(keep_versions: u32) -> anyhow::Result<Fixture> {
    Fixture::with(Settings {
        keep_versions,
        ..Settings::default()
    })
    .await
}

async fn versions(fixture: &Fixture) -> anyhow::Result<Vec<String>> {
    let list = fixture.get("/v1/series/s/models").await?.json()?;
    let models = list["models"].as_array().into_iter().flatten();
    let versions = models.filter_map(|model| model["version"].as_str());
    Ok(versions.map(str::to_owned).collect())
}

#[tokio::test]
async fn the_newest_versions_are_kept_and_those_that_have_a_name() -> anyhow::Result<()> {
    let fixture = keeping(2).await?;
    let mut events = fixture.backends.bus.tail::<ModelEvent>()?;
    fixture.fit("s", THREE).await?;
    fixture.store_points(1).await?;
    let set = fixture.send("PUT", "/v1/series/s/aliases/first", r#"{"version":"v1"}"#);
    assert_eq!(set.await?.status, 200);
    for _ in 0..4 {
        assert_eq!(fixture.fit("s", THREE).await?.status, 200);
    }
    assert_eq!(versions(&fixture).await?, ["v5", "v4", "v1"]);
    assert_eq!(fixture.models().await?, 3);
    assert_eq!(fixture.published::<TrainingData>(5).await?.len(), 5);

    let mut told = Vec::new();
    while told.len() < 8 {
        let batch = events.next_batch(10, Duration::ZERO).await?;
        told.extend(batch.into_iter().filter_map(|message| message.event.ok()));
    }
    let deleted = told.iter().filter_map(|event| match event {
        ModelEvent::Deleted {
            version, revision, ..
        } => Some((*version, *revision)),
        _ => None,
    });
    let deleted: Vec<_> = deleted
        .map(|(version, revision)| (version.map(|v| v.number()), revision))
        .collect();
    assert_eq!(
        deleted,
        [(Some(2), Some(Revision(6))), (Some(3), Some(Revision(8)))]
    );
    Ok(())
}

#[tokio::test]
async fn one_can_be_kept_and_by_default_all_are() -> anyhow::Result<()> {
    for (keep, expected) in [(1, &["v3"][..]), (0, &["v3", "v2", "v1"])] {
        let fixture = keeping(keep).await?;
        for _ in 0..3 {
            fixture.fit("s", THREE).await?;
        }
        assert_eq!(versions(&fixture).await?, expected);
    }
    Ok(())
}

#[tokio::test]
async fn a_fit_succeeds_though_old_versions_cannot_be_removed() -> anyhow::Result<()> {
    let fixture = keeping(1).await?;
    fixture.fit("s", THREE).await?;
    let stuck = "CREATE TRIGGER broken BEFORE DELETE ON models BEGIN SELECT RAISE(ABORT, 'broken by the test'); END";
    fixture.in_store(stuck).await?;
    assert_eq!(fixture.fit("s", THREE).await?.version()?, "v2");
    assert_eq!(versions(&fixture).await?, ["v2", "v1"]);
    fixture.repair_store().await?;
    assert_eq!(fixture.fit("s", THREE).await?.version()?, "v3");
    assert_eq!(versions(&fixture).await?, ["v3"]);
    Ok(())
}
