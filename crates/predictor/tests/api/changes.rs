//! Changes of a series that is in memory: news, deletions, backends that are away.

use anyhow::{Context, ensure};
use axum::http::{StatusCode, header};
use bus::Bus;
use contract::{ModelEvent, Revision, SeriesId, Version};
use stats::Stats;
use store::Precondition;

use crate::{
    fixture::{Fixture, NORMAL, backends, nowhere},
    support::eventually,
};

#[tokio::test]
async fn whoever_knows_of_a_newer_revision_gets_it_and_the_others_from_then_on()
-> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    fixture.store("s").await?;
    assert_eq!(fixture.judge("s").await?, "v1");
    let (_, revision) = fixture.store("s").await?;
    assert_eq!(fixture.judge("s").await?, "v1", "nothing was heard of v2");
    let reply = fixture.predict_since("s", revision).await?;
    assert_eq!(reply.version()?, "v2");
    assert_eq!(fixture.judge("s").await?, "v2");
    // The store is right, whatever the caller says.
    let reply = fixture.predict_since("s", Revision(99)).await?;
    assert_eq!(reply.version()?, "v2");
    Ok(())
}

#[tokio::test]
async fn a_series_is_found_right_after_its_first_fit() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    assert_eq!(fixture.predict("s", NORMAL).await?.status, 404);
    let (_, revision) = fixture.store("s").await?;
    let reply = fixture.predict_since("s", revision).await?;
    assert_eq!(reply.version()?, "v1");
    Ok(())
}

#[tokio::test]
async fn a_promotion_may_go_back_in_versions() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    fixture.store("s").await?;
    fixture.store("s").await?;
    assert_eq!(fixture.judge("s").await?, "v2");
    let promoted = fixture.alias("s", "champion", "v1").await?;
    assert_eq!(fixture.predict_since("s", promoted).await?.version()?, "v1");
    let (_, fitted) = fixture.store("s").await?;
    assert_eq!(fixture.predict_since("s", fitted).await?.version()?, "v1");
    Ok(())
}

#[tokio::test]
async fn a_deleted_series_is_gone_at_once_for_who_knows_of_it() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    fixture.store("s").await?;
    assert_eq!(fixture.judge("s").await?, "v1");
    let series = SeriesId::new("s")?;
    let store = &fixture.backends.store;
    let deleted = store.delete_series(&series, &Precondition::Any).await?;
    for _ in 0..2 {
        let reply = fixture.predict_since("s", deleted.revision).await?;
        assert_eq!(reply.refusal(), (404, "model_not_found", "Model not found"));
    }
    assert_eq!(fixture.predict("s", NORMAL).await?.status, 404);
    let (version, fitted) = fixture.store("s").await?;
    assert_eq!(version.to_string(), "v2", "numbers go on");
    assert_eq!(fixture.predict_since("s", fitted).await?.version()?, "v2");
    Ok(())
}

/// Repeats `event` until what `condition` asks holds: the tail of the log may begin after the first one.
async fn until_told(
    fixture: &Fixture,
    event: &ModelEvent,
    mut condition: impl AsyncFnMut() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    eventually(async || {
        fixture.publish(event.clone()).await?;
        condition().await
    })
    .await
}

async fn is_judged_by(fixture: &Fixture, version: &str) -> anyhow::Result<()> {
    let judge = fixture.judge("s").await?;
    ensure!(judge == version, "{judge} judges");
    Ok(())
}

#[tokio::test]
async fn an_event_brings_the_new_version() -> anyhow::Result<()> {
    let mut fixture = Fixture::running().await?;
    fixture.store("s").await?;
    assert_eq!(fixture.judge("s").await?, "v1");
    for told in [true, false] {
        let (version, revision) = fixture.store("s").await?;
        // Older programs do not say which revision it is.
        let event = ModelEvent::Ready {
            series_id: SeriesId::new("s")?,
            version,
            revision: told.then_some(revision),
        };
        let version = version.to_string();
        until_told(&fixture, &event, async || {
            is_judged_by(&fixture, &version).await
        })
        .await?;
    }
    fixture.stop().await
}

