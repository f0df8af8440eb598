//! Streams: points are judged one by one as they would be all at once, whatever dies.

use anyhow::{Context, ensure};
use contract::{
    AnomalyList, IncidentList, ObserveReply, OpenStatus, PointStatus, SeriesPoints, StreamReply,
    TimeUnit,
};
use serde_json::Value;
use testkit::{Client, eventually, streams};
use tokio::{sync::watch, task::JoinSet};

use crate::program::Program;

const WARMUP: usize = 40;

/// Noise with a daily rhythm, an outlier, and a burst at the end.
pub(crate) fn values(n: usize) -> Vec<f64> {
    let mut random = fastrand::Rng::with_seed(3);
    let value = |i: usize| match i {
        70 => 60.0,
        120..=124 => 45.0,
        _ => 20.0 + 3.0 * (i as f64 / 24.0).sin() + random.f64(),
    };
    (0..n).map(value).collect()
}

pub(crate) fn timestamp(i: usize) -> i64 {
    1_700_000_000 + 3_600 * i as i64
}

async fn observe(client: Client, series: &str, i: usize, value: f64) -> anyhow::Result<Value> {
    let body = format!(r#"{{"timestamp":{},"value":{value}}}"#, timestamp(i));
    client
        .post(&format!("/observe/{series}"), &body)
        .await?
        .ok()
}

/// The anomalies of the series `s` are the episodes of `at_once`, and all are in incidents.
async fn anomalies_are_episodes(client: Client, at_once: &Value) -> anyhow::Result<()> {
    let episodes = at_once["episodes"].as_array().context("episodes")?;
    let list = eventually("the stream has judged its points", || async {
        let path = "/v1/series/s/anomalies?kind=value";
        let listed: AnomalyList = client.get(path).await?.ok()?;
        let told = listed.anomalies.iter().filter(|a| !a.silenced).count();
        ensure!(told == episodes.len(), "{told} of {}", episodes.len());
        Ok(listed)
    })
    .await?;
    let mut starts: Vec<i64> = list
        .anomalies
        .iter()
        .filter(|a| !a.silenced)
        .map(|a| a.start)
        .collect();
    starts.sort_unstable();
    let expected: Vec<i64> = episodes
        .iter()
        .filter_map(|e| e["start"].as_i64())
        .collect();
    assert_eq!(starts, expected);
    let incidents: IncidentList = client.get("/v1/incidents").await?.ok()?;
    let counted: u64 = incidents
        .incidents
        .iter()
        .map(|incident| incident.count)
        .sum();
    assert_eq!(counted, episodes.len() as u64);
    Ok(())
}

/// How often the observer has stored what it found.
async fn commits(admin: Client) -> anyhow::Result<u64> {
    let metrics = admin.get("/metrics").await?.text();
    let mut lines = metrics.lines();
    let count = lines.find_map(|line| line.strip_prefix("anomaly_observer_commits_total "));
    Ok(count.context("no such metric")?.parse()?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_by_one_equals_at_once_across_kills() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let values = values(160);
    let timestamps: Vec<i64> = (0..values.len()).map(timestamp).collect();
    let mut program = Program::start(folder.path()).await?;
    let options = format!(r#"{{"warmup":{WARMUP}}}"#);
    let created = program
        .client
        .put("/v1/series/s/stream", &[], &options)
        .await?;
    ensure!(
        created.status == 201,
        "{} {}",
        created.status,
        created.text()
    );
    let mut observed = Vec::new();
    for (i, value) in values.iter().enumerate() {
        if i % 31 == 17 {
            // What was found is stored, and the state is not: a replay has to begin before.
            let before = commits(program.admin).await?;
            eventually("a commit", || async {
                ensure!(commits(program.admin).await? > before + 1);
                Ok(())
            })
            .await?;
            program.process.kill()?;
            program = Program::start(folder.path()).await?;
            // The last point may have to be sent again: that is safe.
            let again = observe(program.client, "s", i - 1, values[i - 1]).await?;
            ensure!(again["status"] == "duplicate", "{again}");
            let mut first: Value = observed.last().cloned().context("a point before")?;
            first["status"] = "duplicate".into();
            assert_eq!(again, first);
        }
        observed.push(observe(program.client, "s", i, *value).await?);
    }
    let client = program.client;
    let at_once = streams::at_once(client, &timestamps, &values, WARMUP, &observed).await?;
    let verdicts = at_once["verdicts"].as_array().context("verdicts")?;
    ensure!(verdicts.iter().any(|verdict| verdict["alarm"] == true));

    anomalies_are_episodes(client, &at_once).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_at_any_moment_lose_no_point_and_learn_none_twice() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let values = values(120);
    let mut acknowledged = 0;
    let mut program = Program::start(folder.path()).await?;
    while acknowledged < values.len() {
        let (client, to) = (program.client, values.clone());
        let (progress, mut reached) = watch::channel(acknowledged);
        let mut sending = JoinSet::new();
        sending.spawn(async move {
            let mut next = acknowledged;
            while next < to.len() && observe(client, "k", next, to[next]).await.is_ok() {
                next += 1;
                progress.send_replace(next);
            }
        });
        let enough = values.len().min(acknowledged + fastrand::usize(1..12));
        reached.wait_for(|next| *next >= enough).await?;
        program.process.kill()?;
        sending.join_all().await;
        acknowledged = *reached.borrow();
        program = Program::start(folder.path()).await?;
    }
    let stream: StreamReply = eventually("the stream has judged its points", || async {
        let stream: StreamReply = program.client.get("/v1/series/k/stream").await?.ok()?;
        ensure!(
            stream.points == values.len() as u64,
            "{} points",
            stream.points
        );
        Ok(stream)
    })
    .await?;
    assert_eq!(stream.last_timestamp, Some(timestamp(values.len() - 1)));
    assert_eq!(stream.counts.conflict + stream.counts.late, 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_anomaly_is_found_told_and_forgotten_with_its_series() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let program = Program::start(folder.path()).await?;
    let client = program.client;
    let labels = r#"{"detector":"robust","warmup":30,"labels":{"host":"a1"}}"#;
    client.put("/v1/series/a/stream", &[], labels).await?;
    for i in 0..40 {
        observe(client, "a", i, (i % 5) as f64).await?;
    }
    let odd: ObserveReply = serde_json::from_value(observe(client, "a", 40, 99.0).await?)?;
    assert_eq!(odd.point.status, PointStatus::Judged);
    let verdict = odd.point.verdict.context("a verdict")?;
    ensure!(verdict.online.alarm && !verdict.escalation && verdict.learning.is_none());
    let id = verdict.anomaly_id.context("an anomaly")?;
    let find = |query: &'static str, n: usize| async move {
        eventually("the stream has judged its points", || async {
            let listed: AnomalyList = client.get(&format!("/v1/anomalies{query}")).await?.ok()?;
            let found = listed.anomalies.len();
            ensure!(found == n, "{found} at {query}");
            Ok(listed.anomalies)
        })
        .await
    };
    let open = find("?status=open&label=host=a1&severity=low", 1).await?;
    assert_eq!((open[0].anomaly_id, open[0].status), (id, OpenStatus::Open));
    find("?label=host=b2", 0).await?;
    find("?prefix=b", 0).await?;
    let detail: Value = client.get(&format!("/v1/anomalies/{id}")).await?.ok()?;
    assert_eq!(detail["context"].as_array().map(Vec::len), Some(41));
    for i in 41..80 {
        observe(client, "a", i, (i % 5) as f64).await?;
    }
    find("?status=open", 0).await?;
    let closed = find("?status=closed", 1).await?;
    assert_eq!(closed[0].end, timestamp(40));

    let ended = client.delete("/v1/series/a/stream", &[]).await?;
    assert_eq!(ended.status, 204);
    let again = client.delete("/v1/series/a/stream", &[]).await?;
    assert_eq!(
        (again.status, &*again.problem()?.code),
        (404, "stream_not_found")
    );
    find("", 1).await?;

    // Another one, which goes with its series.
    client.put("/v1/series/b/stream", &[], labels).await?;
    for i in 0..40 {
        observe(client, "b", i, if i == 39 { 99.0 } else { (i % 5) as f64 }).await?;
    }
    find("?series=b", 1).await?;
    let listed: Value = client.get("/v1/series").await?.ok()?;
    let line = &listed["series"][0];
    assert_eq!(
        (&line["series_id"], &line["models"]),
        (&"b".into(), &0.into())
    );
    assert_eq!(client.delete("/v1/series/b", &[]).await?.status, 204);
    find("?series=b", 0).await?;
    let listed: Value = client.get("/v1/series").await?.ok()?;
    assert_eq!(listed["series"], Value::Array(Vec::new()));
    assert_eq!(client.delete("/v1/series/b", &[]).await?.status, 404);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn points_of_any_series_are_taken_whole_or_not_at_all() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let program = Program::start(folder.path()).await?;
    let client = program.client;
    let line = |series: &str, i: usize| {
        format!(
            "{{\"series_id\":\"{series}\",\"timestamp\":{i},\"value\":{}}}\n",
            i % 7
        )
    };
    let lines: String = (0..300)
        .flat_map(|i| [line("x", i), line("y", i)])
        .collect();
    let broken = client
        .post("/v1/points", &format!("{lines}{{\"series_id\":\"x\"}}\n"))
        .await?;
    let problem = broken.problem()?;
    assert_eq!(&*problem.code, "invalid_payload");
    ensure!(problem.detail.contains("line 601"), "{}", problem.detail);
    let nothing = client.get("/v1/series/x/stream").await?;
    assert_eq!(nothing.status, 404);

    let taken = client.post("/v1/points?notify=false", &lines).await?;
    assert_eq!(
        (taken.status, &*taken.text()),
        (202, "{\"accepted\":600}\n")
    );
    eventually("the stream has judged its points", || async {
        for series in ["x", "y"] {
            let path = format!("/v1/series/{series}/stream");
            let stream: StreamReply = client.get(&path).await?.ok()?;
            ensure!(stream.points == 300, "{} points", stream.points);
        }
        Ok(())
    })
    .await?;
    let accepted = client
        .post("/observe/x?wait_ms=0", r#"{"timestamp":300,"value":1}"#)
        .await?;
    let body = "{\"series_id\":\"x\",\"status\":\"accepted\"}\n";
    assert_eq!((accepted.status, &*accepted.text()), (202, body));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_in_requests_are_named() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let program = Program::start(folder.path()).await?;
    let client = program.client;
    for query in [
        "after=x",
        "limit=0",
        "order=size",
        "kind=odd",
        "label=a",
        "since=now",
        "x=1",
    ] {
        let problem = client
            .get(&format!("/v1/anomalies?{query}"))
            .await?
            .problem()?;
        assert_eq!(&*problem.code, "invalid_parameter", "{query}");
    }
    for path in ["anomalies", "incidents"] {
        let nothing = client.get(&format!("/v1/{path}/{:032x}", 0)).await?;
        assert_eq!(nothing.status, 404, "{path}");
    }
    for (path, body, code) in [
        ("/observe/x", r#"{"timestamp":1}"#, "invalid_payload"),
        (
            "/observe/x",
            r#"{"timestamp":1,"value":1e999}"#,
            "invalid_payload",
        ),
        (
            "/observe/x?wait_ms=20000",
            r#"{"timestamp":1,"value":1}"#,
            "invalid_parameter",
        ),
        (
            "/observe/x%2Fy",
            r#"{"timestamp":1,"value":1}"#,
            "invalid_series_id",
        ),
        ("/v1/points", "", "invalid_payload"),
        (
            "/v1/points?x=1",
            r#"{"series_id":"x","timestamp":1,"value":1}"#,
            "invalid_parameter",
        ),
    ] {
        let problem = client.post(path, body).await?.problem()?;
        assert_eq!(&*problem.code, code, "{path}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silences_are_made_listed_and_removed() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let program = Program::start(folder.path()).await?;
    let client = program.client;
    let body = r#"{"matchers":[{"name":"host","op":"=~","value":"db.*"}],"ends_at":"2090-01-02T00:00:00Z"}"#;
    let made = client.post("/v1/silences", body).await?;
    assert_eq!(made.status, 201);
    let made: Value = made.json()?;
    let listed: Value = client.get("/v1/silences").await?.ok()?;
    assert_eq!(listed["silences"], Value::from(vec![made.clone()]));
    let id = made["silence_id"].as_str().context("an id")?;
    let path = format!("/v1/silences/{id}");
    for status in [204, 404] {
        assert_eq!(client.delete(&path, &[]).await?.status, status);
    }
    let problem = client.post("/v1/silences", "{}").await?.problem()?;
    assert_eq!(&*problem.code, "invalid_payload");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn points_can_be_looked_at_before_and_after_they_are_stored() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut program = Program::start(folder.path()).await?;
    let values = values(130);
    let options = format!(r#"{{"warmup":{WARMUP}}}"#);
    program
        .client
        .put("/v1/series/p/stream", &[], &options)
        .await?;
    let mut verdicts = Vec::new();
    for (i, value) in values.iter().enumerate() {
        if matches!(i, 60 | 100) {
            // States are stored at a stop and not after a kill.
            match i {
                60 => program.process.kill()?,
                _ => drop(program.process.terminate().await?),
            }
            program = Program::start(folder.path()).await?;
        }
        verdicts.push(observe(program.client, "p", i, *value).await?);
    }
    let client = program.client;
    let of = |name: &'static str, shown: &Value| -> Vec<Value> {
        shown[name].as_array().cloned().unwrap_or_default()
    };
    let shown: Value = eventually("all points to be shown", || async {
        let shown: Value = client.get("/v1/series/p/points").await?.ok()?;
        let n = of("timestamp", &shown).len();
        ensure!(n == values.len(), "{n} points");
        Ok(shown)
    })
    .await?;
    say_what_was_said(&shown, &verdicts)?;
    parts_of_it(client, &shown).await?;
    findings(client).await?;

    client.delete("/v1/series/p/stream", &[]).await?;
    let ended: Value = client.get("/v1/series/p/points").await?.ok()?;
    for column in [
        "timestamp",
        "value",
        "lower",
        "outside",
        "gaps",
        "unit",
        "step",
    ] {
        assert_eq!(ended[column], shown[column], "{column}");
    }
    Ok(())
}

/// The points that are `shown` have what their `verdicts` said.
fn say_what_was_said(shown: &Value, verdicts: &[Value]) -> anyhow::Result<()> {
    let of = |name: &str| shown[name].as_array().cloned().unwrap_or_default();
    for (i, verdict) in verdicts.iter().enumerate() {
        for (column, member) in [
            ("timestamp", "timestamp"),
            ("value", "value"),
            ("expected", "expected"),
            ("lower", "lower"),
            ("upper", "upper"),
        ] {
            assert_eq!(of(column)[i], verdict[member], "{i} {column}");
        }
    }
    let odd = |member: &str| -> Vec<Value> {
        let odd = verdicts.iter().filter(|verdict| verdict[member] == true);
        odd.map(|verdict| verdict["timestamp"].clone()).collect()
    };
    assert_eq!(of("outside"), odd("anomaly"));
    let alarms = of("alarms");
    let raised: Vec<Value> = alarms
        .iter()
        .map(|alarm| alarm["timestamp"].clone())
        .collect();
    assert_eq!(raised, odd("alarm"));
    ensure!(!odd("alarm").is_empty());
    Ok(())
}

/// What was found is shown with the points.
async fn findings(client: Client) -> anyhow::Result<()> {
    let shown = eventually("what was found", || async {
        let shown: SeriesPoints = client.get("/v1/series/p/points").await?.ok()?;
        let told = shown.alarms.iter().all(|alarm| alarm.reason.is_some());
        ensure!(told && !shown.anomalies.is_empty(), "{:?}", shown.alarms);
        Ok(shown)
    })
    .await?;
    assert_eq!(
        (shown.unit, shown.step),
        (Some(TimeUnit::Seconds), Some(3_600))
    );
    let [first, ..] = &shown.anomalies[..] else {
        anyhow::bail!("{shown:?}");
    };
    assert!(first.anomaly_id.is_some() && shown.gaps.is_empty() && shown.fits.is_empty());
    let alarm = &shown.alarms[0];
    assert_eq!(
        (alarm.severity, alarm.direction),
        (Some(first.severity), Some(first.direction))
    );
    assert!(shown.timestamp.contains(&alarm.about));
    Ok(())
}

/// Asks for a few of the points that are `shown`, for buckets of them, and in vain.
async fn parts_of_it(client: Client, shown: &Value) -> anyhow::Result<()> {
    let rows = |shown: &Value| shown["timestamp"].as_array().map(Vec::len);
    let path = format!(
        "/v1/series/p/points?from={}&to={}",
        timestamp(5),
        timestamp(7)
    );
    let few: Value = client.get(&path).await?.ok()?;
    assert_eq!(rows(&few), Some(3));
    let buckets: Value = client.get("/v1/series/p/points?max=10").await?.ok()?;
    ensure!(
        rows(&buckets).is_some_and(|n| (5..=11).contains(&n)),
        "{buckets}"
    );
    assert_eq!(buckets["outside"], shown["outside"]);
    assert_eq!(
        buckets["alarms"].as_array().map(Vec::len),
        shown["alarms"].as_array().map(Vec::len)
    );
    for (query, fault) in [("max=0", "max"), ("from=x", "from"), ("until=1", "until")] {
        let reply = client.get(&format!("/v1/series/p/points?{query}")).await?;
        assert_eq!(reply.status, 400);
        ensure!(reply.text().contains(fault), "{}", reply.text());
    }
    assert_eq!(client.get("/v1/series/q/points").await?.status, 404);
    Ok(())
}
