//! The log of all evaluations: a line for each, and none is ever changed.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    path::Path,
};

use anyhow::{Context, Result};

use crate::report::{Origin, Report};

const HEAD: &str = "# Every evaluation

What was tried, when, and what came of it; a plus behind the commit means changes since. Lines are only ever added, by the program.

| date (UTC) | commit | run | detector | figures | note |
|---|---|---|---|---|---|
";

/// Adds a line for each detector of `report` to `folder/log.md`.
pub(crate) fn append(folder: &Path, report: &Report, origin: &Origin, note: &str) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let path = folder.join("log.md");
    let named = || path.display().to_string();
    let mut lines = match path.exists() {
        true => String::new(),
        false => HEAD.to_owned(),
    };
    let note = note.replace('|', "/").replace('\n', " ");
    for (detector, figures) in &report.figures {
        let Origin { commit, date, .. } = origin;
        let run = report.name;
        lines.push_str(&format!(
            "| {date} | {commit} | {run} | {detector} | {figures} | {note} |\n"
        ));
    }
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .with_context(named)?;
    file.write_all(lines.as_bytes()).with_context(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_added_below_those_that_are_there() {
        let folder = tempfile::tempdir().unwrap();
        let origin = Origin::of("quality nab DATA".to_owned());
        let report = Report {
            name: "nab",
            figures: vec![("auto".to_owned(), "verdict 78.2".to_owned())],
            ..Report::default()
        };
        append(folder.path(), &report, &origin, "first").unwrap();
        append(folder.path(), &report, &origin, "a|b\nc").unwrap();
        let text = fs::read_to_string(folder.path().join("log.md")).unwrap();
        let lines: Vec<&str> = text.strip_prefix(HEAD).unwrap().lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[0].ends_with("| nab | auto | verdict 78.2 | first |"));
        assert!(lines[1].ends_with("| a/b c |"));
    }
}
