//! Rules and dashboard for Prometheus: they ask for metrics that there are, each alert is explained
//! in RUNBOOK.md, and has a test that raises it.

use std::{collections::BTreeSet, fs, io};

use contract::RENAMED_METRICS;

use super::{Document, root, runbook::is_metric};

fn file(name: &str) -> io::Result<String> {
    fs::read_to_string(root().join("examples/observability").join(name))
}

/// The first cells of the table with this head.
fn first_cells(text: &str, head: &str) -> BTreeSet<String> {
    let (_, table) = text.split_once(head).expect("the table is there");
    let rows = table.lines().skip(1);
    let rows = rows.map_while(|row| row.strip_prefix("| `"));
    rows.filter_map(|row| row.split_once('`'))
        .map(|(cell, _)| cell.to_owned())
        .collect()
}

/// The metrics that operators are told of.
fn documented() -> io::Result<BTreeSet<String>> {
    let page = Document::read(root().join("docs/operations.md"))?.text;
    Ok(first_cells(
        &page,
        "| metric | type | unit | labels | meaning |\n",
    ))
}

/// The values of `key` in a YAML file.
fn values(yaml: &str, key: &str) -> Vec<String> {
    let lines = yaml
        .lines()
        .map(|line| line.trim().trim_start_matches("- "));
    let values = lines.filter_map(|line| line.strip_prefix(key));
    values.map(|value| value.trim().to_owned()).collect()
}

#[test]
fn rules_and_dashboard_ask_for_metrics_that_there_are() -> io::Result<()> {
    let documented = documented()?;
    assert!(documented.len() > 50, "{documented:?}");
    for name in ["alerts.yml", "grafana/anomaly.json"] {
        let text = file(name)?;
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let asked: BTreeSet<_> = words.filter(is_metric).map(family).collect();
        assert!(asked.len() > 20, "{name}: {asked:?}");
        let unknown: Vec<_> = asked.difference(&documented).collect();
        assert!(unknown.is_empty(), "{name}: {unknown:?}");
    }
    Ok(())
}

/// The metric that a time series belongs to.
fn family(series: &str) -> String {
    let parts = ["_bucket", "_sum", "_count"];
    let part = parts.into_iter().find_map(|part| series.strip_suffix(part));
    part.unwrap_or(series).to_owned()
}

#[test]
fn every_alert_is_explained_and_tested_and_no_other() -> io::Result<()> {
    let rules = values(&file("alerts.yml")?, "alert:");
    let alerts: BTreeSet<String> = rules.iter().cloned().collect();
    assert_eq!(alerts.len(), rules.len(), "two alerts have one name");
    let runbook = Document::read(root().join("RUNBOOK.md"))?.text;
    let explained = first_cells(&runbook, "| alert | fires when | means | do |\n");
    assert_eq!(alerts, explained, "alerts.yml, RUNBOOK.md");
    let tests = file("alerts_test.yml")?;
    let raised = tests.split("alertname: ").filter_map(|test| {
        let name = test.lines().next()?.trim();
        test.contains("exp_labels").then(|| name.to_owned())
    });
    assert_eq!(alerts, raised.collect(), "alerts.yml, alerts_test.yml");
    Ok(())
}

#[test]
fn the_former_names_of_metrics_are_in_the_documents() -> io::Result<()> {
    let documented = documented()?;
    for page in ["docs/operations.md", "CHANGELOG.md"] {
        let text = Document::read(root().join(page))?.text;
        for (former, now) in RENAMED_METRICS {
            let row = format!("| `{former}` | `{now}` |");
            assert!(text.contains(&row), "{page}: {row}");
            assert!(documented.contains(now) && !documented.contains(former));
        }
    }
    Ok(())
}
