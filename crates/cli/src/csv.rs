//! CSV files of points.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use contract::{Point, Table};
use csv::StringRecord;

use crate::{
    args::FormArgs,
    timestamp::{Clock, InvalidTimestamp, Timestamp},
};

const TIME_NAMES: [&str; 7] = ["timestamp", "time", "date", "datetime", "ts", "ds", "t"];
const VALUE_NAMES: [&str; 4] = ["value", "values", "y", "v"];

/// The points of a file, in its order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SeriesFile {
    /// The points; all timestamps in one unit, the coarsest that keeps every fraction.
    pub(crate) points: Vec<Point>,
    /// How to show their timestamps.
    pub(crate) clock: Clock,
    /// The number of rows that were left out.
    pub(crate) skipped: usize,
}

/// The rows of a file of several columns, in its order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TableFile {
    /// The rows.
    pub(crate) table: Table,
    /// The points of the first column.
    pub(crate) points: Vec<Point>,
    /// How to show their timestamps.
    pub(crate) clock: Clock,
}

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
    /// Reading it failed.
    #[error(transparent)]
    Csv(#[from] csv::Error),
    /// It has no such column.
    #[error("no column {wanted}; the first line names: {}. Name it with {option}", .found.join(", "))]
    NoColumn {
        /// The column that was looked for.
        wanted: String,
        /// The columns of the file.
        found: Vec<String>,
        /// The option that names it.
        option: &'static str,
    },
    /// A row cannot be read.
    #[error("line {line}, column {column}: {text:?} is {why} (--skip-bad leaves such rows out)")]
    BadCell {
        /// The line, from 1.
        line: u64,
        /// The name of the column.
        column: String,
        /// The text of the cell.
        text: String,
        /// Why that cannot be read.
        why: String,
    },
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
    #[error("the file has no points")]
    Empty,
    /// It has no points before the one that it should precede.
    #[error("the file has no point before {0}")]
    NothingBefore(String),
    /// Its rows have to be sorted by time, and are not.
    #[error(
        "point {0} is earlier than the one before it; --context needs rows that are sorted by time"
    )]
    Unsorted(usize),
}

impl SeriesFile {
    /// Reads the file at `path` in the form that `args` describe. `-` is standard input.
    ///
    /// # Errors
    /// The first fault; with `--skip-bad`, bad rows are not faults.
    pub(crate) fn read(path: &Path, args: &FormArgs) -> Result<Self, FileError> {
        if path == Path::new("-") {
            return Self::parse(io::stdin().lock(), args);
        }
        let file = File::open(path).map_err(|source| FileError::Open {
            path: path.display().to_string(),
            source,
        })?;
        Self::parse(file, args)
    }

    /// Reads the columns `names` of the file at `path`.
    ///
    /// # Errors
    /// The first fault, or the rule that the names break.
    pub(crate) fn read_table(
        path: &Path,
        args: &FormArgs,
        names: &[String],
    ) -> Result<TableFile, FileError> {
        let mut bytes = Vec::new();
        if path == Path::new("-") {
            io::stdin().lock().read_to_end(&mut bytes)
        } else {
            File::open(path).and_then(|mut file| file.read_to_end(&mut bytes))
        }
        .map_err(|source| FileError::Open {
            path: path.display().to_string(),
            source,
        })?;
        let column = |name: &String| {
            let args = FormArgs {
                value_column: Some(name.clone()),
                ..args.clone()
            };
            Self::parse(&bytes[..], &args).map_err(|fault| match fault {
                FileError::NoColumn { wanted, found, .. } if wanted.contains(name.as_str()) => {
                    let option = "--columns";
                    FileError::NoColumn {
                        wanted,
                        found,
                        option,
                    }
                }
                other => other,
            })
        };
        let first = column(names.first().unwrap_or(&String::new()))?;
        let mut columns = Vec::with_capacity(names.len());
        for name in names {
            let points = column(name)?.points;
            columns.push((name.clone(), points.iter().map(|p| p.value).collect()));
        }
        let values = contract::Columns::new(columns).map_err(FileError::Columns)?;
        let timestamps = first.points.iter().map(|p| p.timestamp).collect();
        Ok(TableFile {
            table: Table { timestamps, values },
            points: first.points,
            clock: first.clock,
        })
    }

