//! Finding what is unusual in a file.

use std::{fs, process::Stdio};

use anyhow::Context;

use crate::{
    Folder, PROBLEM, anomaly, failure, run,
    server::{Reply, Request, Server},
    stderr, stdout, success,
};

/// Ten rows, a minute apart.
const ROWS: &str = "timestamp,value
2024-01-01 00:00:00,1\n2024-01-01 00:01:00,2\n2024-01-01 00:02:00,1\n2024-01-01 00:03:00,2\n2024-01-01 00:04:00,1
2024-01-01 00:05:00,90\n2024-01-01 00:06:00,95\n2024-01-01 00:07:00,1\n2024-01-01 00:08:00,-7\n2024-01-01 00:09:00,2\n";

/// The timestamp of row `row`.
fn time(row: i64) -> i64 {
    1_704_067_200 + 60 * row
}

fn line(row: i64, value: f64, ratio: f64) -> String {
    let anomaly = ratio >= 1.0;
    let timestamp = time(row);
    format!(
        r#"{{"timestamp":{timestamp},"value":{value},"anomaly":{anomaly},"score":0.5,"severity":"none","p_value":0.5,"expected":1.5,"lower":0.0,"upper":3.0,"direction":"none","reason":"{value} against 1.5","detector":"auto","alarm":{anomaly},"ratio":{ratio}}}"#
    )
}

/// An episode that began, raised its first alarm, ended and had its peak in these rows.
fn episode(rows: [i64; 4], value: f64, severity: &str, ratio: f64) -> String {
    let [began, start, end, peak] = rows.map(time);
    format!(
        r#"{{"began":{began},"start":{start},"end":{end},"peak":{peak},"value":{value},"expected":1.5,"direction":"above","severity":"{severity}","ratio":{ratio},"alarms":1,"reason":"{value} against 1.5"}}"#
    )
}

/// The verdicts of a platform on the last six rows.
fn judged() -> String {
    let lines = [
        line(4, 1.0, 0.0),
        line(5, 90.0, 1.5),
        line(6, 95.0, 2.5),
        line(7, 1.0, 0.5),
        line(8, -7.0, 1.0),
        line(9, 2.0, 0.0),
    ];
    let summary = format!(
        r#"{{"summary":{{"detector":"auto","train":4,"anomalies":3,"alarms":3,"period":2,"episodes":[{},{}],"change_points":[{{"timestamp":{},"from":1.5,"to":92.123456}}],"warnings":["4 points are few"]}}}}"#,
        episode([5, 6, 7, 6], 95.0, "critical", 2.5),
        episode([8, 8, 8, 8], -7.0, "low", 1.0),
        time(5)
    );
    format!("{}\n{summary}\n", lines.join("\n"))
}

fn platform(request: &Request) -> Reply {
    match request.line.starts_with("POST /v1/detect/plot") {
        true => Reply::ok("picture"),
        false => Reply::ok(judged()),
    }
}

const SHOWN: &str = "\
auto fitted on 4 points, 2024-01-01 00:00:00 – 2024-01-01 00:03:00, season of 2 points
warning: 4 points are few
  2024-01-01 00:05:00 – 2024-01-01 00:07:00  critical  peak 95 at 2024-01-01 00:06:00
      95 against 1.5
  2024-01-01 00:08:00                        low       peak -7 at 2024-01-01 00:08:00
      -7 against 1.5
  2024-01-01 00:05:00                        the level changes from 1.5 to 92.123
3 alarms in 2 episodes and 1 change of the level; 3 anomalies among 6 points judged (50.00 %)
";

#[test]
fn detect_prints_episodes_with_the_reason_at_their_peaks() -> anyhow::Result<()> {
    let server = Server::start(platform)?;
    let folder = Folder::new()?;
    let file = folder.file("a.csv", ROWS)?;
    let output = run(&server.url, &["detect", &file, "--train", "4"])?;
    let printed = stdout(&output);
    let rate = printed.strip_prefix(SHOWN).context(printed.to_owned())?;
    assert!(rate.ends_with(" points/s\n"), "{rate}");
    let (read, progress) = stderr(&output).split_once('\n').context("two lines")?;
    assert!(
        read.ends_with(
            r#"a.csv: 10 rows: delimiter ',', times in "timestamp" (as "2024-01-01 00:00:00", UTC), values in "value""#
        ),
        "{read}"
    );
    assert_eq!(
        progress, "detecting in 10 points\njudging 6 points\n",
        "no bar where there is no terminal"
    );
    let [request] = &server.seen()[..] else {
        panic!("not one request");
    };
    assert_eq!(request.line, "POST /v1/detect");
    assert_eq!(request.header("accept"), Some("application/x-ndjson"));
    Ok(())
}

