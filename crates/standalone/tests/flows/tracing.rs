//! Who asked: request ids and traces, from the first byte to the last effect.

use std::sync::Arc;

use anyhow::{Context, ensure};
use bus::{Bus, OffsetSource, TraceParent};
use contract::{Event, TrainingData};
use testkit::{Client, Platform, Reply, series};
use tokio::time::{Duration, timeout};

use crate::program::Program;

async fn with_id(client: Client, id: &str, path: &str, body: &str) -> anyhow::Result<Reply> {
    let headers = [("x-request-id", id)];
    let reply = client.send("POST", path, &headers, Some(body.as_bytes()));
    reply.await
}

#[tokio::test]
async fn a_request_id_comes_back_with_every_reply_good_or_bad() -> anyhow::Result<()> {
    let platform = Platform::start().await?;
    let client = platform.client();
    let (points, point) = (
        series::body(&series::three(1.0)),
        r#"{"timestamp":1,"value":1}"#,
    );
    for (path, body, status) in [
        ("/fit/s", points.as_str(), 200),
        ("/predict/s", point, 200),
        ("/predict/nobody", point, 404),
        ("/fit/s", "{", 400),
        ("/plot", "", 405),
        ("/nowhere", "", 404),
    ] {
        let given = with_id(client, "req-7.a_B~!", path, body).await?;
        assert_eq!(
            (given.status, given.header("x-request-id")),
            (status, Some("req-7.a_B~!"))
        );
        let made: Vec<Reply> = [
            client.post(path, body).await?,
            client.post(path, body).await?,
        ]
        .into();
        let ids: Vec<_> = made
            .iter()
            .filter_map(|reply| reply.header("x-request-id"))
            .collect();
        assert!(ids.len() == 2 && ids[0] != ids[1], "{path}: {ids:?}");
        if status >= 400 {
            // It is the problem's, too.
            given.problem()?;
            made[0].problem()?;
        }
    }
    for unfit in ["", "two words", &"x".repeat(129), "caf\u{e9}"] {
        let reply = with_id(client, unfit, "/predict/s", point).await?;
        let id = reply.header("x-request-id").context("no id")?;
        assert!(!id.is_empty() && id != unfit, "{unfit:?} was taken over");
    }
    Ok(())
}

#[tokio::test]
async fn a_request_id_is_in_the_log() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let log = [
        ("LOG_FORMAT", "json"),
        ("LOG_LEVEL", "debug"),
        ("SLOW_REQUEST_MS", "0"),
    ];
    let mut program = Program::start_with(folder.path(), &log).await?;
    let body = series::body(&series::three(1.0));
    let reply = with_id(program.client, "find-me", "/fit/s", &body).await?;
    assert_eq!(reply.status, 200);
    program.process.ask_to_stop()?;
    assert!(program.process.ended().await?.success());
    let log = program.process.log()?;
    let mut found = 0;
    for line in log.lines() {
        let line: serde_json::Value =
            serde_json::from_str(line).context("a line that is no JSON")?;
        // The audit log has a line of its own.
        if line["request_id"] == "find-me" && line["target"] != "audit" {
            assert_eq!(
                (&line["uri"], &line["status"]),
                (&"/fit/s".into(), &200.into())
            );
            found += 1;
        }
    }
    assert_eq!(found, 1, "{log}");
    Ok(())
}

/// The lines about requests by exception, without those of other targets.
fn exceptions(log: &str) -> anyhow::Result<Vec<serde_json::Value>> {
    let lines = log.lines().map(serde_json::from_str);
    let mut lines = lines.collect::<Result<Vec<serde_json::Value>, _>>()?;
    lines.retain(|line| line["target"] == "gateway::exceptional");
    Ok(lines)
}

#[tokio::test]
async fn requests_that_fail_or_take_long_leave_a_line() -> anyhow::Result<()> {
    for (name, value, status, message) in [
        ("MAX_INFLIGHT_FIT", "0", 503, "failed request"),
        ("SLOW_REQUEST_MS", "1", 200, "slow request"),
    ] {
        let folder = tempfile::tempdir()?;
        let env = [("LOG_FORMAT", "json"), (name, value)];
        let mut program = Program::start_with(folder.path(), &env).await?;
        // A fit waits for the disk several times.
        let body = series::body(&series::three(1.0));
        let reply = with_id(program.client, "late", "/fit/a%20b", &body).await?;
        assert_eq!(reply.status, status);
        program.process.ask_to_stop()?;
        assert!(program.process.ended().await?.success());
        let lines = exceptions(&program.process.log()?)?;
        let line = lines.iter().find(|line| line["request_id"] == "late");
        let line = line.context("no line")?;
        let said = (&line["message"], &line["series"], &line["status"]);
        assert_eq!(said, (&message.into(), &"a b".into(), &status.into()));
        assert!(
            line["duration_ms"].is_u64() && line["level"] == "INFO",
            "{line}"
        );
    }
    Ok(())
}

/// The traces of all training data in the log of events in `folder`, by series.
async fn traces(folder: &std::path::Path) -> anyhow::Result<Vec<(String, TraceParent)>> {
    let bus = Bus::sqlite(&folder.join("events.db")).await?;
    let from_the_start: OffsetSource = Arc::new(|_| Box::pin(async { Ok(Vec::new()) }));
    let mut events = bus.subscribe::<TrainingData>("test", from_the_start)?;
    let mut traces = Vec::new();
    while traces.len() < 3 {
        let next = events.next_batch(100, Duration::ZERO);
        let batch = timeout(Duration::from_secs(30), next)
            .await
            .with_context(|| format!("no more events after {traces:?}"))??;
        for message in batch {
            let event = message.event.map_err(anyhow::Error::msg)?;
            traces.push((event.key().unwrap_or_default().to_owned(), message.trace));
        }
    }
    traces.sort();
    Ok(traces)
}

#[tokio::test]
async fn a_trace_goes_along_with_the_events_of_its_fit_and_no_other() -> anyhow::Result<()> {
    const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let platform = Platform::start().await?;
    let body = series::body(&series::three(1.0));
    for (path, trace) in [
        ("/fit/traced", Some(TRACE)),
        ("/fit/untraced", None),
        ("/fit/unfit", Some("00-not-a-trace-01")),
    ] {
        let headers: Vec<_> = trace
            .map(|trace| ("traceparent", trace))
            .into_iter()
            .collect();
        let client = platform.client();
        let reply = client
            .send("POST", path, &headers, Some(body.as_bytes()))
            .await?;
        ensure!(reply.status == 200, "{}", reply.text());
    }
    let folder = platform.stop().await?;
    let expected = [("traced", Some(TRACE)), ("unfit", None), ("untraced", None)]
        .map(|(series, trace)| (series.to_owned(), trace.map(str::to_owned)));
    assert_eq!(traces(folder.path()).await?, expected);
    Ok(())
}
