//! Columns that belong together, the whole way: fitted, judged, drawn, exported and refused.

use anyhow::{Context, ensure};
use contract::FitReply;
use serde_json::{Value, json};

use crate::{Client, Reply, eventually, series};

/// The first timestamp, and the number of training rows.
const START: i64 = 1_700_000_000;
const ROWS: usize = 400;

/// Checks that `client` answers requests about columns as documented.
///
/// # Errors
/// The first answer that is not right.
pub async fn check(client: Client) -> anyhow::Result<()> {
    let table = table(ROWS);
    let fitted = fit(client, &table).await?;
    // serde_json sorts the names of an object.
    ensure!(fitted.columns == ["cpu", "io", "mem"], "{fitted:?}");
    ensure!(fitted.points_used == ROWS, "{fitted:?}");
    one_row(client).await?;
    a_batch(client).await?;
    a_detection(client).await?;
    pictures(client).await?;
    transfer(client).await?;
    refusals(client).await
}

/// Rows of three columns that rise and fall together, with a little noise.
fn table(rows: usize) -> Value {
    let mut chance = fastrand::Rng::with_seed(11);
    let (mut cpu, mut mem, mut io) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rows {
        let load = chance.f64();
        cpu.push(50.0 + 20.0 * load + chance.f64());
        mem.push(8.0 + 2.0 * load + 0.1 * chance.f64());
        io.push(300.0 - 100.0 * load + 5.0 * chance.f64());
    }
    json!({"timestamps": timestamps(rows), "values": {"cpu": cpu, "mem": mem, "io": io}})
}

fn timestamps(rows: usize) -> Vec<i64> {
    (0..).map(|i| START + 60 * i).take(rows).collect()
}

/// All of the three at this load; the middle one as if the load were `of_mem`.
fn row(load: f64, of_mem: f64) -> Value {
    json!({"cpu": 50.5 + 20.0 * load, "mem": 8.05 + 2.0 * of_mem, "io": 302.5 - 100.0 * load})
}

async fn post(client: Client, path: &str, body: &Value) -> anyhow::Result<Reply> {
    let body = body.to_string();
    client.send("POST", path, &[], Some(body.as_bytes())).await
}

async fn fit(client: Client, table: &Value) -> anyhow::Result<FitReply> {
    post(client, "/fit/machine", table).await?.ok()
}

fn contributions(verdict: &Value) -> anyhow::Result<Vec<(String, f64)>> {
    let shares = verdict["contributions"]
        .as_object()
        .context("contributions")?;
    let share = |(name, share): (&String, &Value)| Some((name.clone(), share.as_f64()?));
    shares
        .iter()
        .map(share)
        .collect::<Option<_>>()
        .context("no number")
}

async fn one_row(client: Client) -> anyhow::Result<()> {
    let at = START + 60 * ROWS as i64;
    let judge = async |value: Value| -> anyhow::Result<Value> {
        let body = json!({"timestamp": at, "value": value});
        post(client, "/predict/machine", &body).await?.ok()
    };
    let usual = judge(row(0.4, 0.4)).await?;
    ensure!(
        usual["anomaly"] == false && usual["direction"] == "none",
        "{usual}"
    );
    ensure!(
        usual["model_version"] == "v1" && usual["detector"] == "auto",
        "{usual}"
    );
    // Each value has been seen, but not together.
    let odd = judge(row(0.1, 0.9)).await?;
    ensure!(
        odd["anomaly"] == true && odd["direction"] == "pattern",
        "{odd}"
    );
    let shares = contributions(&odd)?;
    let sum: f64 = shares.iter().map(|(_, share)| share).sum();
    ensure!((sum - 1.0).abs() < 1e-9, "{odd}");
    let largest = shares.iter().max_by(|a, b| a.1.total_cmp(&b.1));
    ensure!(largest.is_some_and(|(name, _)| name == "mem"), "{odd}");
    for name in ["cpu", "mem", "io"] {
        let column = &odd["columns"][name];
        ensure!(
            column["expected"].is_number() && column["p_value"].is_number(),
            "{odd}"
        );
    }
    let context =
        json!({"timestamps": [at - 60], "values": {"io": [262], "mem": [8.8], "cpu": [58]}});
    let body = json!({
        "timestamp": at, "value": row(0.1, 0.9), "version": "v1", "false_alarm_rate": 0.01,
        "context": context, "direction": "above"
    });
    let odd: Value = post(client, "/predict/machine", &body).await?.ok()?;
    ensure!(odd["anomaly"] == true, "{odd}");
    ensure!(
        odd["warnings"] == json!(["unknown field `direction` was ignored"]),
        "{odd}"
    );
    Ok(())
}

