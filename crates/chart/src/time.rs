//! The time axis: dates where timestamps can be dates, plain numbers where they cannot.

use chrono::{DateTime, Datelike, Months, NaiveTime, Utc};
use contract::TimeUnit;

use super::axis::{self, Tick};

const SECOND: i128 = 1_000_000_000;
const MINUTE: i128 = 60 * SECOND;
const HOUR: i128 = 60 * MINUTE;
const DAY: i128 = 24 * HOUR;

/// Maps timestamps to fractions of the axis.
#[derive(Clone, Copy, Debug)]
pub(super) struct TimeScale {
    /// The unit of the timestamps, where they are dates.
    unit: Option<TimeUnit>,
    /// Parts in a unit of the timestamps. The axis counts in these: nanoseconds for dates, and
    /// 1/[`PARTS`] for plain numbers.
    parts: i128,
    /// The ends of the axis, in parts.
    low: i128,
    high: i128,
    /// The first timestamp, its place, and the length of a unit of the timestamps on the axis.
    /// These are kept because [`Self::at`] runs a million times.
    first: i64,
    first_at: f64,
    unit_length: f64,
}

/// A mark on a time axis.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct TimeTick {
    /// The place of the tick, as a fraction of the axis.
    pub(super) at: f64,
    /// The text that differs from one tick to the next.
    pub(super) label: String,
    /// The text that ticks from here on have in common, such as the day; empty where it is
    /// unchanged.
    pub(super) context: String,
}

/// The fraction of the axis that is left free on either side.
const PADDING: f64 = 0.02;

/// Plain numbers are counted in thousandths, because the padding of a short axis is less than 1.
const PARTS: i128 = 1000;

impl TimeScale {
    /// The scale of an axis from `first` to `last`, both included, for `points` that lie within it.
    pub(super) fn new((first, last): (i64, i64), points: (i64, i64)) -> Self {
        let unit = date_unit((first, last), points);
        let parts = unit.map_or(PARTS, |unit| unit.nanoseconds().into());
        let (low, high) = (i128::from(first) * parts, i128::from(last) * parts);
        let padding = match high - low {
            0 => unit.map_or(PARTS, |_| 30 * SECOND),
            span => (span as f64 * PADDING).ceil() as i128,
        };
        let (low, high) = (low - padding, high + padding);
        let length = (high - low) as f64;
        Self {
            unit,
            parts,
            low,
            high,
            first,
            first_at: padding as f64 / length,
            unit_length: parts as f64 / length,
        }
    }

    /// Whether timestamps are shown as dates.
    pub(super) fn has_dates(&self) -> bool {
        self.unit.is_some()
    }

    /// `length`, which is in the unit of the timestamps, in words; `None` where that unit is not
    /// known.
    pub(super) fn words(&self, length: i64) -> Option<String> {
        Some(self.unit?.duration(length)?.to_string())
    }

    /// The place of `timestamp` on the axis, from 0 to 1.
    pub(super) fn at(&self, timestamp: i64) -> f64 {
        // The difference is exact, because no timestamp is before the first.
        let since_first = timestamp.wrapping_sub(self.first).cast_unsigned();
        self.first_at + since_first as f64 * self.unit_length
    }

    fn fraction(&self, instant: i128) -> f64 {
        (instant - self.low) as f64 / (self.high - self.low) as f64
    }

    /// As many ticks as fit. `room` is the fraction of the axis that a text takes, and `gap` the
    /// one that is left between two labels.
    pub(super) fn ticks(&self, room: impl Fn(&str) -> f64, gap: f64) -> Vec<TimeTick> {
        let spaced = |label: &str| room(label) + gap;
        let mut ticks = match self.has_dates() {
            true => self.date_ticks(spaced),
            false => self.number_ticks(spaced),
        };
        // Contexts are paler than labels and read one by one: less of a gap is enough.
        drop_overlapping(&mut ticks, |context| room(context) + gap / 3.0);
        ticks
    }

    fn number_ticks(&self, room: impl Fn(&str) -> f64) -> Vec<TimeTick> {
        let fits = |ticks: &Vec<Tick>| {
            let widest = ticks.iter().map(|t| room(&t.label)).fold(0.0, f64::max);
            widest * ticks.len() as f64 <= 1.0
        };
        let ticks = |most| axis::integer_ticks((self.low, self.high), self.parts, most);
        let fitting = (2..=10).rev().map(ticks).find(fits);
        let without_context = |tick: Tick| TimeTick {
            at: tick.at,
            label: tick.label,
            context: String::new(),
        };
        let ticks = fitting.unwrap_or_else(|| ticks(1)).into_iter();
        ticks.map(without_context).collect()
    }

