//! Which columns of a file are its times and values.

use contract::TimeZone;

use super::{
    FileError,
    columns::{Column, Columns, DateForm, Kind, Told, plain_name},
    number,
    sheet::{Row, Sheet},
};
use crate::{args::FormArgs, timestamp::Clock};

/// Names of columns of times, the likeliest first.
const TIME_NAMES: [&str; 17] = [
    "timestamp",
    "timestamps",
    "time",
    "date",
    "datetime",
    "date_time",
    "ts",
    "ds",
    "t",
    "month",
    "day",
    "period",
    "unix",
    "epoch",
    "year",
    "week",
    "quarter",
];
/// So many of them are the names of nothing else.
const SURE_TIME_NAMES: usize = 8;
const VALUE_NAMES: [&str; 6] = ["value", "values", "y", "v", "count", "cnt"];
const HOUR_NAMES: [&str; 5] = ["hour", "hours", "hr", "h", "time"];
/// The names of columns that make up a time together.
const PART_NAMES: [&str; 6] = ["year", "month", "day", "hour", "minute", "second"];

/// Where the times of rows are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Times {
    /// Nowhere: rows are counted from 0.
    Rows,
    /// Numbers in this column.
    Numbers(usize),
    /// Dates in a column, and their times of day in another one.
    Dates { date: usize, clock: Option<usize> },
    /// Times of day in this column; one before the last is of the next day.
    Clocks(usize),
    /// The columns of [`PART_NAMES`]; year and month are there.
    Parts([Option<usize>; 6]),
}

/// How to read the rows of a file.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(crate) columns: Columns,
    pub(crate) times: Times,
    /// The columns of values, at least one.
    pub(crate) values: Vec<usize>,
    pub(crate) zone: Option<TimeZone>,
}

/// A cell that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadCell {
    /// The name of its column.
    pub column: String,
    /// Its text.
    pub text: String,
    /// Why it cannot be read.
    pub why: Why,
}

/// Why a cell cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// It is empty, or says that there is no value.
    #[error("no value")]
    Missing,
    /// It is text.
    #[error("not a number")]
    NotANumber,
    /// It is text.
    #[error("not a time")]
    NotATime,
    /// The row has more cells than the first line, so a number may be cut in two.
    #[error("cut: its row has more cells than the first line")]
    Cut,
}

impl Layout {
    /// Decides which columns of `sheet` are what, as far as `form` does not tell. `values` are the
    /// names of the columns of values, if there should be several.
    ///
    /// # Errors
    /// When there are no rows, or no such columns.
    pub(crate) fn of(
        sheet: &Sheet<'_>,
        form: &FormArgs,
        values: &[String],
    ) -> Result<Self, FileError> {
        let told = Told {
            decimal: form.decimal,
            time_format: form.time_format.as_deref(),
        };
        let columns = Columns::of(sheet, told);
        let Some(first) = sheet.rows().nth(columns.before) else {
            return Err(FileError::Empty);
        };
        let list = &columns.columns;
        let times = match &form.time_column[..] {
            [] => times(list),
            names => told_times(&columns, names)?,
        };
        let times = times.map_err(|column| {
            bad_row(
                sheet,
                &first,
                bad(&list[column], first.cell(column), Why::NotATime),
                false,
            )
        })?;
        let values = match (values, &form.value_column) {
            ([], None) => {
                vec![value(list, &times).ok_or_else(|| no_numbers(sheet, &columns, &times))?]
            }
            ([], Some(name)) => vec![named(&columns, name, "--value-column")?],
            (names, _) => {
                let each = names.iter().map(|name| named(&columns, name, "--columns"));
                each.collect::<Result<_, _>>()?
            }
        };
        let zone = form.timezone.clone();
        Ok(Self {
            columns,
            times,
            values,
            zone,
        })
    }

    /// How to show times such as `stamps`.
    pub(crate) fn clock(&self, digits: u32) -> Clock {
        match self.times {
            Times::Rows => Clock::Rows,
            Times::Numbers(_) => Clock::Numbers(digits),
            _ => Clock::Dates(digits),
        }
    }