    fn parse(input: impl Read, args: &FormArgs) -> Result<Self, FileError> {
        let mut rows = Rows::of(input, args)?;
        let mut stamps = Vec::new();
        let mut values = Vec::new();
        for row in &mut rows {
            let (stamp, value) = row?;
            stamps.push(stamp);
            values.push(value);
        }
        let clock = rows.columns.clock(&stamps);
        Ok(Self {
            points: join(&stamps, &values)?,
            clock,
            skipped: rows.skipped,
        })
    }
}

/// The rows of a file, one after the other, each as soon as its line is there.
pub(crate) struct Rows<R> {
    reader: csv::Reader<io::Chain<R, &'static [u8]>>,
    columns: Columns,
    row: Row,
    skip_bad: bool,
    /// The number of rows that were left out so far.
    pub(crate) skipped: usize,
}

impl<R: Read> Rows<R> {
    /// The rows of `input` in the form that `args` describe. Waits for the first line.
    ///
    /// # Errors
    /// When a column is missing.
    pub(crate) fn of(input: R, args: &FormArgs) -> Result<Self, FileError> {
        // Every row ends in exactly one line feed, so the reader's line is that of the row,
        // whatever blank lines or carriage returns there are. Trimming takes the carriage returns
        // away.
        let mut reader = csv::ReaderBuilder::new()
            .flexible(true)
            .trim(csv::Trim::All)
            .terminator(csv::Terminator::Any(b'\n'))
            .from_reader(input.chain(&b"\n"[..]));
        Ok(Self {
            columns: Columns::find(reader.headers()?, args)?,
            reader,
            row: Row::default(),
            skip_bad: args.skip_bad,
            skipped: 0,
        })
    }

    /// How to show times such as `stamp`.
    pub(crate) fn clock(&self, stamp: Timestamp) -> Clock {
        self.columns.clock(&[stamp])
    }
}

impl<R: Read> Iterator for Rows<R> {
    type Item = Result<(Timestamp, f64), FileError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.reader.read_record(&mut self.row.cells) {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => return Some(Err(error.into())),
            }
            self.row.line = self.reader.position().line() - 1;
            if self.row.is_blank() {
                continue;
            }
            let point = self.columns.point(&self.row);
            self.row.index += 1;
            match point {
                Err(_) if self.skip_bad => self.skipped += 1,
                point => return Some(point),
            }
        }
    }
}

/// Joins times and values, with all times in the unit of the finest.
fn join(stamps: &[Timestamp], values: &[f64]) -> Result<Vec<Point>, FileError> {
    let digits = finest(stamps);
    let mut points = Vec::with_capacity(values.len());
    for (i, (stamp, value)) in stamps.iter().zip(values).enumerate() {
        let timestamp = stamp.ticks(digits).ok_or(FileError::NoRoom(i + 1))?;
        let value = *value;
        points.push(Point { timestamp, value });
    }
    if points.is_empty() {
        return Err(FileError::Empty);
    }
    Ok(points)
}

fn finest(stamps: &[Timestamp]) -> u32 {
    stamps.iter().map(|s| s.digits()).max().unwrap_or(0)
}

/// A row of a file.
#[derive(Debug, Default)]
struct Row {
    cells: StringRecord,
    /// The number of rows before it.
    index: i64,
    /// The line that it ends on, from 1.
    line: u64,
}

impl Row {
    fn is_blank(&self) -> bool {
        self.cells.len() == 1 && self.cells[0].is_empty()
    }
}

/// The columns of time and value.
#[derive(Debug)]
struct Columns {
    time: Option<Column>,
    value: Column,
}

