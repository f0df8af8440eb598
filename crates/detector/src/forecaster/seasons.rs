//! Where a point lies in its seasons, and the usual value there.
//!
//! There are up to four lines: the level alone (0), the profile of a short period (A), the profile
//! of a long one (B, the day of the clock where there is one), and B with a course of the week on
//! top of it.

use serde::{Deserialize, Serialize};

use crate::{bytes, series::season::Profile};

/// The number of lines.
pub(super) const LINES: usize = 4;
/// The lines by their place.
pub(super) const LEVEL: usize = 0;
const SHORT: usize = 1;
const LONG: usize = 2;
const WEEK: usize = 3;

/// The largest number of bins of a season for its scales, and of a day for the week.
pub(super) const DAY_BINS: usize = 48;
const WEEK_BINS: usize = 7 * DAY_BINS;

/// The pace of the week, and the number of points worth which it is drawn to 0.
const WEEK_PACE: f64 = 0.15;
const SHRINKAGE: f64 = 1.0;
/// The smallest pace of a profile.
const PROFILE_PACE: f64 = 0.1;

/// The periods that a fit has found, in slots; 0 for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Periods {
    /// The period of line A.
    pub(super) short: u32,
    /// The period of line B.
    pub(super) long: u32,
    /// The day of the week's line.
    pub(super) day_of_week: u32,
    /// The day of the clock, if it is a whole number of slots that can be a season.
    pub(super) day: u32,
    /// The slot of the week, from Thursday 00:00, at which slot 0 lies.
    pub(super) week_start: i64,
    /// The period that is reported.
    pub(super) found: u32,
}

/// The places of a slot in the seasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    short: Option<usize>,
    long: Option<usize>,
    week: Option<usize>,
    /// The bin of the season for its scale.
    pub(super) bin: Option<usize>,
}

/// The lines at a slot; `None` where a line does not exist or its place was never seen.
pub(super) type Lines = [Option<f64>; LINES];

/// The usual values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Seasons {
    short: Profile,
    long: Profile,
    week: Option<Box<Week>>,
}

/// The differences of the days of the week from the day, in bins of half an hour.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Week {
    #[serde(with = "bytes::fixed")]
    offset: Box<[f32; WEEK_BINS]>,
    /// The number of days that each bin was seen.
    #[serde(with = "bytes::fixed")]
    seen: Box<[f32; WEEK_BINS]>,
}

fn modulo(slot: i64, period: u32) -> usize {
    slot.rem_euclid(i64::from(period)) as usize
}

impl Periods {
    /// The place of a slot.
    pub(super) fn place(&self, slot: i64) -> Place {
        let of = |period: u32| (period > 0).then(|| modulo(slot, period));
        let week = (self.day_of_week > 0).then(|| {
            let slot = slot.saturating_add(self.week_start);
            let day = i64::from(self.day_of_week);
            let weekday = slot.div_euclid(day).rem_euclid(7) as usize;
            weekday * DAY_BINS + modulo(slot, self.day_of_week) * DAY_BINS / day as usize
        });
        let season = self.season();
        let bin = of(season).map(|place| place * self.bins() / season as usize);
        Place {
            short: of(self.short),
            long: of(self.long),
            week,
            bin,
        }
    }

    /// The season whose places have scales of their own; 0 for none.
    fn season(&self) -> u32 {
        if self.long > 0 { self.long } else { self.short }
    }

    /// The number of bins of that season.
    pub(super) fn bins(&self) -> usize {
        (self.season() as usize).min(DAY_BINS)
    }

    /// Whether a line exists.
    pub(super) fn has(&self, line: usize) -> bool {
        match line {
            SHORT => self.short > 0,
            LONG => self.long > 0,
            WEEK => self.day_of_week > 0,
            _ => true,
        }
    }

    /// The number of lines.
    pub(super) fn lines(&self) -> usize {
        (0..LINES).filter(|line| self.has(*line)).count()
    }

    /// The longest season, or 20 slots if that is longer.
    pub(super) fn cycle(&self) -> usize {
        self.short.max(self.long).max(20) as usize
    }

    pub(super) fn is_sound(&self) -> bool {
        let most = [self.short, self.long, self.day_of_week, self.day];
        most.iter().all(|period| *period <= MOST)
            && (self.day_of_week == 0 || self.long > 0 || self.short > 0)
    }
}

