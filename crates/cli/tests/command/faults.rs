//! The messages and exit statuses of failures.

use std::{
    process::Stdio,
    sync::atomic::{AtomicUsize, Ordering},
};

use crate::{
    BUSY, Folder, PROBLEM, anomaly, failure, platform,
    server::{Reply, Server},
    stderr, success, verdict,
};

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
fn a_wrong_file_exits_with_2_and_sends_nothing() -> anyhow::Result<()> {
    let server = Server::start(platform)?;
    let folder = Folder::new()?;
    folder.file("bad.csv", "timestamp,value\n1,1\n2,2\n3,three\n")?;
    folder.file(
        "gap.csv",
        "timestamp,value\n1,1\n2,,x\n3,1\n4,1\n5,1\n6,1\n",
    )?;
    folder.file("short.csv", "value\n1\n2\n")?;
    folder.file("unsorted.csv", "ts,value\n1,1\n3,2\n2,3\n")?;
    for (command, message) in [
        (
            "fit s bad.csv",
            r#"line 4, column value: "three" is not a number"#,
        ),
        ("fit s gap.csv --strict", r#"  3 | 2,,x"#),
        ("fit s no.csv", "cannot read no.csv: "),
        ("fit s bad.csv --value-column cpu", r#"no column "cpu""#),
        ("replay s short.csv --train 2", "none left to predict"),
        ("detect short.csv --train 2", "none left to predict"),
        (
            "predict s --value 1 --timestamp 1 --context unsorted.csv",
            "the file has no point before 1",
        ),
        ("import s no.json", "cannot read no.json: "),
        ("observe s bad.csv", "line 4, column value"),
        ("points no.ndjson", "cannot read no.ndjson: "),
    ] {
        let args: Vec<&str> = command.split(' ').collect();
        let mut command = anomaly(&server.url, &args);
        let output = command.current_dir(folder.0.path()).output()?;
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
        assert!(said.contains(message), "{args:?}: {said}");
    }
    assert_eq!(server.seen(), []);
    Ok(())
}

#[test]
fn a_wrong_command_line_exits_with_2_and_sends_nothing() -> anyhow::Result<()> {
    let server = Server::start(platform)?;
    for (command, message) in [
        ("guess", "unrecognized subcommand"),
        ("health --url ftp://x", "must look like"),
        ("fit a/b -", "series id has a slash"),
        ("fit s - --param window", "must look like NAME=VALUE"),
        (
            "fit s - --false-alarm-rate 0.6",
            "not above 0 and at most 0.5",
        ),
        ("predict s", "--value"),
        (
            "predict s --value 1 --timestamp noon",
            "not a number, a date",
        ),
        (
            "predict s --value 1 --direction up",
            "[possible values: both, above, below]",
        ),
        (
            "predict s --value 1 --version V1",
            "neither a version of the form v1",
        ),
        ("replay s - --train 1.5", "must be a fraction"),
        ("replay s - --context 513", "513 is not in 0..=512"),
        (
            "detect - --detector magic",
            "[possible values: auto, sigma, robust, seasonal, ewma]",
        ),
        ("detect - --min-deviation=-1", "less than 0"),
        ("detect - --top -1", "unexpected argument"),
        ("detect - --width 900", "name one with --plot"),
        ("detect - --from 2024-01-01", "name one with --plot"),
        ("promote s v1 --alias A", "an alias is"),
        (
            "promote s v1 --if-match 12",
            "revision is not of the form r1",
        ),
        ("observe s", "--value"),
        ("observe s - --value 1", "cannot be used with"),
        ("stream set s --warmup 9", "9 is not in 10..=100000"),
        ("stream set s --lateness=-1", "-1 is not in 0.."),
        (
            "stream set s --transform log",
            "[possible values: none, rate]",
        ),
        ("stream set s --label host", "must look like NAME=TEXT"),
        ("stream restart s --from x", "neither nothing, champion"),
        ("stream end s", "confirm with --yes"),
        ("delete s", "confirm with --yes"),
        ("delete s v1", "confirm with --yes"),
    ] {
        let args: Vec<&str> = command.split(' ').collect();
        let said = failure(&server.url, &args, 2)?;
        assert!(said.contains(message), "{args:?}: {said}");
    }
    assert_eq!(server.seen(), []);
    Ok(())
}

#[test]
fn a_platform_that_is_not_there_is_named() -> anyhow::Result<()> {
    // No system gives this port to a listener that takes any.
    let url = "http://127.0.0.1:1";
    let said = failure(url, &["health"], 1)?;
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
fn what_changes_nothing_is_tried_again_when_the_server_is_busy() -> anyhow::Result<()> {
    let asked = AtomicUsize::new(0);
    let server = Server::start(move |_| match asked.fetch_add(1, Ordering::SeqCst) {
        0 => Reply::new(503, BUSY).with("retry-after: 0"),
        1 => Reply::new(503, BUSY)
            .with("retry-after: 60")
            .with("retry-after-ms: 1"),
        2 => Reply::ok(verdict(1.0)),
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
