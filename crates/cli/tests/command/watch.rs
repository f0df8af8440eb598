//! Watching files, commands and standard input.

use std::{
    fs::{self, File, OpenOptions},
    io::{BufRead, BufReader, Lines, Write},
    net::TcpListener,
    path::Path,
    process::{Child, ChildStdout, Command, Output, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
};

use anyhow::{Context, ensure};
use serde_json::Value;

use crate::{
    Folder, PROBLEM, anomaly,
    server::{Reply, Request, Server},
    stderr, stdout,
    streams::observer,
};

const NO_STREAM: &str = r#"{"type":"about:blank","title":"Not Found","status":404,
    "detail":"The series has no stream","code":"stream_not_found"}"#;

/// A platform that observes a series without a stream.
fn platform(request: &Request) -> Reply {
    match request.line.starts_with("GET") {
        true => Reply::new(404, NO_STREAM),
        false => observer(request),
    }
}

/// A command that is watching.
struct Watch {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Watch {
    fn start(url: &str, args: &[&str], input: Stdio) -> anyhow::Result<Self> {
        let mut child = anomaly(url, &[&["watch", "s"][..], args].concat())
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let lines = BufReader::new(child.stdout.take().context("piped")?).lines();
        Ok(Self { child, lines })
    }

    /// The next line that it prints.
    fn line(&mut self) -> anyhow::Result<String> {
        Ok(self.lines.next().context("it has ended")??)
    }

    /// Waits for a point at `timestamp`.
    fn expect(&mut self, timestamp: i64) -> anyhow::Result<()> {
        let line = self.line()?;
        ensure!(line.starts_with(&format!("  {timestamp} ")), "{line}");
        Ok(())
    }

    fn interrupt(&self) -> anyhow::Result<()> {
        let pid = self.child.id().to_string();
        ensure!(
            Command::new("kill")
                .args(["-INT", &pid])
                .status()?
                .success()
        );
        Ok(())
    }

