//! What the columns of a file hold.

use super::{
    date::{self, CivilTime, Order},
    number::{self, Decimal, Evidence, NumberForm},
    sheet::{Row, Sheet},
};

/// The most rows that are looked at to describe columns.
const SAMPLE: usize = 400;
/// The share of the filled cells of a column that its kind must fit.
const MOST: f64 = 0.8;
/// Names of columns of months, whose numbers 202401 are dates.
const MONTH_NAMES: [&str; 5] = ["month", "period", "date", "yearmonth", "year_month"];

/// A column.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) numbers: NumberForm,
    pub(crate) dates: DateForm,
    /// Whether any of its dates has a time of day.
    pub(crate) has_clock: bool,
    /// Whether its numbers never fall.
    pub(crate) is_rising: bool,
    /// Whether its numbers only number the rows.
    pub(crate) is_counter: bool,
    /// Whether its numbers may be hours of a day.
    pub(crate) are_hours: bool,
    /// Whether its numbers count from 1970 on, by their size.
    pub(crate) are_stamps: bool,
}

/// What the cells of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Date,
    /// Times of day without a date.
    Clock,
    Number,
    Text,
}

/// How the dates of a column are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DateForm {
    /// In any form that is known.
    Any(Order),
    /// `2024`.
    Year,
    /// `202401`.
    Month,
    /// In the signs of `strftime`.
    Told(String),
}

impl DateForm {
    /// The date in `cell`.
    pub(crate) fn parse(&self, cell: &str) -> Option<CivilTime> {
        let day_first = Order::DayFirst;
        match self {
            Self::Any(order) => date::date(cell, *order),
            Self::Year => date::date(&format!("{cell}-01"), day_first),
            Self::Month => date::date(&format!("{}-{}", cell.get(..4)?, cell.get(4..)?), day_first),
            Self::Told(format) => date::formatted(cell, format),
        }
    }
}

/// What is told of the cells, and need not be guessed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Told<'a> {
    pub(crate) decimal: Option<Decimal>,
    pub(crate) time_format: Option<&'a str>,
}

/// The columns of `sheet`.
#[derive(Clone, Debug)]
pub(crate) struct Columns {
    pub(crate) columns: Vec<Column>,
    /// Whether the first row names them.
    pub(crate) has_header: bool,
    /// The rows before those with points.
    pub(crate) before: usize,
}

impl Columns {
    /// Describes the columns of `sheet` by some of its rows. Without rows there are none.
    pub(crate) fn of(sheet: &Sheet<'_>, told: Told<'_>) -> Self {
        let mut rows = sheet.rows().peekable();
        let preamble = preamble(sheet);
        for _ in 0..preamble {
            rows.next();
        }
        let Some(first) = rows.peek() else {
            return Self {
                columns: Vec::new(),
                has_header: false,
                before: 0,
            };
        };
        let cells = 0..first.cells.len();
        let has_header = cells.clone().all(|i| names(first.cell(i)));
        let name = |i: usize| match first.cell(i) {
            name if has_header && !name.is_empty() => name.to_owned(),
            _ => format!("column {}", i + 1),
        };
        let names: Vec<String> = cells.map(name).collect();
        let before = preamble + usize::from(has_header);
        let (sample, step) = sample(sheet, before);
        let filled: Vec<Vec<&str>> = (0..names.len()).map(|i| filled(&sample, i)).collect();
        let decimals = decimals(&filled, sheet.separator, told.decimal);
        let parts = names.into_iter().zip(&filled).zip(decimals).enumerate();
        let columns = parts.map(|(i, ((name, cells), decimal))| {
            let sample = Sample {
                cells,
                step,
                decimal,
            };
            describe(name, &sample, told.time_format, || order(sheet, before, i))
        });
        Self {
            columns: columns.collect(),
            has_header,
            before,
        }
    }
}

