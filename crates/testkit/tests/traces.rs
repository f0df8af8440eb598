//! One trace, from the first byte of a request to the last effect of it, at a collector.

use anyhow::{Context, ensure};
use testkit::{
    Client, Platform,
    collector::{Collector, Received},
    distributed::{SMALL, run},
    eventually, series,
    servers::Servers,
};

/// The trace of a client's request, and its own span.
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CLIENT: &str = "00f067aa0ba902b7";

async fn send(client: Client, path: &str, body: &str) -> anyhow::Result<()> {
    let traceparent = format!("00-{TRACE}-{CLIENT}-01");
    let headers = [("traceparent", &*traceparent)];
    let reply = client.send("POST", path, &headers, Some(body.as_bytes()));
    let reply = reply.await?;
    ensure!(reply.status == 200, "{path}: {}", reply.text());
    Ok(())
}

/// The span `name` of `service`, whose causes lead back to the client, and the services on that way.
fn way(spans: &[Received], service: &str, name: &str) -> anyhow::Result<Vec<String>> {
    let mut found = spans.iter().filter(|span| span.name == name);
    let last = found.find(|span| span.service == service);
    let mut span = last.with_context(|| format!("no span {name} of {service}"))?;
    let mut way = vec![format!("{}: {}", span.service, span.name)];
    while span.parent != CLIENT {
        let parent = spans.iter().find(|known| known.id == span.parent);
        span = parent.with_context(|| format!("{way:?} does not lead to the client"))?;
        way.insert(0, format!("{}: {}", span.service, span.name));
    }
    Ok(way)
}

/// Waits until there is such a way, and checks what is on it.
async fn expect(collector: &Collector, way_to: &[(&str, &str)]) -> anyhow::Result<()> {
    let (service, name) = way_to.last().context("no way")?;
    let expected = way_to
        .iter()
        .map(|(service, name)| format!("{service}: {name}"));
    let expected: Vec<String> = expected.collect();
    eventually("the spans", || async {
        let found = way(&collector.trace(TRACE), service, name)?;
        ensure!(found == expected, "{found:?}");
        Ok(())
    })
    .await
}

/// A wave with a jump at its end.
fn points() -> String {
    let timestamps: Vec<i64> = (0..60).map(|i| 1_700_000_000 + i * 60).collect();
    let value = |i: i64| if i < 58 { (i % 7) as f64 } else { 1e6 };
    let values: Vec<f64> = (0..60).map(value).collect();
    serde_json::json!({"timestamps": timestamps, "values": values}).to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_one_trace_in_standalone() -> anyhow::Result<()> {
    let collector = Collector::start()?;
    trace::export(collector.endpoint(), "standalone".to_owned())?;
    let platform = Platform::start().await?;
    let client = platform.client();
    send(client, "/fit/web", &series::body(&series::three(1.0))).await?;
    send(client, "/predict/web", r#"{"timestamp":4,"value":1}"#).await?;
    let options = r#"{"warmup":40,"detector":"robust"}"#;
    let begun = client.put("/v1/series/stream/stream", &[], options).await?;
    ensure!(begun.status == 201, "{}", begun.text());
    send(client, "/observe/stream", &points()).await?;
    let s = "standalone";
    for way in [
        &[
            (s, "POST /fit/{series_id}"),
            (s, "send training-data"),
            (s, "process training-data"),
        ][..],
        &[(s, "POST /fit/{series_id}"), (s, "process metrics")],
        &[(s, "POST /predict/{series_id}")],
        &[
            (s, "POST /observe/{series_id}"),
            (s, "send points"),
            (s, "process points"),
        ],
        &[
            (s, "POST /observe/{series_id}"),
            (s, "send points"),
            (s, "send anomalies"),
        ],
    ] {
        expect(&collector, way).await?;
    }
    platform.stop().await?;
    Ok(())
}

mod distributed {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs Kafka, Postgres and Redis: TEST_KAFKA_BROKERS, TEST_DATABASE_URL, TEST_REDIS_URL"]
    async fn a_request_is_one_trace_through_kafka() -> anyhow::Result<()> {
        let collector = Collector::start()?;
        run(Servers::shared()?, SMALL, async |platform| {
            platform.set("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint());
            platform.set("OTEL_BSP_SCHEDULE_DELAY", "100");
            for (service, number) in SMALL {
                for n in 0..number {
                    platform.stop(service, n).await?;
                    platform.start(service, n).await?;
                }
            }
            let client = platform.client();
            send(client, "/fit/web", &series::body(&series::three(1.0))).await?;
            send(client, "/predict/web", r#"{"timestamp":4,"value":1}"#).await?;
            send(client, "/observe/stream", &points()).await?;
            let fit = "POST /fit/{series_id}";
            let stored = ("training-data-consumer", "process training-data");
            let observe = "POST /observe/{series_id}";
            for way in [
                &[
                    ("gateway", fit),
                    ("trainer", fit),
                    ("trainer", "send training-data"),
                    stored,
                ][..],
                &[
                    ("gateway", fit),
                    ("trainer", fit),
                    ("metrics-consumer", "process metrics"),
                ],
                &[
                    ("gateway", "POST /predict/{series_id}"),
                    ("predictor", "POST /predict/{series_id}"),
                ],
                &[
                    ("gateway", observe),
                    ("observer", observe),
                    ("observer", "send points"),
                    ("observer", "process points"),
                ],
            ] {
                expect(&collector, way).await?;
            }
            Ok(())
        })
        .await
    }
}
