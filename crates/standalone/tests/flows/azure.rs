//! The calls of Azure Anomaly Detector, over the whole platform.

use serde_json::{Value, json};
use testkit::{Client, Platform, Reply};

/// Two days of hours with a course of the day, and an outlier at place 30.
fn hours() -> Value {
    let point = |i: usize| {
        let course = 20.0 + 5.0 * (i as f64 * std::f64::consts::TAU / 24.0).sin();
        let value = course + (i * 7 % 5) as f64 / 5.0 + if i == 30 { 40.0 } else { 0.0 };
        json!({"timestamp": format!("2024-01-{:02}T{:02}:00:00Z", 1 + i / 24, i % 24), "value": value})
    };
    (0..96).map(point).collect()
}

async fn ask(client: Client, task: &str, body: &Value) -> anyhow::Result<Reply> {
    let path = format!("/anomalydetector/v1.1/timeseries/{task}/detect");
    client.post(&path, &body.to_string()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_points_the_last_one_and_changes_are_judged() -> anyhow::Result<()> {
    let platform = Platform::start().await?;
    let client = platform.client();
    let body = json!({"series": hours(), "granularity": "hourly", "sensitivity": 95});
    let entire: Value = ask(client, "entire", &body).await?.ok()?;
    assert_eq!(entire["period"], 24);
    let is_anomaly: Vec<bool> = serde_json::from_value(entire["isAnomaly"].clone())?;
    let odd: Vec<usize> = (0..96).filter(|i| is_anomaly[*i]).collect();
    assert_eq!(odd, [30]);
    assert_eq!(entire["isPositiveAnomaly"][30], true);
    assert_eq!(entire["isNegativeAnomaly"][30], false);
    assert!(entire["severity"][30].as_f64() > Some(0.0) && entire["severity"][31] == 0.0);
    for name in ["expectedValues", "upperMargins", "lowerMargins", "severity"] {
        assert_eq!(entire[name].as_array().map(Vec::len), Some(96), "{name}");
    }

    let last: Value = ask(client, "last", &body).await?.ok()?;
    assert_eq!(
        (&last["isAnomaly"], &last["suggestedWindow"]),
        (&json!(false), &json!(97))
    );

    let mut stepped = body.clone();
    stepped["period"] = 24.into();
    for point in stepped["series"]
        .as_array_mut()
        .into_iter()
        .flatten()
        .skip(60)
    {
        point["value"] = (point["value"].as_f64().unwrap_or_default() + 30.0).into();
    }
    let changes: Value = ask(client, "changepoint", &stepped).await?.ok()?;
    let at: Vec<usize> = (0..96)
        .filter(|i| changes["isChangePoint"][*i] == true)
        .collect();
    assert_eq!(at, [60]);
    assert!(changes["confidenceScores"][60].as_f64() > Some(0.5));
    platform.stop().await.map(drop)
}

#[tokio::test]
async fn refusals_are_in_the_form_that_its_clients_read() -> anyhow::Result<()> {
    let platform = Platform::start().await?;
    let client = platform.client();
    let few: Vec<Value> = hours()
        .as_array()
        .into_iter()
        .flatten()
        .take(5)
        .cloned()
        .collect();
    let refused = ask(
        client,
        "entire",
        &json!({"series": few, "granularity": "hourly"}),
    )
    .await?;
    assert_eq!(
        (refused.status, refused.header("x-ms-error-code")),
        (400, Some("InvalidSeries"))
    );
    assert_eq!(refused.header("content-type"), Some("application/json"));
    let said: Value = refused.json()?;
    let message = "'series' has 5 points; it must have 12 to 8640.";
    assert_eq!(said, json!({"code": "InvalidSeries", "message": message}));

    let unknown = client
        .post("/anomalydetector/v9/timeseries/entire/detect", "{}")
        .await?;
    let said: Value = unknown.json()?;
    assert_eq!((unknown.status, &said["code"]), (404, &json!("not_found")));
    assert!(said["message"].is_string(), "{said}");
    platform.stop().await.map(drop)
}
