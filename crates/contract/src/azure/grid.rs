//! Times that are a whole number of granules apart.

use jiff::{Span, Timestamp, civil::DateTime, tz::TimeZone};

use crate::verdict::words;

words! {
    /// The length of a step between two points.
    Granularity {
        /// A year of the calendar.
        Yearly = "yearly",
        /// A month of the calendar.
        Monthly = "monthly",
        /// Seven days.
        Weekly = "weekly",
        /// A day.
        Daily = "daily",
        /// An hour.
        Hourly = "hourly",
        /// A minute.
        Minutely = "minutely",
        /// A second.
        Secondly = "secondly",
        /// A microsecond.
        Microsecond = "microsecond",
        /// Points follow each other, whatever their times.
        None = "none",
    }
}

/// The time at this index is not a whole number of steps behind the first one, or not behind the one
/// before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidGrid(pub usize);

impl Granularity {
    /// The number of steps of `interval` granules from the first of `times` to each of them.
    /// Without a granularity each point is one step behind the one before it.
    ///
    /// # Errors
    /// The first time that is not on the grid, or not later than the one before it.
    pub fn places(self, times: &[Timestamp], interval: i64) -> Result<Vec<usize>, InvalidGrid> {
        let mut places: Vec<usize> = Vec::with_capacity(times.len());
        let first = times.first().copied().unwrap_or_default();
        for (i, time) in times.iter().enumerate() {
            let place = match self {
                Self::None => Some(i).filter(|_| i == 0 || times[i - 1] < *time),
                Self::Yearly => calendar_steps(first, *time, 12 * interval),
                Self::Monthly => calendar_steps(first, *time, interval),
                _ => self.steps(first, *time, interval),
            };
            let is_next = |place: &usize| places.last().is_none_or(|last| last < place);
            places.push(place.filter(is_next).ok_or(InvalidGrid(i))?);
        }
        Ok(places)
    }

    fn steps(self, first: Timestamp, time: Timestamp, interval: i64) -> Option<usize> {
        let granule: i64 = match self {
            Self::Weekly => 7 * 86_400_000_000,
            Self::Daily => 86_400_000_000,
            Self::Hourly => 3_600_000_000,
            Self::Minutely => 60_000_000,
            Self::Secondly => 1_000_000,
            _ => 1,
        };
        let step = granule.checked_mul(interval)?;
        let passed = time.as_microsecond().checked_sub(first.as_microsecond())?;
        let steps = (passed % step == 0).then_some(passed / step)?;
        usize::try_from(steps).ok()
    }
}

/// The number of steps of `months` from `first` to `time`. A day that a month does not have is its
/// last one.
fn calendar_steps(first: Timestamp, time: Timestamp, months: i64) -> Option<usize> {
    let civil = |time: Timestamp| -> DateTime { TimeZone::UTC.to_datetime(time) };
    let (first, time) = (civil(first), civil(time));
    let of = |date: DateTime| 12 * i64::from(date.year()) + i64::from(date.month());
    let passed = of(time).checked_sub(of(first))?;
    let steps = (passed % months == 0).then_some(passed / months)?;
    let there = first
        .checked_add(Span::new().try_months(passed).ok()?)
        .ok()?;
    let is_there = there == time;
    usize::try_from(steps).ok().filter(|_| is_there)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(
        granularity: Granularity,
        interval: i64,
        times: &[&str],
    ) -> Result<Vec<usize>, usize> {
        let times: Vec<Timestamp> = times.iter().map(|t| t.parse().unwrap()).collect();
        granularity.places(&times, interval).map_err(|at| at.0)
    }

    #[test]
    fn steps_are_those_of_the_calendar() {
        let months = [
            "2023-01-31T00:00:00Z",
            "2023-02-28T00:00:00Z",
            "2023-05-31T00:00:00Z",
        ];
        assert_eq!(places(Granularity::Monthly, 1, &months), Ok(vec![0, 1, 4]));
        let years = ["2023-03-01T00:00:00Z", "2025-03-01T00:00:00Z"];
        assert_eq!(places(Granularity::Yearly, 1, &years), Ok(vec![0, 2]));
        assert_eq!(places(Granularity::Yearly, 2, &years), Ok(vec![0, 1]));
        let days = ["2023-03-01T00:00:00Z", "2023-03-03T00:00:00Z"];
        assert_eq!(places(Granularity::Daily, 1, &days), Ok(vec![0, 2]));
        let fives = ["2023-03-01T00:00:00Z", "2023-03-01T00:15:00Z"];
        assert_eq!(places(Granularity::Minutely, 5, &fives), Ok(vec![0, 3]));
        assert_eq!(places(Granularity::None, 1, &days), Ok(vec![0, 1]));
    }

    #[test]
    fn what_is_off_the_grid_or_not_later_is_refused() {
        let hours = ["2023-03-01T00:00:00Z", "2023-03-01T01:00:00Z"];
        assert_eq!(places(Granularity::Daily, 1, &hours), Err(1));
        assert_eq!(places(Granularity::Monthly, 1, &hours), Err(1));
        let same = ["2023-03-01T00:00:00Z", "2023-03-01T00:00:00Z"];
        assert_eq!(places(Granularity::None, 1, &same), Err(1));
        let back = ["2023-03-02T00:00:00Z", "2023-03-01T00:00:00Z"];
        assert_eq!(places(Granularity::Daily, 1, &back), Err(1));
        assert_eq!(places(Granularity::Weekly, 1, &back), Err(1));
    }
}