#[derive(Debug)]
struct Column {
    index: usize,
    name: String,
}

impl Columns {
    fn find(header: &StringRecord, args: &FormArgs) -> Result<Self, FileError> {
        let time = match &args.time_column {
            Some(name) => Some(named(header, name, "--time-column")?),
            None => known(header, &TIME_NAMES),
        };
        let value = match &args.value_column {
            Some(name) => named(header, name, "--value-column")?,
            None => match known(header, &VALUE_NAMES) {
                Some(column) => column,
                None => only_one_left(header, time.as_ref())?,
            },
        };
        Ok(Self { time, value })
    }

    /// The time and value in a row.
    fn point(&self, row: &Row) -> Result<(Timestamp, f64), FileError> {
        let stamp = match &self.time {
            Some(column) => column.read(row, |text| {
                text.parse().map_err(|e: InvalidTimestamp| e.to_string())
            })?,
            None => Timestamp::number(row.index),
        };
        let value = self.value.read(row, |text| match text.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(value),
            Ok(_) => Err("not finite".to_owned()),
            Err(_) => Err("not a number".to_owned()),
        })?;
        Ok((stamp, value))
    }

    fn clock(&self, stamps: &[Timestamp]) -> Clock {
        let digits = finest(stamps);
        match &self.time {
            None => Clock::Rows,
            Some(_) if stamps.iter().all(|s| s.is_date) => Clock::Dates(digits),
            Some(_) => Clock::Numbers(digits),
        }
    }
}

