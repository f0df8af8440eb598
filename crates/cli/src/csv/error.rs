//! Errors of files.

use std::io;

use super::{BadCell, Why};

/// At most this many characters of a line are quoted.
const QUOTED: usize = 100;

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be opened.
    #[error("cannot read {path}: {source}")]
    Open {
        /// The path of the file.
        path: String,
        /// The cause.
        source: io::Error,
    },
    /// It has no such column.
    #[error("no column {wanted:?}; the columns are {}. Name one with {option}", .found.join(", "))]
    NoColumn {
        /// The column that was looked for.
        wanted: String,
        /// The columns of the file.
        found: Vec<String>,
        /// The option that names it.
        option: &'static str,
    },
    /// No column can be the values. With a cell that is not a number.
    #[error(
        "no column holds numbers only{}\n  --value-column NAME reads a column all the same",
        blamed(.0.as_deref())
    )]
    NoNumbers(Option<Box<FileError>>),
    /// A row cannot be read.
    #[error("{}\n  {}", quoted(*line, cell, text), hint(cell, *strict))]
    BadCell {
        /// The line, from 1.
        line: u64,
        /// The cell in question.
        cell: BadCell,
        /// The text of the line.
        text: String,
        /// Whether it is an error because of `--strict`.
        strict: bool,
    },
    /// A quote is not closed, so the end of the file is one cell.
    #[error("line {0}: a quote begins here and does not end")]
    OpenQuote(u64),
    /// A date does not fit into 64 bits in the unit that the file needs.
    #[error(
        "point {0}: its time does not fit into 64 bits, as fine as other times of the file are"
    )]
    NoRoom(usize),
    /// The columns cannot be taken together.
    #[error("--columns: {0}")]
    Columns(String),
    /// A time is finer than those that were sent already.
    #[error(
        "{0} is finer than the times before it, and some points were sent: write all of them as whole numbers"
    )]
    Finer(String),
    /// It has no points.
    #[error("the file has no rows with points")]
    Empty,
    /// It has no points before the one that it should precede.
    #[error("the file has no point before {0}")]
    NothingBefore(String),
}

impl FileError {
    /// Whether other rows may be fine.
    pub(crate) fn is_about_a_row(&self) -> bool {
        matches!(self, Self::BadCell { .. } | Self::NoNumbers(_))
    }

    /// Where a cell cannot be read, and why: without the line and without advice.
    pub(crate) fn in_short(&self) -> String {
        match self {
            Self::BadCell { line, cell, .. } => in_short(*line, cell),
            other => other.to_string(),
        }
    }
}

fn in_short(line: u64, cell: &BadCell) -> String {
    let BadCell { column, text, why } = cell;
    format!("line {line}, column {column}: {text:?} is {why}")
}

/// A cell that cannot be read, and its line.
fn quoted(line: u64, cell: &BadCell, text: &str) -> String {
    let start: String = text.chars().take(QUOTED).collect();
    let more = if start.len() < text.len() { "…" } else { "" };
    format!("{}\n  {line} | {start}{more}", in_short(line, cell))
}

/// Where the cell is that keeps a column from being one of numbers.
fn blamed(cell: Option<&FileError>) -> String {
    match cell {
        Some(FileError::BadCell {
            line, cell, text, ..
        }) => {
            format!("\n  {}", quoted(*line, cell, text))
        }
        _ => String::new(),
    }
}

/// What to do about a cell.
fn hint(cell: &BadCell, strict: bool) -> String {
    let hint = match cell.why {
        Why::NotATime => {
            "--time-format '%d.%m.%Y %H:%M' says how times are written, --time-column NAME where"
        }
        Why::NotANumber if cell.text.contains(',') => {
            "--decimal , reads decimal commas, --value-column NAME another column"
        }
        Why::NotANumber | Why::Missing => "--value-column NAME reads another column",
        Why::Cut => "--delimiter ';' says what separates cells",
    };
    match strict {
        true => format!("{hint}; without --strict such rows are left out"),
        false => hint.to_owned(),
    }
}
