//! From timestamps to slots, the places on the regular grid on which most points lie.
//!
//! Timestamps are whole numbers of an unknown unit, so the grid is in whole numbers too. A float
//! could not hold nanoseconds.

use contract::{Point, TimeUnit, TimeZone};
use serde::{Deserialize, Serialize};

/// The grid of a series. Without a grid, each point counts as one slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clock {
    start: i64,
    /// Twice the median difference (which may lie halfway between two whole numbers); over 0.
    twice_step: Option<i64>,
}

/// The fraction by which a regular difference may deviate from the median one.
const NEAR: f64 = 0.1;
/// The fraction of the differences that must be regular, at least.
const MOST: f64 = 0.8;

/// Whether a difference of timestamps is regular where the median one is `usual`.
pub(crate) fn is_near(difference: f64, usual: f64) -> bool {
    (difference / usual - 1.0).abs() < NEAR
}

/// Whether a clock is regular if `near` of `all` its differences are near the median one.
pub(crate) fn is_regular(near: usize, all: usize) -> bool {
    near as f64 > MOST * all as f64
}

/// A day in seconds.
const DAY: i64 = 86_400;

/// The part by which the usual time between points that come early or late is off, at most.
const LATE: f64 = 0.02;

/// Steps of irregular points, in seconds: shares of a day.
const SHARES_OF_DAY: [i64; 14] = [
    60, 120, 300, 600, 900, 1_200, 1_800, 3_600, 7_200, 10_800, 14_400, 21_600, 43_200, 86_400,
];

/// The day of a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Day {
    /// The length of a day in slots.
    pub(crate) slots: usize,
    /// The slot of the week, from Thursday 00:00, at which slot 0 lies.
    pub(crate) week_start: i64,
}

/// `timestamp` as a clock on the wall of `zone` shows it; without a zone, that of UTC.
pub(crate) fn local(zone: Option<&TimeZone>, timestamp: i64) -> i64 {
    zone.map_or(timestamp, |zone| zone.local_timestamp(timestamp))
}

impl Clock {
    /// The calendar of `points` in `zone`, and their slots. Points are in the order of time, at least
    /// one.
    pub(crate) fn of_points(points: &[Point], zone: Option<&TimeZone>) -> (Self, Vec<i64>) {
        let mut stamps: Vec<i64> = points.iter().map(|p| local(zone, p.timestamp)).collect();
        let clock = Self::fit(&stamps);
        let mut last = -1;
        for stamp in &mut stamps {
            last = clock.slot(*stamp, last);
            *stamp = last;
        }
        (clock, stamps)
    }

    /// Learns from timestamps in ascending order, at least one. Points that share a timestamp count
    /// once, and a missing point makes a clock no less regular. Points that come unevenly have a
    /// grid too where their unit is known: one of the shares of a day that is about as long as the
    /// usual time between them.
    pub(crate) fn fit(timestamps: &[i64]) -> Self {
        let none = Self {
            start: timestamps[0],
            twice_step: None,
        };
        let pairs = timestamps.windows(2);
        let differences = pairs.map(|pair| i128::from(pair[1]) - i128::from(pair[0]));
        let differences: Vec<i128> = differences.filter(|difference| *difference > 0).collect();
        if differences.is_empty() {
            return none;
        }
        let twice = twice_median(&mut differences.clone());
        let step = twice as f64 / 2.0;
        let on_grid = |difference: &&i128| {
            let steps = **difference as f64 / step;
            (steps - steps.round().max(1.0)).abs() < NEAR
        };
        let near = differences.iter().filter(on_grid).count();
        let second = TimeUnit::guess(timestamps[timestamps.len() - 1])
            .map(|unit| 1_000_000_000 / unit.nanoseconds());
        let usual = second.map(|second| step / second as f64);
        if is_regular(near, differences.len()) {
            // Where points come a little early or late, the clock is the one that is meant.
            let exact = differences.iter().filter(|d| 2 * **d == twice).count();
            let meant = second.zip(usual).and_then(|(second, usual)| {
                let near = |share: &&i64| (usual / **share as f64 - 1.0).abs() < LATE;
                SHARES_OF_DAY
                    .iter()
                    .find(near)
                    .map(|share| 2 * share * second)
            });
            let meant = meant.filter(|_| 2 * exact < differences.len());
            return Self {
                twice_step: meant.or_else(|| i64::try_from(twice).ok()),
                ..none
            };
        }
        let share = usual.and_then(|usual| {
            let fits = |share: &&i64| **share as f64 <= usual * (1.0 + NEAR);
            SHARES_OF_DAY.iter().rev().find(fits)
        });
        Self {
            twice_step: share.zip(second).map(|(share, second)| 2 * share * second),
            ..none
        }
    }

    /// The day of the clock, if it is a whole number of slots, 4 to `longest`. Timestamps whose unit
    /// cannot be told from their size count in the first unit in which it is.
    pub(crate) fn day(&self, longest: usize) -> Option<Day> {
        let twice = self.twice_step?;
        let units = match TimeUnit::guess(self.start) {
            Some(unit) => vec![1_000_000_000 / unit.nanoseconds()],
            None => vec![1, 1_000, 1_000_000, 1_000_000_000],
        };
        let day = |second: &i64| {
            let span = 2 * DAY * second;
            let slots = (span % twice == 0).then(|| span / twice)?;
            (4..=longest as i64)
                .contains(&slots)
                .then_some((slots, *second))
        };
        let (slots, second) = units.iter().find_map(day)?;
        let start = self.start.div_euclid(second);
        let of_day = start.rem_euclid(DAY) * slots / DAY;
        Some(Day {
            slots: slots as usize,
            week_start: start.div_euclid(DAY).rem_euclid(7) * slots + of_day,
        })
    }