    fn date_ticks(&self, room: impl Fn(&str) -> f64) -> Vec<TimeTick> {
        let span = (self.high - self.low) as f64;
        let fits = |step: &Step| span / step.length() as f64 * room(step.widest_label()) <= 1.0;
        let step = Step::all().find(fits).unwrap_or(Step::Months(24_000));
        let mut ticks: Vec<TimeTick> = Vec::new();
        for instant in step.instants(self.low, self.high) {
            let Some(date) = date(instant) else { continue };
            let (label, context) = step.labels(date);
            let at = self.fraction(instant);
            ticks.push(TimeTick { at, label, context });
        }
        drop_repeated(&mut ticks);
        ticks
    }
}

/// Leaves out contexts that are the same as before.
fn drop_repeated(ticks: &mut [TimeTick]) {
    let mut before = String::new();
    for tick in ticks {
        if tick.context == before {
            tick.context.clear();
        } else {
            before.clone_from(&tick.context);
        }
    }
}

/// Leaves out contexts that would overlap the one before. The first one, which may have begun
/// before the axis, gives way to the second.
fn drop_overlapping(ticks: &mut [TimeTick], room: impl Fn(&str) -> f64) {
    let mut with_context = ticks.iter_mut().filter(|t| !t.context.is_empty());
    let Some(first) = with_context.next() else {
        return;
    };
    // A text that would not end within the axis is drawn farther to the left.
    let start = |tick: &TimeTick| tick.at.min(1.0 - room(&tick.context));
    let mut free_from = start(first) + room(&first.context);
    let mut first = Some(first);
    for tick in with_context {
        let at = start(tick);
        match first.take() {
            Some(first) if at < free_from => first.context.clear(),
            _ if at < free_from => {
                tick.context.clear();
                continue;
            }
            _ => {}
        }
        free_from = at + room(&tick.context);
    }
}

/// The unit in which both ends of the points are dates, and both ends of the axis: one that was
/// asked for may reach far beyond its points.
fn date_unit(axis: (i64, i64), points: (i64, i64)) -> Option<TimeUnit> {
    let unit = TimeUnit::guess(points.0)?;
    let is_same = TimeUnit::guess(points.1) == Some(unit);
    let has_dates = |timestamp| unit.utc(timestamp).is_some();
    (is_same && has_dates(axis.0) && has_dates(axis.1)).then_some(unit)
}

fn date(instant: i128) -> Option<DateTime<Utc>> {
    let seconds = i64::try_from(instant.div_euclid(SECOND)).ok()?;
    let nanoseconds = u32::try_from(instant.rem_euclid(SECOND)).ok()?;
    DateTime::from_timestamp(seconds, nanoseconds)
}

/// The distance between ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Nanoseconds, at most two weeks.
    Time(i128),
    /// Months; a year is twelve.
    Months(u32),
}

impl Step {
    /// All steps, the smallest first.
    fn all() -> impl Iterator<Item = Self> {
        let below_seconds = (0..9).flat_map(|n| [1, 2, 5].map(|digit| digit * 10_i128.pow(n)));
        let from_seconds = [1, 2, 5, 10, 15, 30].map(|n| n * SECOND);
        let minutes = [1, 2, 5, 10, 15, 30].map(|n| n * MINUTE);
        let hours = [1, 2, 3, 6, 12].map(|n| n * HOUR);
        let days = [1, 2, 7, 14].map(|n| n * DAY);
        let times = below_seconds
            .chain(from_seconds)
            .chain(minutes)
            .chain(hours)
            .chain(days);
        let months = [
            1, 2, 3, 6, 12, 24, 60, 120, 240, 600, 1200, 2400, 6000, 12_000,
        ]
        .map(Self::Months);
        times.map(Self::Time).chain(months)
    }

    fn length(self) -> i128 {
        match self {
            Self::Time(nanoseconds) => nanoseconds,
            Self::Months(months) => i128::from(months) * 30 * DAY,
        }
    }

