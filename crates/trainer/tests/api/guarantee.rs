//! The meaning of a 2xx, and the state that is left without one.

use std::time::Duration;

use anyhow::ensure;
use axum::{body::Body, http::Request};
use contract::TrainingData;
use tower::ServiceExt;
use trainer::Settings;

use crate::fixture::{Fixture, THREE, eventually};

#[tokio::test]
async fn points_that_are_not_acknowledged_make_no_version() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    assert_eq!(fixture.fit("s", THREE).await?.version()?, "v1");
    fixture.break_bus("training-data").await?;
    let reply = fixture.fit("s", THREE).await?;
    let (status, code, detail) = reply.refusal()?;
    assert_eq!((status, code.as_str()), (503, "not_durable"));
    assert!(!detail.contains("broken by the test"), "{detail}");
    assert_eq!(reply.headers["retry-after"], "1");
    assert_eq!(fixture.serving("s").await?.as_deref(), Some("v1"));
    assert_eq!(
        fixture.get("/plot?series_id=s&version=v2").await?.status,
        404
    );

    fixture.repair_bus().await?;
    assert_eq!(fixture.fit("s", THREE).await?.version()?, "v3");
    assert_eq!(fixture.serving("s").await?.as_deref(), Some("v3"));
    // What the failed attempt left is invisible, and swept.
    assert_eq!(fixture.models().await?, 3);
    let swept = fixture.backends.store.sweep_pending(Duration::ZERO).await?;
    assert_eq!((swept, fixture.models().await?), (1, 2));
    Ok(())
}

#[tokio::test]
async fn a_model_that_cannot_become_ready_stays_invisible() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    fixture.break_store().await?;
    assert_eq!(fixture.fit("s", THREE).await?.refusal()?.1, "not_durable");
    assert_eq!(fixture.serving("s").await?, None);
    fixture.repair_store().await?;
    assert_eq!(fixture.fit("s", THREE).await?.version()?, "v2");
    Ok(())
}

#[tokio::test]
async fn a_fit_that_only_predictors_could_not_be_told_of_is_a_success() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    fixture.break_bus("models").await?;
    assert_eq!(fixture.fit("s", THREE).await?.version()?, "v1");
    assert_eq!(fixture.serving("s").await?.as_deref(), Some("v1"));
    Ok(())
}

#[tokio::test]
async fn a_fit_goes_on_when_its_client_hangs_up() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    let held = fixture.hold_bus().await?;
    let request = Request::post("/fit/s").body(Body::from(THREE))?;
    {
        let fit = fixture.router.clone().oneshot(request);
        let begun = eventually(async || {
            ensure!(fixture.models().await? == 1, "not begun");
            Ok(())
        });
        tokio::select! {
            reply = fit => panic!("answered before the points were durable: {reply:?}"),
            begun = begun => begun?,
        }
    }
    assert_eq!(fixture.serving("s").await?, None);
    held.release().await?;
    eventually(async || {
        ensure!(
            fixture.serving("s").await?.as_deref() == Some("v1"),
            "not there"
        );
        Ok(())
    })
    .await?;
    assert_eq!(fixture.published::<TrainingData>(1).await?[0].data.len(), 3);
    Ok(())
}

#[tokio::test]
async fn beyond_the_bytes_in_flight_fits_are_refused_at_once() -> anyhow::Result<()> {
    let body = format!("{THREE}{}", " ".repeat(10 * 1024 - THREE.len()));
    let fixture = Fixture::with(Settings {
        max_body_bytes: 10 * 1024,
        max_inflight_fit_bytes: 15 * 1024,
        ..Settings::default()
    })
    .await?;
    let held = fixture.hold_bus().await?;
    let first = fixture.fit("s", &body);
    let second = async {
        eventually(async || {
            ensure!(fixture.models().await? == 1, "the first is not in flight");
            Ok(())
        })
        .await?;
        let refused = fixture.fit("s", &body).await?;
        held.release().await?;
        anyhow::Ok(refused)
    };
    let (first, refused) = tokio::try_join!(first, second)?;
    assert_eq!(refused.refusal()?.1, "overloaded");
    assert_eq!(
        (refused.status.as_u16(), &refused.headers["retry-after"]),
        (503, &"1".parse()?)
    );
    assert_eq!(first.version()?, "v1");
    assert_eq!(fixture.fit("s", &body).await?.version()?, "v2");
    Ok(())
}