/// Whether `cell` may be a part of the row of names: no number and no time.
fn names(cell: &str) -> bool {
    let number = |decimal| {
        NumberForm {
            decimal,
            unit: String::new(),
        }
        .parse(cell)
        .is_some()
    };
    !number(Decimal::Point)
        && !number(Decimal::Comma)
        && date::date(cell, Order::DayFirst).is_none()
        && date::date(cell, Order::MonthFirst).is_none()
}

/// The number of rows of a title above a table: those of one cell, where the next have several.
fn preamble(sheet: &Sheet<'_>) -> usize {
    const LOOKED_AT: usize = 20;
    let widths = sheet.rows().take(LOOKED_AT).map(|row| row.cells.len());
    let widths: Vec<usize> = widths.collect();
    match widths.iter().position(|width| *width > 1) {
        Some(titles) if widths.len() > titles + 1 => titles,
        _ => 0,
    }
}

/// Rows from all over the table, every how many of them.
fn sample(sheet: &Sheet<'_>, before: usize) -> (Vec<Row>, usize) {
    let rows = || sheet.rows().skip(before);
    let step = rows().count().div_ceil(SAMPLE).max(1);
    (rows().step_by(step).collect(), step)
}

/// The cells of column `index` that hold something.
fn filled(rows: &[Row], index: usize) -> Vec<&str> {
    let cells = rows.iter().map(|row| row.cell(index));
    cells.filter(|cell| !number::is_missing(cell)).collect()
}

/// The decimal sign of each column: as its own cells tell, or else those of all columns. Where
/// nothing tells, semicolons come with decimal commas.
fn decimals(columns: &[Vec<&str>], separator: u8, told: Option<Decimal>) -> Vec<Decimal> {
    let of_column = |cells: &Vec<&str>| {
        let mut counts = [0_usize; 3];
        for cell in cells {
            match number::evidence(cell) {
                Evidence::Comma => counts[0] += 1,
                Evidence::Point => counts[1] += 1,
                Evidence::Either => counts[2] += 1,
                Evidence::Nothing => {}
            }
        }
        counts
    };
    let counts: Vec<[usize; 3]> = columns.iter().map(of_column).collect();
    let all = |i: usize| counts.iter().map(|count| count[i]).sum::<usize>();
    let (commas, points, either) = (all(0), all(1), all(2));
    let by_separator = commas == points && either > 0 && separator == b';';
    let common = if commas > points || by_separator {
        Decimal::Comma
    } else {
        Decimal::Point
    };
    let decide = |[commas, points, _]: [usize; 3]| match told {
        Some(told) => told,
        None if commas > points => Decimal::Comma,
        None if points > 0 => Decimal::Point,
        None => common,
    };
    counts.into_iter().map(decide).collect()
}

/// Whether day or month stands first in column `index`: as the numbers over 12 tell, else as the
/// separator does.
fn order(sheet: &Sheet<'_>, before: usize, index: usize) -> Order {
    let mut slashes = false;
    for row in sheet.rows().skip(before) {
        let cell = row.cell(index);
        match date::order(cell) {
            Some(Some(order)) => return order,
            Some(None) => slashes |= cell.contains('/'),
            None => {}
        }
    }
    if slashes {
        Order::MonthFirst
    } else {
        Order::DayFirst
    }
}

/// Some cells of a column.
struct Sample<'s> {
    /// Those that hold something.
    cells: &'s [&'s str],
    /// The rows from one to the next.
    step: usize,
    decimal: Decimal,
}

fn describe(
    name: String,
    sample: &Sample<'_>,
    time_format: Option<&str>,
    order: impl Fn() -> Order,
) -> Column {
    let Sample {
        cells,
        step,
        decimal,
    } = *sample;
    let numbers = NumberForm {
        decimal,
        unit: common_unit(cells),
    };
    let mut dates = date_form(&name, cells, time_format);
    let kind = kind(cells, &numbers, &dates);
    if kind == Kind::Date && dates == DateForm::Any(Order::DayFirst) {
        dates = DateForm::Any(order());
    }
    let values: Vec<f64> = match kind {
        Kind::Number => cells
            .iter()
            .filter_map(|cell| numbers.parse(cell))
            .collect(),
        _ => Vec::new(),
    };
    let all = |test: &dyn Fn(f64) -> bool| !values.is_empty() && values.iter().all(|v| test(*v));
    Column {
        name,
        kind,
        has_clock: kind == Kind::Date
            && cells
                .iter()
                .filter_map(|cell| dates.parse(cell))
                .any(|time| time.has_clock),
        is_rising: !values.is_empty() && values.is_sorted(),
        is_counter: is_counter(&values, step as f64),
        are_hours: all(&|v| (0.0..=24.0).contains(&v) && v.fract() == 0.0),
        are_stamps: all(&|v| contract::TimeUnit::guess(v as i64).is_some()),
        numbers,
        dates,
    }
}

