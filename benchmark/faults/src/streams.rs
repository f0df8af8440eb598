//! Streams: points are observed one by one, each again until it is judged. In the end all that was
//! answered is what the same points get at once.

use anyhow::{Context, ensure};
use contract::{AnomalyList, IncidentList, StreamReply};
use serde_json::{Value, json};
use testkit::{Client, eventually, streams};

use crate::journal::Journal;

/// The points that a stream learns from before its verdicts are compared.
const WARMUP: usize = 30;
/// One value in this many is odd.
const ODD_EVERY: usize = 45;

/// The `i`th value of `series`.
fn value(series: &str, i: usize) -> f64 {
    let seed = series.bytes().fold(0_u64, |seed, byte| {
        seed.wrapping_mul(31).wrapping_add(u64::from(byte))
    });
    let noise = fastrand::Rng::with_seed(seed ^ ((i as u64) << 32)).f64();
    match i % ODD_EVERY {
        44 => 90.0,
        _ => 20.0 + 3.0 * (i as f64 / 24.0).sin() + noise,
    }
}

fn timestamp(i: usize) -> i64 {
    1_700_000_000 + 3_600 * i as i64
}

/// Begins `series` with a short warm-up; again if it is not known whether that has happened.
///
/// # Errors
/// When that is not acknowledged.
pub(crate) async fn begin(client: Client, series: &str) -> anyhow::Result<()> {
    let options = format!(r#"{{"warmup":{WARMUP}}}"#);
    let path = format!("/v1/series/{series}/stream");
    let reply = client.put(&path, &[], &options).await?;
    ensure!(matches!(reply.status, 200..300), "{}", reply.status);
    Ok(())
}

/// The verdict of the `i`th point of `series`.
///
/// # Errors
/// When there is none yet: the point may have been taken or not.
pub(crate) async fn observe(client: Client, series: &str, i: usize) -> anyhow::Result<Value> {
    let body = json!({"timestamp": timestamp(i), "value": value(series, i)});
    let path = format!("/observe/{series}?wait_ms=5000");
    let reply = client.post(&path, &body.to_string()).await?;
    ensure!(reply.status == 200, "{} {}", reply.status, reply.text());
    reply.json()
}

/// Has the last point of each stream judged, of which it is not known whether it was taken.
///
/// # Errors
/// When one is not judged within two minutes.
pub(crate) async fn finish(journal: &mut Journal, client: Client) -> anyhow::Result<()> {
    for (series, verdicts) in &mut journal.streams {
        let i = verdicts.len();
        let last = eventually("the last point to be judged", || observe(client, series, i));
        verdicts.push(last.await.with_context(|| format!("{series}, {i}"))?);
    }
    Ok(())
}

/// Checks that each acknowledged point was learned once, and that verdicts, anomalies and incidents
/// are what the same points get at once.
///
/// # Errors
/// The first difference.
pub(crate) async fn check(journal: &Journal, client: Client) -> anyhow::Result<()> {
    for (series, verdicts) in &journal.streams {
        check_stream(client, series, verdicts)
            .await
            .with_context(|| series.clone())?;
    }
    Ok(())
}

async fn check_stream(client: Client, series: &str, verdicts: &[Value]) -> anyhow::Result<()> {
    let n = verdicts.len();
    eventually("all points to be judged", || async {
        let path = format!("/v1/series/{series}/stream");
        let stream: StreamReply = client.get(&path).await?.ok()?;
        // Whoever was frozen appends what it was asked before: a duplicate, or late by now.
        let learned = (stream.points, stream.counts.conflict);
        ensure!(learned == (n as u64, 0), "{learned:?} of {n}");
        Ok(())
    })
    .await?;
    if n <= WARMUP + 1 {
        return Ok(());
    }
    let (timestamps, values): (Vec<i64>, Vec<f64>) =
        (0..n).map(|i| (timestamp(i), value(series, i))).unzip();
    let at_once = streams::at_once(client, &timestamps, &values, WARMUP, verdicts).await?;
    let last = timestamp(n - 1);
    let mut episodes: Vec<i64> = at_once["episodes"]
        .as_array()
        .context("no episodes")?
        .iter()
        .filter_map(|episode| episode["start"].as_i64().filter(|start| *start < last))
        .collect();
    episodes.sort_unstable();
    eventually("the episodes to be the anomalies", || async {
        let mut starts = anomalies(client, series).await?;
        let told = starts.len() as u64;
        starts.retain(|start| *start < last);
        starts.sort_unstable();
        ensure!(starts == episodes, "{starts:?} for {episodes:?}");
        let counted = incidents(client, series).await?;
        ensure!(counted == told, "{counted} of {told} are in incidents");
        Ok(())
    })
    .await
}

/// The starts of the anomalies that people are told of.
async fn anomalies(client: Client, series: &str) -> anyhow::Result<Vec<i64>> {
    let mut starts = Vec::new();
    let mut page = Some(String::new());
    while let Some(after) = page {
        let path = format!("/v1/series/{series}/anomalies?kind=value&limit=100{after}");
        let list: AnomalyList = client.get(&path).await?.ok()?;
        let told = list.anomalies.iter().filter(|anomaly| !anomaly.silenced);
        starts.extend(told.map(|anomaly| anomaly.start));
        page = list.next.map(|next| format!("&after={next}"));
    }
    Ok(starts)
}

/// The anomalies that the incidents of `series` count.
async fn incidents(client: Client, series: &str) -> anyhow::Result<u64> {
    let mut counted = 0;
    let mut page = Some(String::new());
    while let Some(after) = page {
        let path = format!("/v1/incidents?limit=100{after}");
        let list: IncidentList = client.get(&path).await?.ok()?;
        let of_series = list.incidents.iter().filter(|one| one.group == series);
        counted += of_series.map(|one| one.count).sum::<u64>();
        page = list.next.map(|next| format!("&after={next}"));
    }
    Ok(counted)
}

#[cfg(test)]
mod tests {
    use testkit::Platform;

    use super::*;

    #[tokio::test]
    async fn what_differs_from_all_at_once_is_found() -> anyhow::Result<()> {
        let platform = Platform::start().await?;
        let client = platform.client();
        begin(client, "s").await?;
        let mut journal = Journal::default();
        for i in 0..60 {
            let verdict = observe(client, "s", i).await?;
            journal
                .streams
                .entry("s".to_owned())
                .or_default()
                .push(verdict);
        }
        finish(&mut journal, client).await?;
        check(&journal, client).await?;

        let verdicts = journal.streams.get_mut("s").context("it is there")?;
        let whole = verdicts.clone();
        verdicts[40]["expected"] = json!(1.0);
        let said = check(&journal, client)
            .await
            .map_err(|why| format!("{why:#}"));
        assert!(said.is_err_and(|why| why.starts_with("s: 40: expected 1.0 for")));
        journal.streams.insert("s".to_owned(), whole);
        check(&journal, client).await
    }
}
