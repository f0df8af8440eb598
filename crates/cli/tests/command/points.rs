//! Fitting and predicting.

use std::{io::Write, process::Stdio};

use anyhow::Context;

use crate::{
    FITTED, Folder, anomaly, asked, platform,
    server::{Reply, Server},
    stderr, success, verdict,
};

const TWO_ROWS: &str = "timestamp,value\n2023-08-31 05:20:00,1.5\n2023-08-31 05:21:00,-2\n";

#[test]
fn fit_sends_the_points_of_the_file_to_the_encoded_series() -> anyhow::Result<()> {
    let server = Server::start(platform)?;
    let folder = Folder::new()?;
    let file = folder.file("a.csv", TWO_ROWS)?;
    let printed = success(&server.url, &["fit", "a b?é", &file])?;
    assert_eq!(
        printed,
        "s: v7 fitted by auto on 3 points, 2023-08-31 05:20:00 – 2023-08-31 05:21:00\n"
    );
    assert_eq!(
        asked(&server.seen()),
        [(
            "POST /fit/a%20b%3F%C3%A9",
            r#"{"timestamps":[1693459200,1693459260],"values":[1.5,-2.0]}"#
        )]
    );
    assert_eq!(
        success(&server.url, &["fit", "s", &file, "--json"])?,
        format!("{FITTED}\n")
    );
    Ok(())
}

#[test]
fn fit_asks_for_a_detector_and_prints_its_warnings() -> anyhow::Result<()> {
    const FITTED: &str = r#"{"series_id":"s","version":"v1","points_used":2,"detector":"robust",
        "warnings":["2 points are few","values hardly differ"]}"#;
    let server = Server::start(|_| Reply::ok(FITTED))?;
    let folder = Folder::new()?;
    let file = folder.file("a.csv", "value\n1\n2\n")?;
    let fit = ["fit", "s", &file, "--detector", "robust"];
    let options = [
        "--param",
        "floor=0.5",
        "--param",
        "window=64",
        "--param",
        "floor=-1e-3",
        "--false-alarm-rate",
        "1e-4",
        "--allow-constant",
        "--direction",
        "below",
    ];
    let printed = success(&server.url, &[&fit[..], &options].concat())?;
    assert_eq!(
        printed,
        "s: v1 fitted by robust on 2 points, row 0 – row 1\n\
         warning: 2 points are few\nwarning: values hardly differ\n"
    );
    let sent = r#"{"timestamps":[0,1],"values":[1.0,2.0],"detector":"robust","params":{"floor":-0.001,"window":64.0},"false_alarm_rate":0.0001,"direction":"below","allow_constant":true}"#;
    assert_eq!(server.seen()[0].body, sent);
    Ok(())
}

#[test]
fn a_fit_that_does_not_serve_says_so() -> anyhow::Result<()> {
    const FITTED: &str = r#"{"series_id":"s","version":"v7","points_used":2,"detector":"auto",
        "warnings":["v7 does not serve predictions"],"serving":"v3"}"#;
    let server = Server::start(|_| Reply::ok(FITTED))?;
    let folder = Folder::new()?;
    let file = folder.file("a.csv", "value\n1\n2\n")?;
    assert_eq!(
        success(&server.url, &["fit", "s", &file])?,
        "s: v7 fitted by auto on 2 points, row 0 – row 1; v3 still serves\n\
         warning: v7 does not serve predictions\n"
    );
    Ok(())
}

