//! How a file was read, as a sentence.

use std::fmt;

use super::{
    Skipped,
    columns::{Column, DateForm, Kind},
    date::{self, Order},
    layout::{Layout, Times},
    number::Decimal,
    sheet::Sheet,
};
use crate::{args::FormArgs, render::count};

/// How a file was read. Shown as one line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Guess {
    parts: Vec<String>,
    rows: String,
}

/// The columns that may be named as other values.
const NAMED: usize = 3;

impl Guess {
    /// How `layout` reads the cells of `sheet`.
    pub(crate) fn of(sheet: &Sheet<'_>, layout: &Layout, form: &FormArgs) -> Self {
        let width = layout.columns.columns.len();
        let mut parts = Vec::new();
        if width > 1 {
            parts.push(format!("delimiter {}", separator(sheet.separator)));
        }
        let values = || layout.values.iter().map(|i| &layout.columns.columns[*i]);
        if values().any(|column| column.numbers.decimal == Decimal::Comma) {
            parts.push("decimal comma".to_owned());
        }
        if !layout.columns.has_header {
            parts.push("no line of names".to_owned());
        }
        parts.push(times(sheet, layout, form));
        let units = |column: &Column| match column.numbers.unit.as_str() {
            "" => name(column),
            unit => format!("{} in {unit}", name(column)),
        };
        parts.push(format!("values in {}", join(values().map(units))));
        let others = layout.other_values();
        if form.value_column.is_none() && layout.values.len() == 1 && !others.is_empty() {
            let shown = join(others.iter().take(NAMED).map(|column| name(column)));
            let more = if others.len() > NAMED { " …" } else { "" };
            parts.push(format!("not {shown}{more} (--value-column)"));
        }
        Self {
            parts,
            rows: String::new(),
        }
    }

    /// The same of a file with `rows` that were read.
    pub(super) fn with_rows(mut self, rows: usize, is_sorted: bool, skipped: &Skipped) -> Self {
        self.rows = count(rows, "row");
        if !is_sorted {
            self.parts.push("sorted by time".to_owned());
        }
        if let Some(first) = &skipped.first {
            let rows = count(skipped.rows, "row");
            self.parts.push(format!(
                "left out {rows}, the first on {}",
                first.in_short()
            ));
        }
        self
    }
}

impl fmt::Display for Guess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = self.parts.join(", ");
        match self.rows.as_str() {
            "" => f.write_str(&parts),
            rows => write!(f, "{rows}: {parts}"),
        }
    }
}

fn separator(sign: u8) -> String {
    match sign {
        b'\t' => "tab".to_owned(),
        b' ' => "space".to_owned(),
        sign => format!("{:?}", char::from(sign)),
    }
}

fn name(column: &Column) -> String {
    format!("{:?}", column.name)
}

fn join(names: impl Iterator<Item = String>) -> String {
    names.collect::<Vec<_>>().join(" ")
}

/// Where the times are and in which form.
fn times(sheet: &Sheet<'_>, layout: &Layout, form: &FormArgs) -> String {
    let columns = layout.time_columns();
    let names = join(columns.iter().map(|column| name(column)));
    let Times::Dates { date, .. } = layout.times else {
        return match layout.times {
            Times::Rows => "no times: rows are counted".to_owned(),
            _ => format!("times in {names}"),
        };
    };
    let mut rows = sheet.rows().skip(layout.columns.before);
    let first = rows.next().unwrap_or_default();
    let cell = first.cell(date);
    let column = columns[0];
    let written = match &column.dates {
        DateForm::Any(order) if date::order(cell).is_some() => match order {
            Order::DayFirst => format!("as {cell:?}, day first"),
            Order::MonthFirst => format!("as {cell:?}, month first"),
        },
        DateForm::Told(format) => format!("as {format}"),
        _ => format!("as {cell:?}"),
    };
    let names_zone = column.kind == Kind::Date
        && column
            .dates
            .parse(cell)
            .is_some_and(|time| time.offset.is_some());
    let zone = match &form.timezone {
        _ if names_zone => String::new(),
        Some(zone) => format!(", {zone}"),
        None => ", UTC".to_owned(),
    };
    format!("times in {names} ({written}{zone})")
}
