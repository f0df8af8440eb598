//! Judging many points of a series in one call.

use axum::http::{StatusCode, header};
use contract::{BatchReply, DetectorName, FitOptions, JudgeOptions, JudgedReply, Sides};
use detector::Model;
use predictor::{DetectSettings, Settings};
use serde_json::{Value, json};

use crate::{
    fixture::Fixture,
    support::{points, store_model},
};

/// Values with a wave and some chance in them.
fn wave(length: usize) -> Vec<f64> {
    (0..length)
        .map(|i| (i * 37 % 24) as f64 + (i * 7919 % 97) as f64 / 97.0)
        .collect()
}

fn columns(values: &[f64]) -> Value {
    let timestamps: Vec<i64> = points(values).iter().map(|p| p.timestamp).collect();
    json!({"timestamps": timestamps, "values": values})
}

#[tokio::test]
async fn the_points_before_are_the_context_of_those_that_follow() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    store_model(&fixture.backends.store, "s", &wave(300)).await?;
    let model = Model::fit(
        &points(&wave(300)),
        &FitOptions::default(),
        DetectorName::Auto,
    )?
    .model;
    let (context, mut values) = (wave(100), wave(500));
    values[250] = 99.5;
    let mut body = columns(&values);
    body["context"] = columns(&context);
    body["false_alarm_rate"] = json!(0.25);
    body["direction"] = json!("above");
    let reply = fixture.post("/predict/s/batch", &body.to_string()).await?;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text);
    assert!(reply.text.ends_with("}\n"));
    assert_eq!(reply.headers[header::CONTENT_TYPE], "application/json");

    let judge = JudgeOptions {
        false_alarm_rate: Some(0.25),
        direction: Some(Sides::Above),
        min_deviation: None,
    };
    let mut scorer = model.fixed_scorer(&points(&context));
    let verdicts: Vec<JudgedReply> = points(&values)
        .into_iter()
        .map(|point| JudgedReply {
            timestamp: point.timestamp,
            value: point.value,
            verdict: scorer.score(point, &judge).to_reply(),
            online: None,
        })
        .collect();
    let reply: BatchReply = serde_json::from_str(&reply.text)?;
    let anomalies = verdicts.iter().filter(|v| v.verdict.anomaly).count();
    assert!(anomalies > 0 && verdicts[250].verdict.anomaly);
    assert_eq!(reply.anomalies, anomalies as u64);
    assert_eq!(
        (reply.detector, reply.warnings.len()),
        (model.detector(), 0)
    );
    assert!(reply.verdicts == verdicts);
    Ok(())
}

#[tokio::test]
async fn the_order_is_kept_and_the_version_may_be_named() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    fixture.store("a b").await?;
    fixture.store("a b").await?;
    let body = r#"{"timestamps":[3,1,2],"values":[2,99,2],"note":1}"#;
    let reply = fixture
        .post("/predict/a%20b/batch?version=v1&x", body)
        .await?;
    let reply: BatchReply = serde_json::from_str(&reply.text)?;
    assert_eq!(reply.model_version.to_string(), "v1");
    let timestamps: Vec<i64> = reply.verdicts.iter().map(|v| v.timestamp).collect();
    assert_eq!(timestamps, [3, 1, 2]);
    assert_eq!(reply.anomalies, 1);
    assert_eq!(
        reply.warnings,
        [
            "unknown field `note` was ignored",
            "unknown query parameter `x` was ignored"
        ]
    );
    let (_, revision) = fixture.store("a b").await?;
    let known = [("x-min-revision", &*revision.to_string())];
    let reply = fixture
        .send("POST", "/predict/a%20b/batch", &known, body)
        .await?;
    assert_eq!(reply.body["model_version"], "v3");
    Ok(())
}

#[tokio::test]
async fn a_hundred_thousand_points_are_judged_and_not_one_more() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    fixture.store("s").await?;
    let most = columns(&vec![2.5; 100_000]).to_string();
    let reply = fixture.post("/predict/s/batch", &most).await?;
    assert_eq!(
        reply.body["verdicts"].as_array().map(Vec::len),
        Some(100_000)
    );
    assert_eq!(reply.body["anomalies"], 0);
    let more = columns(&vec![2.5; 100_001]).to_string();
    let refused = fixture.post("/predict/s/batch", &more).await?;
    assert_eq!(refused.refusal().1, "invalid_payload");
    assert!(
        refused
            .fault()
            .contains("100001 points are more than 100000")
    );
    Ok(())
}

#[tokio::test]
async fn what_is_asked_wrongly_is_refused_as_for_one_point() -> anyhow::Result<()> {
    let detect = DetectSettings {
        max_body_bytes: 1_000,
        ..DetectSettings::default()
    };
    let fixture = Fixture::with(Settings {
        detect,
        ..Settings::default()
    })
    .await?;
    fixture.store("s").await?;
    let good = r#"{"timestamps":[1],"values":[1]}"#;
    for (path, body, refusal) in [
        ("/predict/s/batch", "{", (400, "invalid_payload")),
        (
            "/predict/s/batch",
            r#"{"timestamps":[],"values":[]}"#,
            (400, "invalid_payload"),
        ),
        (
            "/predict/s/batch?version=x!",
            good,
            (400, "invalid_parameter"),
        ),
        ("/predict/nobody/batch", good, (404, "model_not_found")),
        (
            "/predict/s/batch?version=v2",
            good,
            (404, "model_not_found"),
        ),
        ("/predict/a%2Fb/batch", good, (400, "invalid_series_id")),
        (
            "/predict/s/batch",
            &" ".repeat(1_001),
            (413, "body_too_large"),
        ),
    ] {
        let reply = fixture.post(path, body).await?;
        assert_eq!((reply.refusal().0, reply.refusal().1), refusal, "{path}");
    }
    let method = fixture.send("GET", "/predict/s/batch", &[], "").await?;
    assert_eq!(method.headers[header::ALLOW], "POST");
    Ok(())
}
