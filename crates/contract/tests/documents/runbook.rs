//! RUNBOOK.md: it has every line of the log that could ask for somebody, and every metric that
//! tells of trouble; and it has none that the code does not.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use contract::RENAMED_METRICS;

use super::{Document, root};

/// The calls that write a line at these levels.
const CALLS: [&str; 2] = ["tracing::warn!(", "tracing::error!("];

/// Parts of the names of metrics that tell of trouble.
const TROUBLE: [&str; 10] = [
    "error", "fail", "lost", "dropped", "dead", "buried", "cut_logs", "lag", "shed", "retries",
];

/// Whether `word` is the name of a metric. What has one underscore is something else: a field of
/// model files, a role.
pub(super) fn is_metric(word: &&str) -> bool {
    let is_ours = word.starts_with("anomaly_") && word.matches('_').count() > 1;
    is_ours || *word == "anomaly_ready" || word.starts_with("process_")
}

fn runbook() -> io::Result<Document> {
    Document::read(root().join("RUNBOOK.md"))
}

/// The sources of all programs, without the tests at their ends.
fn sources() -> io::Result<Vec<String>> {
    let mut files = Vec::new();
    for krate in fs::read_dir(root().join("crates"))? {
        rust_files(&krate?.path().join("src"), &mut files)?;
    }
    let texts = files.into_iter().map(fs::read_to_string);
    let without_tests = texts.map(|text| {
        text.map(|text| match text.split_once("#[cfg(test)]\nmod tests {") {
            Some((code, _)) => code.to_owned(),
            None => text,
        })
    });
    without_tests.collect()
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            rust_files(&path, files)?;
        } else if path.extension().is_some_and(|end| end == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

/// The message of the call whose arguments `rest` begins with: its first string that is not a part
/// of a field's value, with `…` for each piece that differs from line to line.
fn message(mut rest: &str) -> Option<String> {
    loop {
        let (code, string) = rest.split_once('"')?;
        // No string in such a call has a quote in it.
        let (text, after) = string.split_once('"')?;
        if !code.trim_end().ends_with(['=', '(']) {
            return Some(generalised(text));
        }
        rest = after;
    }
}

fn generalised(text: &str) -> String {
    let mut general = String::new();
    let mut rest = text;
    while let Some((fixed, piece)) = rest.split_once('{') {
        general.push_str(fixed);
        general.push('…');
        rest = piece.split_once('}').map_or("", |(_, rest)| rest);
    }
    general.push_str(rest);
    general
}

#[test]
fn it_has_every_warning_and_error_of_the_log_once_and_no_other() -> io::Result<()> {
    let runbook = runbook()?;
    let (_, lines) = runbook
        .text
        .split_once("\n## Log lines\n")
        .expect("a section");
    let lines = lines.split_once("\n## ").map_or(lines, |(lines, _)| lines);
    let first_cells = lines.lines().filter_map(|row| row.split('|').nth(1));
    let listed: Vec<&str> = first_cells
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .collect();

    let mut written = BTreeSet::new();
    for source in sources()? {
        for call in CALLS {
            let calls = source.split(call).skip(1);
            written.extend(calls.map(|rest| message(rest).expect("a call has a message")));
        }
    }
    assert!(written.len() > 50, "{}", written.len());
    let missing: Vec<_> = written
        .iter()
        .filter(|line| !listed.contains(&line.as_str()))
        .collect();
    let dead: Vec<_> = listed
        .iter()
        .filter(|line| !written.contains(**line))
        .collect();
    assert!(
        missing.is_empty() && dead.is_empty(),
        "RUNBOOK.md does not say what to do about {missing:#?}, and has lines that nobody writes: {dead:#?}"
    );
    assert_eq!(
        listed.len(),
        written.len(),
        "a line is there twice: {listed:#?}"
    );
    Ok(())
}

#[test]
fn it_has_every_metric_of_trouble_and_none_that_does_not_exist() -> io::Result<()> {
    let mut exported = BTreeSet::new();
    for source in sources()? {
        let strings = source.split('"').skip(1).step_by(2);
        exported.extend(strings.filter(is_metric).map(str::to_owned));
    }
    assert!(exported.len() > 40, "{exported:?}");
    for document in [
        runbook()?,
        Document::read(root().join("docs/operations.md"))?,
    ] {
        let words = document
            .text
            .split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let unknown: Vec<_> = words
            .filter(is_metric)
            .filter(|name| !exported.contains(*name))
            .collect();
        assert!(
            unknown.is_empty(),
            "{}: {unknown:?}",
            document.path.display()
        );
    }
    let text = runbook()?.text;
    let is_former = |name: &&String| RENAMED_METRICS.iter().any(|(former, _)| former == name);
    let former: Vec<_> = exported.iter().filter(is_former).collect();
    assert_eq!(former.len(), RENAMED_METRICS.len());
    assert!(
        former
            .iter()
            .all(|name| !text.contains(&format!("`{name}`")))
    );
    let missing: Vec<_> = exported
        .iter()
        .filter(|name| !is_former(name))
        .filter(|name| TROUBLE.iter().any(|part| name.contains(part)))
        .filter(|name| !text.contains(&format!("`{name}")))
        .collect();
    assert!(missing.is_empty(), "no alert for {missing:?}");
    Ok(())
}