/// What most of `cells` are.
fn kind(cells: &[&str], numbers: &NumberForm, dates: &DateForm) -> Kind {
    let share = |test: &dyn Fn(&str) -> bool| {
        let fit = cells.iter().filter(|cell| test(cell)).count();
        fit as f64 / cells.len().max(1) as f64
    };
    let is_date = |cell: &str| match dates {
        DateForm::Any(_) => {
            date::date(cell, Order::DayFirst).is_some()
                || date::date(cell, Order::MonthFirst).is_some()
        }
        told => told.parse(cell).is_some(),
    };
    let date_share = share(&is_date);
    let number_share = share(&|cell| numbers.parse(cell).is_some());
    let clock_share = share(&|cell| date::clock(cell).is_some());
    let beyond_numbers = *dates != DateForm::Any(Order::DayFirst) || are_compact(cells);
    if date_share >= MOST && (date_share > number_share || beyond_numbers) {
        Kind::Date
    } else if clock_share >= MOST && clock_share > number_share {
        Kind::Clock
    } else if number_share >= MOST {
        Kind::Number
    } else {
        Kind::Text
    }
}

/// The form of dates that does not depend on their order.
fn date_form(name: &str, cells: &[&str], told: Option<&str>) -> DateForm {
    if let Some(format) = told {
        return DateForm::Told(format.to_owned());
    }
    let name = plain_name(name);
    let of_length = |length: usize| {
        let digits = |cell: &&str| cell.len() == length && cell.bytes().all(|b| b.is_ascii_digit());
        !cells.is_empty() && cells.iter().all(digits)
    };
    if name == "year" && of_length(4) {
        DateForm::Year
    } else if MONTH_NAMES.contains(&&*name) && of_length(6) {
        DateForm::Month
    } else {
        DateForm::Any(Order::DayFirst)
    }
}

/// Whether all of `cells` are dates in 8 or 14 digits, from 1900 to 2099.
fn are_compact(cells: &[&str]) -> bool {
    let is_compact = |cell: &&str| {
        matches!(cell.len(), 8 | 14)
            && cell.bytes().all(|b| b.is_ascii_digit())
            && (cell.starts_with("19") || cell.starts_with("20"))
            && date::date(cell, Order::DayFirst).is_some()
    };
    !cells.is_empty() && cells.iter().all(is_compact)
}

/// The unit that most of the cells with one have.
fn common_unit(cells: &[&str]) -> String {
    let units: Vec<&str> = cells.iter().filter_map(|cell| number::unit(cell)).collect();
    let times = |unit: &str| units.iter().filter(|other| **other == unit).count();
    let mut common = ("", 0);
    for unit in &units {
        if *unit != common.0 && times(unit) > common.1 {
            common = (unit, times(unit));
        }
    }
    common.0.to_owned()
}

/// Whether whole `values` rise by `step` each, as numbers of rows do.
fn is_counter(values: &[f64], step: f64) -> bool {
    values.len() > 1
        && values.iter().all(|value| value.fract() == 0.0)
        && values.windows(2).all(|pair| pair[1] - pair[0] == step)
}

/// `name` as it is compared: in lower case, without a unit in brackets, and with `_` for spaces.
pub(crate) fn plain_name(name: &str) -> String {
    let name = name.split(['(', '[']).next().unwrap_or_default().trim();
    name.to_lowercase().replace([' ', '-'], "_")
}
