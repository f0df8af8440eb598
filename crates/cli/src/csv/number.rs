//! Numbers as files write them: decimal points or commas, groups of digits, units.

/// The sign between a whole number and its fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decimal {
    Point,
    Comma,
}

impl Decimal {
    fn sign(self) -> char {
        match self {
            Self::Point => '.',
            Self::Comma => ',',
        }
    }

    /// The sign that may group the digits of whole numbers.
    fn group(self) -> char {
        match self {
            Self::Point => ',',
            Self::Comma => '.',
        }
    }
}

/// What a cell says of the decimal sign of its column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Evidence {
    /// Only a decimal comma makes a number of it: `103,86`.
    Comma,
    /// Only a decimal point does: `1,234.5`.
    Point,
    /// Its comma may be either: `1,234`.
    Either,
    Nothing,
}

/// How the numbers of a column are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NumberForm {
    pub(crate) decimal: Decimal,
    /// What stands behind the numbers; empty for nothing.
    pub(crate) unit: String,
}

/// Words and signs for a value that is not there, in lower case.
const MISSING: [&str; 22] = [
    "",
    "-",
    "–",
    "--",
    ".",
    "?",
    "na",
    "n/a",
    "<na>",
    "nan",
    "-nan",
    "null",
    "none",
    "nil",
    "undefined",
    "missing",
    "#n/a",
    "#na",
    "#null!",
    "#value!",
    "#div/0!",
    "(null)",
];
const CURRENCIES: &str = "$€£¥";
/// Signs that a unit may begin with, besides letters.
const UNIT_SIGNS: &str = "%‰°$€£¥";
/// The most characters of a unit.
const LONGEST_UNIT: usize = 12;

/// Whether `cell`, which is trimmed, says that there is no value.
pub(crate) fn is_missing(cell: &str) -> bool {
    MISSING.iter().any(|word| word.eq_ignore_ascii_case(cell))
}

/// The unit behind the number in `cell`, if that looks like one.
pub(crate) fn unit(cell: &str) -> Option<&str> {
    let digit = cell.rfind(|c: char| c.is_ascii_digit() || c == '.')?;
    let unit = cell[digit + 1..].trim();
    let first = unit.chars().next()?;
    let is_unit = (first.is_alphabetic() || UNIT_SIGNS.contains(first))
        && !unit.contains([',', ';'])
        && unit.chars().count() <= LONGEST_UNIT;
    is_unit.then_some(unit)
}

/// What `cell` says of the decimal sign, its unit set aside.
pub(crate) fn evidence(cell: &str) -> Evidence {
    let cell = unit(cell).map_or(cell, |unit| cell[..cell.len() - unit.len()].trim_end());
    let digits = unsigned(cell).replace(is_space_group, "");
    let as_point = plain(&digits, Decimal::Point).is_some();
    let as_comma = plain(&digits, Decimal::Comma).is_some();
    let has = |sign| digits.contains(sign);
    match (as_point, as_comma) {
        (true, false) if has('.') || has(',') => Evidence::Point,
        (false, true) if has('.') || has(',') => Evidence::Comma,
        (true, true) if has(',') => Evidence::Either,
        _ => Evidence::Nothing,
    }
}

impl NumberForm {
    /// The number that `cell` holds, if it holds a finite one.
    pub(crate) fn parse(&self, cell: &str) -> Option<f64> {
        let number = match self.decimal {
            Decimal::Point => simple(cell).or_else(|| self.elaborate(cell)),
            Decimal::Comma => self.elaborate(cell),
        };
        number.filter(|number| number.is_finite())
    }

    fn elaborate(&self, cell: &str) -> Option<f64> {
        let cell = match self.unit.as_str() {
            "" => cell,
            unit => cell.strip_suffix(unit).unwrap_or(cell).trim_end(),
        };
        let size = plain(unsigned(cell), self.decimal)?.parse::<f64>().ok()?;
        let is_negative = cell.starts_with(['-', '−']);
        Some(if is_negative { -size } else { size })
    }
}

/// A number as programs write it.
fn simple(cell: &str) -> Option<f64> {
    let begins = cell.trim_start_matches(['+', '-']);
    let is_number = begins.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    is_number.then(|| cell.parse().ok()).flatten()
}

/// `cell` without its sign and currency.
fn unsigned(cell: &str) -> &str {
    let size = cell.strip_prefix(['-', '−', '+']).unwrap_or(cell);
    size.trim_start_matches(|c| CURRENCIES.contains(c))
        .trim_start()
}

