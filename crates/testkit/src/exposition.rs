//! Checks the Prometheus text that operators scrape.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, ensure};
use contract::RENAMED_METRICS;

use crate::Client;

/// A metric as `/metrics` shows it.
#[derive(Debug, Default)]
pub struct Family {
    /// `counter`, `gauge` or `histogram`.
    pub kind: String,
    /// What it tells.
    pub help: String,
    /// The names of its labels, sorted, without the bounds of buckets.
    pub labels: BTreeSet<String>,
}

/// Metrics by their names.
pub type Families = BTreeMap<String, Family>;

/// The units in which metrics may be, as the ends of names say it.
const UNITS: [&str; 3] = ["seconds", "bytes", "messages"];

/// Words that no name has: figures are in base units.
const OTHER_UNITS: [&str; 8] = [
    "ms", "millis", "micros", "minutes", "kb", "kib", "mb", "percent",
];

/// Reads the metrics of the service whose port for operators `admin` calls. Checks every line: that
/// each metric has its help and its type before its samples, that its name follows the rules, and
/// that none contains `secret`, the id of a series: there can be any number of series. Returns those
/// that are not deprecated.
///
/// # Errors
/// The first line that is wrong.
pub async fn check(admin: Client, secret: &str) -> anyhow::Result<Families> {
    let reply = admin.get("/metrics").await?;
    ensure!(reply.status == 200, "{}", reply.status);
    let kind = reply.header("content-type").unwrap_or_default();
    ensure!(kind.starts_with("text/plain; version=0.0.4"), "{kind}");
    let text = reply.text();
    ensure!(!text.contains(secret), "{secret} is told");
    let mut families = parse(&text)?;
    for (former, now) in RENAMED_METRICS {
        let Some(family) = families.remove(former) else {
            ensure!(!families.contains_key(now), "no {former} beside {now}");
            continue;
        };
        let told = family.help.starts_with("Deprecated: ") && family.help.contains(now);
        ensure!(told, "{former}: {}", family.help);
    }
    for (name, family) in &families {
        check_name(name, family)?;
    }
    Ok(families)
}

fn parse(text: &str) -> anyhow::Result<Families> {
    let mut families = Families::new();
    let mut current = String::new();
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').context("a help that is empty")?;
            current = name.to_owned();
            let family = Family {
                help: help.to_owned(),
                ..Family::default()
            };
            let former = families.insert(name.to_owned(), family);
            ensure!(former.is_none(), "{name} is there twice");
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').context("a type of nothing")?;
            ensure!(name == current, "{name} has no help");
            let family = families.get_mut(name).context("no family")?;
            kind.clone_into(&mut family.kind);
        } else {
            let family = families.get_mut(&current).context("a sample of nothing")?;
            add_sample(line, &current, family)?;
        }
    }
    Ok(families)
}

fn add_sample(line: &str, name: &str, family: &mut Family) -> anyhow::Result<()> {
    let (sample, value) = line.rsplit_once(' ').context("a sample without a value")?;
    ensure!(value.parse::<f64>().is_ok(), "{sample} is {value}");
    let (metric, labels) = sample.split_once('{').unwrap_or((sample, ""));
    let part = metric.strip_prefix(name).context("another's sample")?;
    let parts = match &*family.kind {
        "histogram" => &["_bucket", "_sum", "_count"][..],
        _ => &[""],
    };
    ensure!(parts.contains(&part), "{metric} is no {}", family.kind);
    let labels = labels.trim_end_matches('}').split(',');
    let names = labels.filter_map(|label| label.split_once('=').map(|(name, _)| name));
    let names = names.filter(|name| *name != "le").map(str::to_owned);
    family.labels.extend(names);
    Ok(())
}

/// The unit of the metric `name`, as the end of it says.
pub fn unit(name: &str) -> Option<&'static str> {
    let stem = name.strip_suffix("_total").unwrap_or(name);
    let last = stem.rsplit('_').next();
    UNITS.into_iter().find(|unit| Some(*unit) == last)
}

/// `anomaly_…` or, as every process has them, `process_…`; counters end in `_total`, histograms and
/// lags in their units, and all are in base units.
fn check_name(name: &str, family: &Family) -> anyhow::Result<()> {
    let kind = &family.kind;
    let ours = name.starts_with("anomaly_") || name.starts_with("process_");
    ensure!(ours, "{name} is not one of our names");
    ensure!(
        (kind == "counter") == name.ends_with("_total"),
        "{name} is a {kind}"
    );
    let has = |word: &str| name.split('_').any(|part| part == word);
    let other = OTHER_UNITS.into_iter().find(|word| has(word));
    ensure!(other.is_none(), "{name} is in {other:?}");
    ensure!(
        kind != "histogram" || name.ends_with("_duration_seconds"),
        "{name} is a histogram"
    );
    ensure!(
        !has("lag") || name.ends_with("_lag_messages"),
        "{name}: a lag is in messages"
    );
    ensure!(family.help.ends_with('.'), "{name}: {}", family.help);
    Ok(())
}
