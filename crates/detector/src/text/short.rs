//! Numbers of five significant digits, or as many as are asked for.

use std::fmt::{self, Write as _};

/// Shows a number with at most five significant digits, or as the precision says: `12.5`,
/// `0.00012`, `1.2346e12`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Short(pub(crate) f64);

/// Digits after the first one, unless a precision is asked for: `{:.6}` has six.
pub(crate) const DECIMALS: usize = 4;

/// The most digits after the first one: all of them mean something.
const MAX_DECIMALS: usize = 14;

/// The most digits after the first one for which multiplying will do: all of them make an integer
/// of 32 bits.
const MAX_QUICK: usize = 8;

/// Powers of ten, which are exact.
const POWERS: [f64; MAX_QUICK + 5] = [
    1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12,
];

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
        let number = self.0.abs();
        let decimals = f.precision().unwrap_or(DECIMALS).min(MAX_DECIMALS);
        let quick = Digits::quick(number, decimals);
        let digits = quick.map_or_else(|| Digits::exact(number, decimals), Ok)?;
        let (digits, exponent) = (digits.text(), digits.exponent);
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
    f.write_str(whole)?;
    f.write_char('.')?;
    f.write_str(rest)
}

/// The significant digits of a number without closing zeros, and the power of ten that the first
/// one stands for.
struct Digits {
    bytes: [u8; MAX_DECIMALS + 1],
    length: usize,
    exponent: i32,
}

impl Digits {
    fn text(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.length]).unwrap_or_default()
    }

    /// The digits of a number of usual size; `None` where multiplying might round it differently
    /// than its exact value. Writing numbers is much of the cost of a verdict, and this is a tenth
    /// of the cost of [`Self::exact`].
    fn quick(number: f64, decimals: usize) -> Option<Self> {
        if !(1e-4..1e9).contains(&number) || decimals > MAX_QUICK {
            return None;
        }
        let mut exponent = if number < 1.0 {
            -1 - [1e-1, 1e-2, 1e-3]
                .iter()
                .filter(|power| number < **power)
                .count() as i32
        } else {
            POWERS[..10]
                .iter()
                .filter(|power| number >= **power)
                .count() as i32
                - 1
        };
        let shift = decimals as i32 - exponent;
        let power = POWERS[shift.unsigned_abs() as usize];
        let scaled = if shift < 0 {
            number / power
        } else {
            number * power
        };
        // The rounding so far is less than this.
        let fraction = scaled.fract();
        if (fraction - 0.5).abs() < 1e-6 {
            return None;
        }
        let least = POWERS[decimals] as u32;
        let mut digits = scaled.round() as u32;
        if digits == 10 * least {
            digits = least;
            exponent += 1;
        }
        if !(least..10 * least).contains(&digits) {
            return None;
        }
        Some(Self::of(digits, decimals, exponent))
    }

    /// The digits of an integer of `decimals` + 1 digits, without closing zeros.
    fn of(mut digits: u32, decimals: usize, exponent: i32) -> Self {
        let mut bytes = [0; MAX_DECIMALS + 1];
        let all = &mut bytes[..=decimals];
        for byte in all.iter_mut().rev() {
            *byte = b'0' + (digits % 10) as u8;
            digits /= 10;
        }
        let zeros = all.iter().rev().take_while(|byte| **byte == b'0').count();
        Self {
            length: all.len() - zeros,
            bytes,
            exponent,
        }
    }

    /// The digits of any finite number.
    fn exact(number: f64, decimals: usize) -> Result<Self, fmt::Error> {
        let mut text = Buffer::default();
        write!(text, "{number:.decimals$e}")?;
        Ok(text.digits())
    }
}

/// A text on the stack, long enough for `1.2345678901234567e-308`.
#[derive(Default)]
struct Buffer {
    bytes: [u8; 24],
    length: usize,
}

impl Buffer {
    /// The digits of the mantissa, and the exponent.
    fn digits(&self) -> Digits {
        let text = std::str::from_utf8(&self.bytes[..self.length]).unwrap_or_default();
        let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
        let mut bytes = [b'0'; MAX_DECIMALS + 1];
        let digits = mantissa.bytes().filter(|byte| *byte != b'.');
        bytes
            .iter_mut()
            .zip(digits)
            .for_each(|(to, digit)| *to = digit);
        // Zero keeps one digit.
        let zeros = bytes[1..]
            .iter()
            .rev()
            .take_while(|byte| **byte == b'0')
            .count();
        Digits {
            bytes,
            length: bytes.len() - zeros,
            exponent: exponent.parse().unwrap_or(0),
        }
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
    use proptest::prelude::*;

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
        for (digits, text) in [(6, "1234568"), (8, "1234567.89"), (20, "1234567.89")] {
            assert_eq!(format!("{:.digits$}", Short(1_234_567.89)), text);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn the_quick_way_gives_the_same_digits(
            mantissa in prop_oneof![0.0..1.0_f64, (0_u32..1_000_000).prop_map(|n| f64::from(n) / 1e6), (0_u32..1_000_000_000).prop_map(|n| f64::from(n) / 1e9)],
            exponent in -6..11_i32,
            ulps in -2..=2_i64,
            decimals in 0..=MAX_QUICK + 1,
        ) {
            let number = f64::from_bits((mantissa * 10_f64.powi(exponent)).to_bits().saturating_add_signed(ulps));
            if let (Some(quick), Ok(exact)) = (Digits::quick(number, decimals), Digits::exact(number, decimals)) {
                prop_assert_eq!((quick.text(), quick.exponent), (exact.text(), exact.exponent), "{}", number);
            }
        }
    }
}
