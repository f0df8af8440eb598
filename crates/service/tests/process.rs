//! Tests that need a separate process: signals, its logs, its main runtime, running out of descriptors.
//!
//! A test with a `_child` in its name is a part of the one above it, and does something in a process of its own only.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, Command, Stdio},
};

use anyhow::{Context, ensure};
use service::{
    shutdown, task,
    telemetry::{self, LogFormat, TelemetryConfig},
};

const CHILD: &str = "TEST_IS_CHILD";

/// Runs the test `name` of this file in a process of its own, after `shell` commands.
fn child(name: &str, shell: &str) -> anyhow::Result<Child> {
    let script = format!(r#"{shell} exec "$0" --exact {name} --nocapture"#);
    Ok(Command::new("sh")
        .arg("-c")
        .arg(script)
        .arg(std::env::current_exe()?)
        .env(CHILD, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?)
}

fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

fn logs(child: &mut Child) -> anyhow::Result<BufReader<std::process::ChildStderr>> {
    Ok(BufReader::new(child.stderr.take().context("no stderr")?))
}

fn terminate(child: &Child) -> anyhow::Result<()> {
    let sent = Command::new("kill").arg(child.id().to_string()).status()?;
    ensure!(sent.success());
    Ok(())
}

/// Reads lines until one has `text`.
fn wait_for(logs: &mut impl BufRead, text: &str) -> anyhow::Result<String> {
    let mut line = String::new();
    while !line.contains(text) {
        line.clear();
        ensure!(logs.read_line(&mut line)? > 0, "ended before {text:?}");
    }
    Ok(line)
}

fn start_logging(log_format: LogFormat) -> anyhow::Result<()> {
    telemetry::init(&TelemetryConfig {
        log_format,
        log_level: "info".parse()?,
        otel_exporter_otlp_endpoint: None,
        otel_service_name: None,
    })
}

#[test]
fn the_first_signal_asks_to_stop_and_the_second_ends_at_once() -> anyhow::Result<()> {
    let mut child = child("signals_child", "")?;
    let mut logs = logs(&mut child)?;
    wait_for(&mut logs, "started")?;
    terminate(&child)?;
    wait_for(&mut logs, "cancelled")?;
    terminate(&child)?;
    assert_eq!(child.wait()?.code(), Some(130));
    Ok(())
}

#[tokio::test]
async fn signals_child() -> anyhow::Result<()> {
    if !is_child() {
        return Ok(());
    }
    start_logging(LogFormat::Text)?;
    let stop = shutdown::on_signal()?;
    tracing::info!("started");
    stop.cancelled().await;
    tracing::info!("cancelled");
    std::future::pending().await
}

#[test]
fn logs_for_machines_are_json_to_the_last_line_panics_included() -> anyhow::Result<()> {
    let mut child = child("logs_child", "")?;
    let mut lines = Vec::new();
    for line in logs(&mut child)?.lines() {
        let line = line?;
        let value: serde_json::Value = serde_json::from_str(&line).context(line)?;
        lines.push(value);
    }
    let of = |message: &str| lines.iter().find(|l| l["message"] == message);
    let counted = of("counted").context("the event")?;
    assert_eq!(
        (&counted["points"], &counted["level"]),
        (&3.into(), &"INFO".into())
    );
    assert_eq!(
        of("panic: of the test").context("the panic")?["level"],
        "ERROR"
    );
    assert_eq!(
        of("background task panicked").context("the task")?["task"],
        "doomed"
    );
    assert!(child.wait()?.success());
    Ok(())
}

#[tokio::test]
async fn logs_child() -> anyhow::Result<()> {
    if !is_child() {
        return Ok(());
    }
    start_logging(LogFormat::Json)?;
    ensure!(start_logging(LogFormat::Json).is_err(), "a second start");
    tracing::info!(points = 3, "counted");
    let ended = task::spawn("doomed", async { panic!("of the test") }).await?;
    ensure!(ended.is_none());
    Ok(())
}

#[test]
fn work_for_the_main_runtime_runs_there_to_its_end() -> anyhow::Result<()> {
    let runtime = |name: &str| {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name(name)
            .enable_all()
            .build()
    };
    let thread = || std::thread::current().name().unwrap_or_default().to_owned();
    let (main, worker) = (runtime("main")?, runtime("worker")?);
    main.block_on(async { task::init_main() });
    worker.block_on(async { task::init_main() }); // too late, changes nothing
    let name = worker.block_on(task::on_main(async move { thread() }));
    assert_eq!(name, "main");

    let panicked = worker.block_on(worker.spawn(task::on_main(async { panic!("of the test") })));
    assert!(panicked.is_err_and(|ended| ended.is_panic()));

    // A request whose client is gone is dropped; what it began on the main runtime goes on.
    let (begin, begun) = tokio::sync::oneshot::channel::<()>();
    let (end, ended) = tokio::sync::oneshot::channel();
    let work = task::on_main(async move {
        let _ = begun.await;
        let _ = end.send(());
    });
    worker.block_on(async {
        tokio::select! {
            biased;
            () = work => unreachable!("it has not begun"),
            () = std::future::ready(()) => {}
        }
    });
    begin.send(()).expect("the work goes on");
    Ok(worker.block_on(ended)?)
}

#[test]
fn a_server_out_of_descriptors_serves_on_and_recovers() -> anyhow::Result<()> {
    let mut child = child("descriptors_child", "ulimit -n 48;")?;
    let mut logs = logs(&mut child)?;
    wait_for(&mut logs, "cannot accept")?;
    drop(child.stdin.take());
    let mut log = String::new();
    logs.read_to_string(&mut log)?;
    assert!(child.wait()?.success(), "{log}");
    Ok(())
}

#[tokio::test]
async fn descriptors_child() -> anyhow::Result<()> {
    if !is_child() {
        return Ok(());
    }
    use http_server::{Listener, ServerConfig, serve};
    use tokio::{io::AsyncReadExt, io::AsyncWriteExt, net::TcpStream};

    start_logging(LogFormat::Text)?;
    let config = ServerConfig {
        worker_threads: 1,
        max_connections: 1000,
        header_timeout_seconds: 30,
        keep_alive_seconds: 75,
        shutdown_delay_seconds: 0,
    };
    let app = axum::Router::new().route("/", axum::routing::get(async || "ok"));
    let listener = Listener::bind(([127, 0, 0, 1], 0).into())?;
    let addr = listener.addr();
    let stop = tokio_util::sync::CancellationToken::new();
    let serving = task::spawn("server", serve(listener, app, config, stop.clone()));
    let ask = async |client: &mut TcpStream| -> anyhow::Result<()> {
        client
            .write_all(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n")
            .await?;
        let mut reply = Vec::new();
        while !reply.ends_with(b"\r\n\r\nok") {
            ensure!(client.read_buf(&mut reply).await? > 0, "closed");
        }
        Ok(())
    };
    let mut first = TcpStream::connect(addr).await?;
    ask(&mut first).await?;
    // Connected without giving way to the server, so that it finds no descriptor to accept them with.
    let mut more = Vec::new();
    while let Ok(client) = std::net::TcpStream::connect(addr) {
        more.push(client);
    }
    // Those held go on, until the parent has seen that new ones fail.
    ask(&mut first).await?;
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    ask(&mut first).await?;
    let last = more.pop().context("no connection at all")?;
    drop(more);
    last.set_nonblocking(true)?;
    ask(&mut TcpStream::from_std(last)?).await?;
    stop.cancel();
    serving.await?.context("panicked")?
}