/// A platform that found these episodes, given as first and last row, severity and strength.
fn with_episodes(episodes: &'static [(i64, i64, &'static str, f64)]) -> anyhow::Result<Server> {
    let replies: Vec<String> = episodes
        .iter()
        .map(|(began, end, severity, ratio)| {
            episode([*began, *began, *end, *began], 0.1 + 0.2, severity, *ratio)
        })
        .collect();
    let start_of = |row: i64| episodes.iter().find(|episode| episode.0 == row);
    let lines: Vec<String> = (4..10)
        .map(|row| line(row, row as f64 * 0.1, start_of(row).map_or(0.0, |e| e.3)))
        .collect();
    let reply = format!(
        r#"{}
{{"summary":{{"detector":"auto","train":4,"anomalies":{},"period":null,"episodes":[{}],"change_points":[],"warnings":[]}}}}
"#,
        lines.join("\n"),
        episodes.len(),
        replies.join(",")
    );
    Ok(Server::start(move |_| Reply::ok(reply.clone()))?)
}

#[test]
fn detect_prints_the_worst_episode_first_and_as_many_as_are_wanted() -> anyhow::Result<()> {
    let server = with_episodes(&[
        (4, 4, "low", 1.5),
        (5, 5, "high", 2.0),
        (6, 6, "high", 3.5),
        (7, 7, "low", 1.25),
    ])?;
    let folder = Folder::new()?;
    let file = folder.file("a.csv", ROWS)?;
    let detect = |options: &[&str]| -> anyhow::Result<Vec<String>> {
        let args = [&["detect", &file][..], options].concat();
        let printed = success(&server.url, &args)?;
        let lines = printed.lines().map(str::trim);
        let is_shown = |line: &&str| line.contains(" peak ") || line.contains(" more ");
        Ok(lines.filter(is_shown).map(str::to_owned).collect())
    };
    let minutes = |lines: &[String]| -> Vec<String> {
        lines.iter().map(|line| line[14..16].to_owned()).collect()
    };
    assert_eq!(minutes(&detect(&[])?), ["06", "05", "04", "07"]);
    let [first, second, rest] = &detect(&["--top", "2"])?[..] else {
        panic!("not two episodes and a count");
    };
    assert!(first.contains("high") && second.contains("high"));
    assert_eq!(rest, "and 2 more episodes");
    assert_eq!(detect(&["--top", "3"])?[3], "and 1 more episode");
    assert_eq!(detect(&["--top", "9"])?.len(), 4);
    Ok(())
}

#[test]
fn an_episode_begins_with_its_first_abnormal_point() -> anyhow::Result<()> {
    let server = with_episodes(&[(5, 8, "medium", 1.5)])?;
    let folder = Folder::new()?;
    let file = folder.file("a.csv", ROWS)?;
    let printed = success(&server.url, &["detect", &file])?;
    let shown =
        "  2024-01-01 00:05:00 – 2024-01-01 00:08:00  medium    peak 0.3 at 2024-01-01 00:05:00
      0.30000000000000004 against 1.5\n";
    assert!(printed.contains(shown), "{printed}");
    Ok(())
}

#[test]
fn detect_sends_what_it_was_told_and_points_in_the_order_of_time() -> anyhow::Result<()> {
    let server = Server::start(platform)?;
    let folder = Folder::new()?;
    let file = folder.file("a.csv", "ts,value\n3,30\n1,10\n2,20\n")?;
    let options = [
        "--train",
        "0.5",
        "--detector",
        "ewma",
        "--param",
        "k=2",
        "--false-alarm-rate",
        "0.01",
        "--direction",
        "both",
        "--min-deviation",
        "0.5",
    ];
    success(&server.url, &[&["detect", &file][..], &options].concat())?;
    success(&server.url, &["detect", &file])?;
    let sent = r#"{"timestamps":[1,2,3],"values":[10.0,20.0,30.0],"train":0.5,"detector":"ewma","params":{"k":2.0},"false_alarm_rate":0.01,"direction":"both","min_deviation":0.5}"#;
    assert_eq!(server.seen()[0].body, sent);
    let sent = r#"{"timestamps":[1,2,3],"values":[10.0,20.0,30.0],"train":0.15}"#;
    assert_eq!(server.seen()[1].body, sent);
    Ok(())
}

