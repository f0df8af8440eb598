//! What people say of anomalies, and how many they want to be told of.

use anyhow::{Context, ensure};
use contract::{
    Anomaly, AnomalyDetail, AnomalyList, FeedbackVerdict, FitReply, HeldBack, SeriesPoints,
    StreamReply,
};
use testkit::{Client, Platform, eventually};

const START: i64 = 1_700_000_000;

fn timestamp(i: usize) -> i64 {
    START + 60 * i as i64
}

/// Values around 25 with some that are far off.
fn values(n: usize, off: &[(usize, f64)]) -> Vec<f64> {
    let value = |i: usize| {
        let odd = off.iter().find(|(at, _)| *at == i);
        odd.map_or(20.0 + (i * 7 % 10) as f64, |(_, value)| *value)
    };
    (0..n).map(value).collect()
}

async fn observe(client: Client, first: usize, values: &[f64]) -> anyhow::Result<()> {
    let timestamps: Vec<i64> = (0..values.len()).map(|i| timestamp(first + i)).collect();
    let body = serde_json::json!({"timestamps": timestamps, "values": values}).to_string();
    let sent = client.post("/observe/s", &body).await?;
    ensure!(sent.status == 200, "{}", sent.text());
    Ok(())
}

/// The anomalies of the series, the first one first, once there are `n`.
async fn anomalies(client: Client, n: usize) -> anyhow::Result<Vec<Anomaly>> {
    eventually("the anomalies", || async {
        let list: AnomalyList = client.get("/v1/series/s/anomalies").await?.ok()?;
        ensure!(list.anomalies.len() == n, "{list:?}");
        Ok(list.anomalies.into_iter().rev().collect())
    })
    .await
}

async fn say(client: Client, id: &str, body: &str) -> anyhow::Result<Anomaly> {
    let path = format!("/v1/anomalies/{id}/feedback");
    client.put(&path, &[], body).await?.ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_said_of_an_anomaly_has_its_effects() -> anyhow::Result<()> {
    let platform = Platform::start().await?;
    let client = platform.client();
    let options = r#"{"warmup":40,"detector":"robust","budget":{"alarms":100,"per":"week"}}"#;
    ensure!(
        client
            .put("/v1/series/s/stream", &[], options)
            .await?
            .status
            == 201
    );
    let all = values(160, &[(60, 95.0), (120, 95.0)]);
    observe(client, 0, &all[..100]).await?;
    let first = anomalies(client, 1).await?.pop().context("an anomaly")?;
    assert!(first.feedback.is_none() && first.incident_id.is_some());
    let id = first.anomaly_id.to_string();

    let dismissed = say(client, &id, r#"{"verdict":"dismissed","comment":"a test"}"#).await?;
    let feedback = dismissed.feedback.context("feedback")?;
    assert_eq!(
        (feedback.verdict, feedback.comment.as_deref()),
        (FeedbackVerdict::Dismissed, Some("a test"))
    );
    let shown: AnomalyDetail = client.get(&format!("/v1/anomalies/{id}")).await?.ok()?;
    assert_eq!(shown.anomaly.feedback, Some(feedback));
    observe(client, 100, &all[100..]).await?;
    let second = anomalies(client, 2).await?.pop().context("an anomaly")?;
    // As strong as the one before, up to twice the level that alarms are raised at.
    let expected = (second.ratio <= first.ratio.min(2.0)).then_some(HeldBack::Dismissed);
    assert_eq!(second.held_back, expected);
    assert_eq!(second.incident_id.is_none(), expected.is_some());
    let stream: StreamReply = client.get("/v1/series/s/stream").await?.ok()?;
    let figures = stream.false_alarms.context("figures")?;
    assert_eq!(figures.asked.map(|budget| budget.alarms), Some(100));
    assert_eq!(
        (figures.told + figures.held_back, figures.dismissed),
        (2, 1)
    );
    assert_eq!(figures.notify_above, Some(first.ratio.min(2.0)));

    confirmed(client, &id, &first, &all).await?;
    in_vain(client, &id).await?;
    platform.stop().await.map(drop)
}

/// The next fit leaves the points of a confirmed anomaly out, and takes them again without.
async fn confirmed(
    client: Client,
    id: &str,
    anomaly: &Anomaly,
    values: &[f64],
) -> anyhow::Result<()> {
    say(client, id, r#"{"verdict":"confirmed"}"#).await?;
    let timestamps: Vec<i64> = (0..values.len()).map(timestamp).collect();
    let span = anomaly.began..=anomaly.end;
    let in_span = timestamps.iter().filter(|at| span.contains(at)).count();
    ensure!(in_span > 0, "{anomaly:?}");
    let body = serde_json::json!({"timestamps": timestamps, "values": values}).to_string();
    let fit: FitReply = client.post("/fit/s", &body).await?.ok()?;
    assert_eq!(fit.points_used, values.len() - in_span);
    let is_told = |warning: &String| warning.contains("of a confirmed anomal");
    ensure!(
        fit.warnings
            .iter()
            .any(|w| is_told(w) || w.contains("of confirmed anomal")),
        "{fit:?}"
    );
    // For people to look at, the version shows what it was fitted on.
    let shown: SeriesPoints = eventually("the points of the new model", || async {
        client.get("/v1/series/s/points?version=v1").await?.ok()
    })
    .await?;
    assert_eq!(shown.timestamp.len(), fit.points_used);
    assert!(!shown.timestamp.contains(&anomaly.peak));
    for _ in 0..2 {
        let path = format!("/v1/anomalies/{id}/feedback");
        assert_eq!(client.delete(&path, &[]).await?.status, 204);
    }
    let fit: FitReply = client.post("/fit/s", &body).await?.ok()?;
    assert_eq!(fit.points_used, values.len());
    Ok(())
}

async fn in_vain(client: Client, id: &str) -> anyhow::Result<()> {
    let put = async |id: &str, body: &str| {
        let path = format!("/v1/anomalies/{id}/feedback");
        let reply = client.put(&path, &[], body).await?;
        anyhow::Ok((reply.status, reply.problem()?.code.into_owned()))
    };
    let missing = "0".repeat(32);
    let good = r#"{"verdict":"confirmed"}"#;
    for (id, body, status, code) in [
        (id, "{}", 400, "invalid_payload"),
        (id, r#"{"verdict":"maybe"}"#, 400, "invalid_payload"),
        (&missing, good, 404, "anomaly_not_found"),
        ("x", good, 404, "anomaly_not_found"),
    ] {
        assert_eq!(put(id, body).await?, (status, code.to_owned()), "{body}");
    }
    let budget = r#"{"budget":{"alarms":0,"per":"week"}}"#;
    assert_eq!(
        client.put("/v1/series/s/stream", &[], budget).await?.status,
        400
    );
    Ok(())
}
