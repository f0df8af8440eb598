//! Scales and round ticks for values and plain numbers of any size.

use super::decimal::{self, Decimal};

/// A mark on an axis.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tick {
    /// The place of the tick, as a fraction of the axis.
    pub(super) at: f64,
    /// The text of the tick.
    pub(super) label: String,
}

/// Maps values to fractions of an axis, whatever their size. Sums and differences of values up to
/// ±`f64::MAX` are taken in units of 10^`shift`, where they do not overflow.
#[derive(Clone, Copy, Debug)]
pub(super) struct ValueScale {
    low: f64,
    high: f64,
    shift: i32,
}

/// The fraction of the axis that is left free above and below the values.
const PADDING: f64 = 0.05;

/// A span below this fraction of the largest value is noise of the last digit. It is not spread
/// over the axis.
const LEAST_SPAN: f64 = 1e-14;

impl ValueScale {
    /// The scale from `low` to `high`, both finite, with some room around them.
    pub(super) fn new(low: f64, high: f64) -> Self {
        let largest = low.abs().max(high.abs());
        let shift = match largest {
            _ if largest > 1e290 => 300,
            _ if largest < 1e-290 && largest > 0.0 => -300,
            _ => 0,
        };
        let (low, high) = (shifted(low, shift), shifted(high, shift));
        let largest = low.abs().max(high.abs());
        let padding = match high - low {
            span if span > largest * LEAST_SPAN => span * PADDING,
            _ if largest > 0.0 => largest * LEAST_SPAN,
            _ => 1.0,
        };
        Self {
            low: low - padding,
            high: high + padding,
            shift,
        }
    }

    /// The place of `value` on the axis, from 0 to 1.
    pub(super) fn at(&self, value: f64) -> f64 {
        self.at_shifted(shifted(value, self.shift))
    }

    fn at_shifted(&self, value: f64) -> f64 {
        (value - self.low) / (self.high - self.low)
    }

    /// At most `most` ticks (at least two) at round values.
    pub(super) fn ticks(&self, most: usize) -> Vec<Tick> {
        let (digit, exponent) = step((self.high - self.low) / most as f64);
        let unit = power_of_ten(exponent);
        let step = digit as f64 * unit;
        let (first, last) = ((self.low / step).ceil(), (self.high / step).floor());
        let steps = first as i128..=last as i128;
        let numbers = steps.map(|n| n * digit).collect::<Vec<_>>();
        let places = numbers.iter().map(|&n| self.at_shifted(n as f64 * unit));
        let decimals: Vec<Decimal> = numbers
            .iter()
            .map(|&digits| Decimal {
                digits,
                exponent: exponent + self.shift,
            })
            .collect();
        with_labels(places, &decimals)
    }
}

/// About `most` ticks at round integers on an axis from `low` to `high`, which are given in `parts`
/// of one.
pub(super) fn integer_ticks((low, high): (i128, i128), parts: i128, most: usize) -> Vec<Tick> {
    let span = (high - low) as f64;
    let (digit, exponent) = step((span / parts as f64 / most as f64).max(1.0));
    let step = digit * 10_i128.pow(exponent.unsigned_abs()) * parts;
    let before = (low - 1).div_euclid(step);
    let steps: Vec<i128> = (before + 1..=high.div_euclid(step)).collect();
    let places = steps.iter().map(|n| (n * step - low) as f64 / span);
    let decimals: Vec<Decimal> = steps
        .iter()
        .map(|n| Decimal {
            digits: n * digit,
            exponent,
        })
        .collect();
    with_labels(places, &decimals)
}

fn with_labels(places: impl Iterator<Item = f64>, numbers: &[Decimal]) -> Vec<Tick> {
    let labels = decimal::labels(numbers);
    places
        .zip(labels)
        .map(|(at, label)| Tick { at, label })
        .collect()
}

/// The smallest of 1, 2, 5 · 10^n that is at least `least`, as digit and n.
fn step(least: f64) -> (i128, i32) {
    let exponent = least.log10().floor() as i32;
    let mantissa = least / power_of_ten(exponent);
    match mantissa {
        m if m <= 1.0 => (1, exponent),
        m if m <= 2.0 => (2, exponent),
        m if m <= 5.0 => (5, exponent),
        _ => (1, exponent + 1),
    }
}

/// 10^`exponent`, exact where a float can be: `powi` is not.
fn power_of_ten(exponent: i32) -> f64 {
    format!("1e{exponent}")
        .parse()
        .expect("digits with an exponent are a number")
}

fn shifted(value: f64, shift: i32) -> f64 {
    match shift {
        0 => value,
        shift => value * power_of_ten(-shift),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(ticks: &[Tick]) -> Vec<&str> {
        ticks.iter().map(|t| t.label.as_str()).collect()
    }

    #[test]
    fn ticks_are_round_evenly_spaced_and_within_the_axis() {
        for (low, high) in [
            (0.0, 1.0),
            (-3.7, 12.9),
            (1e-9, 2.5e-9),
            (-f64::MAX, f64::MAX),
            (0.0, f64::MAX),
            (5e-324, 2e-323),
            (1e15, 1e15 + 1.0),
            (1e300, 1e300_f64.next_up()),
            (-1e-300, 3.5),
            (-123_456.0, -123_455.0),
            (0.0, 0.0),
        ] {
            for most in 2..12 {
                let scale = ValueScale::new(low, high);
                let ticks = scale.ticks(most);
                assert!(ticks.len() <= most + 1, "{low} {high} {most}: {ticks:?}");
                assert!(!ticks.is_empty() || most < 4, "{low} {high} {most}");
                for tick in &ticks {
                    assert!(
                        (-1e-9..=1.0 + 1e-9).contains(&tick.at),
                        "{low} {high} {tick:?}"
                    );
                }
                assert!(scale.at(low) > 0.0 && scale.at(high) < 1.0, "{low} {high}");
            }
        }
    }

    #[test]
    fn labels_show_what_tells_them_apart() {
        let ticks = |low, high| ValueScale::new(low, high).ticks(4);
        assert_eq!(labels(&ticks(0.0, 1.0)), ["0.0", "0.5", "1.0"]);
        assert_eq!(
            labels(&ticks(1e-9, 2.5e-9)),
            ["1e−9", "1.5e−9", "2e−9", "2.5e−9"]
        );
        assert_eq!(labels(&ticks(-1e308, 1e308)), ["−1e308", "0", "1e308"]);
        assert_eq!(labels(&ticks(9e-5, 3e-4)), ["0.0001", "0.0002", "0.0003"]);
    }

    #[test]
    fn integers_of_the_whole_range_are_labelled_exactly() {
        let (low, high) = (i128::from(i64::MIN), i128::from(i64::MAX));
        assert_eq!(
            labels(&integer_ticks((low, high), 1, 4)),
            ["−5e18", "0", "5e18"]
        );
        assert_eq!(
            labels(&integer_ticks((-300, 4_300), 1000, 10)),
            ["0", "1", "2", "3", "4"]
        );
        assert_eq!(
            labels(&integer_ticks((high - 1, high + 1), 1, 3)),
            [
                "9,223,372,036,854,775,806",
                "9,223,372,036,854,775,807",
                "9,223,372,036,854,775,808"
            ]
        );
    }
}
