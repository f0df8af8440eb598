//! Looking at series and models, and changing which of them judges.

use std::{
    fs,
    io::Write,
    process::{Output, Stdio},
};

use anyhow::{Context, ensure};

use crate::{
    BUSY, Folder, anomaly, asked, failure,
    server::{Reply, Request, Server},
    stderr, stdout, success,
};

const SERIES: &str = r#"{"series_id":"sensor 1","serving":"v1","newest":"v3","models":3,"changed_at":"2026-01-02T03:04:05.678Z","revision":"r12"}"#;
const CHAMPION: &str =
    r#"{"name":"champion","version":"v1","previous":"v3","changed_at":"2026-01-02T03:04:05.678Z"}"#;
const FILE: &str = r#"{"anomaly_model":1,"series_id":"sensor 1","version":"v3","created_at":"2026-01-02T03:04:05.678Z","fit_ms":1.5,"first_timestamp":0,"last_timestamp":9,"model":{"a": 1.50},"checksum":"00"}"#;
const IN_USE: &str = r#"{"type":"about:blank","title":"Conflict","status":409,
    "detail":"champion names this model","code":"model_in_use","request_id":"r-2"}"#;
const STALE: &str = r#"{"type":"about:blank","title":"Precondition Failed","status":412,
    "detail":"The series is at r13","code":"revision_mismatch"}"#;

fn model(version: u32, rest: &str) -> String {
    format!(
        r#"{{"version":"v{version}","detector":"auto","params":{{"window":64.0}},"points":1500,"created_at":"2026-01-02T03:04:05.678Z","fit_ms":12.34,"first_timestamp":1704067200,"last_timestamp":1704070800,"size_bytes":4096,"checksum":"00",{rest}}}"#
    )
}

