//! Replaying a file.

use std::{
    collections::BTreeSet,
    fs,
    sync::{Condvar, Mutex},
};

use anyhow::Context;

use crate::{
    FITTED, Folder, PROBLEM, platform, run,
    server::{Reply, Server},
    stderr, stdout, success, value,
};

/// 100 rows, a minute apart: rows 30 to 32 and row 99 are anomalies, the middle one of the three
/// the highest.
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
s: v7 fitted by auto on 3 points, 2024-01-01 00:00:00 – 2024-01-01 00:19:00
  2024-01-01 00:30:00 – 2024-01-01 00:32:00     3 points  high      peak 200 at 2024-01-01 00:31:00
      200 against 50 expected (limit 100)
  2024-01-01 01:39:00                           1 point   high      value 101
      101 against 50 expected (limit 100)
4 anomalies in 2 groups, out of 80 points judged (5.00 %)
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
    let anomalies = |line: &(usize, &&str)| line.1.contains(r#""anomaly":true"#);
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
fn replay_fits_as_it_is_told_and_sends_rows_before_each() -> anyhow::Result<()> {
    let server = Server::start(platform)?;
    let folder = Folder::new()?;
    let file = folder.file("a.csv", "value\n1\n2\n3\n4\n5\n")?;
    let replay = ["replay", "s", &file, "--train", "3", "--connections", "1"];
    let options = ["--context", "2", "--detector", "seasonal"];
    success(&server.url, &[&replay[..], &options].concat())?;
    let bodies: Vec<String> = server.seen().into_iter().map(|r| r.body).collect();
    assert_eq!(
        bodies,
        [
            r#"{"timestamps":[0,1,2],"values":[1.0,2.0,3.0],"detector":"seasonal"}"#,
            r#"{"timestamp":3,"value":4.0,"context":{"timestamps":[1,2],"values":[2.0,3.0]}}"#,
            r#"{"timestamp":4,"value":5.0,"context":{"timestamps":[2,3],"values":[3.0,4.0]}}"#,
        ]
    );
    Ok(())
}