async fn a_batch(client: Client) -> anyhow::Result<()> {
    let rows = [row(0.3, 0.3), row(0.9, 0.1), row(0.6, 0.6)];
    let column = |name: &str| -> Vec<Value> { rows.iter().map(|row| row[name].clone()).collect() };
    let body = json!({
        "timestamps": timestamps(3),
        "values": {"io": column("io"), "cpu": column("cpu"), "mem": column("mem")}
    });
    let reply: Value = post(client, "/predict/machine/batch", &body).await?.ok()?;
    ensure!(reply["anomalies"] == 1, "{reply}");
    let flags: Vec<bool> = (0..3)
        .map(|i| reply["verdicts"][i]["anomaly"] == true)
        .collect();
    ensure!(flags == [false, true, false], "{reply}");
    ensure!(
        reply["verdicts"][2]["value"]["cpu"] == rows[2]["cpu"],
        "{reply}"
    );
    Ok(())
}

/// The training rows and as many again, where row 600 is off.
fn longer() -> Value {
    let mut long = table(800);
    long["values"]["mem"][600] = json!(8.05);
    long["values"]["cpu"][600] = json!(70.0);
    long["values"]["io"][600] = json!(202.0);
    long["train"] = json!(400);
    long
}

async fn a_detection(client: Client) -> anyhow::Result<()> {
    let reply: Value = post(client, "/v1/detect", &longer()).await?.ok()?;
    let at = START + 60 * 600;
    let verdict = &reply["verdicts"][200];
    ensure!(
        verdict["timestamp"] == at && verdict["anomaly"] == true,
        "{verdict}"
    );
    ensure!(verdict["alarm"].is_boolean(), "{verdict}");
    ensure!(
        reply["train"] == 400 && reply["columns"] == json!(["cpu", "io", "mem"]),
        "no columns"
    );
    let episodes = reply["episodes"].as_array().context("episodes")?;
    ensure!(
        episodes.iter().any(|episode| episode["peak"] == at),
        "{episodes:?}"
    );
    ensure!(reply["alarms"] == episodes.len(), "{}", reply["alarms"]);
    let lines = [("accept", "application/x-ndjson")];
    let body = longer().to_string();
    let lines = client
        .send("POST", "/v1/detect", &lines, Some(body.as_bytes()))
        .await?;
    let text = lines.text();
    ensure!(
        text.lines().count() == 401,
        "{} lines",
        text.lines().count()
    );
    let last: Value = serde_json::from_str(text.lines().last().unwrap_or_default())?;
    ensure!(last["summary"]["alarms"] == reply["alarms"], "{last}");
    Ok(())
}

async fn pictures(client: Client) -> anyhow::Result<()> {
    let path = "/plot?series_id=machine&format=svg&height=600";
    let svg = eventually("the plot of columns", || async {
        let reply = client.get(path).await?;
        ensure!(reply.status == 200, "{}", reply.text());
        Ok(reply.text())
    })
    .await?;
    for name in ["cpu", "mem", "io"] {
        ensure!(
            svg.contains(&format!("machine {name}")),
            "{name} is not drawn"
        );
    }
    let drawn = post(client, "/v1/detect/plot?title=T", &longer()).await?;
    ensure!(
        drawn.status == 200 && drawn.body.starts_with(b"\x89PNG"),
        "{}",
        drawn.status
    );
    Ok(())
}