    /// The rest of its output and its status.
    fn finish(mut self) -> anyhow::Result<(Vec<String>, Output)> {
        let rest = self.lines.by_ref().collect::<Result<_, _>>()?;
        Ok((rest, self.child.wait_with_output()?))
    }
}

fn append(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut file = OpenOptions::new().append(true).open(path)?;
    Ok(file.write_all(text.as_bytes())?)
}

/// All values that were sent, in their order.
fn sent(server: &Server) -> Vec<(i64, f64)> {
    let bodies = server
        .seen()
        .into_iter()
        .filter(|r| r.line.starts_with("POST"));
    let points = bodies.flat_map(|request| {
        let body: Value = serde_json::from_str(&request.body).unwrap();
        let list = |name: &str| body[name].as_array().unwrap().clone();
        let times = list("timestamps").into_iter().map(|t| t.as_i64().unwrap());
        let values = list("values").into_iter().map(|v| v.as_f64().unwrap());
        times.zip(values).collect::<Vec<_>>()
    });
    points.collect()
}

#[test]
fn a_file_is_followed_as_it_grows_is_replaced_and_cut() -> anyhow::Result<()> {
    let server = Server::start(platform)?;
    let folder = Folder::new()?;
    let name = folder.file("a.csv", "ts,value\n1,50\n2,50\n")?;
    let path = folder.path("a.csv");
    let mut watch = Watch::start(&server.url, &[&name, "--all"], Stdio::null())?;
    watch.expect(1)?;
    watch.expect(2)?;
    // A line is read once it is whole.
    append(&path, "3,5")?;
    append(&path, "0\n4,12")?;
    watch.expect(3)?;
    append(&path, "0\n")?;
    let line = watch.line()?;
    assert_eq!(
        line,
        "  4                        alarm, high        value 120"
    );
    assert_eq!(watch.line()?, "      120 against 50 expected (limit 100)");
    // What was added before another file took the name counts, and so does its last line.
    append(&path, "5,50\n6,50")?;
    fs::rename(&path, folder.path("a.csv.1"))?;
    fs::write(&path, "ts,value\n7,50\n")?;
    for timestamp in 5..=7 {
        watch.expect(timestamp)?;
    }
    File::create(&path)?.write_all(b"8,50\n")?;
    watch.expect(8)?;
    watch.interrupt()?;
    let (rest, output) = watch.finish()?;
    assert_eq!(rest, ["1 alarm and 1 anomaly in 8 verdicts"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let values = [50.0, 50.0, 50.0, 120.0, 50.0, 50.0, 50.0, 50.0];
    assert_eq!(sent(&server), (1..=8).zip(values).collect::<Vec<_>>());
    Ok(())
}

#[test]
fn only_new_lines_are_observed_on_request() -> anyhow::Result<()> {
    let server = Server::start(platform)?;
    let folder = Folder::new()?;
    let name = folder.file("a.csv", "Datum;Wert\n31.12.2023;1,5\n01.01.2024;2\n")?;
    let mut watch = Watch::start(&server.url, &[&name, "--all", "--new-only"], Stdio::null())?;
    // It has read the file once it says how.
    let mut said = BufReader::new(watch.child.stderr.take().context("piped")?).lines();
    let guess = said.find(|line| line.as_ref().is_ok_and(|line| line.contains("day first")));
    guess.context("a guess")??;
    append(&folder.path("a.csv"), "02.01.2024;103,86\n")?;
    assert!(watch.line()?.contains("value 103.86"));
    watch.interrupt()?;
    let (_, output) = watch.finish()?;
    assert!(output.status.success());
    assert_eq!(sent(&server), [(1_704_153_600, 103.86)]);
    Ok(())
}

#[test]
fn values_without_times_get_that_of_their_coming() -> anyhow::Result<()> {
    for (stream, from, to) in [
        (None, 1_600_000_000_000, 9_999_999_999_999),
        (
            Some(r#""last_timestamp":1693459200"#),
            1_600_000_000,
            9_999_999_999,
        ),
    ] {
        let server = Server::start(move |request| {
            match (request.line.starts_with("GET"), stream) {
                (true, Some(last)) => Reply::ok(format!(
                    r#"{{"series_id":"s","state":"ready","detector":"auto","begun_from":null,"points":1,{last},"usual_step":null,"learning":null,"counts":{{"judged":1,"duplicate":0,"conflict":0,"late":0,"implausible":0}},"latest_by":null,"open_anomaly":null,"labels":{{}},"options":{{}},"partition":1,"checkpoint_age_ms":null}}"#
                )),
                _ => platform(request),
            }
        })?;
        let mut watch = Watch::start(&server.url, &["-"], Stdio::piped())?;
        let mut input = watch.child.stdin.take().context("piped")?;
        input.write_all(b"50\noops\n51\n52\n")?;
        drop(input);
        let (rest, output) = watch.finish()?;
        assert_eq!(rest, ["0 alarms and 0 anomalies in 3 verdicts"]);
        let said = stderr(&output);
        assert!(
            said.contains("line 2, column column 1: \"oops\" is not a number"),
            "{said}"
        );
        assert!(said.contains("left out 1 row in all"), "{said}");
        let points = sent(&server);
        let values: Vec<f64> = points.iter().map(|(_, value)| *value).collect();
        assert_eq!(values, [50.0, 51.0, 52.0]);
        assert!(
            points.is_sorted_by(|one, other| one.0 < other.0),
            "{points:?}"
        );
        assert!((from..=to).contains(&points[0].0), "{points:?}");
    }
    Ok(())
}

#[test]
fn the_output_of_a_command_is_observed() -> anyhow::Result<()> {
    let server = Server::start(platform)?;
    let watch =
        |script: &str| Watch::start(&server.url, &["--", "sh", "-c", script], Stdio::null());
    let (printed, output) = watch("echo t,v; echo 1,50; echo 2,120")?.finish()?;
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(
        printed[0],
        "  2                        alarm, high        value 120"
    );
    let (_, output) = watch("echo 3,50; exit 3")?.finish()?;
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("ended with exit status: 3"),
        "{}",
        stderr(&output)
    );
    assert_eq!(sent(&server), [(1, 50.0), (2, 120.0), (3, 50.0)]);
    // A command that goes on is ended with us.
    let mut endless = watch("echo 4,120; exec tail -f /dev/null")?;
    endless.expect(4)?;
    endless.interrupt()?;
    let (rest, output) = endless.finish()?;
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(
        rest.last().map(String::as_str),
        Some("1 alarm and 1 anomaly in 1 verdict")
    );
    let none = anomaly(&server.url, &["watch", "s", "--", "no-such-command"]).output()?;
    assert_eq!(none.status.code(), Some(1));
    assert!(
        stderr(&none).contains("no-such-command: "),
        "{}",
        stderr(&none)
    );
    Ok(())
}

#[test]
fn points_wait_for_a_platform_that_is_away_and_are_sent_in_order() -> anyhow::Result<()> {
    let addr = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
    let url = format!("http://{addr}");
    let mut watch = Watch::start(&url, &["-", "--all"], Stdio::piped())?;
    let mut input = watch.child.stdin.take().context("piped")?;
    for row in 1..=20 {
        writeln!(input, "{row},50")?;
    }
    let mut said = BufReader::new(watch.child.stderr.take().context("piped")?).lines();
    let away = said.find(|line| {
        line.as_ref()
            .is_ok_and(|line| line.contains("trying again"))
    });
    away.context("it says that it waits")??;
    let calls = AtomicUsize::new(0);
    let server = Server::start_at(&addr, move |request| {
        let call = calls.fetch_add(1, Ordering::SeqCst);
        match request.line.starts_with("GET") {
            false if call == 2 => platform(request).broken_off(),
            _ => platform(request),
        }
    })?;
    for timestamp in 1..=20 {
        watch.expect(timestamp)?;
    }
    drop(input);
    let (_, output) = watch.finish()?;
    assert!(output.status.success());
    let mut times: Vec<i64> = sent(&server).into_iter().map(|(time, _)| time).collect();
    assert!(times.len() > 20, "what broke off is sent again: {times:?}");
    times.dedup();
    times.sort_unstable();
    times.dedup();
    assert_eq!(times, (1..=20).collect::<Vec<_>>());
    Ok(())
}

#[test]
fn what_was_not_observed_is_said_at_the_end() -> anyhow::Result<()> {
    // A port that no other test gets.
    let mut away = Watch::start("http://127.0.0.1:1", &["-"], Stdio::piped())?;
    away.child
        .stdin
        .take()
        .context("piped")?
        .write_all(b"1,50\n2,50\n")?;
    let mut said = BufReader::new(away.child.stderr.take().context("piped")?).lines();
    let waiting = said.find(|line| {
        line.as_ref()
            .is_ok_and(|line| line.contains("trying again"))
    });
    waiting.context("it says that it waits")??;
    away.interrupt()?;
    let (_, output) = away.finish()?;
    assert_eq!(output.status.code(), Some(1));
    let rest: Vec<String> = said.collect::<Result<_, _>>()?;
    assert!(
        rest.iter().any(|line| line.contains("were not observed")),
        "{rest:?}"
    );

    let refusing = Server::start(|request| match request.line.starts_with("GET") {
        true => Reply::new(404, NO_STREAM),
        false => Reply::new(400, PROBLEM),
    })?;
    let script = ["watch", "s", "--", "echo", "1,50"];
    let output = anomaly(&refusing.url, &script).output()?;
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
    assert!(
        stderr(&output).contains("error: at 1: Insufficient"),
        "{}",
        stderr(&output)
    );
    let strict = [
        "watch",
        "s",
        "--strict",
        "--",
        "printf",
        "t,v\\n1,50\\n2,x\\n",
    ];
    let output = anomaly(&Server::start(platform)?.url, &strict).output()?;
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("line 3, column v: \"x\""),
        "{}",
        stderr(&output)
    );
    Ok(())
}
