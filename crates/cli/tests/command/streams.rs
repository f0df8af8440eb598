//! Observing points, and looking at streams and changing them.

use std::{
    io::{BufRead, BufReader, Write},
    process::Stdio,
    sync::atomic::{AtomicUsize, Ordering},
};

use anyhow::Context;
use serde_json::{Value, json};

use crate::{
    BUSY, Folder, PROBLEM, anomaly, asked, failure,
    server::{Reply, Request, Server},
    stderr, stdout, success,
};

const ACCEPTED: &str = r#"{"series_id":"s","status":"accepted"}"#;

/// What becomes of a point: values over 100 raise an alarm, 0 is learned without a verdict, and
/// negative ones come too late.
fn observed(timestamp: i64, value: f64) -> Value {
    let mut point = json!({"status": "judged", "timestamp": timestamp, "value": value});
    let rest = if value < 0.0 {
        json!({"status": "late", "last_timestamp": 1693459200,
               "detail": "timestamp is not after the last one"})
    } else if value == 0.0 {
        json!({"status": "learning", "learning": {"points": 1, "of": 750}})
    } else {
        let odd = value > 100.0;
        json!({"anomaly": odd, "score": 0.5, "severity": if odd { "high" } else { "none" },
               "p_value": 1.25e-5, "expected": 50.0, "lower": null, "upper": 100.0,
               "direction": if odd { "above" } else { "none" },
               "reason": format!("{value} against 50 expected (limit 100)"), "detector": "auto",
               "alarm": odd, "ratio": 1.5, "escalation": false, "peak_timestamp": timestamp,
               "anomaly_id": null, "learning": {"points": 7, "of": 750}})
    };
    let members = point.as_object_mut().unwrap();
    members.extend(rest.as_object().unwrap().clone());
    point
}

/// A platform that observes.
pub(crate) fn observer(request: &Request) -> Reply {
    let body: Value = serde_json::from_str(&request.body).unwrap();
    if let Some(timestamp) = body["timestamp"].as_i64() {
        let mut point = observed(timestamp, body["value"].as_f64().unwrap());
        point["series_id"] = json!("s");
        return Reply::ok(point.to_string());
    }
    let timestamps = body["timestamps"].as_array().unwrap().iter();
    let points = timestamps.zip(body["values"].as_array().unwrap());
    let verdicts: Vec<_> = points
        .map(|(timestamp, value)| observed(timestamp.as_i64().unwrap(), value.as_f64().unwrap()))
        .collect();
    let reply = json!({"series_id": "s", "counts": {}, "verdicts": verdicts});
    Reply::ok(reply.to_string())
}

/// `rows` values, the timestamp of each its number: 50, but `odd` at its end.
fn rows(rows: usize, odd: &str) -> String {
    let mut text = "ts,value\n".to_owned();
    for row in 1..rows {
        text.push_str(&format!("{row},50\n"));
    }
    text + &format!("{rows},{odd}\n")
}

#[test]
fn one_point_is_judged_and_learned() -> anyhow::Result<()> {
    let server = Server::start(observer)?;
    let observe = |value: &str| {
        let time = "2023-08-31T05:20:00Z";
        success(
            &server.url,
            &["observe", "s 1", "--timestamp", time, "--value", value],
        )
    };
    assert_eq!(
        observe("120")?,
        "s 1: 120 at 2023-08-31 05:20:00 is an anomaly of high severity, with an alarm
  120 against 50 expected (limit 100)
  expected 50, normal up to 100; p-value 1.25e-5, score 0.5, direction above, detector auto
  still learning: 7 of 750 points\n"
    );
    assert!(observe("60")?.starts_with("s 1: 60 at 2023-08-31 05:20:00 is normal\n"));
    assert_eq!(
        observe("0")?,
        "s 1: 0 at 2023-08-31 05:20:00 is learned, too early for a verdict (1 of 750 points)\n"
    );
    assert_eq!(
        observe("-1")?,
        "s 1: -1 at 2023-08-31 05:20:00 is not learned: late, timestamp is not after the last one \
         (2023-08-31 05:20:00)\n"
    );
    assert_eq!(
        asked(&server.seen())[0],
        (
            "POST /observe/s%201?wait_ms=10000",
            r#"{"timestamp":1693459200,"value":120.0}"#
        )
    );
    let accepted = Server::start(|_| Reply::new(202, ACCEPTED))?;
    let point = [
        "observe",
        "s",
        "--timestamp",
        "7",
        "--value",
        "1",
        "--no-notify",
    ];
    let printed = success(&accepted.url, &point)?;
    assert_eq!(printed, "s: 1 at 7 is kept, and judged soon\n");
    let line = &accepted.seen()[0].line;
    assert_eq!(line, "POST /observe/s?wait_ms=10000&notify=false");
    Ok(())
}

