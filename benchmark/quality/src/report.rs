//! Tables, written as Markdown to read and as JSON to compare with, each with the command and the
//! commit that it comes from.

use std::{fmt, fs, path::Path, process::Command};

use anyhow::{Context, Result};
use contract::DetectorName;
use serde_json::{Map, Value, json};

use crate::figure::{Figure, Goal};

/// One cell of a table.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    Text(String),
    Count(u64),
    /// A number, with these decimals in Markdown and unrounded in JSON.
    Number(f64, usize),
    /// Does not apply, or was not measured.
    None,
}

impl Cell {
    /// A number where there is one.
    pub(crate) fn of(number: Option<f64>, decimals: usize) -> Self {
        number.map_or(Self::None, |n| Self::Number(n, decimals))
    }

    fn json(&self) -> Value {
        match self {
            Self::Text(text) => json!(text),
            Self::Count(count) => json!(count),
            Self::Number(number, _) => json!(number),
            Self::None => Value::Null,
        }
    }

    fn is_number(&self) -> bool {
        !matches!(self, Self::Text(_))
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<usize> for Cell {
    fn from(count: usize) -> Self {
        Self::Count(count as u64)
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Count(count) => write!(f, "{count}"),
            Self::Number(number, _) if number.is_infinite() => f.write_str("∞"),
            Self::Number(number, decimals) => write!(f, "{number:.decimals$}"),
            Self::None => f.write_str("–"),
        }
    }
}

/// A titled table.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    title: String,
    /// The meaning of the numbers, for readers of the table only.
    note: String,
    columns: Vec<String>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    pub(crate) fn new<C: Into<String>>(
        title: impl Into<String>,
        note: impl Into<String>,
        columns: impl IntoIterator<Item = C>,
    ) -> Self {
        Self {
            title: title.into(),
            note: note.into(),
            columns: columns.into_iter().map(Into::into).collect(),
            rows: Vec::new(),
        }
    }

    pub(crate) fn row(&mut self, cells: Vec<Cell>) {
        debug_assert_eq!(cells.len(), self.columns.len(), "{}", self.title);
        self.rows.push(cells);
    }

    /// The table as Markdown, with headings from the second level on.
    pub(crate) fn markdown(&self) -> String {
        let mut text = format!("## {}\n\n", self.title);
        if !self.note.is_empty() {
            text.push_str(&format!("{}\n\n", self.note));
        }
        text.push_str(&line(&self.columns));
        let numeric = |i: usize| self.rows.iter().all(|row| row[i].is_number());
        let rules: Vec<&str> = (0..self.columns.len())
            .map(|i| if numeric(i) { "---:" } else { "---" })
            .collect();
        text.push_str(&line(&rules));
        for row in &self.rows {
            text.push_str(&line(row));
        }
        text
    }

    fn json(&self) -> Value {
        let object = |row: &Vec<Cell>| -> Value {
            let pairs = self.columns.iter().zip(row);
            let fields: Map<String, Value> = pairs.map(|(c, v)| (c.clone(), v.json())).collect();
            Value::Object(fields)
        };
        let rows: Vec<Value> = self.rows.iter().map(object).collect();
        json!({"title": self.title, "note": self.note, "rows": rows})
    }
}

fn line<T: fmt::Display>(cells: &[T]) -> String {
    let cells: Vec<String> = cells.iter().map(T::to_string).collect();
    format!("| {} |\n", cells.join(" | "))
}

/// Where results come from.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    /// The command that makes them again, the folder of the data left out.
    pub(crate) command: String,
    /// Of the source, with a plus if it was changed since.
    pub(crate) commit: String,
    /// When, UTC, to the minute.
    pub(crate) date: String,
}

impl Origin {
    /// Of this process.
    pub(crate) fn of(command: String) -> Self {
        let now = chrono::DateTime::<chrono::Utc>::from(std::time::SystemTime::now());
        Self {
            command,
            commit: commit().unwrap_or_else(|| "unknown".to_owned()),
            date: now.format("%Y-%m-%d %H:%M").to_string(),
        }
    }
}

/// The commit of the folder that this is run in.
fn commit() -> Option<String> {
    let git = |args: &[&str]| {
        let output = Command::new("git").args(args).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    };
    let hash = git(&["rev-parse", "--short=10", "HEAD"])?;
    let changed = git(&[
        "status",
        "--porcelain",
        "--untracked-files=no",
        "--",
        "crates",
        "benchmark/quality",
    ])?;
    Some(hash + if changed.is_empty() { "" } else { "+" })
}

/// The result of a command.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    /// The name of the files.
    pub(crate) name: &'static str,
    /// The results at a glance: printed, and first in the file.
    pub(crate) summary: Vec<Table>,
    /// Each series and each group: in the file only.
    pub(crate) details: Vec<Table>,
    /// For the log: who reached what.
    pub(crate) figures: Vec<(String, String)>,
    /// The numbers that have a goal.
    pub(crate) goals: Vec<Figure>,
}

impl Report {
    /// Adds a figure if it is one of `auto`: goals are for the default detector.
    pub(crate) fn goal_of(&mut self, detector: &str, what: &str, value: Option<f64>, goal: Goal) {
        if detector == DetectorName::Auto.as_str() {
            let value = value.unwrap_or(f64::NAN);
            self.goals.push(Figure::new(what, value, goal));
        }
    }
}

/// Writes `folder/NAME.md` and `folder/NAME.json`.
pub(crate) fn write(folder: &Path, report: &Report, origin: &Origin) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let Origin {
        command,
        commit,
        date,
    } = origin;
    let name = report.name;
    let mut text = format!("# Quality: {name}\n\n`{command}`, commit {commit}, {date}\n");
    let tables = || report.summary.iter().chain(&report.details);
    for table in tables() {
        text.push_str(&format!("\n{}", table.markdown()));
    }
    let tables: Vec<Value> = tables().map(Table::json).collect();
    let value = json!({
        "command": command,
        "commit": commit,
        "date": date,
        "figures": report.goals,
        "tables": tables,
    });
    let put = |extension: &str, text: String| {
        let path = folder.join(format!("{name}.{extension}"));
        fs::write(&path, text).with_context(|| path.display().to_string())
    };
    put("md", text)?;
    put("json", format!("{value:#}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_readable_and_its_json_exact() {
        let mut table = Table::new("Scores", "Higher is better.", ["detector", "score", "hits"]);
        table.row(vec!["auto".into(), Cell::Number(78.204_9, 2), 4.into()]);
        table.row(vec![
            "sigma".into(),
            Cell::of(None, 2),
            Cell::Number(f64::INFINITY, 1),
        ]);
        assert_eq!(
            table.markdown(),
            "## Scores\n\nHigher is better.\n\n| detector | score | hits |\n| --- | ---: | ---: |\n\
             | auto | 78.20 | 4 |\n| sigma | – | ∞ |\n"
        );
        let row = &table.json()["rows"][0];
        assert_eq!(row["score"].as_f64(), Some(78.204_9));
        assert_eq!(row["hits"].as_u64(), Some(4));
    }

    #[test]
    fn both_files_say_how_they_were_made() {
        let folder = tempfile::tempdir().unwrap();
        let origin = Origin::of("quality nab DATA".to_owned());
        let report = Report {
            name: "nab",
            ..Report::default()
        };
        write(folder.path(), &report, &origin).unwrap();
        for name in ["nab.md", "nab.json"] {
            let text = fs::read_to_string(folder.path().join(name)).unwrap();
            assert!(
                text.contains("quality nab DATA") && text.contains(&origin.commit),
                "{text}"
            );
        }
    }
}