    /// The widest label at this step.
    fn widest_label(self) -> &'static str {
        match self {
            Self::Time(..1_000) => "00.000000000",
            Self::Time(..1_000_000) => "00.000000",
            Self::Time(..SECOND) => "00.000",
            Self::Time(..MINUTE) => "00:00:00",
            Self::Time(..DAY) => "00:00",
            Self::Time(_) => "May 30",
            Self::Months(_) => "2000",
        }
    }

    /// The text of the tick at `date`, and the text that it has in common with its neighbours.
    fn labels(self, date: DateTime<Utc>) -> (String, String) {
        let (label, context) = match self {
            Self::Time(..1_000) => ("%S%.9f", "%b %-d, %Y %H:%M UTC"),
            Self::Time(..1_000_000) => ("%S%.6f", "%b %-d, %Y %H:%M UTC"),
            Self::Time(..SECOND) => ("%S%.3f", "%b %-d, %Y %H:%M UTC"),
            Self::Time(..MINUTE) => ("%H:%M:%S", "%b %-d, %Y UTC"),
            Self::Time(..DAY) => ("%H:%M", "%b %-d, %Y UTC"),
            Self::Time(_) => ("%b %-d", "%Y"),
            Self::Months(..12) => ("%b", "%Y"),
            Self::Months(_) => ("%Y", ""),
        };
        (
            date.format(label).to_string(),
            date.format(context).to_string(),
        )
    }

    /// The instants of the ticks within `low..=high`.
    fn instants(self, low: i128, high: i128) -> Vec<i128> {
        match self {
            Self::Time(step) => {
                // Weeks begin on Mondays; 1970 began on a Thursday.
                let origin = if step % (7 * DAY) == 0 { 4 * DAY } else { 0 };
                let before = (low - origin - 1).div_euclid(step);
                let instants = (before + 1..).map(|n| origin + n * step);
                instants.take_while(|&instant| instant <= high).collect()
            }
            Self::Months(step) => month_starts(low, step)
                .skip_while(|&instant| instant < low)
                .take_while(|&instant| instant <= high)
                .collect(),
        }
    }
}

