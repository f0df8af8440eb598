//! Plots: when there is one, and what it is.

use std::time::Duration;

use anyhow::{Context, ensure};
use axum::http::header;
use serde_json::json;

use crate::fixture::{Fixture, THREE, eventually};

/// Width and height in a PNG's header.
pub(crate) fn png_size(picture: &[u8]) -> anyhow::Result<(u32, u32)> {
    ensure!(picture.starts_with(b"\x89PNG\r\n\x1a\n"), "no PNG");
    let number = |from: usize| {
        let bytes = picture.get(from..from + 4).context("cut off")?;
        anyhow::Ok(u32::from_be_bytes(bytes.try_into()?))
    };
    Ok((number(16)?, number(20)?))
}

#[tokio::test]
async fn the_newest_version_is_drawn_unless_another_is_asked_for() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    fixture.fit("s", THREE).await?;
    let other = r#"{"timestamps":[1,2,3,4],"values":[1,2,3,5]}"#;
    fixture.fit("s", other).await?;
    fixture.store_points(2).await?;

    let newest = fixture.get("/plot?series_id=s").await?;
    assert_eq!(newest.headers[header::CONTENT_TYPE], "image/png");
    assert_eq!(png_size(&newest.body)?, (800, 400));
    let v2 = fixture.get("/plot?series_id=s&version=v2&x=1").await?;
    let v1 = fixture.get("/plot?series_id=s&version=v1").await?;
    assert_eq!(newest.body, v2.body, "the same plot has the same bytes");
    assert_ne!(newest.body, v1.body);

    let canary = "/v1/series/s/aliases/canary";
    let set = fixture.send("PUT", canary, r#"{"version":"v1"}"#).await?;
    assert!(set.status.is_success(), "{}", set.status);
    let by_alias = fixture.get("/plot?series_id=s&version=canary").await?;
    assert_eq!(by_alias.body, v1.body);

    let large = fixture
        .get("/plot?series_id=s&width=1600&height=200")
        .await?;
    assert_eq!(png_size(&large.body)?, (1600, 200));
    let svg = fixture
        .get("/plot?series_id=s&version=v2&format=svg")
        .await?;
    assert_eq!(svg.headers[header::CONTENT_TYPE], "image/svg+xml");
    let svg = std::str::from_utf8(&svg.body)?;
    assert!(svg.contains("v2 · 4 points"), "{svg}");
    Ok(())
}

#[tokio::test]
async fn what_the_model_holds_to_be_normal_and_the_anomalies_are_drawn() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    let values: Vec<i32> = (0..100).map(|i| if i == 70 { 50 } else { i % 5 }).collect();
    let timestamps: Vec<i64> = (0..100).collect();
    let body = json!({"timestamps": timestamps, "values": values, "detector": "sigma"});
    fixture.fit("s", &body.to_string()).await?;
    fixture.store_points(1).await?;
    let whole = fixture.get("/plot?series_id=s&format=svg").await?;
    let whole = std::str::from_utf8(&whole.body)?;
    for part in ["<polygon", "normal up to", "1 anomaly", "· sigma"] {
        assert!(whole.contains(part), "{part} in {whole}");
    }
    let part = fixture
        .get("/plot?series_id=s&format=svg&from=10&to=69")
        .await?;
    let part = std::str::from_utf8(&part.body)?;
    assert!(part.contains("60 of 100 points") && !part.contains("anomal"));
    let none = fixture.get("/plot?series_id=s&from=100").await?.refusal()?;
    let detail = "There are no points between from and to";
    assert_eq!(
        none,
        (404, "no_points_in_range".to_owned(), detail.to_owned())
    );
    Ok(())
}

#[tokio::test]
async fn the_id_of_a_series_cannot_break_out_of_its_title() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    fixture
        .fit("%3Csvg onload='x'%3E&".replace(' ', "%20").as_str(), THREE)
        .await?;
    fixture.store_points(1).await?;
    let path = "/plot?format=svg&series_id=%3Csvg+onload%3D%27x%27%3E%26";
    let svg = fixture.get(path).await?;
    let svg = std::str::from_utf8(&svg.body)?;
    assert!(
        svg.contains("&lt;svg onload=&apos;x&apos;&gt;&amp;"),
        "{svg}"
    );
    Ok(())
}