    /// The columns of times.
    pub(crate) fn time_columns(&self) -> Vec<&Column> {
        let columns = self.times.columns().into_iter();
        columns.map(|i| &self.columns.columns[i]).collect()
    }

    /// The names of all columns that could be values.
    pub(crate) fn value_names(&self) -> Vec<String> {
        let values = self.values.iter().map(|i| &self.columns.columns[*i]);
        let all = values.chain(self.other_values());
        all.map(|column| column.name.clone()).collect()
    }

    /// The columns of numbers that could be values too.
    pub(crate) fn other_values(&self) -> Vec<&Column> {
        let taken = [self.times.columns(), self.values.clone()].concat();
        let columns = self.columns.columns.iter().enumerate();
        let others =
            columns.filter(|(i, column)| column.kind == Kind::Number && !taken.contains(i));
        others
            .map(|(_, column)| column)
            .filter(|column| !column.is_counter)
            .collect()
    }
}

impl Times {
    fn columns(&self) -> Vec<usize> {
        match self {
            Self::Rows => Vec::new(),
            Self::Numbers(column) | Self::Clocks(column) => vec![*column],
            Self::Dates { date, clock } => [Some(*date), *clock].into_iter().flatten().collect(),
            Self::Parts(parts) => parts.iter().flatten().copied().collect(),
        }
    }
}

pub(crate) fn bad(column: &Column, cell: &str, why: Why) -> BadCell {
    let why = if number::is_missing(cell) {
        Why::Missing
    } else {
        why
    };
    BadCell {
        column: column.name.clone(),
        text: cell.to_owned(),
        why,
    }
}

/// The error of a cell of `row` that cannot be read.
pub(crate) fn bad_row(sheet: &Sheet<'_>, row: &Row, cell: BadCell, strict: bool) -> FileError {
    let text = sheet.line(row.line).to_owned();
    FileError::BadCell {
        line: row.line,
        cell,
        text,
        strict,
    }
}

/// Where the times are; or the column that should have them and cannot be read.
fn times(columns: &[Column]) -> Result<Times, usize> {
    let named = |test: &dyn Fn(&Column) -> bool| {
        TIME_NAMES.iter().find_map(|name| {
            columns
                .iter()
                .position(|column| plain_name(&column.name) == *name && test(column))
        })
    };
    let is_date = |column: &Column| column.kind == Kind::Date && column.dates != DateForm::Year;
    let is_number = |column: &Column| column.kind == Kind::Number;
    let date = named(&is_date)
        .or_else(|| named(&|column| is_number(column) && column.are_stamps))
        .or_else(|| columns.iter().position(is_date));
    if let Some(date) = date {
        return Ok(of_column(columns, date).unwrap_or(Times::Rows));
    }
    if let Some(parts) = parts(columns) {
        return Ok(parts);
    }
    let rising = || {
        let rising = columns
            .iter()
            .position(|column| is_number(column) && column.is_rising)?;
        // A column of numbers alone is values without times.
        let numbers = columns.iter().filter(|column| is_number(column)).count();
        (numbers > 1).then_some(rising)
    };
    let of_kind = |kind| columns.iter().position(|column| column.kind == kind);
    let found = of_kind(Kind::Date)
        .or_else(|| named(&is_number))
        .or_else(rising)
        .or_else(|| of_kind(Kind::Clock));
    if let Some(times) = found.and_then(|column| of_column(columns, column)) {
        return Ok(times);
    }
    let is_sure =
        |column: &Column| TIME_NAMES[..SURE_TIME_NAMES].contains(&&*plain_name(&column.name));
    match columns.iter().position(is_sure) {
        Some(column) => Err(column),
        None => Ok(Times::Rows),
    }
}

/// The times in `column`, as its kind allows.
fn of_column(columns: &[Column], column: usize) -> Option<Times> {
    match columns[column].kind {
        Kind::Date => Some(Times::Dates {
            date: column,
            clock: clock_beside(columns, column),
        }),
        Kind::Number => Some(Times::Numbers(column)),
        Kind::Clock => Some(Times::Clocks(column)),
        Kind::Text => None,
    }
}

