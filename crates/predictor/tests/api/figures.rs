//! Predictions are counted, and the counts are shown.

use anyhow::Context;
use axum::http::StatusCode;
use contract::MetricsEvent;
use serde_json::json;

use crate::{
    fixture::{ANOMALOUS, Fixture, NORMAL},
    support::published,
};

#[tokio::test]
async fn metrics_events_count_exactly_what_was_judged() -> anyhow::Result<()> {
    let mut fixture = Fixture::running().await?;
    let mut events = fixture.backends.bus.tail::<MetricsEvent>()?;
    for series in ["a", "b"] {
        fixture.store(series).await?;
    }
    for i in 0..250 {
        let series = if i % 5 == 0 { "b" } else { "a" };
        fixture.predict(series, ANOMALOUS).await?;
        if i % 10 == 0 {
            fixture.predict(series, "{").await?;
            fixture.predict("nobody", NORMAL).await?;
        }
    }
    // Whatever is left goes out when it stops, so what comes now is all there will ever be.
    fixture.stop().await?;
    let sum = published(&mut events, 250).await?;
    assert_eq!(sum.count, Some(250));
    let usage: Vec<(&str, u64)> = sum.usage.iter().map(|(id, n)| (id.as_str(), *n)).collect();
    assert_eq!(usage, [("a", 200), ("b", 50)]);
    let histogram = sum.histogram.context("no histogram")?;
    assert_eq!(histogram.count(), 250);
    assert!(sum.latency_ms > 0.0 && histogram.quantile(1.0) > 0.0);
    Ok(())
}

#[tokio::test]
async fn what_was_judged_just_before_the_end_is_published() -> anyhow::Result<()> {
    let mut fixture = Fixture::running().await?;
    let mut events = fixture.backends.bus.tail::<MetricsEvent>()?;
    fixture.store("s").await?;
    fixture.judge("s").await?;
    fixture.stop().await?;
    assert_eq!(published(&mut events, 1).await?.count, Some(1));
    Ok(())
}

#[tokio::test]
async fn an_empty_platform_reports_zeros() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    let health = fixture.send("GET", "/healthcheck", &[], "").await?.body;
    assert_eq!(health["status"], "ok");
    assert_eq!(
        health["inference_latency_ms"],
        json!({"avg": 0.0, "p95": 0.0})
    );
    assert_eq!(health["throughput"], json!({"avg_per_minute": 0.0}));
    assert_eq!(health["model_usage"], json!({}));
    assert_eq!(
        health["system_metrics"]["load_avg"]
            .as_array()
            .map(Vec::len),
        Some(3)
    );
    Ok(())
}

#[tokio::test]
async fn each_point_of_a_batch_is_an_inference_and_those_of_a_detection_are_none()
-> anyhow::Result<()> {
    let mut fixture = Fixture::running().await?;
    let mut events = fixture.backends.bus.tail::<MetricsEvent>()?;
    fixture.store("s").await?;
    fixture.predict("s", NORMAL).await?;
    let batch = json!({"timestamps": vec![5; 100], "values": vec![2.5; 100]});
    for path in ["/predict/s/batch", "/predict/nobody/batch", "/v1/detect"] {
        fixture.post(path, &batch.to_string()).await?;
    }
    let series = json!({"timestamps": [1, 2, 3, 4], "values": [1, 2, 3, 4], "train": 3});
    let detected = fixture.post("/v1/detect", &series.to_string()).await?;
    assert_eq!(detected.status, StatusCode::OK);
    fixture.stop().await?;
    let sum = published(&mut events, 101).await?;
    assert_eq!((sum.count, sum.usage["s"]), (Some(101), 101));
    assert_eq!(sum.histogram.context("no histogram")?.count(), 101);
    Ok(())
}
