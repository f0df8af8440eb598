//! Timestamps as people write them, the whole way: dates, fractions of a second, and values that are
//! missing.

use anyhow::ensure;
use contract::{FitReply, ObserveManyReply, ObserveReply};
use serde_json::{Value, json};

use crate::{Client, Reply, eventually};

/// 2023-08-31 05:45 UTC.
const START: i64 = 1_693_460_700;
const POINTS: i64 = 40;

/// Checks that `client` answers dates as it answers the integers that they stand for.
///
/// # Errors
/// The first answer that is not right.
pub async fn check(client: Client) -> anyhow::Result<()> {
    fits(client).await?;
    predictions(client).await?;
    refusals(client).await?;
    detections(client).await?;
    streams(client).await?;
    many_streams(client).await
}

/// A date of minute `n`, in UTC or in another zone.
fn date(n: i64) -> String {
    let (minute, hour) = ((45 + n) % 60, 5 + (45 + n) / 60);
    match n % 2 {
        0 => format!("2023-08-31T{hour:02}:{minute:02}:00Z"),
        _ => format!("2023-08-31T{:02}:{minute:02}:00+02:00", hour + 2),
    }
}

fn value(n: i64) -> f64 {
    10.0 + (n * 7 % 5) as f64
}

fn dates(n: std::ops::Range<i64>) -> Value {
    let values: Vec<f64> = n.clone().map(value).collect();
    json!({"timestamps": n.map(date).collect::<Vec<_>>(), "values": values})
}

fn integers(n: std::ops::Range<i64>) -> Value {
    let values: Vec<f64> = n.clone().map(value).collect();
    let timestamps: Vec<i64> = n.map(|n| START + 60 * n).collect();
    json!({"timestamps": timestamps, "values": values})
}

async fn post(client: Client, path: &str, body: &Value) -> anyhow::Result<Reply> {
    let body = body.to_string();
    client.send("POST", path, &[], Some(body.as_bytes())).await
}

async fn fits(client: Client) -> anyhow::Result<()> {
    for (series, mut points) in [
        ("dated", dates(0..POINTS)),
        ("counted", integers(0..POINTS)),
    ] {
        points["values"][3] = Value::Null;
        let fitted: FitReply = post(client, &format!("/fit/{series}"), &points)
            .await?
            .ok()?;
        ensure!(fitted.points_used == POINTS as usize - 1, "{fitted:?}");
        ensure!(
            fitted
                .warnings
                .iter()
                .any(|said| said == "1 value is null and counts as a gap"),
            "{fitted:?}"
        );
    }
    let plot = "/plot?series_id=dated&format=svg";
    let some = format!("{plot}&from=2023-08-31T05:50:00Z&to=1693461600.5");
    let whole = client.get(plot).await?;
    let some = client.get(&some).await?;
    ensure!((whole.status, some.status) == (200, 200), "{}", some.text());
    ensure!(whole.text() != some.text(), "all points are drawn");
    let none = client
        .get(&format!("{plot}&from=2024-01-01T00:00:00Z"))
        .await?;
    ensure!(none.status == 404, "{}", none.text());
    Ok(())
}

async fn predictions(client: Client) -> anyhow::Result<()> {
    let both = async |timestamp: Value, rest: Value| {
        let mut body = json!({"timestamp": timestamp, "value": 30.0});
        if let (Value::Object(body), Value::Object(rest)) = (&mut body, rest) {
            body.extend(rest);
        }
        let dated: Value = post(client, "/predict/dated", &body).await?.ok()?;
        let counted: Value = post(client, "/predict/counted", &body).await?.ok()?;
        ensure!(dated == counted, "{dated} {counted}");
        Ok(dated)
    };
    let by_integer = both(json!(START + 60 * POINTS), json!({})).await?;
    ensure!(by_integer["anomaly"] == true, "{by_integer}");
    for same in [json!(date(POINTS)), json!((START + 60 * POINTS) as f64)] {
        ensure!(both(same.clone(), json!({})).await? == by_integer, "{same}");
    }
    let context = json!({"context": integers(POINTS - 5..POINTS)});
    let by_integer = both(json!(START + 60 * POINTS), context).await?;
    let context = json!({"context": dates(POINTS - 5..POINTS)});
    ensure!(both(json!(date(POINTS)), context).await? == by_integer);

    let batch = post(client, "/predict/dated/batch", &dates(POINTS..POINTS + 3)).await?;
    let same = post(
        client,
        "/predict/dated/batch",
        &integers(POINTS..POINTS + 3),
    )
    .await?;
    ensure!(
        batch.status == 200 && batch.text() == same.text(),
        "{}",
        batch.text()
    );
    Ok(())
}

