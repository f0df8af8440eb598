//! The Open Inference Protocol, over the whole platform.

use serde_json::{Value, json};
use testkit::{Client, Platform};

const INFER: &str = "/v2/models/s/infer";

fn body(values: &[f64]) -> Value {
    let n = values.len();
    let timestamps: Vec<usize> = (1_000..1_000 + n).collect();
    json!({"id": "7", "inputs": [
        {"name": "timestamp", "shape": [n], "datatype": "INT64", "data": timestamps},
        {"name": "value", "shape": [n], "datatype": "FP64", "data": values},
    ], "outputs": [{"name": "anomaly"}, {"name": "score"}]})
}

async fn fitted() -> anyhow::Result<Platform> {
    let platform = Platform::start().await?;
    let noise: Vec<f64> = (0..500)
        .map(|i| 10.0 + f64::from(i * 7 % 11) / 10.0)
        .collect();
    let values: Vec<(i64, f64)> = (0..).zip(noise).collect();
    let (timestamps, values): (Vec<i64>, Vec<f64>) = values.into_iter().unzip();
    let fit = json!({"timestamps": timestamps, "values": values}).to_string();
    let fit = platform.client().post("/fit/s", &fit).await?;
    anyhow::ensure!(fit.status == 200, "{}", fit.text());
    Ok(platform)
}

async fn output(client: Client, path: &str, body: &Value, name: &str) -> anyhow::Result<Value> {
    let reply: Value = client.post(path, &body.to_string()).await?.ok()?;
    let outputs = reply["outputs"].as_array().into_iter().flatten();
    let mut named = outputs.filter(|output| output["name"] == name);
    Ok(named
        .next()
        .map(|output| output["data"].clone())
        .unwrap_or_default())
}

#[tokio::test]
async fn tensors_are_judged_as_a_batch_is() -> anyhow::Result<()> {
    let platform = fitted().await?;
    let client = platform.client();
    let reply: Value = client
        .post(INFER, &body(&[10.4, 99.0]).to_string())
        .await?
        .ok()?;
    assert_eq!(
        (&reply["model_name"], &reply["model_version"], &reply["id"]),
        (&json!("s"), &json!("v1"), &json!("7"))
    );
    assert_eq!(reply["outputs"].as_array().map(Vec::len), Some(2));
    assert_eq!(
        reply["outputs"][0],
        json!({"name": "anomaly", "datatype": "BOOL", "shape": [2], "data": [false, true]})
    );

    let batch = json!({"timestamps": [1_000, 1_001], "values": [10.4, 99.0]}).to_string();
    let batch: Value = client.post("/predict/s/batch", &batch).await?.ok()?;
    let scores: Vec<&Value> = batch["verdicts"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|v| &v["score"])
        .collect();
    assert_eq!(
        json!(scores),
        output(client, INFER, &body(&[10.4, 99.0]), "score").await?
    );

    // The same by versions, with and without the letter.
    for version in ["v1", "1"] {
        let path = format!("/v2/models/s/versions/{version}/infer");
        let judged = output(client, &path, &body(&[10.4, 99.0]), "anomaly").await?;
        assert_eq!(judged, json!([false, true]));
    }
    platform.stop().await.map(drop)
}

#[tokio::test]
async fn models_and_their_readiness_are_told_and_faults_have_an_error() -> anyhow::Result<()> {
    let platform = fitted().await?;
    let client = platform.client();
    let server: Value = client.get("/v2").await?.ok()?;
    assert_eq!(
        (&server["name"], &server["extensions"]),
        (&json!("anomaly"), &json!(["binary_tensor_data"]))
    );
    let model: Value = client.get("/v2/models/s").await?.ok()?;
    assert_eq!(
        (&model["name"], &model["versions"]),
        (&json!("s"), &json!(["v1"]))
    );
    assert_eq!(
        model["inputs"][0],
        json!({"name": "timestamp", "datatype": "INT64", "shape": [-1]})
    );
    for path in [
        "/v2/models/s/ready",
        "/v2/models/s/versions/v1/ready",
        "/v2/health/live",
        "/v2/health/ready",
    ] {
        assert_eq!(client.get(path).await?.status, 200, "{path}");
    }
    for path in [
        "/v2/models/nobody/ready",
        "/v2/models/s/versions/9",
        "/v2/models/s/versions/-/ready",
    ] {
        let refused = client.get(path).await?;
        assert_eq!(refused.status, 404, "{path}");
        let said: Value = refused.json()?;
        assert!(said["error"].is_string(), "{said}");
    }
    let mut odd = body(&[1.0]);
    odd["inputs"][1]["shape"] = json!([2]);
    let refused = client.post(INFER, &odd.to_string()).await?;
    let said: Value = refused.json()?;
    assert_eq!(
        (refused.status, &said["error"]),
        (
            400,
            &json!("input 'value': 1 elements are not of its shape")
        )
    );
    platform.stop().await.map(drop)
}
