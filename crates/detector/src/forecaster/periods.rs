//! The seasons that a fit gives a series.

use super::{Training, seasons::Periods};
use crate::series::{
    clock::Clock,
    seasonality::{Found, Gridded},
};

/// The longest season, in slots.
const LONGEST: usize = 2_048;
/// Seasons are looked for in this many last points.
const SEASON_POINTS: usize = 1 << 14;

/// The seasons of a series, or the one that is `known`.
pub(super) fn periods(
    training: &Training<'_>,
    clock: &Clock,
    (median, scale): (f64, f64),
    known: Option<usize>,
) -> Periods {
    let n = training.values.len();
    let from = n.saturating_sub(SEASON_POINTS);
    let (values, slots) = (&training.values[from..], &training.slots[from..]);
    let day = clock.day(LONGEST);
    let found = match known {
        Some(period) => Found::known(period),
        None => {
            let grid = Gridded::new(slots, values, median, scale);
            Found::of(&grid, day.map(|day| day.slots), LONGEST)
        }
    };
    let first = found.periods().next().unwrap_or(0);
    let [short, long, day_of_week] = match day {
        Some(day) => {
            let shorter = found.periods().find(|period| *period < day.slots);
            [shorter.unwrap_or(0), day.slots, day.slots]
        }
        None => {
            let is_longer = |period: &usize| *period as f64 > 1.5 * first as f64;
            let longer = found.periods().find(is_longer).unwrap_or(0);
            let has_week = first > 0 && longer == 0 && n >= 2 * 7 * first;
            [first, longer, if has_week { first } else { 0 }]
        }
    };
    Periods {
        short: short as u32,
        long: long as u32,
        day_of_week: day_of_week as u32,
        day: day.map_or(0, |day| day.slots as u32),
        week_start: day.map_or(0, |day| day.week_start),
        found: found.reported().unwrap_or(0) as u32,
    }
}