#[test]
fn a_file_can_come_from_standard_input() -> anyhow::Result<()> {
    let server = Server::start(platform)?;
    let mut child = anomaly(&server.url, &["fit", "s", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut input = child.stdin.take().context("piped")?;
    input.write_all(b"value\n1\nx\n3\n4\n5\n6\n")?;
    drop(input);
    let output = child.wait_with_output()?;
    assert!(output.status.success());
    assert!(stderr(&output).contains("left out 1 row, the first on line 3"));
    assert_eq!(
        server.seen()[0].body,
        r#"{"timestamps":[0,2,3,4,5],"values":[1.0,3.0,4.0,5.0,6.0]}"#
    );
    Ok(())
}

#[test]
fn predict_says_what_the_model_says_and_why() -> anyhow::Result<()> {
    let server = Server::start(platform)?;
    let predict = [
        "predict",
        "s",
        "--timestamp",
        "2023-08-31T05:20:00.5Z",
        "--value",
    ];
    let ask = |rest: &[&str]| success(&server.url, &[&predict[..], rest].concat());
    assert_eq!(
        ask(&["100.5"])?,
        "s: 100.5 at 2023-08-31 05:20:00.500 is an anomaly of high severity (model v7)
  100.5 against 50 expected (limit 100)
  expected 50, normal up to 100; p-value 1.25e-5, score 0.1005, direction above, detector auto\n"
    );
    assert_eq!(
        ask(&["-1e2"])?,
        "s: -100 at 2023-08-31 05:20:00.500 is normal (model v7)
  -100 against 50 expected (limit 100)
  expected 50, normal up to 100; p-value 1.25e-5, score 0, direction none, detector auto\n"
    );
    assert_eq!(ask(&["1", "--json"])?, format!("{}\n", verdict(1.0)));
    assert_eq!(
        server.seen()[0].body,
        r#"{"timestamp":1693459200500,"value":100.5}"#
    );
    Ok(())
}

#[test]
fn a_verdict_without_limits_says_so() -> anyhow::Result<()> {
    for (expected, lower, upper, line) in [
        ("1.0", "-0.5", "2.5", "expected 1, normal from -0.5 to 2.5;"),
        ("1.0", "-0.5", "null", "expected 1, normal from -0.5 up;"),
        ("null", "null", "null", "no expected value, no limits;"),
    ] {
        let reply = verdict(1.0)
            .replace(r#""expected":50.0"#, &format!(r#""expected":{expected}"#))
            .replace(r#""lower":null"#, &format!(r#""lower":{lower}"#))
            .replace(r#""upper":100.0"#, &format!(r#""upper":{upper}"#));
        let server = Server::start(move |_| Reply::ok(reply.clone()))?;
        let printed = success(&server.url, &["predict", "s", "--value", "1"])?;
        assert!(printed.contains(line), "{printed}");
    }
    Ok(())
}

#[test]
fn predict_sends_how_to_judge_and_the_rows_before() -> anyhow::Result<()> {
    let server = Server::start(platform)?;
    let folder = Folder::new()?;
    let file = folder.file("a.csv", "ts,load,v\n3,30,0\n1,10,0\n5,50,0\n")?;
    let predict = ["predict", "s", "--timestamp", "4", "--value", "7"];
    let options = [
        "--false-alarm-rate",
        "0.01",
        "--direction",
        "above",
        "--min-deviation",
        "2.5",
        "--version",
        "canary",
        "--context",
        &file,
        "--value-column",
        "load",
    ];
    success(&server.url, &[&predict[..], &options].concat())?;
    let sent = r#"{"timestamp":4,"value":7.0,"false_alarm_rate":0.01,"direction":"above","min_deviation":2.5,"version":"canary","context":{"timestamps":[1,3],"values":[10.0,30.0]}}"#;
    assert_eq!(server.seen()[0].body, sent);

    let rows = folder.file("b.csv", "value\n1\n2\n")?;
    let options = ["--value", "7", "--version", "v3", "--context", &rows];
    let printed = success(&server.url, &[&["predict", "s"][..], &options].concat())?;
    assert!(printed.starts_with("s: 7 at row 2 is normal"), "{printed}");
    let sent = r#"{"timestamp":2,"value":7.0,"version":"v3","context":{"timestamps":[0,1],"values":[1.0,2.0]}}"#;
    assert_eq!(server.seen()[1].body, sent);
    Ok(())
}