/// Whether numbers may be grouped by `c`, whatever the decimal sign is.
fn is_space_group(c: char) -> bool {
    matches!(c, ' ' | '\u{a0}' | '\u{202f}' | '\'' | '’')
}

/// A number without a sign in the form of programs: `1.234,5` becomes `1234.5`. A group has three
/// digits, and the first of several does not begin with a 0.
fn plain(size: &str, decimal: Decimal) -> Option<String> {
    let (mantissa, exponent) = match size.find(['e', 'E']) {
        Some(at) => size.split_at(at),
        None => (size, ""),
    };
    let (whole, fraction) = match mantissa.split_once(decimal.sign()) {
        Some((whole, fraction)) => (whole, fraction),
        None => (mantissa, ""),
    };
    let are_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let by = whole.find(|c| c == decimal.group() || is_space_group(c));
    let by = by.and_then(|at| whole[at..].chars().next());
    let whole = match by {
        Some(by) => {
            let mut groups = whole.split(by);
            let first = groups.next()?;
            let fits = matches!(first.len(), 1..=3)
                && !first.starts_with('0')
                && groups.all(|group| group.len() == 3 && are_digits(group));
            fits.then(|| whole.replace(by, ""))?
        }
        None => whole.to_owned(),
    };
    let has_digits = !(whole.is_empty() && fraction.is_empty());
    (has_digits && are_digits(&whole) && are_digits(fraction))
        .then(|| format!("0{whole}.{fraction}0{exponent}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(cell: &str, decimal: Decimal, unit: &str) -> Option<f64> {
        let unit = unit.to_owned();
        NumberForm { decimal, unit }.parse(cell)
    }

    #[test]
    fn numbers_have_points_commas_groups_and_units() {
        for (cell, decimal, unit, expected) in [
            ("12.5", Decimal::Point, "", 12.5),
            ("+.5", Decimal::Point, "", 0.5),
            ("-1e3", Decimal::Point, "", -1000.0),
            ("1,234,567.5", Decimal::Point, "", 1_234_567.5),
            ("1 234.5", Decimal::Point, "", 1234.5),
            ("1'234.5", Decimal::Point, "", 1234.5),
            ("−3", Decimal::Point, "", -3.0),
            ("-$1,234.50", Decimal::Point, "", -1234.5),
            ("12.5 °C", Decimal::Point, "°C", 12.5),
            ("45%", Decimal::Point, "%", 45.0),
            ("103,86", Decimal::Comma, "", 103.86),
            ("-1.103,86 €", Decimal::Comma, "€", -1103.86),
            ("1,5e-3", Decimal::Comma, "", 0.0015),
            ("2.000", Decimal::Comma, "", 2000.0),
        ] {
            assert_eq!(number(cell, decimal, unit), Some(expected), "{cell}");
        }
        for (cell, decimal) in [
            ("", Decimal::Point),
            ("nan", Decimal::Point),
            ("inf", Decimal::Point),
            ("1e999", Decimal::Point),
            ("1,23", Decimal::Point),
            ("0,123", Decimal::Point),
            ("1.5", Decimal::Comma),
            ("1,2,3", Decimal::Comma),
            ("12 kW", Decimal::Point),
            (".", Decimal::Point),
        ] {
            assert_eq!(number(cell, decimal, ""), None, "{cell}");
        }
    }

    #[test]
    fn a_cell_may_tell_the_decimal_sign() {
        for (cell, expected) in [
            ("103,86", Evidence::Comma),
            ("0,123", Evidence::Comma),
            ("1.234,567", Evidence::Comma),
            ("1.234.567", Evidence::Comma),
            ("12,5 °C", Evidence::Comma),
            ("12.5", Evidence::Point),
            ("1,234.5", Evidence::Point),
            ("1,234,567", Evidence::Point),
            ("1,234", Evidence::Either),
            ("1.234", Evidence::Nothing),
            ("12", Evidence::Nothing),
            ("31.05.2024", Evidence::Nothing),
        ] {
            assert_eq!(evidence(cell), expected, "{cell}");
        }
    }

    #[test]
    fn units_are_short_and_without_digits() {
        for (cell, expected) in [
            ("12.5 °C", Some("°C")),
            ("7km/h", Some("km/h")),
            ("45 %", Some("%")),
            ("5", None),
            ("12 m3", None),
            ("7: broken", None),
            ("12 degrees of the old scale", None),
        ] {
            assert_eq!(unit(cell), expected, "{cell}");
        }
    }
}