async fn refusals(client: Client) -> anyhow::Result<()> {
    let counters = json!({"timestamps": [1, 2, 3, 4], "values": [1.0, 2.0, 1.5, 2.5]});
    let _: FitReply = post(client, "/fit/counters", &counters).await?.ok()?;
    for (series, timestamp, code, said) in [
        (
            "dated",
            json!(START * 1_000),
            "wrong_time_unit",
            "counts in milliseconds",
        ),
        (
            "dated",
            json!("2023-08-31T05:45:00.5Z"),
            "wrong_time_unit",
            "is not a whole number of seconds",
        ),
        (
            "counters",
            json!(date(0)),
            "wrong_time_unit",
            "integers that are no dates",
        ),
        (
            "dated",
            json!("2023-08-31"),
            "invalid_payload",
            "or a date such as",
        ),
        (
            "dated",
            json!(1.5),
            "invalid_payload",
            "expected an integer",
        ),
    ] {
        let body = json!({"timestamp": timestamp, "value": 1.0});
        let reply = post(client, &format!("/predict/{series}"), &body).await?;
        ensure!(reply.status == 400, "{body}: {}", reply.text());
        let text = reply.text();
        ensure!(text.contains(code) && text.contains(said), "{body}: {text}");
    }
    Ok(())
}

async fn detections(client: Client) -> anyhow::Result<()> {
    let detect = async |points: Value| {
        let reply = post(client, "/v1/detect", &points).await?;
        reply.ok::<Value>()
    };
    let by_dates = detect(dates(0..POINTS)).await?;
    ensure!(by_dates == detect(integers(0..POINTS)).await?, "{by_dates}");
    ensure!(by_dates["verdicts"][0]["timestamp"].is_i64(), "{by_dates}");
    let mut with_gap = dates(0..POINTS);
    with_gap["values"][20] = Value::Null;
    let with_gap = detect(with_gap).await?;
    ensure!(
        with_gap["warnings"][0] == "1 value is null and counts as a gap",
        "{with_gap}"
    );
    Ok(())
}

async fn streams(client: Client) -> anyhow::Result<()> {
    let path = "/observe/half_seconds?wait_ms=10000";
    let first = json!({"timestamp": 1_693_460_700.5, "value": 1.0});
    let first: ObserveReply = post(client, path, &first).await?.ok()?;
    ensure!(first.point.timestamp == 1_693_460_700_500, "{first:?}");
    // A whole second, in the unit of the stream.
    let next = json!({"timestamps": [date(1), date(2)], "values": [1.0, null]});
    let next: ObserveManyReply = post(client, path, &next).await?.ok()?;
    ensure!(next.verdicts.len() == 1, "{next:?}");
    ensure!(
        next.verdicts[0].timestamp == (START + 60) * 1_000,
        "{next:?}"
    );
    ensure!(
        next.warnings == ["1 value is null and counts as a gap"],
        "{next:?}"
    );
    Ok(())
}

async fn many_streams(client: Client) -> anyhow::Result<()> {
    let line = |series: &str, timestamp: Value| {
        json!({"series_id": series, "timestamp": timestamp, "value": 2.0}).to_string()
    };
    let body = [
        line("line_1", json!(date(0))),
        line("line_2", json!(START)),
        line("line_1", json!(date(1))),
    ];
    let reply = client.post("/v1/points", &body.join("\n")).await?;
    ensure!(reply.status == 202, "{}", reply.text());
    ensure!(reply.json::<Value>()?["accepted"] == 3, "{}", reply.text());
    let path = "/v1/series/line_1/points?from=2023-08-31T05:45:30Z&to=2023-08-31T06:00:00Z";
    eventually("the points of a stream", || async {
        let points: Value = client.get(path).await?.ok()?;
        ensure!(points["timestamp"] == json!([START + 60]), "{points}");
        Ok(())
    })
    .await
}
