//! The `anomaly` binary against a tiny HTTP server.
#![expect(clippy::unwrap_used, reason = "a helper's panic fails its test")]

mod columns;
mod detect;
mod faults;
mod keys;
mod manage;
mod manual;
mod platform;
mod points;
mod replay;
mod server;
mod streams;
mod tls;
mod watch;

use std::{
    fs,
    path::PathBuf,
    process::{Command, Output, Stdio},
};

use anyhow::ensure;
use server::{Reply, Request};
use tempfile::TempDir;

const FITTED: &str = r#"{"series_id":"s","version":"v7","points_used":3,"detector":"auto"}"#;
const PROBLEM: &str = r#"{"type":"about:blank","title":"Bad Request","status":400,
    "detail":"Insufficient or constant data","code":"series_unfit","request_id":"r-1","errors":[{"detail":"values: all are 10"}]}"#;
const BUSY: &str = r#"{"type":"about:blank","title":"Service Unavailable","status":503,
    "detail":"Too many requests at once","code":"overloaded"}"#;

/// The reply to a prediction of `value`: an anomaly over 100, the higher the more.
fn verdict(value: f64) -> String {
    let anomaly = value > 100.0;
    let (severity, direction) = match anomaly {
        true => ("high", "above"),
        false => ("none", "none"),
    };
    format!(
        r#"{{"model_version":"v7","anomaly":{anomaly},"score":{},"severity":"{severity}","p_value":1.25e-5,"expected":50.0,"lower":null,"upper":100.0,"direction":"{direction}","reason":"{value} against 50 expected (limit 100)","detector":"auto"}}"#,
        value.clamp(0.0, 999.0) / 1000.0
    )
}

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

/// The output of a run that must succeed.
fn success(url: &str, args: &[&str]) -> anyhow::Result<String> {
    let output = run(url, args)?;
    ensure!(output.status.success(), "{args:?}: {}", stderr(&output));
    Ok(stdout(&output).to_owned())
}

/// The error output of a run that must end with `code` and print no result.
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
        "predict" => Reply::ok(verdict(value(request))),
        _ => Reply::ok("picture"),
    }
}

/// The requests that came, each as method and target, and body.
fn asked(seen: &[Request]) -> Vec<(&str, &str)> {
    seen.iter().map(|r| (&*r.line, &*r.body)).collect()
}
