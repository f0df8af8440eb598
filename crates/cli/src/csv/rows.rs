//! The points in the rows of a file.

use super::{
    columns::Column,
    date::{self, CivilTime},
    layout::{BadCell, Layout, Times, Why, bad},
    sheet::Row,
};
use crate::timestamp::Timestamp;

const DAY: i64 = 86_400;

/// The points of a file, row by row.
#[derive(Clone, Debug)]
pub(crate) struct RowReader<'l> {
    layout: &'l Layout,
    /// The number of the next row.
    index: i64,
    /// The time before, in seconds of UTC.
    last: i64,
}

impl<'l> RowReader<'l> {
    pub(crate) fn new(layout: &'l Layout) -> Self {
        Self {
            layout,
            index: 0,
            last: i64::MIN,
        }
    }

    /// The reader after another one of the same file.
    pub(crate) fn after(layout: &'l Layout, (index, last): (i64, i64)) -> Self {
        Self {
            layout,
            index,
            last,
        }
    }

    /// Where it is, for [`Self::after`].
    pub(crate) fn place(&self) -> (i64, i64) {
        (self.index, self.last)
    }

    /// The time of `row`, and its values into `values`.
    pub(crate) fn read(&mut self, row: &Row, values: &mut Vec<f64>) -> Result<Timestamp, BadCell> {
        let index = self.index;
        self.index += 1;
        values.clear();
        let time = self.time(row, index)?;
        for column in &self.layout.values {
            values.push(self.value(row, *column)?);
        }
        Ok(time)
    }

    fn column(&self, index: usize) -> &Column {
        &self.layout.columns.columns[index]
    }

    fn value(&self, row: &Row, index: usize) -> Result<f64, BadCell> {
        let (cell, column) = (row.cell(index), self.column(index));
        let width = self.layout.columns.columns.len();
        let is_cut =
            index + 1 == width && (width..row.cells.len()).any(|i| !row.cell(i).is_empty());
        match column.numbers.parse(cell) {
            Some(_) if is_cut => Err(bad(column, cell, Why::Cut)),
            Some(value) => Ok(value),
            None => Err(bad(column, cell, Why::NotANumber)),
        }
    }

    fn time(&mut self, row: &Row, index: i64) -> Result<Timestamp, BadCell> {
        match &self.layout.times {
            Times::Rows => Ok(Timestamp::number(index)),
            Times::Numbers(column) => {
                let cell = row.cell(*column);
                let number = Timestamp::from_number(cell).or_else(|| {
                    let number = self.column(*column).numbers.parse(cell)?;
                    (number.fract() == 0.0).then_some(Timestamp::number(number as i64))
                });
                number.ok_or_else(|| bad(self.column(*column), cell, Why::NotATime))
            }
            Times::Dates { date, clock } => {
                let cell = row.cell(*date);
                let fault = || bad(self.column(*date), cell, Why::NotATime);
                let mut time = self.column(*date).dates.parse(cell).ok_or_else(fault)?;
                if let Some(clock) = clock {
                    self.add_clock(&mut time, row, *clock)?;
                }
                Ok(self.utc(time))
            }
            Times::Clocks(column) => {
                let cell = row.cell(*column);
                let clock = date::clock(cell);
                let (second, nanoseconds) =
                    clock.ok_or_else(|| bad(self.column(*column), cell, Why::NotATime))?;
                let day = self.last.max(0) / DAY * DAY;
                let is_next = day + second < self.last;
                self.last = day + second + if is_next { DAY } else { 0 };
                Ok(Timestamp::date(
                    self.last,
                    nanoseconds,
                    if nanoseconds > 0 { 9 } else { 0 },
                ))
            }
            Times::Parts(parts) => self.joined(row, parts),
        }
    }

    /// Adds the time of day in column `clock`: a clock, or whole hours.
    fn add_clock(&self, time: &mut CivilTime, row: &Row, clock: usize) -> Result<(), BadCell> {
        let (cell, column) = (row.cell(clock), self.column(clock));
        let hours = || {
            let hours = column.numbers.parse(cell)?;
            ((0.0..=24.0).contains(&hours)).then_some(((hours * 3_600.0) as i64, 0))
        };
        let found = date::clock(cell).or_else(hours);
        let (second, nanoseconds) = found.ok_or_else(|| bad(column, cell, Why::NotATime))?;
        time.seconds += second;
        time.nanoseconds = nanoseconds;
        Ok(())
    }

    fn joined(&mut self, row: &Row, parts: &[Option<usize>; 6]) -> Result<Timestamp, BadCell> {
        let mut numbers = [0, 1, 1, 0, 0, 0];
        let mut last = 0;
        for (number, column) in numbers.iter_mut().zip(parts) {
            if let Some(column) = *column {
                let cell = row.cell(column);
                let value = self.column(column).numbers.parse(cell);
                let whole =
                    value.filter(|value| value.fract() == 0.0 && (0.0..1e4).contains(value));
                *number =
                    whole.ok_or_else(|| bad(self.column(column), cell, Why::NotATime))? as i64;
                last = column;
            }
        }
        let [year, month, day, hour, minute, second] = numbers;
        let text = format!("{year:04}-{month}-{day} {hour}:{minute:02}:{second:02}");
        let time = date::date(&text, date::Order::DayFirst);
        let time = time.ok_or_else(|| bad(self.column(last), &text, Why::NotATime))?;
        Ok(self.utc(time))
    }

    /// `time` in UTC. In the hour that clocks show twice, rows go on from those before.
    fn utc(&mut self, time: CivilTime) -> Timestamp {
        let seconds = match (time.offset, &self.layout.zone) {
            (Some(offset), _) => time.seconds - offset,
            (None, None) => time.seconds,
            (None, Some(zone)) => {
                let [first, second] = zone.utc_seconds(time.seconds);
                if first > self.last { first } else { second }
            }
        };
        self.last = seconds;
        Timestamp::date(seconds, time.nanoseconds, time.decimals)
    }
}
