//! What is observed is told.

use anyhow::Context;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::program::Program;

/// The next request that comes, which is accepted.
async fn received(sink: &TcpListener) -> anyhow::Result<String> {
    let (mut stream, _) = sink.accept().await?;
    let mut request = Vec::new();
    while !request.ends_with(b"}") {
        let read = stream.read_buf(&mut request).await?;
        anyhow::ensure!(read > 0, "the request broke off");
    }
    stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await?;
    Ok(String::from_utf8(request)?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_anomaly_that_is_observed_reaches_a_webhook() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")?;
    let sink = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/hook", sink.local_addr()?);
    let settings = [
        ("WEBHOOK_URL", &*url),
        ("WEBHOOK_SECRET_FILE", secret.to_str().context("a path")?),
    ];
    let program = Program::start_with(&folder.path().join("data"), &settings).await?;
    let options = r#"{"warmup":40,"detector":"robust"}"#;
    let stream = program.client.put("/v1/series/s/stream", &[], options);
    anyhow::ensure!(stream.await?.status == 201);
    for i in 0..60 {
        let value = if i == 55 { 900.0 } else { f64::from(i % 7) };
        let body = format!(r#"{{"timestamp":{},"value":{value}}}"#, 60 * i);
        let reply = program.client.post("/observe/s", &body).await?;
        anyhow::ensure!(reply.status == 200, "{}", reply.text());
    }
    let request = received(&sink).await?;
    let (head, body) = request.split_once("\r\n\r\n").context("no body")?;
    anyhow::ensure!(head.contains("webhook-signature: v1,"), "{head}");
    let told: Value = serde_json::from_str(body)?;
    assert_eq!(told["type"], "incident.opened");
    assert_eq!(told["data"]["anomalies"][0]["value"], 900.0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_test_says_what_became_of_it_on_each_channel() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")?;
    let sink = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/hook", sink.local_addr()?);
    let settings = [
        ("WEBHOOK_URL", &*url),
        ("WEBHOOK_SECRET_FILE", secret.to_str().context("a path")?),
    ];
    let program = Program::start_with(&folder.path().join("data"), &settings).await?;
    let test = || program.client.post("/v1/alerts/test", "");
    let (tested, request) = tokio::join!(test(), received(&sink));
    let body: Value = tested?.ok()?;
    let sent = |channel| serde_json::json!({"channel": channel, "status": "sent", "error": null});
    assert_eq!(
        body["channels"],
        Value::from(vec![sent("topic"), sent("webhook")])
    );
    anyhow::ensure!(request?.contains(r#"{"type":"test","#));

    // Nobody listens there any more.
    drop(sink);
    let body: Value = test().await?.ok()?;
    let failed = &body["channels"][1];
    assert_eq!(
        (&failed["channel"], &failed["status"]),
        (&"webhook".into(), &"failed".into())
    );
    let list: Value = program
        .client
        .get("/v1/alerts/failed?limit=1")
        .await?
        .ok()?;
    assert_eq!(list["next"], Value::Null);
    let listed = &list["failed"][0];
    let id = format!("{}-webhook", body["event_id"].as_str().context("an id")?);
    assert_eq!(
        (&listed["event_id"], &listed["type"], &listed["attempts"]),
        (&id.into(), &"test".into(), &1.into())
    );
    let error = listed["error"].as_str().context("an error")?;
    anyhow::ensure!(
        error.starts_with("cannot connect") && !error.contains("hook"),
        "{error}"
    );
    let odd = program
        .client
        .get("/v1/alerts/failed?after=x")
        .await?
        .problem()?;
    assert_eq!(&*odd.code, "invalid_parameter");
    Ok(())
}
