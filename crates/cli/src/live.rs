//! Points of standard input while they come.

use std::{
    io,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
};

use contract::Point;

use crate::{
    args::FormArgs,
    csv::{FileError, Rows},
    render::count,
    timestamp::{Clock, Timestamp},
};

/// The rows that may wait to be sent.
const WAITING: usize = 64;

/// The rows of standard input, which a thread of its own reads.
pub(crate) struct Live(Receiver<Result<LivePoint, FileError>>);

/// A point, and how to show its time.
struct LivePoint {
    point: Point,
    clock: Clock,
}

/// Points that came together.
pub(crate) struct LivePoints {
    pub(crate) points: Vec<Point>,
    /// How to show their times.
    pub(crate) clock: Clock,
    /// Why what follows cannot be used.
    pub(crate) fault: Option<FileError>,
}

impl Live {
    /// Begins to read in the form that `form` describes.
    pub(crate) fn start(form: FormArgs) -> Self {
        let (sender, rows) = sync_channel(WAITING);
        // It may wait for input for ever, and ends with the process.
        thread::spawn(move || {
            if let Err(fault) = read(io::stdin().lock(), &form, &sender) {
                // The command may have ended meanwhile.
                let _ = sender.send(Err(fault));
            }
        });
        Self(rows)
    }

    /// The next points: waits for one, and takes up to `most` that are there. `None` at the end.
    pub(crate) fn next(&self, most: usize) -> Option<LivePoints> {
        let first = self.0.recv().ok()?;
        let others = self.0.try_iter();
        let mut came = LivePoints {
            points: Vec::with_capacity(most),
            clock: Clock::Rows,
            fault: None,
        };
        for row in std::iter::once(first).chain(others) {
            match row {
                Ok(live) => {
                    came.points.push(live.point);
                    came.clock = live.clock;
                }
                Err(fault) => came.fault = Some(fault),
            }
            if came.points.len() == most || came.fault.is_some() {
                break;
            }
        }
        Some(came)
    }
}

/// Sends the points of `input`. All of their times have the unit of the first.
fn read(
    input: impl io::Read,
    form: &FormArgs,
    points: &SyncSender<Result<LivePoint, FileError>>,
) -> Result<(), FileError> {
    let mut rows = Rows::of(input, form)?;
    let mut unit: Option<Clock> = None;
    let mut number = 0;
    while let Some(row) = rows.next() {
        let (stamp, value) = row?;
        let clock = *unit.get_or_insert_with(|| rows.clock(stamp));
        number += 1;
        let timestamp = ticks(number, stamp, clock)?;
        let point = Point { timestamp, value };
        if points.send(Ok(LivePoint { point, clock })).is_err() {
            return Ok(());
        }
    }
    if rows.skipped > 0 {
        eprintln!("left out {}", count(rows.skipped, "bad row"));
    }
    Ok(())
}

/// The time of the point `number`, from 1.
fn ticks(number: usize, stamp: Timestamp, clock: Clock) -> Result<i64, FileError> {
    let ticks = stamp.ticks(clock.digits());
    let timestamp = ticks.ok_or(FileError::NoRoom(number))?;
    match stamp.digits() > clock.digits() {
        true => Err(FileError::Finer(clock.show(timestamp))),
        false => Ok(timestamp),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(text: &str) -> (Vec<i64>, Option<String>) {
        let (sender, rows) = sync_channel(WAITING);
        let read = read(text.as_bytes(), &FormArgs::default(), &sender);
        drop(sender);
        let points = rows.iter().map(|row| row.unwrap().point.timestamp);
        (points.collect(), read.err().map(|fault| fault.to_string()))
    }

    #[test]
    fn times_have_the_unit_of_the_first() {
        let (times, fault) = points("t,v\n1.5,1\n2,1\n");
        assert_eq!((times, fault), (vec![1_500, 2_000], None));
        let (times, fault) = points("t,v\n2026-01-01T00:00:00Z,1\n2026-01-01T00:00:01.5Z,1\n");
        assert_eq!(times, [1_767_225_600]);
        let fault = fault.unwrap();
        assert!(fault.starts_with("2026-01-01 00:00:01 is finer"), "{fault}");
        let (times, fault) = points("v\n7\nx\n");
        assert_eq!(times, [0]);
        assert!(fault.unwrap().starts_with("line 3, column v"));
    }
}