#[test]
fn a_file_is_observed_in_the_order_of_its_times() -> anyhow::Result<()> {
    let server = Server::start(observer)?;
    let folder = Folder::new()?;
    let text = "ts,value\n3,120\n1,0\n2,60\n9,-1\n4,50\n5,50\n6,50\n7,50\n8,50\n";
    let file = folder.file("a.csv", text)?;
    assert_eq!(
        success(&server.url, &["observe", "s", &file])?,
        "  3                        alarm, high        value 120
      120 against 50 expected (limit 100)
1 alarm and 1 anomaly in 7 verdicts
1 learned, too early for a verdict
1 not learned: late, before the last one of the stream\n"
    );
    let bodies: Vec<_> = server.seen().into_iter().map(|r| r.body).collect();
    assert_eq!(
        bodies,
        [
            r#"{"timestamps":[1,2,3,4,5,6,7,8],"values":[0.0,60.0,120.0,50.0,50.0,50.0,50.0,50.0]}"#,
            r#"{"timestamps":[9],"values":[-1.0]}"#,
        ]
    );
    let all = success(&server.url, &["observe", "s", &file, "--all"])?;
    for line in [
        "  1                        learning           value 0\n",
        "  2                        normal             value 60\n",
        "  9                        late               value -1\n",
    ] {
        assert!(all.contains(line), "{line} is not in\n{all}");
    }
    let json = success(&server.url, &["observe", "s", &file, "--json"])?;
    assert_eq!(json.lines().count(), 2);
    assert!(json.starts_with(r#"{"counts""#), "{json}");
    Ok(())
}

#[test]
fn what_broke_off_is_sent_again_until_there_are_verdicts() -> anyhow::Result<()> {
    let calls = AtomicUsize::new(0);
    let server = Server::start(move |request| match calls.fetch_add(1, Ordering::SeqCst) {
        1 => observer(request).broken_off(),
        2 => Reply::new(503, BUSY).with("retry-after-ms: 1"),
        3 => Reply::new(502, "<html>"),
        4 => Reply::new(202, ACCEPTED),
        _ => observer(request),
    })?;
    let folder = Folder::new()?;
    let file = folder.file("a.csv", &rows(17, "120"))?;
    let printed = success(&server.url, &["observe", "s", &file])?;
    assert!(
        printed.ends_with("1 alarm and 1 anomaly in 17 verdicts\n"),
        "{printed}"
    );
    let seen = server.seen();
    assert_eq!(seen.len(), 3 + 4);
    let second = &seen[1].body;
    assert!(second.contains("[9,10,11,12,13,14,15,16]"), "{second}");
    assert!(seen[1..6].iter().all(|request| request.body == *second));
    Ok(())
}

#[test]
fn a_refused_point_is_named_and_ends_the_observation() -> anyhow::Result<()> {
    let calls = AtomicUsize::new(0);
    let server = Server::start(move |request| match calls.fetch_add(1, Ordering::SeqCst) {
        1 => Reply::new(400, PROBLEM),
        _ => observer(request),
    })?;
    let folder = Folder::new()?;
    let file = folder.file("a.csv", &rows(20, "50"))?;
    let said = failure(&server.url, &["observe", "s", &file], 1)?;
    assert!(
        said.contains("error: at 9: Insufficient or constant data (400)"),
        "{said}"
    );
    assert_eq!(server.seen().len(), 2);
    // A platform that was never there is not waited for.
    let url = "http://127.0.0.1:1";
    let said = failure(url, &["observe", "s", &file], 1)?;
    assert!(said.contains("no answer from"), "{said}");
    Ok(())
}

#[test]
fn standard_input_is_observed_as_it_comes() -> anyhow::Result<()> {
    let server = Server::start(observer)?;
    let mut child = anomaly(&server.url, &["observe", "s", "-", "--all", "--strict"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut input = child.stdin.take().context("piped")?;
    let mut printed = BufReader::new(child.stdout.take().context("piped")?).lines();
    // The pipe stays open, and each verdict comes before the next row goes.
    input.write_all(b"ts,value\n")?;
    for row in 1..=10 {
        input.write_all(format!("{row},50\n").as_bytes())?;
        let line = printed.next().context("a line")??;
        assert_eq!(line, format!("  {row:<23}  normal             value 50"));
    }
    // What cannot be read ends it, after what came before.
    input.write_all(b"11,50\n12,x\n13,50\n")?;
    let line = printed.next().context("a line")??;
    assert!(line.starts_with("  11 "), "{line}");
    let output = child.wait_with_output()?;
    assert_eq!(output.status.code(), Some(2));
    let said = stderr(&output);
    assert!(said.contains("error: line 13, column value"), "{said}");
    assert_eq!(server.seen().len(), 11);
    let nothing = anomaly(&server.url, &["observe", "s", "-"])
        .stdin(Stdio::null())
        .output()?;
    assert!(stderr(&nothing).contains("has no rows with points"));
    Ok(())
}

const STREAM: &str = r#"{"series_id":"s 1","state":"learning","detector":"auto","begun_from":null,"points":120,"last_timestamp":1693459200,"usual_step":60,"learning":{"points":120,"of":750},"counts":{"judged":118,"duplicate":2,"conflict":0,"late":1,"implausible":0},"latest_by":42,"open_anomaly":null,"labels":{"host":"a1"},"options":{},"partition":17,"checkpoint_age_ms":1200}"#;

const SHOWN: &str = "\
s 1: learning, 120 of 750 points, auto
  120 points learned, the last at 2023-08-31 05:20:00, usually 60 apart
  118 judged, 2 duplicate, 0 conflict, 1 late, 0 implausible
  the last late point was 42 late
  label host=a1
  partition 17, stored 1200 ms ago
";

#[test]
fn a_stream_is_shown_set_restarted_and_ended() -> anyhow::Result<()> {
    let server = Server::start(|request| match &request.line[..6] {
        "DELETE" => Reply::new(204, ""),
        _ => Reply::ok(STREAM),
    })?;
    let stream = |line: &str| {
        let words = line.split_whitespace();
        success(&server.url, &words.collect::<Vec<_>>())
    };
    assert_eq!(stream("stream show s")?, SHOWN);
    assert_eq!(stream("stream show s --json")?, format!("{STREAM}\n"));
    let options = "--detector robust --param window=64 --warmup 100 --false-alarm-rate 1e-4 \
                   --direction above --min-deviation 2 --lateness 60 --missing-after-ms 0 \
                   --transform rate --label host=a1 --label team=x=y";
    assert_eq!(stream(&format!("stream set s {options}"))?, SHOWN);
    assert_eq!(stream("stream set s")?, SHOWN);
    assert_eq!(stream("stream restart s")?, SHOWN);
    stream("stream restart s --from v3 --rewind")?;
    assert_eq!(stream("stream end s --yes")?, "s: stream ended\n");
    assert_eq!(
        asked(&server.seen()),
        [
            ("GET /v1/series/s/stream", ""),
            ("GET /v1/series/s/stream", ""),
            (
                "PUT /v1/series/s/stream",
                r#"{"detector":"robust","params":{"window":64.0},"warmup":100,"false_alarm_rate":0.0001,"direction":"above","min_deviation":2.0,"lateness":60,"missing_after_ms":0,"transform":"rate","labels":{"host":"a1","team":"x=y"}}"#
            ),
            ("PUT /v1/series/s/stream", "{}"),
            (
                "POST /v1/series/s/stream/restart",
                r#"{"from":"champion","rewind":false}"#
            ),
            (
                "POST /v1/series/s/stream/restart",
                r#"{"from":"v3","rewind":true}"#
            ),
            ("DELETE /v1/series/s/stream", ""),
        ]
    );
    let accepted = Server::start(|_| Reply::new(202, ACCEPTED))?;
    let printed = success(&accepted.url, &["stream", "restart", "s"])?;
    assert_eq!(printed, "s: accepted, and done soon\n");
    Ok(())
}

#[test]
fn points_are_sent_as_they_are_or_from_csv() -> anyhow::Result<()> {
    let server = Server::start(|_| Reply::new(202, r#"{"accepted":2}"#))?;
    let folder = Folder::new()?;
    let lines = "{\"series_id\":\"a\",\"timestamp\":1,\"value\":2.5}\n\
                 {\"series_id\":\"b\",\"timestamp\":1,\"value\":3}\n";
    let mut child = anomaly(&server.url, &["points", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut input = child.stdin.take().context("piped")?;
    input.write_all(lines.as_bytes())?;
    drop(input);
    let output = child.wait_with_output()?;
    assert_eq!(
        stdout(&output),
        "2 points accepted\n",
        "{}",
        stderr(&output)
    );
    let file = folder.file("a.csv", "ts,value\n7,1\n8,2\n")?;
    let points = ["points", &file, "--csv", "a", "--no-notify"];
    assert_eq!(success(&server.url, &points)?, "2 points accepted\n");
    let csv = "{\"series_id\":\"a\",\"timestamp\":7,\"value\":1.0}\n\
               {\"series_id\":\"a\",\"timestamp\":8,\"value\":2.0}\n";
    assert_eq!(
        asked(&server.seen()),
        [
            ("POST /v1/points", lines),
            ("POST /v1/points?notify=false", csv)
        ]
    );
    let refusing = Server::start(|_| Reply::new(400, PROBLEM))?;
    let said = failure(&refusing.url, &points, 1)?;
    assert!(
        said.contains("error: in the lines from 1 on, counted from there: Insufficient"),
        "{said}"
    );
    Ok(())
}
