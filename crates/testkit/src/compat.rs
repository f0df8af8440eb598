//! The recorded requests and replies of the system that this one replaces. The same cases run
//! against every form of the platform.

use anyhow::{Context, bail, ensure};
use serde::Deserialize;
use serde_json::Value;

use crate::{Client, Reply};

const CASES: &str = include_str!("../compat/cases.json");

#[derive(Deserialize)]
struct Case {
    name: String,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    method: String,
    path: String,
    headers: serde_json::Map<String, Value>,
    body: Option<String>,
    expect: Expect,
}

#[derive(Deserialize)]
struct Expect {
    status: u16,
    json: Option<serde_json::Map<String, Value>>,
    png: Option<Size>,
    shape: Option<serde_json::Map<String, Value>>,
}

#[derive(Deserialize, PartialEq, Debug)]
struct Size {
    width: u32,
    height: u32,
}

/// Sends all recorded cases, in order, to a fresh platform.
///
/// # Errors
/// All cases with a different reply, each with the expected and the actual one.
pub async fn check(client: Client) -> anyhow::Result<()> {
    let cases: Vec<Case> = serde_json::from_str(CASES)?;
    ensure!(cases.len() >= 70, "only {} cases", cases.len());
    let mut failures = String::new();
    for case in &cases {
        for step in &case.steps {
            if let Err(error) = check_step(client, step).await {
                failures.push_str(&format!(
                    "\n{}: {} {}: {error:#}",
                    case.name, step.method, step.path
                ));
            }
        }
    }
    ensure!(failures.is_empty(), "not as recorded:{failures}");
    Ok(())
}

async fn check_step(client: Client, step: &Step) -> anyhow::Result<()> {
    let headers: Vec<(&str, &str)> = step
        .headers
        .iter()
        .filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)))
        .collect();
    let reply = client
        .send(
            &step.method,
            &step.path,
            &headers,
            step.body.as_deref().map(str::as_bytes),
        )
        .await?;
    ensure!(
        reply.status == step.expect.status,
        "{} instead of {}: {}",
        reply.status,
        step.expect.status,
        reply.text()
    );
    if reply.status >= 400 {
        reply.problem()?;
    }
    check_json(&reply, step.expect.json.as_ref())?;
    check_shape(&reply, step.expect.shape.as_ref())?;
    if let Some(size) = &step.expect.png {
        ensure!(
            png_size(&reply.body)? == *size,
            "{:?} instead of {size:?}",
            png_size(&reply.body)
        );
    }
    Ok(())
}

fn check_json(
    reply: &Reply,
    expected: Option<&serde_json::Map<String, Value>>,
) -> anyhow::Result<()> {
    let Some(expected) = expected else {
        return Ok(());
    };
    let got: Value = reply.json()?;
    for (name, value) in expected {
        let member = got
            .get(name)
            .with_context(|| format!("no {name} in {got}"))?;
        let as_expected = match value.as_str() {
            Some("*") => member.as_str().is_some_and(|text| !text.is_empty()),
            _ => member == value,
        };
        ensure!(as_expected, "{name} is {member} instead of {value}");
    }
    Ok(())
}

fn check_shape(
    reply: &Reply,
    expected: Option<&serde_json::Map<String, Value>>,
) -> anyhow::Result<()> {
    let Some(expected) = expected else {
        return Ok(());
    };
    let got: Value = reply.json()?;
    for (name, kind) in expected {
        let member = got
            .get(name)
            .with_context(|| format!("no {name} in {got}"))?;
        let as_expected = match kind.as_str() {
            Some("object") => member.is_object(),
            Some("number") => member.is_number(),
            other => bail!("kind {other:?} is not known"),
        };
        ensure!(as_expected, "{name} is {member}, no {kind}");
    }
    Ok(())
}

/// The width and height in the header of a PNG.
fn png_size(body: &[u8]) -> anyhow::Result<Size> {
    ensure!(
        body.starts_with(b"\x89PNG\r\n\x1a\n") && body.get(12..16) == Some(b"IHDR"),
        "no PNG"
    );
    let number = |at: usize| Some(u32::from_be_bytes(body.get(at..at + 4)?.try_into().ok()?));
    Ok(Size {
        width: number(16).context("cut short")?,
        height: number(20).context("cut short")?,
    })
}