/// The column with the times of day of the dates in column `date`, if they have none.
fn clock_beside(columns: &[Column], date: usize) -> Option<usize> {
    if columns[date].has_clock || matches!(columns[date].dates, DateForm::Year | DateForm::Month) {
        return None;
    }
    let clock = columns.iter().position(|column| column.kind == Kind::Clock);
    let are_hours = |column: &Column| {
        column.are_hours
            && column.kind == Kind::Number
            && HOUR_NAMES.contains(&&*plain_name(&column.name))
    };
    clock.or_else(|| columns.iter().position(are_hours))
}

/// The columns of year, month and so on.
fn parts(columns: &[Column]) -> Option<Times> {
    let part = |name: &&str| {
        columns.iter().position(|column| {
            plain_name(&column.name) == *name
                && (column.kind == Kind::Number || column.dates == DateForm::Year)
        })
    };
    let parts = PART_NAMES.each_ref().map(part);
    (parts[0].is_some() && parts[1].is_some()).then_some(Times::Parts(parts))
}

/// The column of values: by its name, else the first of numbers that do not only count.
fn value(columns: &[Column], times: &Times) -> Option<usize> {
    let taken = times.columns();
    let fits = |i: usize| columns[i].kind == Kind::Number && !taken.contains(&i);
    let mut all = 0..columns.len();
    let named = VALUE_NAMES.iter().find_map(|name| {
        all.clone()
            .find(|i| fits(*i) && plain_name(&columns[*i].name) == *name)
    });
    named
        .or_else(|| all.clone().find(|i| fits(*i) && !columns[*i].is_counter))
        .or_else(|| all.find(|i| fits(*i)))
}

/// The times in the columns called `names`: one, or a date and its time of day.
fn told_times(columns: &Columns, names: &[String]) -> Result<Result<Times, usize>, FileError> {
    let indices = names
        .iter()
        .map(|name| named(columns, name, "--time-column"));
    let indices = indices.collect::<Result<Vec<_>, _>>()?;
    Ok(match indices[..] {
        [date, clock, ..] => Ok(Times::Dates {
            date,
            clock: Some(clock),
        }),
        [column] => of_column(&columns.columns, column).ok_or(column),
        [] => Ok(Times::Rows),
    })
}

/// The column called `name`, or the number of it in a file without names.
fn named(columns: &Columns, name: &str, option: &'static str) -> Result<usize, FileError> {
    let list = &columns.columns;
    let position = |test: &dyn Fn(&str) -> bool| list.iter().position(|column| test(&column.name));
    let by_number = || {
        let number = name.parse::<usize>().ok()?.checked_sub(1)?;
        (!columns.has_header && number < list.len()).then_some(number)
    };
    position(&|found| found == name)
        .or_else(|| position(&|found| found.eq_ignore_ascii_case(name)))
        .or_else(by_number)
        .ok_or_else(|| FileError::NoColumn {
            wanted: name.to_owned(),
            found: list
                .iter()
                .map(|column| format!("{:?}", column.name))
                .collect(),
            option,
        })
}

/// The error of a file without a column of numbers: names a cell that should be one.
fn no_numbers(sheet: &Sheet<'_>, columns: &Columns, times: &Times) -> FileError {
    let list = &columns.columns;
    let taken = times.columns();
    let mut free = (0..list.len()).filter(|i| !taken.contains(i));
    let is_value = |i: &usize| VALUE_NAMES.contains(&&*plain_name(&list[*i].name));
    let column = free.clone().find(is_value).or_else(|| free.next());
    let blamed = column.and_then(|index| {
        let is_bad = |row: &Row| list[index].numbers.parse(row.cell(index)).is_none();
        let row = sheet.rows().skip(columns.before).find(is_bad)?;
        let cell = bad(&list[index], row.cell(index), Why::NotANumber);
        Some(Box::new(bad_row(sheet, &row, cell, false)))
    });
    FileError::NoNumbers(blamed)
}
