//! Numbers of five significant digits, or as many as are asked for.

use std::fmt::{self, Write as _};

/// Shows a number with at most five significant digits, or as the precision says: `12.5`, `0.00012`, `1.2346e12`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Short(pub(crate) f64);

/// Digits after the first one, unless a precision is asked for: `{:.6}` has six.
pub(crate) const DECIMALS: usize = 4;

/// The most digits after the first one: more than a number has.
pub(crate) const MAX_DECIMALS: usize = 16;

/// Numbers outside of these powers of ten are written with an exponent.
const PLAIN: std::ops::RangeInclusive<i32> = -5..=9;

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.0.is_finite() {
            return f.write_str(if self.0.is_nan() {
                "unknown"
            } else {
                "beyond all numbers"
            });
        }
        let mut text = Buffer::default();
        let decimals = f.precision().unwrap_or(DECIMALS).min(MAX_DECIMALS);
        write!(text, "{:.decimals$e}", self.0.abs())?;
        let (digits, exponent) = text.parts();
        if self.0 < 0.0 && self.0 != 0.0 {
            f.write_char('-')?;
        }
        if PLAIN.contains(&exponent) {
            return plain(digits, exponent, f);
        }
        let (first, rest) = digits.split_at(1);
        f.write_str(first)?;
        if !rest.is_empty() {
            write!(f, ".{rest}")?;
        }
        write!(f, "e{exponent}")
    }
}

/// Writes `digits`, the first of which stands for ten to the power of `exponent`.
fn plain(digits: &str, exponent: i32, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if exponent < 0 {
        f.write_str("0.")?;
        for _ in exponent..-1 {
            f.write_char('0')?;
        }
        return f.write_str(digits);
    }
    let whole = exponent.unsigned_abs() as usize + 1;
    if digits.len() <= whole {
        f.write_str(digits)?;
        for _ in digits.len()..whole {
            f.write_char('0')?;
        }
        return Ok(());
    }
    let (whole, rest) = digits.split_at(whole);
    write!(f, "{whole}.{rest}")
}

/// A text on the stack, long enough for `1.2345678901234567e-308`.
#[derive(Default)]
struct Buffer {
    bytes: [u8; 24],
    length: usize,
    /// Where the mantissa is kept without its point.
    digits: [u8; MAX_DECIMALS + 1],
}

impl Buffer {
    /// The digits of the mantissa without closing zeros, and the exponent.
    fn parts(&mut self) -> (&str, i32) {
        let text = std::str::from_utf8(&self.bytes[..self.length]).unwrap_or_default();
        let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
        let mut length = 0;
        for (to, digit) in self
            .digits
            .iter_mut()
            .zip(mantissa.bytes().filter(|b| *b != b'.'))
        {
            *to = digit;
            length += 1;
        }
        while length > 1 && self.digits[length - 1] == b'0' {
            length -= 1;
        }
        let digits = std::str::from_utf8(&self.digits[..length]).unwrap_or_default();
        (digits, exponent.parse().unwrap_or(0))
    }
}

impl fmt::Write for Buffer {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.length + text.len();
        let room = self.bytes.get_mut(self.length..end).ok_or(fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_plain() {
        for (number, text) in [
            (22.5, "22.5"),
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (-3.0, "-3"),
            (1.0 / 3.0, "0.33333"),
            (100_000.0, "100000"),
            (123_456.0, "123460"),
            (1_693_460_000.0, "1693500000"),
            (12_345_678_912.0, "1.2346e10"),
            (99_999.9, "100000"),
            (0.000_123_456, "0.00012346"),
            (1e-7, "1e-7"),
            (-1.5e-300, "-1.5e-300"),
            (f64::MAX, "1.7977e308"),
            (5e-324, "4.9407e-324"),
        ] {
            assert_eq!(Short(number).to_string(), text);
        }
    }
}