#[tokio::test]
async fn an_event_tells_of_a_promotion() -> anyhow::Result<()> {
    let mut fixture = Fixture::running().await?;
    fixture.store("s").await?;
    fixture.store("s").await?;
    assert_eq!(fixture.judge("s").await?, "v2");
    let event = ModelEvent::Promoted {
        series_id: SeriesId::new("s")?,
        version: Version::new(1).context("v1")?,
        revision: Some(fixture.alias("s", "champion", "v1").await?),
    };
    until_told(&fixture, &event, async || {
        is_judged_by(&fixture, "v1").await
    })
    .await?;
    fixture.stop().await
}

#[tokio::test]
async fn an_event_takes_a_deleted_version_away_even_without_the_store() -> anyhow::Result<()> {
    let mut fixture = Fixture::running().await?;
    let (version, revision) = fixture.store("s").await?;
    fixture.store("t").await?;
    fixture.store("t").await?;
    assert_eq!(fixture.judge("s").await?, "v1");
    assert_eq!(fixture.judge("t?version=v1").await?, "v1");
    fixture.backends.store.close().await;
    for (series, asked) in [("s", "s"), ("t", "t?version=v1")] {
        let event = ModelEvent::Deleted {
            series_id: SeriesId::new(series)?,
            version: Some(version),
            revision: Some(Revision(revision.0 + 9)),
        };
        until_told(&fixture, &event, async || {
            let status = fixture.predict(asked, NORMAL).await?.status;
            ensure!(status == 503, "{status}");
            Ok(())
        })
        .await?;
    }
    assert_eq!(fixture.judge("t").await?, "v2", "another version judges on");
    fixture.stop().await
}

#[tokio::test]
async fn the_store_is_asked_for_what_no_event_told() -> anyhow::Result<()> {
    let (dir, mut backends) = backends().await?;
    backends.bus = Bus::kafka(&nowhere()?.kafka)?;
    let mut fixture = Fixture::run(dir, backends);
    fixture.store("s").await?;
    assert_eq!(fixture.judge("s").await?, "v1");
    fixture.store("s").await?;
    eventually(async || is_judged_by(&fixture, "v2").await).await?;
    fixture.alias("s", "champion", "v1").await?;
    eventually(async || is_judged_by(&fixture, "v1").await).await?;
    let series = SeriesId::new("s")?;
    let store = &fixture.backends.store;
    store.delete_series(&series, &Precondition::Any).await?;
    eventually(async || {
        let status = fixture.predict("s", NORMAL).await?.status;
        ensure!(status == 404, "{status}");
        Ok(())
    })
    .await?;
    fixture.stop().await
}

#[tokio::test]
async fn goes_on_for_the_series_it_holds_when_all_else_is_away() -> anyhow::Result<()> {
    let (dir, mut backends) = backends().await?;
    let nowhere = nowhere()?;
    backends.bus = Bus::kafka(&nowhere.kafka)?;
    backends.stats = Stats::redis(&nowhere.redis)?;
    let mut fixture = Fixture::run(dir, backends);
    fixture.store("held").await?;
    fixture.store("not_held").await?;
    assert_eq!(fixture.judge("held").await?, "v1");
    fixture.backends.store.close().await;

    for _ in 0..3 {
        assert_eq!(fixture.judge("held").await?, "v1");
        let refused = fixture.predict("not_held", NORMAL).await?;
        assert_eq!(
            (refused.status.as_u16(), refused.refusal().1),
            (503, "backend_unavailable")
        );
        assert!(refused.headers.contains_key(header::RETRY_AFTER));
        // To answer with an older version than the caller's own would be wrong; then rather not.
        assert_eq!(
            fixture.predict_since("held", Revision(99)).await?.status,
            503
        );
    }
    let health = fixture.send("GET", "/healthcheck", &[], "").await?;
    assert_eq!(health.status, StatusCode::OK);
    assert_eq!(health.body["status"], "degraded");
    fixture.stop().await
}
