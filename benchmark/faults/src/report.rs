//! Outcomes: one line of JSON for each session, and the table made of them.

use std::{collections::BTreeMap, fmt::Write as _, io::Write as _, path::Path, time::Duration};

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::scenario::{self, Scenario};

/// What came of the runs of a scenario.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// How often the fault was injected.
    pub runs: usize,
    /// Fits that were acknowledged.
    pub fits: usize,
    /// Predictions that were answered.
    pub predictions: usize,
    /// Predictions that were counted by the platform.
    pub counted: usize,
    /// Promotions and deletions that were acknowledged.
    pub changes: usize,
    /// The longest time from the end of a fault to full service, in seconds.
    pub slowest_recovery_s: f64,
    /// What went wrong, one entry for each run.
    pub failures: Vec<String>,
}

/// An outcome with where it is from: a line of the file of results.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    scenario: String,
    /// The day, as `YYYY-MM-DD`.
    date: String,
    /// The short hash of the commit.
    commit: String,
    #[serde(flatten)]
    outcome: Outcome,
}

impl Outcome {
    pub(crate) fn failed(&mut self, what: String) {
        eprintln!("  {what}");
        self.failures.push(what);
    }

    pub(crate) fn recovered(&mut self, after: Duration) {
        let tenths = (after.as_secs_f64() * 10.0).round() / 10.0;
        self.slowest_recovery_s = self.slowest_recovery_s.max(tenths);
    }
}

/// Appends the `outcome` of `scenario` to the results in `file`.
///
/// # Errors
/// When the file cannot be written, or git does not tell the commit.
pub fn record(file: &Path, scenario: &Scenario, outcome: &Outcome) -> anyhow::Result<()> {
    let record = Record {
        scenario: scenario.name.clone(),
        date: said_by("date", &["-u", "+%F"])?,
        commit: said_by("git", &["rev-parse", "--short", "HEAD"])?,
        outcome: outcome.clone(),
    };
    let mut file = std::fs::File::options()
        .create(true)
        .append(true)
        .open(file)?;
    writeln!(file, "{}", serde_json::to_string(&record)?)?;
    Ok(())
}

fn said_by(program: &str, args: &[&str]) -> anyhow::Result<String> {
    let output = std::process::Command::new(program)
        .args(args)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()?;
    anyhow::ensure!(output.status.success(), "{program}: {}", output.status);
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// The results in `file` as a table: the last ones of each scenario, in the order of the scenarios.
///
/// # Errors
/// When the file cannot be read.
pub fn table(file: &Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(file).context("no results yet")?;
    let mut last = BTreeMap::new();
    for line in text.lines() {
        let record: Record = serde_json::from_str(line)?;
        last.insert(record.scenario.clone(), record);
    }
    let mut table = String::from(
        "| scenario | runs | failed | fits | changes | predictions answered / counted \
         | slowest recovery, s | limit, s | commit, date |\n\
         |---|---|---|---|---|---|---|---|---|\n",
    );
    let (mut reasons, mut not_run) = (String::new(), Vec::new());
    for scenario in scenario::all() {
        let Some(Record {
            date,
            commit,
            outcome: o,
            ..
        }) = last.get(&scenario.name)
        else {
            not_run.push(format!("`{}`", scenario.name));
            continue;
        };
        let failed = match o.failures.len() {
            0 => "0".to_owned(),
            n => format!("**{n}**"),
        };
        writeln!(
            table,
            "| `{}` | {} | {failed} | {} | {} | {} / {} | {} | {} | {commit}, {date} |",
            scenario.name,
            o.runs,
            o.fits,
            o.changes,
            o.predictions,
            o.counted,
            o.slowest_recovery_s,
            scenario.recovers_within.as_secs(),
        )?;
        if let Some(first) = o.failures.first() {
            writeln!(reasons, "- `{}`: {first}", scenario.name)?;
        }
    }
    if !reasons.is_empty() {
        write!(table, "\nThe first failure of each:\n\n{reasons}")?;
    }
    if !not_run.is_empty() {
        writeln!(table, "\nNot run: {}.", not_run.join(", "))?;
    }
    Ok(table)
}
