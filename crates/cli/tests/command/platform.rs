//! Plots, figures, readiness.

use std::{
    fs,
    net::TcpListener,
    time::{Duration, Instant},
};

use crate::{
    BUSY, Folder, anomaly, failure, platform,
    server::{Reply, Server},
    success,
};

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
    let plot_part = "plot s --from 2023-08-31T05:20:00Z --to -7.5 --version champion -o -";
    let plot_part: Vec<&str> = plot_part.split(' ').collect();
    assert_eq!(success(&server.url, &plot_part)?, "picture");
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
            "GET /plot?series_id=s&version=champion&from=1693459200&to=-7500",
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
    // The platform ends each reply with a line feed.
    let server = Server::start(|_| Reply::ok(format!("{HEALTH}\n")))?;
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
