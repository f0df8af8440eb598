//! The time of a point, and the points before it.

use contract::{MAX_CONTEXT, Point};

use crate::{
    csv::{FileError, SeriesFile},
    timestamp::{Clock, Timestamp},
};

/// The time of a point, and the points before it.
#[derive(Debug, PartialEq)]
pub(crate) struct Moment {
    /// The time of the point.
    pub(crate) timestamp: i64,
    /// How to show the time.
    pub(crate) clock: Clock,
    /// The last points before it, oldest first, at most [`MAX_CONTEXT`]; in the same unit.
    pub(crate) context: Vec<Point>,
}

impl Moment {
    /// A time without points before it.
    pub(crate) fn alone(stamp: Timestamp) -> Self {
        let (timestamp, clock) = stamp.alone();
        Self {
            timestamp,
            clock,
            context: Vec::new(),
        }
    }

    /// A time after the points of `file`: now by default, or the row after the last one in a file
    /// without times. Both are put into the finer unit of the two.
    ///
    /// # Errors
    /// When no point is before that time, or a time does not fit into 64 bits.
    pub(crate) fn after(file: SeriesFile, stamp: Option<Timestamp>) -> Result<Self, FileError> {
        let SeriesFile {
            mut points, clock, ..
        } = file;
        let stamp = match (stamp, clock, points.last()) {
            (Some(stamp), ..) => stamp,
            (None, Clock::Rows, Some(last)) => Timestamp::number(last.timestamp + 1),
            (None, ..) => Timestamp::now(),
        };
        let digits = stamp.digits().max(clock.digits());
        refine(&mut points, digits - clock.digits())?;
        let timestamp = stamp
            .ticks(digits)
            .ok_or(FileError::NoRoom(points.len() + 1))?;
        let clock = clock.with_digits(digits);
        points.retain(|point| point.timestamp < timestamp);
        if points.is_empty() {
            return Err(FileError::NothingBefore(clock.show(timestamp)));
        }
        points.drain(..points.len().saturating_sub(MAX_CONTEXT));
        Ok(Self {
            timestamp,
            clock,
            context: points,
        })
    }
}

/// Puts all times into a unit with `digits` more digits.
fn refine(points: &mut [Point], digits: u32) -> Result<(), FileError> {
    let factor = 10_i64.pow(digits);
    for (i, point) in points.iter_mut().enumerate() {
        let finer = point.timestamp.checked_mul(factor);
        point.timestamp = finer.ok_or(FileError::NoRoom(i + 1))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::csv::Guess;

    fn file(timestamps: impl IntoIterator<Item = i64>, clock: Clock) -> SeriesFile {
        let point = |timestamp| Point {
            timestamp,
            value: timestamp as f64,
        };
        SeriesFile {
            points: timestamps.into_iter().map(point).collect(),
            clock,
            guess: Guess::default(),
        }
    }

    fn after(file: SeriesFile, stamp: &str) -> Result<Moment, FileError> {
        Moment::after(file, Some(stamp.parse().unwrap()))
    }

    fn times(moment: &Moment) -> Vec<i64> {
        moment.context.iter().map(|p| p.timestamp).collect()
    }

    #[test]
    fn only_points_before_it_are_context_and_the_oldest_come_first() {
        let moment = after(file([1, 3, 4, 5, 9], Clock::Numbers(0)), "4").unwrap();
        assert_eq!((moment.timestamp, times(&moment)), (4, vec![1, 3]));
        let long = after(file(0..3_000, Clock::Numbers(0)), "2500").unwrap();
        assert_eq!(times(&long), (2_500 - 2_048..2_500).collect::<Vec<_>>());
    }

    #[test]
    fn the_finer_unit_counts() {
        let moment = after(file([1, 2], Clock::Numbers(0)), "2.5").unwrap();
        assert_eq!(
            (moment.timestamp, times(&moment)),
            (2_500, vec![1_000, 2_000])
        );
        assert_eq!(moment.clock, Clock::Numbers(3));
        let moment = after(file([1_000, 2_500], Clock::Dates(3)), "2").unwrap();
        assert_eq!((moment.timestamp, times(&moment)), (2_000, vec![1_000]));
        let wide = after(file([i64::MAX], Clock::Numbers(0)), "0.5");
        assert!(matches!(wide, Err(FileError::NoRoom(1))));
    }

    #[test]
    fn a_point_without_a_time_follows_rows_without_times() {
        let moment = Moment::after(file(0..3, Clock::Rows), None).unwrap();
        assert_eq!((moment.timestamp, times(&moment)), (3, vec![0, 1, 2]));
    }

    #[test]
    fn a_file_of_later_points_is_no_context() {
        let error = after(file([7, 8], Clock::Numbers(0)), "7").unwrap_err();
        assert_eq!(error.to_string(), "the file has no point before 7");
    }
}
