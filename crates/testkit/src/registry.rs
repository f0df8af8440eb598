//! The life of models: they are promoted, rolled back, deleted, moved from one series to another.
//! The same flow runs against every form of the platform.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use contract::{DetectorName, FitOptions, PredictReply, Problem, Source};
use serde_json::Value;

use crate::{Client, series};

/// The longest time until a change is visible through another gateway.
const SEEN_WITHIN: Duration = Duration::from_secs(5);

/// A number of requests in a row that reach every predictor.
const OFTEN: usize = 6;

/// The series under test, and its form in a path.
const ID: &str = "life of models";
const SERIES: &str = "life%20of%20models";

/// The series that one of its models is imported into.
const ELSEWHERE: &str = "elsewhere";

/// Leads models through their life by `writer`, and reads them through `reader` too: two gateways
/// of one platform, or the same one twice.
///
/// # Errors
/// The first check that fails.
pub async fn check(writer: Client, reader: Client) -> anyhow::Result<()> {
    fit_three(writer).await?;
    promote_and_roll_back(writer, reader).await?;
    move_elsewhere(writer, reader).await?;
    delete(writer, reader).await
}

/// Fits three versions at clearly different levels.
async fn fit_three(writer: Client) -> anyhow::Result<()> {
    for (n, level) in [(1, 1.0), (2, 1_000.0), (3, 1_000_000.0)] {
        let options = FitOptions {
            detector: Some(DetectorName::Sigma),
            ..FitOptions::default()
        };
        let points = series::rising(20, level);
        let fitted = writer.fit_with(SERIES, &points, options).await?;
        ensure!(fitted.version.number() == n, "{fitted:?}");
        ensure!(fitted.detector == DetectorName::Sigma, "{fitted:?}");
    }
    let detail = writer.series(SERIES).await?;
    ensure!(detail.summary.series_id.as_str() == ID, "{detail:?}");
    ensure!(detail.summary.models == 3, "{detail:?}");
    let models = writer.models(SERIES).await?;
    let numbers: Vec<_> = models
        .iter()
        .map(|m| (m.version.number(), m.serving))
        .collect();
    ensure!(numbers == [(3, true), (2, false), (1, false)], "{models:?}");
    Ok(())
}

