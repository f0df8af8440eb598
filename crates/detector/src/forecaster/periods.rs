//! The seasons that a fit gives a series.

use super::{Training, seasons::Periods};
use crate::series::{
    clock::Clock,
    seasonality::{CYCLES, Gridded, LONGEST, SHORTEST},
};

/// Seasons are looked for in this many last points.
const SEASON_POINTS: usize = 1 << 14;
/// Values farther than this many scales from the median count as there where seasons are looked
/// for.
const TAMED: f64 = 6.0;

/// A period this near to the day, or a share of it, is the day.
const NEAR_DAY: (f64, f64) = (2.0, 0.03);

/// The seasons of a series, or the one that is `known`.
pub(super) fn periods(
    training: &Training<'_>,
    clock: &Clock,
    stamps: &[i64],
    (median, scale): (f64, f64),
    known: Option<usize>,
) -> Periods {
    let n = training.values.len();
    let from = n.saturating_sub(SEASON_POINTS);
    let (values, slots) = (&training.values[from..], &training.slots[from..]);
    let day = clock
        .day(stamps[0])
        .filter(|day| (SHORTEST..=LONGEST).contains(&day.slots));
    let found: Vec<(usize, f64)> = match known {
        Some(period) => vec![(period, 1.0)],
        None => {
            let grid = Gridded::new(slots, values, median, TAMED * scale);
            let mut candidates = grid.candidates();
            if let Some(day) = day.filter(|day| CYCLES * day.slots <= grid.span()) {
                let (least, share) = NEAR_DAY;
                let near = least.max(share * day.slots as f64);
                candidates.retain(|p| p.abs_diff(day.slots) as f64 > near);
                candidates.insert(0, day.slots);
            }
            let tested = candidates
                .into_iter()
                .map(|period| (period, grid.test(period)));
            let accepted = tested.filter(|(_, test)| test.accepts());
            accepted
                .map(|(period, test)| (period, test.explained))
                .collect()
        }
    };
    let first = found.first().map_or(0, |(period, _)| *period);
    let [short, long, day_of_week] = match day {
        Some(day) => {
            let shorter = found.iter().map(|(p, _)| *p).find(|p| *p < day.slots);
            [shorter.unwrap_or(0), day.slots, day.slots]
        }
        None => {
            let longer = found
                .iter()
                .map(|(p, _)| *p)
                .find(|p| *p as f64 > 1.5 * first as f64);
            let longer = longer.unwrap_or(0);
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
        found: reported(&found) as u32,
    }
}

/// The part of what a season explains that a shorter one, of which it is a multiple, must explain
/// to be the season that is reported.
const AS_WELL: f64 = 0.95;

/// The season to report of those that were `found`, each with what it explains; 0 for none.
fn reported(found: &[(usize, f64)]) -> usize {
    let Some((first, explained)) = found.first() else {
        return 0;
    };
    let shorter = found.iter().find(|(period, shorter)| {
        period < first && first % period == 0 && *shorter >= AS_WELL * explained
    });
    shorter.map_or(*first, |(period, _)| *period)
}
