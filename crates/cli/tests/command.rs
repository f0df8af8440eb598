//! The `anomaly` binary against a tiny HTTP server.
#![expect(clippy::unwrap_used, reason = "a helper's panic fails its test")]

mod server;

use std::{
    collections::BTreeSet,
    fs,
    io::Write,
    net::TcpListener,
    path::PathBuf,
    process::{Command, Output, Stdio},
    sync::{
        Condvar, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use server::{Reply, Request, Server};
use tempfile::TempDir;

const FITTED: &str = r#"{"series_id":"s","version":"v7","points_used":3,"detector":"auto"}"#;
const NORMAL: &str = r#"{"model_version":"v7","anomaly":false,"score":0.25,"severity":"none","p_value":0.5,"expected":50.0,"lower":0.0,"upper":100.0,"direction":"none","reason":"it is within the expected range from 0 to 100","detector":"auto"}"#;
const ANOMALY: &str = r#"{"model_version":"v7","anomaly":true,"score":0.98,"severity":"high","p_value":1e-5,"expected":50.0,"lower":0.0,"upper":100.0,"direction":"above","reason":"it is above the 50 expected (limit 100)","detector":"auto"}"#;
const PROBLEM: &str = r#"{"type":"about:blank","title":"Bad Request","status":400,
    "detail":"Insufficient or constant data","code":"series_unfit","request_id":"r-1","errors":[{"detail":"values: all are 10"}]}"#;
const BUSY: &str = r#"{"type":"about:blank","title":"Service Unavailable","status":503,
    "detail":"Too many requests at once","code":"overloaded"}"#;

fn anomaly(url: &str, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_anomaly"));
    command
        .args(args)
        .env("ANOMALY_URL", url)
        .stdin(Stdio::null());
    command
}

