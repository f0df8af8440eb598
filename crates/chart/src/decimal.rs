//! Numbers on axes: exact decimals, written as people read them.

/// `digits` · 10^`exponent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decimal {
    pub(super) digits: i128,
    pub(super) exponent: i32,
}

/// Plain labels are used up to this length in any case.
const COMFORTABLE: usize = 10;

/// Beyond that length, plain labels may be this much longer than scientific ones: they are easier
/// to read.
const WORTH: usize = 2;

/// The numbers of one axis as labels, all in the same notation: plain, unless that is long and
/// scientific is shorter.
pub(super) fn labels(numbers: &[Decimal]) -> Vec<String> {
    let longest = |labels: &[String]| labels.iter().map(|l| l.chars().count()).max().unwrap_or(0);
    let enormous = |n: &Decimal| !(-25..=25).contains(&n.exponent);
    let scientific: Vec<String> = numbers.iter().map(|n| n.scientific()).collect();
    if numbers.iter().any(enormous) {
        return scientific;
    }
    let plain: Vec<String> = numbers.iter().map(|n| n.plain()).collect();
    if longest(&plain) <= COMFORTABLE.max(longest(&scientific) + WORTH) {
        plain
    } else {
        scientific
    }
}

/// `value` to four significant digits.
pub(super) fn rounded(value: f64) -> String {
    let text = format!("{value:.3e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let digits = mantissa.replace('.', "").parse().unwrap_or(0);
    let exponent = exponent.parse().unwrap_or(0) - 3;
    let (digits, exponent) = without_trailing_zeros(digits, exponent);
    labels(&[Decimal { digits, exponent }]).remove(0)
}

/// `count` with separated thousands.
pub(super) fn counted(count: usize) -> String {
    separated(&count.to_string())
}

impl Decimal {
    /// Plain notation: `12,500`, `−0.050`. Trailing zeros stay, so that all labels of an axis have
    /// the same number of decimals.
    fn plain(self) -> String {
        let digits = self.digits.unsigned_abs().to_string();
        let sign = self.sign();
        if self.exponent >= 0 {
            let zeros = if self.digits == 0 { 0 } else { self.exponent };
            let integer = digits + &"0".repeat(zeros.unsigned_abs() as usize);
            return format!("{sign}{}", separated(&integer));
        }
        let decimals = self.exponent.unsigned_abs() as usize;
        let digits = format!("{digits:0>width$}", width = decimals + 1);
        let (integer, fraction) = digits.split_at(digits.len() - decimals);
        format!("{sign}{}.{fraction}", separated(integer))
    }

    /// Scientific notation: `2.5e−9`.
    fn scientific(self) -> String {
        let (digits, exponent) = without_trailing_zeros(self.digits, self.exponent);
        if digits == 0 {
            return "0".to_owned();
        }
        let text = digits.unsigned_abs().to_string();
        let (first, rest) = text.split_at(1);
        let point = if rest.is_empty() { "" } else { "." };
        let exponent = i64::from(exponent) + rest.len() as i64;
        let minus = if exponent < 0 { "−" } else { "" };
        format!(
            "{}{first}{point}{rest}e{minus}{}",
            self.sign(),
            exponent.abs()
        )
    }

    fn sign(self) -> &'static str {
        if self.digits < 0 { "−" } else { "" }
    }
}

fn without_trailing_zeros(mut digits: i128, mut exponent: i32) -> (i128, i32) {
    while digits != 0 && digits % 10 == 0 {
        digits /= 10;
        exponent += 1;
    }
    if digits == 0 {
        exponent = 0;
    }
    (digits, exponent)
}

fn separated(integer: &str) -> String {
    let mut text = String::with_capacity(integer.len() + integer.len() / 3);
    for (i, digit) in integer.chars().enumerate() {
        if i > 0 && (integer.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels_of(exponent: i32, digits: &[i128]) -> Vec<String> {
        let decimals = digits.iter().map(|&digits| Decimal { digits, exponent });
        labels(&decimals.collect::<Vec<_>>())
    }

    #[test]
    fn labels_of_an_axis_share_notation_and_decimals() {
        assert_eq!(
            labels_of(-1, &[-5, 0, 5, 10]),
            ["−0.5", "0.0", "0.5", "1.0"]
        );
        assert_eq!(labels_of(3, &[0, 5, 10]), ["0", "5,000", "10,000"]);
        assert_eq!(labels_of(307, &[-10, 0, 5]), ["−1e308", "0", "5e307"]);
        assert_eq!(labels_of(-9, &[0, 5, 10]), ["0", "5e−9", "1e−8"]);
        assert_eq!(labels_of(0, &[1_700_000_020]), ["1,700,000,020"]);
        assert_eq!(labels_of(9, &[15, 20]), ["1.5e10", "2e10"]);
        assert_eq!(labels_of(-4, &[25, 50]), ["0.0025", "0.0050"]);
    }

    #[test]
    fn values_are_rounded_to_four_digits() {
        for (value, text) in [
            (21.456_7, "21.46"),
            (15_137.57, "15,140"),
            (0.0, "0"),
            (-3.0, "−3"),
            (0.000_123_45, "0.0001234"),
            (1e-9, "1e−9"),
            (f64::MAX, "1.798e308"),
            (5e-324, "4.941e−324"),
            (9_999.9, "10,000"),
        ] {
            assert_eq!(rounded(value), text, "{value}");
        }
    }
}
