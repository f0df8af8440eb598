//! Files of points: CSV as programs and spreadsheets write it.
//!
//! `sheet` cuts a text into cells, `number` and `date` read them, `columns` finds out what columns
//! hold, `layout` which of them are times and values, and `rows` reads the points. What is guessed
//! is told (`guess`), and options say it otherwise. The dashboard's page reads files by the same
//! rules; the cases in `crates/dashboard/cases/csv.json` hold for both.

mod columns;
mod date;
mod error;
mod guess;
mod layout;
mod live;
mod number;
mod rows;
mod sheet;
#[cfg(test)]
mod tests;

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use contract::{Point, Table};

pub(crate) use self::{
    date::lone_date,
    error::FileError,
    guess::Guess,
    layout::{BadCell, Why},
    live::{LiveReader, LiveRow},
    number::Decimal,
};
use self::{layout::Layout, rows::RowReader, sheet::Sheet};
use crate::{
    args::FormArgs,
    timestamp::{Clock, Timestamp},
};

/// The text in `bytes`, as of files.
pub(crate) fn text_of(bytes: &[u8]) -> String {
    sheet::decode(bytes).into_owned()
}

/// The points of a file, in the order of their times.
#[derive(Clone, Debug)]
pub(crate) struct SeriesFile {
    /// The points; all timestamps in one unit, the coarsest that keeps every fraction.
    pub(crate) points: Vec<Point>,
    /// How to show their timestamps.
    pub(crate) clock: Clock,
    /// How the file was read.
    pub(crate) guess: Guess,
}

/// The rows of a file of several columns, in the order of their times.
#[derive(Clone, Debug)]
pub(crate) struct TableFile {
    /// The rows.
    pub(crate) table: Table,
    /// The points of the first column.
    pub(crate) points: Vec<Point>,
    /// How to show their timestamps.
    pub(crate) clock: Clock,
    /// How the file was read.
    pub(crate) guess: Guess,
}

impl SeriesFile {
    /// Reads the file at `path` in the form that `form` describes, and guesses what it does not.
    /// `-` is standard input.
    ///
    /// # Errors
    /// When it has no points; with `--strict`, for the first row that cannot be read.
    pub(crate) fn read(path: &Path, form: &FormArgs) -> Result<Self, FileError> {
        Self::parse(&bytes_of(path)?, form)
    }

    /// Reads each column of numbers as a series of its own, with its name.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub(crate) fn read_each(
        path: &Path,
        form: &FormArgs,
    ) -> Result<Vec<(String, Self)>, FileError> {
        let bytes = bytes_of(path)?;
        let text = sheet::decode(&bytes);
        let layout = Layout::of(&Sheet::new(&text, form.delimiter), form, &[])?;
        let names = layout.value_names();
        let column = |name: String| {
            let form = FormArgs {
                value_column: Some(name.clone()),
                ..form.clone()
            };
            Ok((name, Self::parse(&bytes, &form)?))
        };
        names.into_iter().map(column).collect()
    }

    /// As [`Self::read`], for the bytes of a file.
    pub(crate) fn parse(bytes: &[u8], form: &FormArgs) -> Result<Self, FileError> {
        let Parsed {
            timestamps,
            columns,
            clock,
            guess,
        } = parse(bytes, form, &[])?;
        Ok(Self {
            points: points(&timestamps, &columns[0].1),
            clock,
            guess,
        })
    }
}

impl TableFile {
    /// Reads the columns `names` of the file at `path`. Rows that lack one of their values are left
    /// out.
    ///
    /// # Errors
    /// As [`SeriesFile::read`], or the rule that the names break.
    pub(crate) fn read(path: &Path, form: &FormArgs, names: &[String]) -> Result<Self, FileError> {
        let Parsed {
            timestamps,
            columns,
            clock,
            guess,
        } = parse(&bytes_of(path)?, form, names)?;
        let points = points(&timestamps, &columns[0].1);
        let values = contract::Columns::new(columns).map_err(FileError::Columns)?;
        Ok(Self {
            table: Table { timestamps, values },
            points,
            clock,
            guess,
        })
    }
}

