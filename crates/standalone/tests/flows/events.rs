//! What happens is told as it happens.

use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::Value;
use testkit::{Client, Platform};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// A stream of events that is being read.
struct Listening {
    socket: TcpStream,
    text: String,
}

impl Listening {
    async fn start(client: Client, query: &str, headers: &str) -> anyhow::Result<Self> {
        let mut socket = TcpStream::connect(client.addr()).await?;
        let request = format!("GET /v1/events{query} HTTP/1.1\r\nhost: x\r\n{headers}\r\n");
        socket.write_all(request.as_bytes()).await?;
        let mut listening = Self {
            socket,
            text: String::new(),
        };
        listening.until("retry: 3000\n\n").await?;
        Ok(listening)
    }

    /// Reads on, and returns the text up to the end of `part`, which is taken.
    async fn until(&mut self, part: &str) -> anyhow::Result<String> {
        loop {
            if let Some(at) = self.text.find(part) {
                let rest = self.text.split_off(at + part.len());
                return Ok(std::mem::replace(&mut self.text, rest));
            }
            ensure!(self.read().await? > 0, "the stream ended: {}", self.text);
        }
    }

    /// The number of bytes that were read; 0 at the end.
    async fn read(&mut self) -> anyhow::Result<usize> {
        let mut bytes = [0; 4_096];
        let reading = timeout(Duration::from_secs(60), self.socket.read(&mut bytes));
        let n = reading.await.context("nothing more came")??;
        self.text += std::str::from_utf8(&bytes[..n])?;
        Ok(n)
    }

    /// Reads up to the last chunk of the reply.
    async fn end(&mut self) -> anyhow::Result<()> {
        self.until("\r\n0\r\n\r\n").await.map(drop)
    }

    /// The data of the next event of this name.
    async fn next(&mut self, name: &str) -> anyhow::Result<Value> {
        self.until(&format!("event: {name}\ndata: ")).await?;
        let data = self.until("\n").await?;
        Ok(serde_json::from_str(&data)?)
    }
}

async fn observe(client: Client, id: &str, first: i64, values: &[f64]) -> anyhow::Result<()> {
    let timestamps: Vec<i64> = (0..values.len() as i64)
        .map(|i| 1_700_000_000 + 60 * (first + i))
        .collect();
    let body = serde_json::json!({"timestamps": timestamps, "values": values}).to_string();
    let sent = client.post(&format!("/observe/{id}"), &body).await?;
    ensure!(sent.status == 200, "{}", sent.text());
    Ok(())
}

/// A stream that has warmed up with 40 points.
async fn warmed_up(client: Client, id: &str) -> anyhow::Result<()> {
    let options = r#"{"warmup":40,"detector":"robust"}"#;
    ensure!(
        client
            .put(&format!("/v1/series/{id}/stream"), &[], options)
            .await?
            .status
            == 201
    );
    let usual: Vec<f64> = (0..40).map(|i| 20.0 + f64::from(i * 7 % 10)).collect();
    observe(client, id, 0, &usual).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn points_rows_and_anomalies_are_told_as_they_come() -> anyhow::Result<()> {
    let platform = Platform::start().await?;
    let client = platform.client();
    warmed_up(client, "a").await?;
    let mut listening = Listening::start(client, "?series=a", "").await?;
    let rows = listening.next("rows").await?;
    assert_eq!(
        (&rows[0]["series_id"], &rows[0]["state"]),
        (&"a".into(), &"normal".into())
    );
    assert_eq!(rows[0]["spark"], Value::Null);
    let counts = listening.next("counts").await?;
    assert_eq!((&counts["open"], &counts["quiet"]), (&0.into(), &1.into()));

    observe(client, "a", 40, &[25.0]).await?;
    let point = listening.next("point").await?;
    assert_eq!(
        (&point["value"], &point["points"]),
        (&25.0.into(), &41.into())
    );
    assert_eq!(point["timestamp"], 1_700_000_000 + 60 * 40);
    ensure!(
        point["upper"].as_f64().is_some_and(|upper| upper > 25.0),
        "{point}"
    );

    observe(client, "a", 41, &[900.0]).await?;
    let before = listening.until("event: anomaly\ndata: ").await?;
    let number: i64 = before
        .rsplit("id: ")
        .next()
        .context("an id")?
        .lines()
        .next()
        .context("a line")?
        .parse()?;
    let event: Value = serde_json::from_str(&listening.until("\n").await?)?;
    assert_eq!(
        (&event["type"], &event["anomaly"]["series_id"]),
        (&"anomaly.opened".into(), &"a".into())
    );
    let row = loop {
        let rows = listening.next("rows").await?;
        if rows[0]["state"] == "open" {
            break rows[0].clone();
        }
    };
    assert_eq!(
        (&row["value"], &row["group"]),
        (&900.0.into(), &"open".into())
    );

    // Who comes again is told what it has missed, and no more.
    for (last, is_told) in [(number - 1, true), (number, false)] {
        let header = format!("last-event-id: {last}\r\n");
        let mut again = Listening::start(client, "?series=a", &header).await?;
        let missed = again.until("event: rows\n").await?;
        assert_eq!(
            missed.contains(&format!("id: {number}\nevent: anomaly")),
            is_told,
            "{missed}"
        );
    }
    platform.stop().await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_of_events_are_few_and_end_with_the_platform() -> anyhow::Result<()> {
    let platform = Platform::start().await?;
    let client = platform.client();
    let many: Vec<String> = (0..201).map(|i| format!("s{i}")).collect();
    for query in [
        format!("?series={}", many.join(",")),
        "?series=a,,b".into(),
        "?x=1".into(),
    ] {
        assert_eq!(
            client.get(&format!("/v1/events{query}")).await?.status,
            400,
            "{query:.20}"
        );
    }
    let mut held = Vec::new();
    for _ in 0..9 {
        held.push(Listening::start(client, "", "").await?);
    }
    let mut first = held.remove(0);
    first.end().await?;
    platform.stop().await?;
    for mut listening in held {
        listening.end().await?;
    }
    Ok(())
}