/// The starts of every `step`th month, from a little before `low`.
fn month_starts(low: i128, step: u32) -> impl Iterator<Item = i128> {
    let year = date(low).map_or(1970, |date| date.year());
    let years = i32::try_from(step.div_ceil(12)).unwrap_or(1);
    let aligned = year.div_euclid(years) * years;
    let first = chrono::NaiveDate::from_ymd_opt(aligned, 1, 1);
    let starts = (0..).map_while(move |n: u32| {
        let months = Months::new(n.checked_mul(step)?);
        first?.checked_add_months(months)
    });
    starts.map(|day| i128::from(day.and_time(NaiveTime::MIN).and_utc().timestamp()) * SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The room of a text with letters 7 wide on an axis 700 wide.
    fn room(text: &str) -> f64 {
        text.chars().count() as f64 * 7.0 / 700.0
    }

    /// The ticks of such an axis.
    fn ticks(first: i64, last: i64) -> Vec<TimeTick> {
        TimeScale::new((first, last), (first, last)).ticks(room, 20.0 / 700.0)
    }

    fn labels(ticks: &[TimeTick]) -> Vec<&str> {
        ticks.iter().map(|t| t.label.as_str()).collect()
    }

    fn contexts(ticks: &[TimeTick]) -> Vec<&str> {
        let contexts = ticks.iter().map(|t| t.context.as_str());
        contexts.filter(|context| !context.is_empty()).collect()
    }

    /// 05:20 UTC.
    const AUG_31_2023: i64 = 1_693_459_200;

    #[test]
    fn units_are_told_apart_by_size() {
        for factor in [1, 1_000, 1_000_000, 1_000_000_000] {
            let found = ticks(AUG_31_2023 * factor, (AUG_31_2023 + 120) * factor);
            assert_eq!(labels(&found)[..3], ["05:20:00", "05:20:15", "05:20:30"]);
            assert_eq!(contexts(&found), ["Aug 31, 2023 UTC"]);
        }
    }

    #[test]
    fn numbers_that_are_no_dates_stay_numbers() {
        assert_eq!(labels(&ticks(1, 3)), ["1", "2", "3"]);
        assert_eq!(labels(&ticks(-3, -1)), ["−3", "−2", "−1"]);
        assert_eq!(labels(&ticks(i64::MIN, i64::MAX))[0], "−8e18");
        assert_eq!(labels(&ticks(1, i64::MAX))[0], "0");
        for found in [ticks(1, AUG_31_2023), ticks(-AUG_31_2023, AUG_31_2023)] {
            assert!(contexts(&found).is_empty(), "{found:?}");
        }
    }

    #[test]
    fn labels_suit_the_span() {
        let from = |seconds: i64| ticks(AUG_31_2023, AUG_31_2023 + seconds);
        let hours = from(2 * 86_400);
        assert_eq!(labels(&hours)[..3], ["06:00", "12:00", "18:00"]);
        assert_eq!(
            contexts(&hours),
            ["Aug 31, 2023 UTC", "Sep 1, 2023 UTC", "Sep 2, 2023 UTC"]
        );
        let weeks = from(60 * 86_400);
        assert_eq!(labels(&weeks)[..3], ["Sep 4", "Sep 11", "Sep 18"]);
        assert_eq!(contexts(&weeks), ["2023"]);
        let months = from(300 * 86_400);
        assert_eq!(labels(&months)[..5], ["Sep", "Oct", "Nov", "Dec", "Jan"]);
        assert_eq!(contexts(&months), ["2023", "2024"]);
        assert_eq!(labels(&from(20 * 365 * 86_400))[..2], ["2024", "2026"]);
    }

    #[test]
    fn a_first_day_that_is_nearly_over_gives_way_to_the_next() {
        let late = AUG_31_2023 + 18 * 3_600 + 1_800;
        let found = ticks(late, late + 5 * 3_600);
        assert_eq!(labels(&found)[0], "00:00");
        assert_eq!(contexts(&found), ["Sep 1, 2023 UTC"]);
    }

    #[test]
    fn a_day_at_the_end_does_not_cover_the_one_before() {
        // From midnight to midnight: the last day would end beyond the axis.
        let midnight = AUG_31_2023 - 19_200;
        let found = ticks(midnight, midnight + 5 * 86_400);
        let mut end = 0.0;
        for tick in found.iter().filter(|tick| !tick.context.is_empty()) {
            let start = tick.at.min(1.0 - room(&tick.context));
            assert!(start >= end, "{found:?}");
            end = start + room(&tick.context);
        }
        assert!(contexts(&found).len() >= 4, "{found:?}");
    }

    #[test]
    fn the_last_nanosecond_there_is_has_an_axis() {
        let found = ticks(i64::MAX - 5_000, i64::MAX);
        assert_eq!(labels(&found)[0], "16.854771");
        assert_eq!(contexts(&found), ["Apr 11, 2262 23:47 UTC"]);
    }

    #[test]
    fn an_axis_may_reach_beyond_its_dates() {
        let points = (AUG_31_2023, AUG_31_2023 + 60);
        let ticks = |axis| TimeScale::new(axis, points).ticks(room, 20.0 / 700.0);
        let since_1970 = ticks((0, AUG_31_2023));
        assert_eq!(labels(&since_1970)[..2], ["1970", "1975"]);
        let all_years = ticks((-62_135_596_800, 253_402_300_799));
        assert_eq!(labels(&all_years)[1..3], ["1000", "2000"]);
        let beyond = ticks((i64::MIN, i64::MAX));
        assert_eq!(labels(&beyond)[1..3], ["−6e18", "−4e18"]);
    }

    #[test]
    fn equal_timestamps_lie_in_the_middle() {
        for timestamp in [0, 7, i64::MAX, i64::MIN, AUG_31_2023] {
            let scale = TimeScale::new((timestamp, timestamp), (timestamp, timestamp));
            assert_eq!(scale.at(timestamp), 0.5);
            assert!(!ticks(timestamp, timestamp).is_empty());
        }
    }

    #[test]
    fn every_span_has_a_few_ticks_that_do_not_overlap() {
        for span in (0..59).map(|n| 1_i64 << n) {
            let start = AUG_31_2023 * 1_000_000_000;
            let found = ticks(start, start + span);
            assert!((2..25).contains(&found.len()), "{span}: {found:?}");
            let mut labels_end = f64::MIN;
            let mut contexts_end = f64::MIN;
            for tick in &found {
                assert!((0.0..=1.0).contains(&tick.at) && tick.at >= labels_end);
                labels_end = tick.at + room(&tick.label);
                if !tick.context.is_empty() {
                    assert!(tick.at >= contexts_end, "{span}: {found:?}");
                    contexts_end = tick.at + room(&tick.context);
                }
            }
        }
    }
}