fn run(url: &str, args: &[&str]) -> anyhow::Result<Output> {
    Ok(anomaly(url, args).output()?)
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

/// What a run that must succeed printed.
fn success(url: &str, args: &[&str]) -> anyhow::Result<String> {
    let output = run(url, args)?;
    ensure!(output.status.success(), "{args:?}: {}", stderr(&output));
    Ok(stdout(&output).to_owned())
}

/// What a run that must end with `code`, and print no result, said about it.
fn failure(url: &str, args: &[&str], code: i32) -> anyhow::Result<String> {
    let output = run(url, args)?;
    let said = stderr(&output).to_owned();
    ensure!(output.status.code() == Some(code), "{args:?}: {said}");
    ensure!(output.stdout.is_empty(), "{}", stdout(&output));
    Ok(said)
}

struct Folder(TempDir);

impl Folder {
    fn new() -> anyhow::Result<Self> {
        Ok(Self(tempfile::tempdir()?))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A file with `text`, as an argument.
    fn file(&self, name: &str, text: &str) -> anyhow::Result<String> {
        let path = self.path(name);
        fs::write(&path, text)?;
        Ok(path.into_os_string().into_string().unwrap())
    }
}

/// The value in the body of a prediction.
fn value(request: &Request) -> f64 {
    let body: serde_json::Value = serde_json::from_str(&request.body).unwrap();
    body["value"].as_f64().unwrap()
}

/// A platform that fits anything, and to which values over 100 are anomalies.
fn platform(request: &Request) -> Reply {
    match request.line.split('/').nth(1).unwrap() {
        "fit" => Reply::ok(FITTED),
        "predict" if value(request) > 100.0 => Reply::ok(ANOMALY),
        "predict" => Reply::ok(NORMAL),
        _ => Reply::ok("picture"),
    }
}

#[test]
fn fit_sends_the_points_of_the_file_to_the_encoded_series() -> anyhow::Result<()> {
    let server = Server::start(platform)?;
    let folder = Folder::new()?;
    let file = folder.file(
        "a.csv",
        "timestamp,value\n2023-08-31 05:20:00,1.5\n2023-08-31 05:21:00,-2\n",
    )?;
    let printed = success(&server.url, &["fit", "a b?é", &file])?;
    assert_eq!(
        printed,
        "s: v7 fitted on 3 points, 2023-08-31 05:20:00 – 2023-08-31 05:21:00\n"
    );
    assert_eq!(
        server.seen(),
        [Request {
            line: "POST /fit/a%20b%3F%C3%A9".into(),
            body: r#"{"timestamps":[1693459200,1693459260],"values":[1.5,-2.0]}"#.into(),
        }]
    );
    assert_eq!(
        success(&server.url, &["fit", "s", &file, "--json"])?,
        format!("{FITTED}\n")
    );
    Ok(())
}

#[test]
fn a_file_can_come_from_standard_input() -> anyhow::Result<()> {
    let server = Server::start(platform)?;
    let mut child = anomaly(&server.url, &["fit", "s", "-", "--skip-bad"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut input = child.stdin.take().context("piped")?;
    input.write_all(b"value\n1\nx\n3\n")?;
    drop(input);
    let output = child.wait_with_output()?;
    assert!(output.status.success());
    assert!(stderr(&output).contains("left out 1 bad row\n"));
    assert_eq!(
        server.seen()[0].body,
        r#"{"timestamps":[0,2],"values":[1.0,3.0]}"#
    );
    Ok(())
}

#[test]
fn a_refusal_is_printed_whole_and_exits_with_1() -> anyhow::Result<()> {
    let server = Server::start(|_| Reply::new(400, PROBLEM).with("retry-after: 0"))?;
    let said = failure(&server.url, &["predict", "s", "--value", "1"], 1)?;
    assert_eq!(
        said,
        "error: Insufficient or constant data (400)\n  values: all are 10\n  code: series_unfit, request: r-1\n"
    );
    assert_eq!(server.seen().len(), 1, "a 400 is not tried again");
    Ok(())
}

#[test]
fn a_wrong_command_line_or_file_exits_with_2_and_sends_nothing() -> anyhow::Result<()> {
    let server = Server::start(platform)?;
    let folder = Folder::new()?;
    let bad = folder.file("bad.csv", "timestamp,value\n1,1\n2,2\n3,three\n")?;
    let short = folder.file("short.csv", "value\n1\n2\n")?;
    for (args, message) in [
        (
            vec!["fit", "s", &bad],
            r#"line 4, column value: "three" is not a number"#,
        ),
        (
            vec!["fit", "s", "/no/such/file"],
            "cannot read /no/such/file: ",
        ),
        (
            vec!["fit", "s", &bad, "--value-column", "cpu"],
            r#"no column "cpu""#,
        ),
        (
            vec!["replay", "s", &short, "--train", "2"],
            "none left to predict",
        ),
        (
            vec!["replay", "s", &short, "--train", "1.5"],
            "must be a fraction",
        ),
        (vec!["fit", "a/b", &short], "series id has a slash"),
        (vec!["predict", "s"], "--value"),
        (
            vec!["predict", "s", "--value", "1", "--timestamp", "noon"],
            "not a number, a date",
        ),
        (vec!["health", "--url", "https://x"], "speaks http only"),
        (vec!["guess"], "unrecognized subcommand"),
    ] {
        let said = failure(&server.url, &args, 2)?;
        assert!(said.contains(message), "{args:?}: {said}");
    }
    assert_eq!(server.seen(), []);
    Ok(())
}

#[test]
fn a_platform_that_is_not_there_is_named() -> anyhow::Result<()> {
    let free = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let url = format!("http://{free}");
    let said = failure(&url, &["health"], 1)?;
    assert!(said.contains(&format!("no answer from {url}: ")), "{said}");
    let server = Server::start(|_| Reply::new(502, "<html>Bad gateway</html>"))?;
    let said = failure(&server.url, &["health"], 1)?;
    assert!(
        said.contains("answered 502") && said.contains("<html>Bad"),
        "{said}"
    );
    Ok(())
}

#[test]
fn predict_says_what_the_model_says() -> anyhow::Result<()> {
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
        "s: 100.5 at 2023-08-31 05:20:00.500 is ANOMALY to model v7\n"
    );
    assert_eq!(
        ask(&["-1e2"])?,
        "s: -100 at 2023-08-31 05:20:00.500 is normal to model v7\n"
    );
    assert_eq!(ask(&["1", "--json"])?, format!("{NORMAL}\n"));
    assert_eq!(
        server.seen()[0].body,
        r#"{"timestamp":1693459200500,"value":100.5}"#
    );
    Ok(())
}

#[test]
fn what_changes_nothing_is_tried_again_when_the_server_is_busy() -> anyhow::Result<()> {
    let asked = AtomicUsize::new(0);
    let server = Server::start(move |_| match asked.fetch_add(1, Ordering::SeqCst) {
        0 => Reply::new(503, BUSY).with("retry-after: 0"),
        1 => Reply::new(503, BUSY)
            .with("retry-after: 60")
            .with("retry-after-ms: 1"),
        2 => Reply::ok(NORMAL),
        _ => Reply::new(503, BUSY).with("retry-after: 0"),
    })?;
    success(&server.url, &["predict", "s", "--value", "1"])?;
    assert_eq!(server.seen().len(), 3);
    let said = failure(&server.url, &["predict", "s", "--value", "1"], 1)?;
    assert!(said.contains("Too many requests at once (503)"), "{said}");
    assert_eq!(server.seen().len(), 8, "five tries");
    let folder = Folder::new()?;
    let file = folder.file("a.csv", "value\n1\n2\n3\n")?;
    failure(&server.url, &["fit", "s", &file], 1)?;
    assert_eq!(
        server.seen().len(),
        9,
        "a second try could be a second version"
    );
    Ok(())
}

/// 100 rows, a minute apart: rows 30 to 32 and row 99 are anomalies, the middle one of the three the highest.
fn hundred_rows() -> String {
    let mut text = "timestamp,value\n".to_owned();
    for row in 0..100 {
        let value = match row {
            30 | 32 => 150,
            31 => 200,
            99 => 101,
            _ => row,
        };
        text.push_str(&format!(
            "2024-01-01 {:02}:{:02}:00,{value}\n",
            row / 60,
            row % 60
        ));
    }
    text
}

const REPLAYED: &str = "\
s: v7 fitted on 3 points, 2024-01-01 00:00:00 – 2024-01-01 00:19:00
  2024-01-01 00:30:00 – 2024-01-01 00:32:00     3 points  peak 200 at 2024-01-01 00:31:00
  2024-01-01 01:39:00                           1 point   value 101
4 anomalies in 2 episodes, out of 80 points judged (5.00 %)
";

#[test]
fn replay_fits_the_first_part_and_predicts_every_later_row_once() -> anyhow::Result<()> {
    let server = Server::start(platform)?;
    let folder = Folder::new()?;
    let file = folder.file("a.csv", &hundred_rows())?;
    let printed = success(
        &server.url,
        &["replay", "s", &file, "--train", "0.2", "--connections", "4"],
    )?;
    let rate = printed.strip_prefix(REPLAYED).context(printed.clone())?;
    assert!(rate.ends_with(" requests/s over 4 connections\n"), "{rate}");

    let seen = server.seen();
    assert_eq!(seen[0].line, "POST /fit/s");
    assert!(seen[0].body.contains("17.0,18.0,19.0]"), "{}", seen[0].body);
    let mut predicted: Vec<String> = seen[1..].iter().map(|r| r.body.clone()).collect();
    predicted.sort();
    predicted.dedup();
    assert_eq!((seen.len() - 1, predicted.len()), (80, 80));
    assert!(
        server.connections() <= 4,
        "{} connections",
        server.connections()
    );
    Ok(())
}

#[test]
fn replay_prints_in_order_although_replies_come_out_of_order() -> anyhow::Result<()> {
    // The first row's reply is held back until most others were asked for.
    let asked = Mutex::new(BTreeSet::new());
    let more = Condvar::new();
    let server = Server::start(move |request| {
        if request.line == "POST /predict/s" {
            let mut asked = asked.lock().unwrap();
            asked.insert(request.body.clone());
            more.notify_all();
            if value(request) == 20.0 {
                drop(more.wait_while(asked, |asked| asked.len() < 70).unwrap());
            }
        }
        platform(request)
    })?;
    let folder = Folder::new()?;
    let file = folder.file("a.csv", &hundred_rows())?;
    let replay = ["replay", "s", &file, "--train", "20"];
    let printed = success(&server.url, &replay)?;
    assert!(printed.starts_with(REPLAYED), "{printed}");
    Ok(())
}

#[test]
fn replay_with_json_prints_the_replies_in_the_order_of_the_rows() -> anyhow::Result<()> {
    let server = Server::start(platform)?;
    let folder = Folder::new()?;
    let file = folder.file("a.csv", &hundred_rows())?;
    let printed = success(&server.url, &["replay", "s", &file, "--json"])?;
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!((lines.len(), lines[0]), (1 + 85, FITTED));
    let anomalies = |line: &(usize, &&str)| *line.1 == ANOMALY;
    let rows: Vec<usize> = lines
        .iter()
        .enumerate()
        .filter(anomalies)
        .map(|l| l.0 + 14)
        .collect();
    assert_eq!(rows, [30, 31, 32, 99]);
    Ok(())
}

#[test]
fn replay_saves_the_plot_of_the_version_that_it_fitted() -> anyhow::Result<()> {
    let server = Server::start(platform)?;
    let folder = Folder::new()?;
    let file = folder.file("a.csv", "value\n1\n2\n3\n4\n")?;
    let plot = folder.path("plot.SVG");
    success(
        &server.url,
        &[
            "replay",
            "s",
            &file,
            "--train",
            "3",
            "--plot",
            plot.to_str().unwrap(),
        ],
    )?;
    assert_eq!(fs::read(plot)?, b"picture");
    let last = server.seen().pop().context("requests")?;
    assert_eq!(last.line, "GET /plot?series_id=s&version=v7&format=svg");
    Ok(())
}

#[test]
fn replay_stops_at_the_first_row_that_is_refused_and_names_it() -> anyhow::Result<()> {
    let server = Server::start(|request| match platform(request) {
        _ if request.body.contains(r#""value":25.0"#) => Reply::new(400, PROBLEM),
        reply => reply,
    })?;
    let folder = Folder::new()?;
    let file = folder.file("a.csv", &hundred_rows())?;
    let output = run(&server.url, &["replay", "s", &file, "--connections", "2"])?;
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(
        said.contains("error: at 2024-01-01 00:25:00: Insufficient or constant data (400)"),
        "{said}"
    );
    assert!(!stdout(&output).contains("anomalies"), "no summary");
    Ok(())
}

#[test]
fn plot_saves_what_it_was_asked_for_where_it_was_asked_to() -> anyhow::Result<()> {
    let server = Server::start(platform)?;
    let folder = Folder::new()?;
    let path = folder.path("p.png");
    let name = path.to_str().unwrap();
    let printed = success(
        &server.url,
        &[
            "plot",
            "a&b",
            "--version",
            "v2",
            "--width",
            "900",
            "--height",
            "300",
            "-o",
            name,
        ],
    )?;
    assert_eq!(printed, format!("saved {name}\n"));
    assert_eq!(fs::read(&path)?, b"picture");
    assert_eq!(success(&server.url, &["plot", "s", "-o", "-"])?, "picture");
    assert!(
        anomaly(&server.url, &["plot", "s.1", "--format", "svg"])
            .current_dir(folder.0.path())
            .status()?
            .success()
    );
    assert!(folder.path("s.1.svg").exists());
    let lines: Vec<String> = server.seen().into_iter().map(|r| r.line).collect();
    assert_eq!(
        lines,
        [
            "GET /plot?series_id=a%26b&version=v2&width=900&height=300&format=png",
            "GET /plot?series_id=s",
            "GET /plot?series_id=s.1&format=svg",
        ]
    );
    let said = failure(
        &server.url,
        &["plot", "s", "-o", "/no/such/folder/p.png"],
        1,
    )?;
    assert!(
        said.contains("cannot write /no/such/folder/p.png: "),
        "{said}"
    );
    Ok(())
}

#[test]
fn health_is_a_table_that_says_when_figures_are_old() -> anyhow::Result<()> {
    const HEALTH: &str = r#"{"status":"degraded","series_trained":5,
        "inference_latency_ms":{"avg":0.25,"p95":1.5},"training_latency_ms":{"avg":12.0,"p95":20.0},
        "throughput":{"trainer":{"avg_per_minute":6.0},"predictor":{"avg_per_minute":1200.0}},
        "model_usage":{"sensor_01":"7"},
        "system_metrics":{"trainer":{"cpu_percent":1.0,"memory_percent":2.0,"load_avg":[0.1,0.2,0.3]},
                          "predictor":{"cpu_percent":3.0,"memory_percent":4.0,"load_avg":[0.4,0.5,0.6]}}}"#;
    let server = Server::start(|_| Reply::ok(HEALTH))?;
    let table = success(&server.url, &["health"])?;
    let rows: Vec<Vec<&str>> = table
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    for row in [
        "status degraded: the last known figures",
        "series trained 5",
        "latency avg, ms 12.00 0.25",
        "requests a minute 6.00 1200.00",
        "load, 15 minutes 0.30 0.60",
        "sensor_01 7",
    ] {
        let words: Vec<&str> = row.split(' ').collect();
        assert!(rows.contains(&words), "{row} is not in\n{table}");
    }
    assert_eq!(
        success(&server.url, &["health", "--json"])?,
        format!("{HEALTH}\n")
    );
    Ok(())
}

#[test]
fn ready_exits_with_0_or_1() -> anyhow::Result<()> {
    let server = Server::start(|_| Reply::ok("{}"))?;
    assert_eq!(success(&server.url, &["ready"])?, "ready\n");
    assert_eq!(server.seen()[0].line, "GET /readyz");
    let server = Server::start(|_| Reply::new(503, BUSY).with("retry-after: 1"))?;
    failure(&server.url, &["ready"], 1)?;
    assert_eq!(
        server.seen().len(),
        1,
        "whoever asks decides on another try"
    );
    Ok(())
}

#[test]
fn ready_does_not_wait_for_a_server_that_hangs() -> anyhow::Result<()> {
    let silent = TcpListener::bind("127.0.0.1:0")?;
    let started = Instant::now();
    let said = failure(&silent.local_addr()?.to_string(), &["ready"], 1)?;
    assert!(said.contains("no answer from"), "{said}");
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "{:?}",
        started.elapsed()
    );
    Ok(())
}

#[test]
fn a_reader_that_stops_reading_is_no_failure() -> anyhow::Result<()> {
    let server = Server::start(platform)?;
    let mut child = anomaly(&server.url, &["plot", "s", "-o", "-"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    drop(child.stdout.take());
    let output = child.wait_with_output()?;
    assert!(output.status.success(), "{}", stderr(&output));
    Ok(())
}
