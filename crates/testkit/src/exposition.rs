//! Checks the Prometheus text that operators scrape.

use std::collections::BTreeSet;

use anyhow::{Context, ensure};

use crate::Client;

/// Reads the metrics of the service whose port for operators `admin` calls. Checks every line, and
/// that none contains `secret`, the id of a series: there can be any number of series. Returns the
/// names of the metrics.
///
/// # Errors
/// The first line that is wrong.
pub async fn check(admin: Client, secret: &str) -> anyhow::Result<BTreeSet<String>> {
    let reply = admin.get("/metrics").await?;
    ensure!(reply.status == 200, "{}", reply.status);
    let kind = reply.header("content-type").unwrap_or_default();
    ensure!(kind.starts_with("text/plain; version=0.0.4"), "{kind}");
    let text = reply.text();
    ensure!(!text.contains(secret), "{secret} is told");

    let mut names = BTreeSet::new();
    for line in text.lines() {
        if let Some(family) = line.strip_prefix("# TYPE ") {
            let (name, kind) = family.split_once(' ').context("a type of nothing")?;
            check_name(name, kind)?;
            names.insert(name.to_owned());
        } else if !line.starts_with("# HELP ") {
            let (sample, value) = line.rsplit_once(' ').context("a sample without a value")?;
            ensure!(value.parse::<f64>().is_ok(), "{sample} is {value}");
        }
    }
    Ok(names)
}

/// `anomaly_…` or, as every process has them, `process_…`; counters end in `_total`, durations are
/// in seconds.
fn check_name(name: &str, kind: &str) -> anyhow::Result<()> {
    let ours = name.starts_with("anomaly_") || name.starts_with("process_");
    ensure!(ours, "{name} is not one of our names");
    ensure!(
        (kind == "counter") == name.ends_with("_total"),
        "{name} is a {kind}"
    );
    ensure!(
        !name.contains("_ms") && !name.contains("millis"),
        "{name} is not in seconds"
    );
    Ok(())
}
