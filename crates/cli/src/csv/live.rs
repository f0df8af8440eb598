//! Points of lines that come one by one.

use super::{
    FileError,
    guess::Guess,
    layout::{self, Layout},
    rows::RowReader,
    sheet::{Row, Sheet},
};
use crate::{
    args::FormArgs,
    timestamp::{Clock, Timestamp},
};

/// The most lines from which the form is guessed.
const SAMPLE: usize = 400;

/// Reads lines one by one, by the rules of files. Quotes do not go over several lines.
///
/// The form is guessed from the first line with a point, and again from all lines so far where one
/// cannot be read.
pub(crate) struct LiveReader {
    form: FormArgs,
    /// The first lines, without those that cannot be read.
    sample: String,
    /// The number of the last line that is a part of them.
    sampled: u64,
    lines: u64,
    layout: Option<Layout>,
    separator: u8,
    place: (i64, i64),
    /// Whether the guess has changed since it was asked for.
    is_new: bool,
}

/// The point of a line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct LiveRow {
    /// Its time; rows of a source without times are counted.
    pub(crate) stamp: Timestamp,
    pub(crate) value: f64,
    /// How to show such times.
    pub(crate) clock: Clock,
}

impl LiveReader {
    pub(crate) fn new(form: FormArgs) -> Self {
        Self {
            form,
            sample: String::new(),
            sampled: 0,
            lines: 0,
            layout: None,
            separator: b',',
            place: (0, i64::MIN),
            is_new: false,
        }
    }

    /// Looks at `lines` before they come, to guess from more than one.
    pub(crate) fn foresee(&mut self, lines: &str) {
        let lines: String = lines.split_inclusive('\n').take(SAMPLE).collect();
        if let Ok(layout) = self.layout_of(&lines) {
            self.sampled = lines.lines().count() as u64;
            self.sample = lines;
            self.adopt(layout);
        }
    }

    /// The point in the next line. `None` if it has none: it is blank, a comment, or names the
    /// columns.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn read(&mut self, line: &str) -> Result<Option<LiveRow>, FileError> {
        self.lines += 1;
        let line = line.trim_end_matches(['\r', '\n']);
        if self.layout.is_none() {
            return self.begin(line);
        }
        let first = self.row(line);
        match first {
            Err(_) if self.lines <= SAMPLE as u64 && self.guess_again(line) => self.row(line),
            done => done,
        }
    }

    /// How lines are read, once that is known and if it has changed.
    pub(crate) fn new_guess(&mut self) -> Option<Guess> {
        if !std::mem::take(&mut self.is_new) {
            return None;
        }
        let layout = self.layout.as_ref()?;
        Some(Guess::of(
            &Sheet::new(&self.sample, Some(self.separator)),
            layout,
            &self.form,
        ))
    }

    /// Guesses from the first lines.
    fn begin(&mut self, line: &str) -> Result<Option<LiveRow>, FileError> {
        self.keep(line);
        match self.layout_of(&self.sample) {
            Ok(layout) => {
                self.adopt(layout);
                self.row(line)
            }
            Err(FileError::Empty) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes `line`, the present one, a part of the sample.
    fn keep(&mut self, line: &str) {
        if self.lines > self.sampled {
            self.sampled = self.lines;
            self.sample.push_str(line);
            self.sample.push('\n');
        }
    }

    fn layout_of(&self, sample: &str) -> Result<(Layout, u8), FileError> {
        let sheet = Sheet::new(sample, self.form.delimiter);
        Ok((Layout::of(&sheet, &self.form, &[])?, sheet.separator))
    }

    fn adopt(&mut self, (layout, separator): (Layout, u8)) {
        self.layout = Some(layout);
        self.separator = separator;
        self.is_new = true;
    }

    /// Takes the form that reads `line` too, if there is one.
    fn guess_again(&mut self, line: &str) -> bool {
        let sample = format!("{}{line}\n", self.sample);
        let Ok((layout, separator)) = self.layout_of(&sample) else {
            return false;
        };
        let sheet = Sheet::new(line, Some(separator));
        let reads = |row: Row| {
            RowReader::after(&layout, self.place)
                .read(&row, &mut Vec::new())
                .is_ok()
        };
        let reads = sheet.rows().next().is_some_and(reads);
        if reads {
            self.adopt((layout, separator));
        }
        reads
    }

    fn row(&mut self, line: &str) -> Result<Option<LiveRow>, FileError> {
        let Some(layout) = &self.layout else {
            return Ok(None);
        };
        let sheet = Sheet::new(line, Some(self.separator));
        let Some(row) = sheet.rows().next() else {
            return Ok(None);
        };
        if layout.columns.has_header && self.is_header(layout, &row) {
            return Ok(None);
        }
        let mut reader = RowReader::after(layout, self.place);
        let mut values = Vec::with_capacity(1);
        let read = reader.read(&row, &mut values);
        let read = read.map(|stamp| (stamp, layout.clock(stamp.written_digits())));
        match read {
            Ok((stamp, clock)) => {
                self.place = reader.place();
                if self.lines <= SAMPLE as u64 {
                    self.keep(line);
                }
                Ok(Some(LiveRow {
                    stamp,
                    value: values[0],
                    clock,
                }))
            }
            Err(cell) => {
                let row = Row { line: 1, ..row };
                let mut error = layout::bad_row(&sheet, &row, cell, self.form.strict);
                if let FileError::BadCell { line, .. } = &mut error {
                    *line = self.lines;
                }
                Err(error)
            }
        }
    }

    /// Whether `row` names the columns, as at the start of a file that came after another.
    fn is_header(&self, layout: &Layout, row: &Row) -> bool {
        let columns = layout.columns.columns.iter().enumerate();
        let mut named = columns.filter(|(i, _)| !row.cell(*i).is_empty());
        named.all(|(i, column)| column.name == row.cell(i))
    }
}
