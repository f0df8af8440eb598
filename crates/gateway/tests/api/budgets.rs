//! What one caller may use of the API, by key or by address.

use contract::EndpointName;
use serde_json::{Value, json};

use crate::{
    access::{Keys, backend, bearer, line},
    door::{Door, POINT, POINTS},
    fake::Fake,
};

/// A key with every scope and these limits.
fn limited(secret: &str, limits: Value) -> String {
    let mut rest = json!({"scopes": ["predict", "fit", "read", "admin"]});
    for (name, value) in limits.as_object().expect("an object") {
        rest[name] = value.clone();
    }
    line(secret, &rest)
}

/// The status of a prediction and of a fit with `secret`.
async fn predict(door: &Door, secret: &str) -> anyhow::Result<u16> {
    let mut client = door.client().await?;
    let reply = client
        .post_with("/predict/s", &bearer(secret), POINT)
        .await?;
    Ok(reply.status)
}

async fn fit(door: &Door, secret: &str) -> anyhow::Result<u16> {
    let mut client = door.client().await?;
    Ok(client
        .post_with("/fit/s", &bearer(secret), POINTS)
        .await?
        .status)
}

#[tokio::test]
async fn a_key_has_its_own_requests() -> anyhow::Result<()> {
    // One in a thousand seconds.
    let rare = |secret| limited(secret, json!({"requests_per_second": 0.001}));
    let keys = Keys::new(&[
        rare("fast"),
        rare("slow"),
        rare("long"),
        limited("free", json!({})),
    ])?;
    let fake = backend().await?;
    let door = keys.door(&fake).await?;
    assert_eq!(predict(&door, "fast").await?, 200);
    let mut client = door.client().await?;
    let refused = client
        .post_with("/predict/s", &bearer("fast"), POINT)
        .await?;
    assert_eq!(refused.problem(), (429, "rate_limited".to_owned()));
    let detail = "This caller has used the requests that it may for now";
    assert_eq!(refused.json()["detail"], detail);
    let wait: u32 = refused.header("retry-after").expect("a time").parse()?;
    assert!((900..=1000).contains(&wait), "{wait}");
    assert_eq!(fit(&door, "fast").await?, 429);
    // The other way counts likewise, and so does a request that changes from one way to the other.
    let slow = format!("{}connection: keep-alive, x\r\n", bearer("slow"));
    for status in [200, 429] {
        let reply = client.post_with("/predict/s", &slow, POINT).await?;
        assert_eq!(reply.status, status);
    }
    let long = format!("{POINT}{}", " ".repeat(5000));
    for status in [200, 429] {
        let reply = client
            .post_with("/predict/s", &bearer("long"), &long)
            .await?;
        assert_eq!(reply.status, status);
    }
    for _ in 0..20 {
        assert_eq!(predict(&door, "free").await?, 200);
    }
    // A change of the file gives nothing back.
    keys.write(&[rare("fast"), limited("seen", json!({}))])?;
    while predict(&door, "seen").await? != 200 {}
    assert_eq!(predict(&door, "fast").await?, 429);
    // Unless it is about the limit.
    keys.write(&[limited("fast", json!({"requests_per_second": 1e6}))])?;
    while predict(&door, "fast").await? != 200 {}
    Ok(())
}

#[tokio::test]
async fn bytes_and_work_that_were_taken_have_to_come_back() -> anyhow::Result<()> {
    let keys = Keys::new(&[
        limited("bytes", json!({"bytes_per_second": 0.001})),
        limited("streamed", json!({"bytes_per_second": 0.001})),
        limited("work", json!({"work_seconds_per_minute": 1e-9})),
    ])?;
    let fake = backend().await?;
    let door = keys.door(&fake).await?;
    assert_eq!(predict(&door, "bytes").await?, 200);
    assert_eq!(predict(&door, "bytes").await?, 429);
    assert_eq!(fit(&door, "bytes").await?, 429);
    assert_eq!(fit(&door, "streamed").await?, 200);
    assert_eq!(predict(&door, "streamed").await?, 429);
    // Predictions take no time.
    assert_eq!(predict(&door, "work").await?, 200);
    assert_eq!(fit(&door, "work").await?, 200);
    // The reply was sent a moment before its time is taken.
    while fit(&door, "work").await? != 429 {}
    assert_eq!(predict(&door, "work").await?, 200);
    let list = EndpointName::ListSeries.endpoint().path;
    let mut client = door.client().await?;
    let lines = bearer("work");
    let reply = client.request(&format!("GET {list}"), &lines, "").await?;
    assert_eq!(reply.problem(), (429, "rate_limited".to_owned()));
    Ok(())
}

#[tokio::test]
async fn without_keys_an_address_has_its_budget() -> anyhow::Result<()> {
    let fake = Fake::answering("{}").await?;
    let arguments = ["--max-client-requests-per-second", "1"];
    let door = Door::open(&fake.url(), &fake.url(), &arguments).await?;
    let length = POINT.len();
    let one =
        format!("POST /predict/s HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n{POINT}");
    let mut client = door.client().await?;
    // Sent at once, so that no second passes between them.
    client.send(one.repeat(2)).await?;
    assert_eq!(client.reply().await?.status, 200);
    assert_eq!(
        client.reply().await?.problem(),
        (429, "rate_limited".to_owned())
    );
    // Another connection is the same client. Probes cost nothing.
    assert_eq!(door.get("/livez").await?.status, 200);
    Ok(())
}