impl Column {
    fn read<T>(
        &self,
        row: &Row,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, FileError> {
        let text = row.cells.get(self.index).unwrap_or_default();
        parse(text).map_err(|why| FileError::BadCell {
            line: row.line,
            column: self.name.clone(),
            text: text.to_owned(),
            why,
        })
    }
}

/// The column called `name`, exactly.
fn named(header: &StringRecord, name: &str, option: &'static str) -> Result<Column, FileError> {
    match header.iter().position(|found| found == name) {
        Some(index) => Ok(Column {
            index,
            name: name.to_owned(),
        }),
        None => Err(no_column(header, format!("{name:?}"), option)),
    }
}

/// The column with the first of `names` that exists, in upper or lower case.
fn known(header: &StringRecord, names: &[&str]) -> Option<Column> {
    names.iter().find_map(|name| {
        let found = |(_, found): &(usize, &str)| found.eq_ignore_ascii_case(name);
        let (index, name) = header.iter().enumerate().find(found)?;
        Some(Column {
            index,
            name: name.to_owned(),
        })
    })
}

/// The only column besides `time`, if the first line has names.
fn only_one_left(header: &StringRecord, time: Option<&Column>) -> Result<Column, FileError> {
    let mut left = header
        .iter()
        .enumerate()
        .filter(|(index, _)| time.is_none_or(|t| t.index != *index));
    match (left.next(), left.next()) {
        (Some((index, name)), None) if name.parse::<f64>().is_err() => Ok(Column {
            index,
            name: name.to_owned(),
        }),
        _ => Err(no_column(header, "value".to_owned(), "--value-column")),
    }
}

fn no_column(header: &StringRecord, wanted: String, option: &'static str) -> FileError {
    FileError::NoColumn {
        wanted,
        found: header.iter().map(|name| format!("{name:?}")).collect(),
        option,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<SeriesFile, FileError> {
        SeriesFile::parse(text.as_bytes(), &FormArgs::default())
    }

    fn pairs(file: &SeriesFile) -> Vec<(i64, f64)> {
        let pair = |p: &Point| (p.timestamp, p.value);
        file.points.iter().map(pair).collect()
    }

    #[test]
    fn columns_are_found_by_name_in_any_place_and_case() {
        for text in [
            "timestamp,value\n5,1.5\n6,2\n",
            "\u{feff}id,Value,Time\nx,1.5,5\r\ny,2,6",
            "ds,y\n5,1.5\n6,2\n",
            "cpu,timestamp\n1.5,5\n2,6\n",
            "\"value\" , ts\n\"1.5\" , 5 \n 2, 6\n",
        ] {
            let file = parse(text).unwrap();
            assert_eq!(pairs(&file), [(5, 1.5), (6, 2.0)], "{text}");
        }
    }

    #[test]
    fn named_columns_win_over_known_ones() {
        let args = FormArgs {
            time_column: Some("when".into()),
            value_column: Some("load".into()),
            ..FormArgs::default()
        };
        let text = "timestamp,value,when,load\n1,2,3,4\n";
        assert_eq!(
            pairs(&SeriesFile::parse(text.as_bytes(), &args).unwrap()),
            [(3, 4.0)]
        );
        let missing = SeriesFile::parse("timestamp,value\n1,2\n".as_bytes(), &args);
        assert_eq!(
            missing.unwrap_err().to_string(),
            r#"no column "when"; the first line names: "timestamp", "value". Name it with --time-column"#
        );
    }

    #[test]
    fn rows_are_counted_where_there_is_no_time() {
        let file = parse("value,label\n7,0\n8,1\n").unwrap();
        assert_eq!(pairs(&file), [(0, 7.0), (1, 8.0)]);
        assert_eq!(file.clock, Clock::Rows);
    }

    #[test]
    fn a_file_without_names_is_refused_and_its_first_row_not_lost() {
        for text in ["1\n2\n3\n", "1,2\n3,4\n", "", "timestamp,a,b\n1,2,3\n"] {
            let error = parse(text).unwrap_err();
            assert!(
                matches!(error, FileError::NoColumn { .. }),
                "{text}: {error}"
            );
        }
        assert!(matches!(parse("timestamp,value\n"), Err(FileError::Empty)));
    }

    #[test]
    fn one_fraction_makes_the_unit_of_the_whole_file_finer() {
        let file = parse("time,value\n2023-08-31 05:20:00,1\n2023-08-31 05:20:00.250,2\n").unwrap();
        assert_eq!(
            pairs(&file),
            [(1_693_459_200_000, 1.0), (1_693_459_200_250, 2.0)]
        );
        assert_eq!(file.clock, Clock::Dates(3));
        let wide = parse("time,value\n9223372036854775807,1\n0.5,2\n");
        assert!(matches!(wide, Err(FileError::NoRoom(1))));
    }

    #[test]
    fn a_bad_row_is_named_by_line_and_column() {
        for (text, message) in [
            (
                "timestamp,value\n1,1\n\n2,x\n",
                r#"line 4, column value: "x" is not a number"#,
            ),
            (
                "timestamp,value\r\n1,1\r\n\r\n2,x\r\n",
                r#"line 4, column value: "x" is not a number"#,
            ),
            (
                "timestamp,value\n1,1\n2,x",
                r#"line 3, column value: "x" is not a number"#,
            ),
            (
                "timestamp,value\nsoon,1\n",
                r#"line 2, column timestamp: "soon" is not a number, a date"#,
            ),
            (
                "timestamp,value\n1\n",
                r#"line 2, column value: "" is not a number"#,
            ),
            (
                "timestamp,value\n1,NaN\n",
                r#"line 2, column value: "NaN" is not finite"#,
            ),
            (
                "timestamp,value\n1,1e999\n",
                r#"line 2, column value: "1e999" is not finite"#,
            ),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.starts_with(message), "{text}: {error}");
        }
    }

    #[test]
    fn bad_rows_are_left_out_and_counted_on_request() {
        let args = FormArgs {
            skip_bad: true,
            ..FormArgs::default()
        };
        let text = "value\n1\nx\n3\nnan\n";
        let file = SeriesFile::parse(text.as_bytes(), &args).unwrap();
        assert_eq!(pairs(&file), [(0, 1.0), (2, 3.0)], "rows keep their number");
        assert_eq!(file.skipped, 2);
    }
}
