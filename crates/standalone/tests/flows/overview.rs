//! All series at a glance: those that need attention first.

use anyhow::{Context, ensure};
use contract::{AlarmHistogram, Overview, OverviewRow, RowGroup, RowState};
use testkit::{Client, Platform, eventually, series};

const NOW: i64 = 1_700_000_000;

/// Sends a stream that has warmed up with 40 points, `then` these.
async fn stream(client: Client, id: &str, labels: &str, then: &[f64]) -> anyhow::Result<()> {
    let options = format!(r#"{{"warmup":40,"detector":"robust","labels":{labels}}}"#);
    let path = format!("/v1/series/{id}/stream");
    ensure!(client.put(&path, &[], &options).await?.status == 201);
    let usual = (0..40).map(|i| 20.0 + f64::from(i * 7 % 10));
    let values: Vec<f64> = usual.chain(then.iter().copied()).collect();
    let first = NOW - 60 * values.len() as i64;
    let timestamps: Vec<i64> = (0..values.len() as i64).map(|i| first + 60 * i).collect();
    let body = serde_json::json!({"timestamps": timestamps, "values": values}).to_string();
    let sent = client.post(&format!("/observe/{id}"), &body).await?;
    ensure!(sent.status == 200, "{}", sent.text());
    Ok(())
}

/// Four series: one with an open anomaly, one whose anomaly is over, one without any, and one that has
/// only a model.
async fn four(client: Client) -> anyhow::Result<()> {
    client.fit("fitted", &series::three(1.0)).await?;
    stream(client, "open", r#"{"team":"core"}"#, &[25.0, 900.0]).await?;
    let back = [&[25.0, 900.0][..], &[24.0; 60]].concat();
    stream(client, "over", r#"{"team":"web"}"#, &back).await?;
    stream(client, "calm", r#"{"team":"Core"}"#, &[25.0; 5]).await
}

async fn overview(client: Client, query: &str) -> anyhow::Result<Overview> {
    client.get(&format!("/v1/overview?{query}")).await?.ok()
}

fn ids(page: &Overview) -> Vec<&str> {
    page.rows.iter().map(|row| row.series_id.as_str()).collect()
}

fn check(page: &Overview) -> anyhow::Result<()> {
    let counts = page.counts;
    assert_eq!((counts.open, counts.recent, counts.quiet), (1, 1, 2));
    assert_eq!(counts.alarms_24h, 2);
    let [open, over, calm, fitted] = &page.rows[..] else {
        anyhow::bail!("{page:?}");
    };
    let place = |row: &OverviewRow| (row.group, row.state);
    assert_eq!(place(open), (RowGroup::Open, RowState::Open));
    assert_eq!(place(over), (RowGroup::Recent, RowState::Over));
    assert_eq!(place(calm), (RowGroup::Quiet, RowState::Normal));
    assert_eq!(place(fitted), (RowGroup::Quiet, RowState::Normal));
    assert_eq!(
        (open.value, open.last_timestamp),
        (Some(900.0), Some(NOW - 60))
    );
    assert_eq!(
        (open.points_per_minute, calm.value),
        (Some(1.0), Some(25.0))
    );
    assert!(open.since.is_some() && open.severity.is_some() && over.since >= over.last_alarm);
    assert!(calm.severity.is_none() && calm.expected.is_some());
    assert_eq!(calm.labels.get("team").map(String::as_str), Some("Core"));
    let version = fitted.serving.context("a version")?;
    assert_eq!((version.to_string().as_str(), fitted.value), ("v1", None));
    assert!(calm.serving.is_none());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_needs_attention_comes_first() -> anyhow::Result<()> {
    let platform = Platform::start().await?;
    let client = platform.client();
    four(client).await?;
    let page = eventually("what was found is stored", || async {
        let page = overview(client, "").await?;
        let found = (page.counts.open, page.counts.recent);
        ensure!(ids(&page).len() == 4 && found == (1, 1), "{page:?}");
        Ok(page)
    })
    .await?;
    assert_eq!(ids(&page), ["open", "over", "calm", "fitted"]);
    check(&page)?;

    for (query, found) in [
        ("q=CAL", &["calm"][..]),
        ("q=team%3Dcore", &["open", "calm"]),
        ("label=team%3Dcore", &["open"]),
        ("from=0&to=1000", &[]),
        ("from=1000", &["open", "over"]),
        ("severity=low,medium,high,critical", &["open", "over"]),
        ("series=fitted,open,none", &["open", "fitted"]),
    ] {
        assert_eq!(ids(&overview(client, query).await?), found, "{query}");
    }
    // Page by page, all come once.
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let page = overview(client, &format!("limit=1{after}")).await?;
        seen.extend(page.rows.iter().map(|row| row.series_id.to_string()));
        match page.next {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!(seen, ids(&page));
    in_vain(client).await?;
    a_silence_shows(client).await?;
    histogram(client).await?;
    platform.stop().await.map(drop)
}

async fn in_vain(client: Client) -> anyhow::Result<()> {
    for query in [
        "limit=0",
        "after=x",
        "severity=bad",
        "from=x",
        "label=team",
        "x=1",
    ] {
        let reply = client.get(&format!("/v1/overview?{query}")).await?;
        assert_eq!(reply.status, 400, "{query}");
        let name = query.split('=').next().unwrap_or_default();
        ensure!(reply.text().contains(name), "{}", reply.text());
    }
    Ok(())
}

async fn a_silence_shows(client: Client) -> anyhow::Result<()> {
    let body = r#"{"matchers":[{"name":"team","op":"=~","value":"c.*"}],"ends_at":"2099-01-01T00:00:00Z"}"#;
    ensure!(client.post("/v1/silences", body).await?.status == 201);
    let page = overview(client, "").await?;
    let states: Vec<_> = page
        .rows
        .iter()
        .map(|row| (row.state, row.until.is_some()))
        .collect();
    assert_eq!(states[0], (RowState::Silenced, true));
    assert_eq!(page.rows[0].group, RowGroup::Open);
    // Labels have large and small letters.
    assert_eq!(
        states[1..3],
        [(RowState::Over, false), (RowState::Normal, false)]
    );
    Ok(())
}

async fn histogram(client: Client) -> anyhow::Result<()> {
    let shown: AlarmHistogram = client.get("/v1/alarms/histogram").await?.ok()?;
    let columns = [&shown.low, &shown.medium, &shown.high, &shown.critical];
    assert!(columns.iter().all(|column| column.len() == 96));
    assert_eq!(shown.step, 900);
    let newest: u64 = columns.iter().flat_map(|column| &column[94..]).sum();
    let all: u64 = columns.iter().copied().flatten().sum();
    assert_eq!((newest, all), (2, 2));
    let core: AlarmHistogram = client
        .get("/v1/alarms/histogram?label=team%3Dcore")
        .await?
        .ok()?;
    let columns = [core.low, core.medium, core.high, core.critical];
    assert_eq!(columns.iter().flatten().sum::<u64>(), 1);
    let bad = client.get("/v1/alarms/histogram?step=0").await?;
    assert_eq!(bad.status, 400);
    Ok(())
}