    /// The slot of `timestamp`, or the one after `last` if points are not on a grid. It saturates.
    pub(crate) fn slot(&self, timestamp: i64, last: i64) -> i64 {
        let Some(twice) = self.twice_step else {
            return last.saturating_add(1);
        };
        // In 64 bits where they are enough, which takes a tenth of the time.
        let passed = timestamp.checked_sub(self.start);
        let quarters = passed.and_then(|passed| passed.checked_mul(4)?.checked_add(twice));
        if let (Some(quarters), Some(step)) = (quarters, twice.checked_mul(2)) {
            return quarters.div_euclid(step);
        }
        let twice = i128::from(twice);
        let passed = i128::from(timestamp) - i128::from(self.start);
        // round(passed / step), as floor(passed/step + 1/2) in quarters.
        let slot = (4 * passed + twice).div_euclid(2 * twice);
        slot.clamp(i64::MIN.into(), i64::MAX.into()) as i64
    }

    /// The time between two slots, in the unit of the timestamps (which may be a half); `None` if
    /// points are not on a grid.
    pub fn step(&self) -> Option<f64> {
        self.twice_step.map(|twice| twice as f64 / 2.0)
    }

    /// The lengths of a day and of a week in slots where these are whole numbers, if timestamps are
    /// in seconds or a thousandth, millionth or billionth of one.
    pub(crate) fn calendar(&self) -> impl Iterator<Item = usize> + use<> {
        let twice = self.twice_step;
        let spans = [1_000_000_000, 1_000_000, 1_000, 1]
            .into_iter()
            .flat_map(|unit| [1, 7].map(|days| 2 * days * DAY * unit));
        spans.filter_map(move |span| {
            let slots = span / twice.filter(|twice| span % twice == 0)?;
            usize::try_from(slots).ok()
        })
    }

    pub(crate) fn check(&self) -> Result<(), &'static str> {
        let sound = self.twice_step.is_none_or(|twice| twice > 0);
        sound.then_some(()).ok_or("clock")
    }
}

fn twice_median(differences: &mut [i128]) -> i128 {
    let middle = differences.len() / 2;
    let even = differences.len().is_multiple_of(2);
    let (below, &mut high, _) = differences.select_nth_unstable(middle);
    let low = below.iter().copied().max().filter(|_| even);
    low.unwrap_or(high) + high
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_the_same_in_every_unit() {
        for unit in [1, 1000, 1_000_000, 1_000_000_000] {
            let start = 1_700_000_000 * unit;
            let stamps: Vec<i64> = (0..20).map(|i| start + 60 * unit * i).collect();
            let clock = Clock::fit(&stamps);
            assert_eq!(clock.slot(start + 60 * unit * 1000, 0), 1000);
            assert_eq!(
                clock.slot(start + 60 * unit * 1000 + 30 * unit - 1, 0),
                1000
            );
            assert_eq!(clock.slot(start + 60 * unit * 1000 + 30 * unit, 0), 1001);
            assert_eq!(clock.slot(start - 60 * unit, 0), -1);
            // Beyond 64 bits.
            let far = i128::from(i64::MAX) - i128::from(start) + i128::from(30 * unit);
            let expected = (far / i128::from(60 * unit)) as i64;
            assert_eq!(clock.slot(i64::MAX, 0), expected);
            assert_eq!(clock.step(), Some(60.0 * unit as f64));
        }
    }

    #[test]
    fn a_day_is_known_in_every_unit() {
        for unit in [1, 1000, 1_000_000, 1_000_000_000] {
            let stamps: Vec<i64> = (0..20).map(|i| 300 * unit * i).collect();
            let calendar: Vec<usize> = Clock::fit(&stamps).calendar().collect();
            assert!(calendar.contains(&288) && calendar.contains(&(7 * 288)));
        }
        // Seven minutes do not make a day.
        let stamps: Vec<i64> = (0..20).map(|i| 420 * i).collect();
        assert!(!Clock::fit(&stamps).calendar().any(|slots| slots == 205));
        assert_eq!(
            Clock::fit(&[0, 1, 5, 6, 30, 31, 90, 95]).calendar().count(),
            0
        );
    }

    #[test]
    fn points_off_a_grid_are_counted() {
        let clock = Clock::fit(&[0, 1, 5, 6, 30, 31, 90, 95, 100, 300]);
        assert_eq!((clock.step(), clock.slot(1_000_000, 41)), (None, 42));
        assert_eq!(Clock::fit(&[7; 10]).slot(0, i64::MAX), i64::MAX);
    }

    #[test]
    fn the_ends_of_time_overflow_nothing() {
        let clock = Clock::fit(&[i64::MIN, i64::MIN + 1, i64::MIN + 2, i64::MIN + 3]);
        assert_eq!(clock.slot(i64::MAX, 0), i64::MAX);
        let eighth = i64::MAX / 4 + 1;
        let stamps: Vec<i64> = (-4..3).map(|i| i * eighth).collect();
        let clock = Clock::fit(&stamps);
        assert_eq!(clock.slot(i64::MAX, 0), 8);
        assert_eq!(clock.slot(i64::MIN, 0), 0);
        assert_eq!(Clock::fit(&[i64::MIN, i64::MAX]).slot(0, 4), 5);
    }
}