#[test]
fn detect_with_json_passes_the_lines_through() -> anyhow::Result<()> {
    let server = Server::start(platform)?;
    let folder = Folder::new()?;
    let file = folder.file("a.csv", ROWS)?;
    let plot = folder.path("p.png");
    let saving = ["--plot", plot.to_str().context("UTF-8")?];
    let detect = ["detect", &file, "--json"];
    let printed = success(&server.url, &[&detect[..], &saving].concat())?;
    assert_eq!(printed, judged());
    assert!(plot.exists());
    Ok(())
}

#[test]
fn detect_saves_a_plot_of_what_it_judged() -> anyhow::Result<()> {
    let server = Server::start(platform)?;
    let folder = Folder::new()?;
    let file = folder.file("a b.csv", ROWS)?;
    for (name, line) in [
        ("p.svg", "POST /v1/detect/plot?title=a%20b&format=svg"),
        ("p.PNG", "POST /v1/detect/plot?title=a%20b&format=png"),
        ("p", "POST /v1/detect/plot?title=a%20b"),
    ] {
        let plot = folder.path(name);
        let plot = plot.to_str().context("UTF-8")?;
        let printed = success(&server.url, &["detect", &file, "--plot", plot])?;
        assert!(printed.ends_with(&format!("saved {plot}\n")), "{printed}");
        assert_eq!(fs::read(plot)?, b"picture");
        let seen = server.seen();
        let [.., detected, drawn] = &seen[..] else {
            panic!("fewer than two requests");
        };
        assert_eq!(drawn.line, line);
        assert_eq!(drawn.body, detected.body);
    }
    Ok(())
}

#[test]
fn the_plot_has_the_size_and_the_part_that_are_asked_for() -> anyhow::Result<()> {
    let server = Server::start(platform)?;
    let folder = Folder::new()?;
    let dates = folder.file("a.csv", ROWS)?;
    let other = Folder::new()?;
    let fine = other.file(
        "a.csv",
        "ts,v\n1704067200000,1\n1704067260000,2\n1704067320000,3\n",
    )?;
    let plot = folder.path("p.png");
    let plot = plot.to_str().context("UTF-8")?;
    let options = [
        "--plot",
        plot,
        "--width",
        "900",
        "--height",
        "300",
        "--scale",
        "2",
        "--from",
        "2024-01-01 00:01",
        "--to",
        "2024-01-01T00:02:00Z",
    ];
    for (file, from, to) in [
        (&dates, time(1), time(2)),
        (&fine, time(1) * 1_000, time(2) * 1_000),
    ] {
        let detect = ["detect", file, "--train", "2"];
        success(&server.url, &[&detect[..], &options].concat())?;
        let drawn = server.seen().pop().context("requests")?.line;
        let size = "title=a&width=900&height=300&scale=2";
        let expected = format!("POST /v1/detect/plot?{size}&from={from}&to={to}&format=png");
        assert_eq!(drawn, expected);
    }
    Ok(())
}

#[test]
fn a_plot_is_saved_even_if_the_reader_has_seen_enough() -> anyhow::Result<()> {
    let lines = format!("{}\n", line(4, 1.0, 0.0)).repeat(10_000);
    let server = Server::start(move |request| match request.line.contains("plot") {
        true => Reply::ok("picture"),
        false => Reply::ok(lines.clone()),
    })?;
    let folder = Folder::new()?;
    let file = folder.file("a.csv", ROWS)?;
    let plot = folder.path("p.png");
    let name = plot.to_str().context("UTF-8")?;
    let mut child = anomaly(&server.url, &["detect", &file, "--json", "--plot", name])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    drop(child.stdout.take());
    let output = child.wait_with_output()?;
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(fs::read(plot)?, b"picture");
    Ok(())
}

#[test]
fn a_reply_that_breaks_off_is_a_failure() -> anyhow::Result<()> {
    let folder = Folder::new()?;
    let file = folder.file("a.csv", ROWS)?;
    let whole = judged();
    let summary = whole.rfind("{\"summary\"").context("a summary")?;
    let lines = whole[..summary].to_owned();
    let cut = lines.clone();
    let ended = Server::start(move |_| Reply::ok(lines.clone()))?;
    let broken = Server::start(move |_| Reply::ok(cut.clone()).broken_off())?;
    for server in [&ended, &broken] {
        let said = failure(&server.url, &["detect", &file, "--train", "4"], 1)?;
        assert!(said.contains("broke off"), "{said}");
        let output = run(&server.url, &["detect", &file, "--json"])?;
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(stdout(&output).lines().count(), 6, "what came is printed");
    }
    Ok(())
}

