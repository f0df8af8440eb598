//! Lengths of time, as people say them.

use super::time::{DAY, HOUR, MINUTE, SECOND};

/// Units, the largest first, in nanoseconds.
const UNITS: [(i128, &str); 6] = [
    (7 * DAY, "week"),
    (DAY, "day"),
    (HOUR, "hour"),
    (MINUTE, "minute"),
    (SECOND, "second"),
    (SECOND / 1_000, "millisecond"),
];

/// `nanoseconds` in the largest unit of which they are a whole number or at least two: `1 week`, `36 hours`, `2.5 days`. Under a
/// millisecond there are no words.
pub(super) fn words(nanoseconds: i128) -> Option<String> {
    let whole = |unit: i128| nanoseconds >= unit && nanoseconds % unit == 0;
    let (unit, name) = UNITS
        .into_iter()
        .find(|&(unit, _)| whole(unit) && nanoseconds < 100 * unit)
        .or_else(|| UNITS.into_iter().find(|&(unit, _)| nanoseconds >= 2 * unit))?;
    let tenths = (nanoseconds * 10 + unit / 2) / unit;
    let plural = if tenths == 10 { "" } else { "s" };
    let text = match tenths % 10 {
        0 => format!("{} {name}{plural}", tenths / 10),
        tenth => format!("{}.{tenth} {name}s", tenths / 10),
    };
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_said_in_the_largest_unit_that_suits() {
        for (nanoseconds, text) in [
            (7 * DAY, "1 week"),
            (DAY, "1 day"),
            (36 * HOUR, "36 hours"),
            (60 * HOUR, "60 hours"),
            (23 * HOUR + 55 * MINUTE, "23.9 hours"),
            (5 * MINUTE, "5 minutes"),
            (90 * SECOND, "90 seconds"),
            (1_500 * SECOND, "25 minutes"),
            (SECOND / 4, "250 milliseconds"),
            (52 * 7 * DAY, "52 weeks"),
            (365 * DAY, "52.1 weeks"),
        ] {
            assert_eq!(words(nanoseconds).as_deref(), Some(text), "{nanoseconds}");
        }
        assert_eq!(words(1_000), None);
        assert_eq!(words(0), None);
    }
}