fn bytes_of(path: &Path) -> Result<Vec<u8>, FileError> {
    let mut bytes = Vec::new();
    let read = match path == Path::new("-") {
        true => io::stdin().lock().read_to_end(&mut bytes),
        false => File::open(path).and_then(|mut file| file.read_to_end(&mut bytes)),
    };
    let path = path.display().to_string();
    read.map_err(|source| FileError::Open { path, source })?;
    Ok(bytes)
}

/// What was read of a file, in the order of its times.
struct Parsed {
    timestamps: Vec<i64>,
    /// The names and values of the columns, at least one.
    columns: Vec<(String, Vec<f64>)>,
    clock: Clock,
    guess: Guess,
}

/// The rows that were left out.
#[derive(Debug, Default)]
struct Skipped {
    rows: usize,
    /// Why the first was.
    first: Option<FileError>,
}

/// The rows that can be read, in the order of the file.
#[derive(Default)]
struct Rows {
    stamps: Vec<Timestamp>,
    /// The values of each column.
    values: Vec<Vec<f64>>,
    skipped: Skipped,
}

fn parse(bytes: &[u8], form: &FormArgs, names: &[String]) -> Result<Parsed, FileError> {
    let text = sheet::decode(bytes);
    let sheet = Sheet::new(&text, form.delimiter);
    if let Some(line) = sheet.open_quote() {
        return Err(FileError::OpenQuote(line));
    }
    let layout = Layout::of(&sheet, form, names)?;
    let Rows {
        stamps,
        mut values,
        skipped,
    } = read_rows(&sheet, &layout, form.strict)?;
    let digits = finest(&stamps);
    let mut timestamps = Vec::with_capacity(stamps.len());
    for (i, stamp) in stamps.iter().enumerate() {
        timestamps.push(stamp.ticks(digits).ok_or(FileError::NoRoom(i + 1))?);
    }
    let is_sorted = timestamps.is_sorted();
    if !is_sorted {
        let mut order: Vec<usize> = (0..timestamps.len()).collect();
        order.sort_by_key(|i| timestamps[*i]);
        timestamps.sort();
        for column in &mut values {
            *column = order.iter().map(|i| column[*i]).collect();
        }
    }
    let guess = Guess::of(&sheet, &layout, form).with_rows(timestamps.len(), is_sorted, &skipped);
    let names = layout
        .values
        .iter()
        .map(|i| layout.columns.columns[*i].name.clone());
    Ok(Parsed {
        columns: names.zip(values).collect(),
        clock: layout.clock(digits),
        timestamps,
        guess,
    })
}

/// The rows of `sheet`; the first that cannot be read is an error if that is `strict` or none can.
fn read_rows(sheet: &Sheet<'_>, layout: &Layout, strict: bool) -> Result<Rows, FileError> {
    let mut reader = RowReader::new(layout);
    let mut rows = Rows {
        values: vec![Vec::new(); layout.values.len()],
        ..Rows::default()
    };
    let mut values = Vec::new();
    for row in sheet.rows().skip(layout.columns.before) {
        match reader.read(&row, &mut values) {
            Ok(stamp) => {
                rows.stamps.push(stamp);
                for (column, value) in rows.values.iter_mut().zip(&values) {
                    column.push(*value);
                }
            }
            Err(cell) => {
                rows.skipped.rows += 1;
                if rows.skipped.first.is_none() {
                    rows.skipped.first = Some(layout::bad_row(sheet, &row, cell, strict));
                }
                if strict {
                    break;
                }
            }
        }
    }
    match rows.skipped.first.take() {
        Some(bad) if strict || rows.stamps.is_empty() => Err(bad),
        first => {
            rows.skipped.first = first;
            Ok(rows)
        }
    }
}

fn points(timestamps: &[i64], values: &[f64]) -> Vec<Point> {
    let point = |(timestamp, value): (&i64, &f64)| Point {
        timestamp: *timestamp,
        value: *value,
    };
    timestamps.iter().zip(values).map(point).collect()
}

fn finest(stamps: &[Timestamp]) -> u32 {
    stamps.iter().map(|s| s.digits()).max().unwrap_or(0)
}
