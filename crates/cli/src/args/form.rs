//! The options that tell how a file of points is written.

use chrono::format::{Item, StrftimeItems};
use clap::Args;
use contract::TimeZone;

use crate::csv::Decimal;

/// The heading of these options.
const FILES: &str = "Options of files, instead of guesses";

/// How to read a file of points.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct FormArgs {
    /// Column with the times; two for a date and its time of day, `--time-column Date
    /// --time-column Time` [default: by names such as timestamp, time, date, ds, or by what the
    /// cells look like; without one, rows are counted from 0].
    #[arg(long, help_heading = FILES, value_name = "NAME")]
    pub(crate) time_column: Vec<String>,
    /// Column with the values [default: value, values, y, v, count or cnt, or the first with
    /// numbers].
    #[arg(long, help_heading = FILES, value_name = "NAME")]
    pub(crate) value_column: Option<String>,
    /// What separates cells: `,`, `;`, `|`, tab or space.
    #[arg(long, help_heading = FILES, value_name = "SIGN", value_parser = delimiter)]
    pub(crate) delimiter: Option<u8>,
    /// The decimal sign: `.` or `,`.
    #[arg(long, help_heading = FILES, value_name = "SIGN", value_parser = decimal)]
    pub(crate) decimal: Option<Decimal>,
    /// Form of the times in the signs of strftime: `%d/%m/%Y %H:%M`. Numbers and the usual dates
    /// need none.
    #[arg(long, help_heading = FILES, value_name = "FORMAT", value_parser = time_format)]
    pub(crate) time_format: Option<String>,
    /// Time zone of dates that name none, such as Europe/Berlin; a fit lets day and week follow its
    /// clocks too [default: UTC].
    #[arg(long, help_heading = FILES, value_name = "ZONE")]
    pub(crate) timezone: Option<TimeZone>,
    /// Stop at the first row that cannot be read, instead of leaving such rows out.
    #[arg(long, help_heading = FILES)]
    pub(crate) strict: bool,
    /// Leave out rows that cannot be read, as by default.
    #[arg(long, hide = true, conflicts_with = "strict")]
    pub(crate) skip_bad: bool,
}

fn delimiter(text: &str) -> Result<u8, &'static str> {
    match text {
        "tab" | "\\t" => Ok(b'\t'),
        "space" => Ok(b' '),
        _ => match text.as_bytes() {
            [sign] if sign.is_ascii_punctuation() || matches!(sign, b'\t' | b' ') => Ok(*sign),
            _ => Err("must be one sign such as ; or |, or tab or space"),
        },
    }
}

fn decimal(text: &str) -> Result<Decimal, &'static str> {
    match text {
        "." | "point" => Ok(Decimal::Point),
        "," | "comma" => Ok(Decimal::Comma),
        _ => Err("must be . or ,"),
    }
}

fn time_format(text: &str) -> Result<String, &'static str> {
    let is_known = !StrftimeItems::new(text).any(|item| item == Item::Error);
    match is_known && text.contains('%') {
        true => Ok(text.to_owned()),
        false => Err("must be in the signs of strftime, such as %d/%m/%Y %H:%M"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_and_forms_are_checked() {
        assert_eq!(delimiter(";"), Ok(b';'));
        assert_eq!((delimiter("tab"), delimiter("\\t")), (Ok(b'\t'), Ok(b'\t')));
        assert!(delimiter("ab").is_err() && delimiter("1").is_err() && delimiter("").is_err());
        assert_eq!(decimal(","), Ok(Decimal::Comma));
        assert!(decimal(";").is_err());
        assert!(time_format("%d/%m/%Y %H:%M").is_ok());
        assert!(time_format("%Q").is_err() && time_format("dd.mm.yyyy").is_err());
    }
}