async fn transfer(client: Client) -> anyhow::Result<()> {
    let file = client.get("/v1/series/machine/models/v1/export").await?;
    ensure!(file.status == 200, "{}", file.text());
    let imported = client
        .send("POST", "/v1/series/copy/models", &[], Some(&file.body))
        .await?;
    ensure!(imported.status == 201, "{}", imported.text());
    let body = json!({"timestamp": START, "value": row(0.1, 0.9)});
    let verdict: Value = post(client, "/predict/copy", &body).await?.ok()?;
    ensure!(verdict["anomaly"] == true, "{verdict}");
    let listed: Value = client.get("/v1/series/machine/models").await?.ok()?;
    ensure!(listed["models"][0]["points"] == ROWS, "{listed}");
    Ok(())
}

async fn refusals(client: Client) -> anyhow::Result<()> {
    client.fit("numbers", &series::rising(30, 1.0)).await?;
    mismatches(client).await?;
    let few = json!({"timestamps": timestamps(9), "values": {"a": vec![1; 9], "b": vec![2; 9]}});
    let equal =
        json!({"timestamps": timestamps(20), "values": {"a": vec![1; 20], "b": vec![2; 20]}});
    let uneven = json!({"timestamps": [1, 2], "values": {"a": [1, 2], "b": [1]}});
    for (body, code, said) in [
        (few, "insufficient_data", "9 points are fewer than 10"),
        (equal, "constant_data", "all 20 values are 1"),
        (
            uneven,
            "invalid_payload",
            "column \"b\" has 1 values for 2 timestamps",
        ),
    ] {
        refused(client, "/fit/x", &body, code, said).await?;
    }
    Ok(())
}

/// Requests of one kind to a model of the other, and of other columns.
async fn mismatches(client: Client) -> anyhow::Result<()> {
    const MACHINE: &str = "/predict/machine";
    let ask = |at: i64, value: Value| json!({"timestamp": at, "value": value});
    let whole = row(0.1, 0.1);
    let unknown = json!({"cpu": 1, "mem": 2, "io": 3, "x": 4});
    let batch = json!({"timestamps": [START], "values": [1]});
    let (number, few) = (json!(1), json!({"cpu": 1, "mem": 2}));
    let missing = "The model has a column \"io\"";
    for (path, body, said) in [
        (
            "/predict/numbers",
            ask(START, whole.clone()),
            "The model has no columns",
        ),
        (
            MACHINE,
            ask(START, number),
            "a value for each: cpu, io, mem",
        ),
        ("/predict/machine/batch", batch, "send a value for each"),
        (MACHINE, ask(START, few), missing),
        (
            MACHINE,
            ask(START, unknown),
            "The model has no column \"x\"",
        ),
    ] {
        refused(client, path, &body, "columns_mismatch", said).await?;
    }
    let late = ask(START * 1_000, whole);
    refused(client, MACHINE, &late, "wrong_time_unit", "milliseconds").await?;
    let null = ask(START, json!({"cpu": 1, "mem": null}));
    let said = "value: mem: invalid type: null";
    refused(client, MACHINE, &null, "invalid_payload", said).await
}

/// Checks that `body` is refused with `code`, and that the problem says `said`.
async fn refused(
    client: Client,
    path: &str,
    body: &Value,
    code: &str,
    said: &str,
) -> anyhow::Result<()> {
    let reply = post(client, path, body).await?;
    ensure!(reply.status == 400, "{path} {body}: {}", reply.status);
    let problem = reply.problem()?;
    let faults = problem.errors.iter().map(|fault| fault.detail.as_str());
    let all = format!(
        "{} {}",
        problem.detail,
        faults.collect::<Vec<_>>().join(" ")
    );
    ensure!(
        problem.code == code && all.contains(said),
        "{path} {body}: {} {all}",
        problem.code
    );
    Ok(())
}