#[test]
fn a_line_that_is_no_verdict_is_shown() -> anyhow::Result<()> {
    let folder = Folder::new()?;
    let file = folder.file("a.csv", ROWS)?;
    let server = Server::start(|_| Reply::ok("<html>hello</html>\n"))?;
    let said = failure(&server.url, &["detect", &file], 1)?;
    assert!(
        said.contains("answered 200") && said.contains("<html>hello"),
        "{said}"
    );
    let server = Server::start(|_| Reply::new(400, PROBLEM))?;
    let said = failure(&server.url, &["detect", &file], 1)?;
    assert!(
        said.contains("Insufficient or constant data (400)"),
        "{said}"
    );
    Ok(())
}

#[test]
fn more_points_than_one_call_takes_are_refused_before_they_are_sent() -> anyhow::Result<()> {
    const TOO_LARGE: &str = r#"{"type":"about:blank","title":"Content Too Large","status":413,
        "detail":"Request body is too large","code":"body_too_large"}"#;
    let server = Server::start(|_| Reply::new(413, TOO_LARGE))?;
    let folder = Folder::new()?;
    let rows: String = (0..100_000).map(|row| format!("{row}.5\n")).collect();
    let file = folder.file("a.csv", &format!("value\n{rows}"))?;
    let said = failure(&server.url, &["detect", &file], 1)?;
    assert!(
        said.contains("100000 points are more than the platform takes in one call"),
        "{said}"
    );
    assert!(said.contains("Request body is too large (413)"), "{said}");
    assert_eq!(server.seen()[0].body, "", "nothing was uploaded");
    Ok(())
}

#[test]
fn a_large_body_is_sent_once_the_platform_agrees() -> anyhow::Result<()> {
    let server = Server::start(platform)?;
    let folder = Folder::new()?;
    let rows: String = (0..100_000).map(|row| format!("{row}.5\n")).collect();
    let file = folder.file("a.csv", &format!("value\n{rows}"))?;
    success(&server.url, &["detect", &file])?;
    let [request] = &server.seen()[..] else {
        panic!("not one request");
    };
    assert!(request.body.ends_with(r#"99999.5],"train":0.15}"#));
    Ok(())
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() -> anyhow::Result<()> {
    let lines = format!("{}\n", line(4, 1.0, 0.0)).repeat(10_000);
    let server = Server::start(move |_| Reply::ok(lines.clone()))?;
    let folder = Folder::new()?;
    let file = folder.file("a.csv", ROWS)?;
    let mut child = anomaly(&server.url, &["detect", &file, "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    drop(child.stdout.take());
    let output = child.wait_with_output()?;
    assert!(output.status.success(), "{}", stderr(&output));
    Ok(())
}

#[test]
fn each_column_of_numbers_is_judged_by_itself() -> anyhow::Result<()> {
    let server = Server::start(platform)?;
    let folder = Folder::new()?;
    let mut rows = "No;time;room;cpu;load\n".to_owned();
    for row in 0..10 {
        rows.push_str(&format!(
            "{row};2024-01-01 00:0{row}:00;a;{},5;{row}\n",
            row % 2
        ));
    }
    let file = folder.file("a.csv", &rows)?;
    let printed = success(&server.url, &["detect", &file, "--train", "4", "--each"])?;
    let headings = printed.lines().filter(|line| line.ends_with(':'));
    assert_eq!(headings.collect::<Vec<_>>(), ["cpu:"]);
    let rows = rows.replace(";3\n", ";30\n");
    let file = folder.file("b.csv", &rows)?;
    let each = ["detect", &file, "--train", "4", "--each", "--json"];
    let printed = success(&server.url, &each)?;
    let headings = printed
        .lines()
        .filter(|line| line.starts_with("{\"column\""));
    let expected = [r#"{"column":"cpu"}"#, r#"{"column":"load"}"#];
    assert_eq!(headings.collect::<Vec<_>>(), expected);
    let bodies: Vec<_> = server.seen().into_iter().map(|r| r.body).collect();
    assert_eq!(bodies[0], bodies[1]);
    assert!(bodies[2].contains("[0.0,1.0,2.0,30.0,4.0"), "{}", bodies[2]);
    Ok(())
}