/// Two pages of models.
fn models(request: &Request) -> Reply {
    let (model, next) = match request.line.contains("before=v3") {
        false => (
            model(3, r#""source":"import","aliases":[],"serving":false"#),
            r#""v3""#,
        ),
        true => (
            model(
                1,
                r#""source":"fit","aliases":["canary","champion"],"serving":true"#,
            ),
            "null",
        ),
    };
    Reply::ok(format!(
        r#"{{"series_id":"sensor 1","models":[{model}],"next":{next}}}"#
    ))
}

/// Two pages of series.
fn series(request: &Request) -> Reply {
    let next = match request.line.contains("after=") {
        false => r#""sensor 1""#,
        true => "null",
    };
    let line = match next {
        "null" => r#"{"series_id":"sensor 2","models":0,"stream":"silent"}"#,
        _ => SERIES,
    };
    Reply::ok(format!(r#"{{"series":[{line}],"next":{next}}}"#))
}

#[test]
fn models_are_a_table_of_all_pages() -> anyhow::Result<()> {
    let server = Server::start(models)?;
    let table = success(&server.url, &["models", "sensor 1"])?;
    let rows: Vec<Vec<&str>> = table
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    let range = "2024-01-01 00:00:00 – 2024-01-01 01:00:00";
    for (row, words) in rows.iter().zip([
        "version serves detector points created fit ms size trained on source aliases".to_owned(),
        format!("v3 auto 1500 2026-01-02 03:04:05 12.3 4.0 KiB {range} import"),
        format!("v1 yes auto 1500 2026-01-02 03:04:05 12.3 4.0 KiB {range} fit canary, champion"),
    ]) {
        assert_eq!(*row, words.split(' ').collect::<Vec<_>>(), "{table}");
    }
    assert_eq!(rows.len(), 3, "{table}");
    let lines: Vec<String> = server.seen().into_iter().map(|r| r.line).collect();
    assert_eq!(
        lines,
        [
            "GET /v1/series/sensor%201/models?limit=1000",
            "GET /v1/series/sensor%201/models?limit=1000&before=v3",
        ]
    );
    let pages = success(&server.url, &["models", "sensor 1", "--json"])?;
    assert_eq!(pages.lines().count(), 2);
    assert!(
        pages.starts_with(r#"{"series_id":"sensor 1","models":[{"#),
        "{pages}"
    );
    Ok(())
}

#[test]
fn series_are_listed_by_prefix() -> anyhow::Result<()> {
    let server = Server::start(series)?;
    let table = success(&server.url, &["series", "--prefix", "sensor "])?;
    assert_eq!(
        table,
        "series    serves  newest  models  revision  changed              stream
sensor 1      v1      v3       3       r12  2026-01-02 03:04:05
sensor 2                       0                     silent\n"
    );
    assert_eq!(
        asked(&server.seen()),
        [
            ("GET /v1/series?prefix=sensor%20&limit=1000", ""),
            (
                "GET /v1/series?prefix=sensor%20&limit=1000&after=sensor%201",
                ""
            ),
        ]
    );
    let pages = success(&server.url, &["series", "--json"])?;
    assert_eq!(pages.lines().count(), 2);
    assert_eq!(server.seen()[2].line, "GET /v1/series?limit=1000");
    Ok(())
}

#[test]
fn promote_sets_the_alias_and_says_what_it_was() -> anyhow::Result<()> {
    let server = Server::start(|_| Reply::ok(CHAMPION).with("etag: \"r13\""))?;
    let printed = success(&server.url, &["promote", "sensor 1", "v1"])?;
    assert_eq!(printed, "sensor 1: champion is v1, was v3 (revision r13)\n");
    let options = ["--alias", "canary", "--if-match", "r12", "--json"];
    let promote = ["promote", "sensor 1", "champion"];
    let printed = success(&server.url, &[&promote[..], &options].concat())?;
    assert_eq!(printed, format!("{CHAMPION}\n"));
    let seen = server.seen();
    assert_eq!(
        asked(&seen),
        [
            (
                "PUT /v1/series/sensor%201/aliases/champion",
                r#"{"version":"v1"}"#
            ),
            (
                "PUT /v1/series/sensor%201/aliases/canary",
                r#"{"version":"champion"}"#
            ),
        ]
    );
    assert_eq!(seen[0].header("if-match"), None);
    assert_eq!(seen[0].header("content-type"), Some("application/json"));
    assert_eq!(seen[1].header("if-match"), Some("\"r12\""));
    Ok(())
}

#[test]
fn rollback_says_what_judges_now() -> anyhow::Result<()> {
    let server = Server::start(|_| Reply::ok(CHAMPION).with("etag: \"r14\""))?;
    let printed = success(&server.url, &["rollback", "s", "--if-match", "r13"])?;
    assert_eq!(printed, "s: champion is v1, was v3 (revision r14)\n");
    let seen = server.seen();
    assert_eq!(asked(&seen), [("POST /v1/series/s/rollback", "")]);
    assert_eq!(seen[0].header("if-match"), Some("\"r13\""));
    Ok(())
}

#[test]
fn unpin_takes_the_champion_away() -> anyhow::Result<()> {
    let server = Server::start(|_| Reply::new(204, ""))?;
    let printed = success(&server.url, &["unpin", "sensor 1"])?;
    assert_eq!(
        printed,
        "sensor 1: no longer pinned, the newest version serves\n"
    );
    let options = ["unpin", "s", "--if-match", "r13", "--json"];
    assert_eq!(success(&server.url, &options)?, "");
    let seen = server.seen();
    assert_eq!(
        asked(&seen),
        [
            ("DELETE /v1/series/sensor%201/aliases/champion", ""),
            ("DELETE /v1/series/s/aliases/champion", ""),
        ]
    );
    assert_eq!(seen[0].header("if-match"), None);
    assert_eq!(seen[1].header("if-match"), Some("\"r13\""));
    Ok(())
}

#[test]
fn a_change_is_sent_once_and_a_refusal_is_printed_whole() -> anyhow::Result<()> {
    let busy = Server::start(|_| Reply::new(503, BUSY).with("retry-after: 0"))?;
    let folder = Folder::new()?;
    let file = folder.file("m.json", FILE)?;
    for args in [
        vec!["promote", "s", "v1"],
        vec!["unpin", "s"],
        vec!["rollback", "s"],
        vec!["import", "s", &file],
        vec!["delete", "s", "--yes"],
    ] {
        let before = busy.seen().len();
        failure(&busy.url, &args, 1)?;
        assert_eq!(busy.seen().len(), before + 1, "{args:?}");
    }
    let stale = Server::start(|_| Reply::new(412, STALE))?;
    let said = failure(&stale.url, &["rollback", "s", "--if-match", "r12"], 1)?;
    assert_eq!(
        said,
        "error: The series is at r13 (412)\n  code: revision_mismatch\n"
    );
    Ok(())
}

#[test]
fn export_saves_the_file_byte_for_byte() -> anyhow::Result<()> {
    let server = Server::start(|request| match request.line.ends_with("/export") {
        true => Reply::ok(FILE),
        false => Reply::ok(SERIES.replace('}', r#","aliases":[]}"#)),
    })?;
    let folder = Folder::new()?;
    let export = |args: &[&str]| -> anyhow::Result<Output> {
        let args = [&["export", "sensor 1"], args].concat();
        let mut command = anomaly(&server.url, &args);
        let output = command.current_dir(folder.0.path()).output()?;
        ensure!(output.status.success(), "{}", stderr(&output));
        Ok(output)
    };
    assert_eq!(stdout(&export(&[])?), "saved sensor 1.v3.json\n");
    assert_eq!(fs::read_to_string(folder.path("sensor 1.v3.json"))?, FILE);
    assert_eq!(
        stdout(&export(&["canary", "-o", "m.json"])?),
        "saved m.json\n"
    );
    assert_eq!(fs::read_to_string(folder.path("m.json"))?, FILE);
    assert_eq!(stdout(&export(&["v3", "-o", "-"])?), FILE);
    let lines: Vec<String> = server.seen().into_iter().map(|r| r.line).collect();
    assert_eq!(
        lines,
        [
            "GET /v1/series/sensor%201",
            "GET /v1/series/sensor%201/models/v1/export",
            "GET /v1/series/sensor%201/models/canary/export",
            "GET /v1/series/sensor%201/models/v3/export",
        ]
    );
    Ok(())
}

#[test]
fn export_saves_nothing_that_is_no_model() -> anyhow::Result<()> {
    let server = Server::start(|_| Reply::ok("{}"))?;
    let folder = Folder::new()?;
    let path = folder.path("m.json");
    let path = path.to_str().context("UTF-8")?;
    let said = failure(&server.url, &["export", "s", "v1", "-o", path], 1)?;
    assert!(said.contains("not like an anomaly"), "{said}");
    assert!(!folder.path("m.json").exists());
    Ok(())
}

#[test]
fn import_sends_the_file_as_it_is() -> anyhow::Result<()> {
    const IMPORTED: &str = r#"{"series_id":"copy","version":"v2","detector":"seasonal"}"#;
    let server = Server::start(|_| Reply::new(201, IMPORTED).with("etag: \"r3\""))?;
    let folder = Folder::new()?;
    let file = folder.file("m.json", FILE)?;
    let printed = success(&server.url, &["import", "copy", &file])?;
    assert_eq!(
        printed,
        "copy: v2 imported, detector seasonal (revision r3)\n"
    );
    let mut child = anomaly(&server.url, &["import", "copy", "-", "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut input = child.stdin.take().context("piped")?;
    input.write_all(FILE.as_bytes())?;
    drop(input);
    let output = child.wait_with_output()?;
    assert_eq!(stdout(&output), format!("{IMPORTED}\n"));
    let sent = ("POST /v1/series/copy/models", FILE);
    assert_eq!(asked(&server.seen()), [sent, sent]);
    Ok(())
}

#[test]
fn delete_does_as_it_is_told_when_it_is_told_yes() -> anyhow::Result<()> {
    let server = Server::start(|_| Reply::new(204, ""))?;
    let delete = |args: &[&str]| success(&server.url, &[&["delete", "a b"], args].concat());
    assert_eq!(delete(&["--yes"])?, "a b: deleted\n");
    assert_eq!(delete(&["v2", "-y"])?, "a b: v2 deleted\n");
    assert_eq!(
        delete(&["canary", "--yes", "--if-match", "r9", "--json"])?,
        ""
    );
    let seen = server.seen();
    assert_eq!(
        asked(&seen),
        [
            ("DELETE /v1/series/a%20b", ""),
            ("DELETE /v1/series/a%20b/models/v2", ""),
            ("DELETE /v1/series/a%20b/models/canary", ""),
        ]
    );
    assert_eq!(seen[2].header("if-match"), Some("\"r9\""));
    let server = Server::start(|_| Reply::new(409, IN_USE))?;
    let said = failure(&server.url, &["delete", "s", "v1", "--yes"], 1)?;
    assert_eq!(
        said,
        "error: champion names this model (409)\n  code: model_in_use, request: r-2\n"
    );
    Ok(())
}
