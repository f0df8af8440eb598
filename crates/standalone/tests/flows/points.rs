//! Training points, for people to look at.

use contract::{Cause, DetectorName, Direction, FitOptions, Point, SeriesPoints};
use testkit::{Client, Platform, eventually};

use crate::streams::{timestamp, values};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_stream_the_training_points_are_shown_as_their_model_judges_them()
-> anyhow::Result<()> {
    let platform = Platform::start().await?;
    let client = platform.client();
    let values = values(130);
    let point = |(i, value): (usize, &f64)| Point {
        // Ten points are missing.
        timestamp: timestamp(if i < 90 { i } else { i + 10 }),
        value: *value,
    };
    let points: Vec<Point> = values.iter().enumerate().map(point).collect();
    let robust = FitOptions {
        detector: Some(DetectorName::Robust),
        // One in twenty: as many as are odd.
        false_alarm_rate: Some(0.05),
        ..FitOptions::default()
    };
    client.fit_with("m", &points[..100], robust.clone()).await?;
    client.fit_with("m", &points, robust).await?;
    let get = async |query: &str| -> anyhow::Result<SeriesPoints> {
        let path = format!("/v1/series/m/points{query}");
        // The points of a new model take a moment.
        eventually("its points", || async { client.get(&path).await?.ok() }).await
    };
    let shown = get("").await?;
    let timestamps: Vec<i64> = points.iter().map(|point| point.timestamp).collect();
    assert_eq!((&shown.timestamp, &shown.value), (&timestamps, &values));
    assert_eq!(
        shown.version.map(|version| version.to_string()).as_deref(),
        Some("v2")
    );
    assert_eq!(shown.learned_until, timestamps.last().copied());
    assert_eq!(shown.gaps, [(timestamps[89], timestamps[90])]);
    let fits: Vec<i64> = shown.fits.iter().map(|fit| fit.timestamp).collect();
    assert_eq!(fits, [timestamps[99], timestamps[129]]);
    // The outlier and the burst.
    let odd: Vec<i64> = [70, 120, 121, 122, 123, 124]
        .map(|i| timestamps[i])
        .to_vec();
    assert_eq!(shown.outside.len(), shown.alarms.len());
    assert!(
        odd.iter().all(|at| shown.outside.contains(at)),
        "{:?}",
        shown.outside
    );
    let alarm = &shown.alarms[0];
    let Some(Cause::Beyond { at, .. }) = alarm.cause else {
        anyhow::bail!("{alarm:?}");
    };
    assert_eq!(
        (at, alarm.direction),
        (alarm.timestamp, Some(Direction::Above))
    );
    assert!(
        shown
            .anomalies
            .iter()
            .all(|anomaly| anomaly.anomaly_id.is_none())
    );

    of_another_version(client).await?;
    platform.stop().await.map(drop)
}

async fn of_another_version(client: Client) -> anyhow::Result<()> {
    let first: SeriesPoints = client
        .get("/v1/series/m/points?version=v1&max=10")
        .await?
        .ok()?;
    assert_eq!(
        first.version.map(|version| version.to_string()).as_deref(),
        Some("v1")
    );
    assert!(first.bucket.is_some() && first.timestamp.len() <= 11);
    let bad = client.get("/v1/series/m/points?version=x%20y").await?;
    assert_eq!(bad.status, 400);
    let none = client.get("/v1/series/m/points?version=v9").await?;
    assert_eq!(
        (none.status, &*none.problem()?.code),
        (404, "no_training_data")
    );
    Ok(())
}