#[tokio::test]
async fn what_is_not_there_is_404_and_what_is_asked_wrongly_is_named() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    fixture.fit("s", THREE).await?;
    fixture.store_points(1).await?;
    for path in [
        "/plot?series_id=nobody",
        "/plot?series_id=s&version=v2",
        "/plot?series_id=s&version=canary",
        "/plot?series_id=S",
    ] {
        let detail = "No training data found for given series_id and version.";
        let expected = (404, "no_training_data".to_owned(), detail.to_owned());
        assert_eq!(fixture.get(path).await?.refusal()?, expected, "{path}");
    }
    let (status, code, _) = fixture.get("/plot?version=v1").await?.refusal()?;
    assert_eq!((status, code.as_str()), (400, "missing_series_id"));
    for name in [
        "version=V1",
        "width=100",
        "height=x",
        "format=gif",
        "width=300&width=300",
        "from=1.5",
        "to=now",
        "from=3&to=2",
    ] {
        let refused = fixture.get(&format!("/plot?series_id=s&{name}")).await?;
        let (status, code, detail) = refused.refusal()?;
        assert_eq!(
            (status, code.as_str()),
            (400, "invalid_parameter"),
            "{name}"
        );
        let parameter = name.split('=').next().context("no name")?;
        assert!(detail.contains(parameter), "{detail}");
    }
    Ok(())
}

#[tokio::test]
async fn a_plot_waits_for_points_that_are_on_their_way() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    fixture.fit("s", THREE).await?;
    let plot = fixture.get("/plot?series_id=s");
    tokio::pin!(plot);
    // It has looked, and found that they are not there.
    let early = tokio::time::timeout(Duration::from_millis(100), &mut plot).await;
    assert!(early.is_err(), "drawn without points");
    fixture.store_points(1).await?;
    assert_eq!(plot.await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn points_that_do_not_come_are_503_worth_trying_again() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    fixture.fit("s", THREE).await?;
    let reply = fixture.get("/plot?series_id=s").await?;
    let (status, code, _) = reply.refusal()?;
    assert_eq!((status, code.as_str()), (503, "training_data_pending"));
    assert_eq!(reply.headers[header::RETRY_AFTER], "1");
    Ok(())
}

#[tokio::test]
async fn points_that_the_disk_changed_are_never_drawn() -> anyhow::Result<()> {
    let fixture = Fixture::fitted(2).await?;
    fixture.store_points(2).await?;
    // The lowest bit of the first value of the first version: its plot would look right.
    let flip = "UPDATE training_data
        SET points = substr(points, 1, 8) || x'01' || substr(points, 10)
        WHERE version = 1";
    fixture.in_store(flip).await?;
    let detail = "The stored training points are damaged: fit the series again";
    let expected = (500, "internal_error".to_owned(), detail.to_owned());
    let plot = fixture.get("/plot?series_id=s&version=v1").await?;
    assert_eq!(plot.refusal()?, expected);
    assert_eq!(fixture.get("/plot?series_id=s").await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn more_plots_than_can_be_drawn_are_refused_at_once() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    fixture.fit("s", THREE).await?;
    // None can be drawn yet, so all that are admitted are in progress together.
    let plots = (0..20).map(|_| fixture.get("/plot?series_id=s"));
    let plots = futures_util::future::try_join_all(plots);
    let stored = async {
        let refused = eventually(async || {
            let reply = fixture.get("/plot?series_id=s").await?;
            ensure!(reply.refusal()?.1 == "overloaded", "admitted");
            Ok(reply)
        })
        .await?;
        fixture.store_points(1).await?;
        anyhow::Ok(refused)
    };
    let (plots, refused) = tokio::try_join!(plots, stored)?;
    assert_eq!(refused.headers[header::RETRY_AFTER], "1");
    let count = |status: u16| plots.iter().filter(|reply| reply.status == status).count();
    assert_eq!((count(200), count(503)), (8, 12));
    Ok(())
}

#[tokio::test]
async fn the_recorded_extremes_can_be_drawn() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    let bodies = [
        json!({"timestamps": [1, 2, 3], "values": [1e308, -1e308, 3.5]}),
        json!({"timestamps": [i64::MAX, 1, 2], "values": [0.5, 1.5, 2.5]}),
        json!({"timestamps": [1, 1, 1], "values": [5e-324, 1e-323, 0.0]}),
    ];
    for (i, body) in bodies.iter().enumerate() {
        fixture.fit(&format!("s{i}"), &body.to_string()).await?;
    }
    fixture.store_points(3).await?;
    for i in 0..3 {
        let plot = fixture.get(&format!("/plot?series_id=s{i}")).await?;
        assert_eq!(png_size(&plot.body)?, (800, 400));
    }
    Ok(())
}