async fn promote_and_roll_back(writer: Client, reader: Client) -> anyhow::Result<()> {
    judged_by(writer, reader, 3).await?;
    let before = writer.get(&format!("/v1/series/{SERIES}")).await?;
    let tag = before.header("etag").context("no ETag")?;
    let path = format!("/v1/series/{SERIES}/aliases/champion");
    let promote = writer
        .put(&path, &[("if-match", tag)], r#"{"version":"v1"}"#)
        .await?;
    ensure!(promote.status == 200, "{}", promote.text());
    judged_by(writer, reader, 1).await?;
    // A client that knows an old revision changes nothing.
    let stale = writer
        .put(&path, &[("if-match", tag)], r#"{"version":"v2"}"#)
        .await?;
    ensure!(
        code(&stale.problem()?) == "revision_mismatch",
        "{}",
        stale.text()
    );
    judged_by(writer, reader, 1).await?;

    writer.set_alias(SERIES, "champion", "v2").await?;
    judged_by(writer, reader, 2).await?;
    let path = format!("/v1/series/{SERIES}/rollback");
    ensure!(
        writer.post(&path, "").await?.status == 200,
        "not rolled back"
    );
    judged_by(writer, reader, 1).await?;

    let path = format!("/v1/series/{SERIES}/aliases/champion");
    ensure!(
        writer.delete(&path, &[]).await?.status == 204,
        "not removed"
    );
    judged_by(writer, reader, 3).await?;
    writer.set_alias(SERIES, "champion", "v1").await?;
    judged_by(writer, reader, 1).await
}

/// Demands that version `number` serves: for `writer`, which made the change, at once, and for
/// `reader` soon.
async fn judged_by(writer: Client, reader: Client, number: u32) -> anyhow::Result<()> {
    let changed = Instant::now();
    let all_by = async |client: Client| {
        for _ in 0..OFTEN {
            let judged = client.predict(SERIES, 500.0).await?;
            ensure!(
                judged.model_version.number() == number && judged.verdict.anomaly == (number == 1),
                "{judged:?} instead of v{number}"
            );
        }
        Ok(())
    };
    all_by(writer).await?;
    seen(changed, || all_by(reader)).await
}

/// Asks until the change is visible. Whoever begins to ask after [`SEEN_WITHIN`] has to see it,
/// however long the answers take.
async fn seen<F, Fut>(changed: Instant, mut ask: F) -> anyhow::Result<()>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = anyhow::Result<()>>,
{
    loop {
        let is_late = changed.elapsed() >= SEEN_WITHIN;
        match ask().await {
            Err(error) if is_late => return Err(error).context("another gateway does not know"),
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            Ok(()) => return Ok(()),
        }
    }
}

/// Exports a model and imports it into another series. Its verdicts there are the same, bit for
/// bit.
async fn move_elsewhere(writer: Client, reader: Client) -> anyhow::Result<()> {
    let daily = series::daily(2_000, 50.0);
    let fitted = writer.fit("original", &daily).await?;
    let version = fitted.version.to_string();
    let file = writer.export("original", &version).await?;
    let again = reader.export("original", &version).await?;
    ensure!(file == again, "the same model has other bytes");

    writer.fit(ELSEWHERE, &series::three(1.0)).await?;
    let imported = writer.import(ELSEWHERE, &file).await?;
    ensure!(imported.version.number() == 2, "{imported:?}");
    ensure!(imported.detector == fitted.detector, "{imported:?}");
    let models = reader.models(ELSEWHERE).await?;
    ensure!(models[0].source == Source::Import, "{models:?}");
    let original = reader.models("original").await?;
    ensure!(models[0].checksum == original[0].checksum, "{models:?}");

    for (n, value) in [0.0, 1.5, 49.9, 50.0, 61.7, 62.9, 63.1, 80.0, -1e9, 1e300]
        .iter()
        .enumerate()
    {
        let body = format!(
            r#"{{"timestamp":{},"value":{value:?}}}"#,
            1_693_600_000 + 1_000 * n
        );
        let verdict = async |series: &str| {
            let reply = writer.post(&format!("/predict/{series}"), &body).await?;
            let mut verdict: Value = reply.ok()?;
            verdict["model_version"].take();
            anyhow::Ok(verdict)
        };
        let (here, there) = (verdict("original").await?, verdict(ELSEWHERE).await?);
        ensure!(here == there, "{here} here, {there} there");
    }
    let tampered = String::from_utf8(file)?.replace("\"points\":2000", "\"points\":2001");
    let path = format!("/v1/series/{ELSEWHERE}/models");
    let refused = writer.post(&path, &tampered).await?.problem()?;
    ensure!(code(&refused) == "invalid_model_file", "{refused:?}");
    Ok(())
}

async fn delete(writer: Client, reader: Client) -> anyhow::Result<()> {
    let model = |version: &str| format!("/v1/series/{SERIES}/models/{version}");
    let in_use = writer.delete(&model("v1"), &[]).await?.problem()?;
    ensure!(code(&in_use) == "model_in_use", "{in_use:?}");
    let deleted = writer.delete(&model("v2"), &[]).await?;
    ensure!(deleted.status == 204, "{}", deleted.text());
    let gone = writer.get(&model("v2")).await?.problem()?;
    ensure!(code(&gone) == "model_not_found", "{gone:?}");
    judged_by(writer, reader, 1).await?;

    let changed = Instant::now();
    let path = format!("/v1/series/{SERIES}");
    ensure!(
        writer.delete(&path, &[]).await?.status == 204,
        "not deleted"
    );
    let all_gone = async |client: Client| {
        for _ in 0..OFTEN {
            let body = r#"{"timestamp":1,"value":1}"#;
            let reply = client.post(&format!("/predict/{SERIES}"), body).await?;
            ensure!(reply.status == 404, "{} {}", reply.status, reply.text());
        }
        Ok(())
    };
    all_gone(writer).await?;
    seen(changed, || all_gone(reader)).await?;
    // Numbers never repeat.
    let fitted = writer.fit(SERIES, &series::three(1.0)).await?;
    ensure!(fitted.version.number() == 4, "{fitted:?}");
    let judged: PredictReply = writer.predict(SERIES, 1.0).await?;
    ensure!(judged.model_version.number() == 4, "{judged:?}");
    Ok(())
}

fn code(problem: &Problem) -> &str {
    &problem.code
}