/// No season is longer.
const MOST: u32 = 100_000;

impl Seasons {
    /// Nothing was seen yet. Values are stored as distances from `location`.
    pub(super) fn new(periods: &Periods) -> Self {
        Self {
            short: Profile::new(periods.short as usize),
            long: Profile::new(periods.long as usize),
            week: (periods.day_of_week > 0).then(|| {
                Box::new(Week {
                    offset: Box::new([0.0; WEEK_BINS]),
                    seen: Box::new([0.0; WEEK_BINS]),
                })
            }),
        }
    }

    /// The lines at a place, as distances from the location for all but the level.
    pub(super) fn lines(&self, place: &Place) -> Lines {
        let short = place.short.and_then(|at| self.short.usual(at));
        let long = place.long.and_then(|at| self.long.usual(at));
        let base = if place.long.is_some() { long } else { short };
        let week = place.week.zip(self.week.as_ref()).zip(base);
        let week = week.and_then(|((at, week), base)| {
            let seen = f64::from(week.seen[at]);
            (seen > 0.0).then(|| base + f64::from(week.offset[at]) * seen / (seen + SHRINKAGE))
        });
        [Some(0.0), short, long, week]
    }

    /// One of the lines; `None` for the level, which is everywhere.
    pub(super) fn line(&self, line: usize, place: &Place) -> Option<f64> {
        match line {
            LEVEL => None,
            SHORT => place.short.and_then(|at| self.short.usual(at)),
            LONG => place.long.and_then(|at| self.long.usual(at)),
            _ => self.lines(place)[line],
        }
    }

    /// The mean of a line, as a distance from the location; 0 for the level. That of a week is the
    /// mean of its day: what days differ by has none.
    pub(super) fn mean(&self, line: usize) -> f64 {
        match line {
            LEVEL => 0.0,
            SHORT => self.short.mean(),
            LONG => self.long.mean(),
            _ if self.long.mean() == 0.0 => self.short.mean(),
            _ => self.long.mean(),
        }
    }

    /// Learns the `value` at a place, whose winsorized form is `tamed`. Both are distances from the
    /// location.
    pub(super) fn learn(&mut self, periods: &Periods, place: &Place, value: f64, tamed: f64) {
        let base = match (place.long, place.short) {
            (Some(at), _) => self.long.usual(at),
            (None, Some(at)) => self.short.usual(at),
            (None, None) => None,
        };
        for (profile, at) in [(&mut self.short, place.short), (&mut self.long, place.long)] {
            if let Some(at) = at {
                let value = if profile.usual(at).is_some() {
                    tamed
                } else {
                    value
                };
                profile.learn(at, value, PROFILE_PACE, f64::INFINITY);
            }
        }
        if let (Some(week), Some(at), Some(base)) = (&mut self.week, place.week, base) {
            let each = (f64::from(periods.day_of_week) / DAY_BINS as f64).max(1.0);
            let seen = f64::from(week.seen[at]);
            let pace = (WEEK_PACE / each).max(1.0 / (seen * each + 1.0));
            let offset = f64::from(week.offset[at]);
            week.offset[at] = (offset + pace * (tamed - base - offset)) as f32;
            week.seen[at] = (seen + 1.0 / each).min(SEEN_MOST) as f32;
        }
    }

    pub(super) fn heap_bytes(&self) -> usize {
        let week = self
            .week
            .as_ref()
            .map_or(0, |_| 2 * WEEK_BINS * size_of::<f32>());
        self.short.heap_bytes() + self.long.heap_bytes() + week
    }

    pub(super) fn is_sound(&self, periods: &Periods) -> bool {
        let week = |week: &Week| {
            week.offset.iter().all(|offset| offset.is_finite())
                && week
                    .seen
                    .iter()
                    .all(|seen| *seen >= 0.0 && seen.is_finite())
        };
        self.short.is_sound(periods.short as usize, f32::MAX)
            && self.long.is_sound(periods.long as usize, f32::MAX)
            && self.week.is_some() == (periods.day_of_week > 0)
            && self.week.as_deref().is_none_or(week)
    }
}

/// The count of days from which on nothing changes.
const SEEN_MOST: f64 = 1e6;
