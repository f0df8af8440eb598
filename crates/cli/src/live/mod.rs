//! Points while they come: of standard input, of a command, of a file that grows.

mod follow;

use std::{
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
};

use contract::{Point, TimeUnit};

use self::follow::{Follower, Part};
use crate::{
    args::FormArgs,
    csv::{FileError, LiveReader, LiveRow, text_of},
    files,
    stop::Stop,
    timestamp::{Clock, now},
};

/// The lines that may wait to be sent.
const WAITING: usize = 64;
/// The lines left out of which each is told; of more, only their number.
const TOLD: usize = 3;

/// What a thread has read.
enum Came {
    Line {
        text: String,
        /// Whether it was there before we came.
        is_old: bool,
    },
    /// The lines that come next, as far as they are known.
    Foreseen(String),
    Fault(io::Error),
    End,
    /// Nothing: it is time to look whether to stop.
    Signal,
}

/// Why no more points come.
#[derive(Debug)]
pub(crate) enum End {
    /// The source has ended.
    Done,
    /// We were told to stop.
    Stopped,
    /// What follows cannot be used.
    Fault(FileError),
}

/// Points that came together.
pub(crate) struct LivePoints {
    pub(crate) points: Vec<Point>,
    /// How to show their times.
    pub(crate) clock: Clock,
    pub(crate) end: Option<End>,
}

/// Where lines come from.
pub(crate) enum Source {
    Input(Box<dyn Read + Send>),
    File(PathBuf),
}

/// How to treat lines.
pub(crate) struct Rules {
    pub(crate) form: FormArgs,
    /// The unit of the time that lines without one get, which is that of their coming; without it
    /// they are counted.
    pub(crate) now: Option<TimeUnit>,
    /// Leave out what a file has at first.
    pub(crate) new_only: bool,
}

/// The points of a source, which a thread of its own reads.
pub(crate) struct Live {
    came: Receiver<Came>,
    reader: LiveReader,
    rules: Rules,
    name: PathBuf,
    stop: Stop,
    /// The unit of all times, that of the first.
    unit: Option<Clock>,
    last: i64,
    /// The lines that were left out because they cannot be read.
    pub(crate) skipped: usize,
}

impl Live {
    /// Begins to read `source`, which is called `name`.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub(crate) fn start(
        source: Source,
        name: &Path,
        rules: Rules,
        signals: bool,
    ) -> Result<Self, FileError> {
        let open = |source| FileError::Open {
            path: name.display().to_string(),
            source,
        };
        let (sender, came) = sync_channel(WAITING);
        let waker = sender.clone();
        let wake = move || drop(waker.try_send(Came::Signal));
        let stop = match signals {
            true => Stop::on_signal(wake).map_err(open)?,
            false => Stop::default(),
        };
        // It may wait for input for ever, and ends with the process.
        match source {
            Source::Input(input) => {
                thread::spawn(move || pass(&sender, read(input, &sender)));
            }
            Source::File(path) => {
                let file = Follower::open(path).map_err(open)?;
                let stop = stop.clone();
                thread::spawn(move || pass(&sender, follow(file, &sender, &stop)));
            }
        }
        let reader = LiveReader::new(rules.form.clone());
        let name = name.to_owned();
        Ok(Self {
            came,
            reader,
            rules,
            name,
            stop,
            unit: None,
            last: i64::MIN,
            skipped: 0,
        })
    }

    /// Tells when to stop.
    pub(crate) fn stop(&self) -> &Stop {
        &self.stop
    }

    /// The unit of the time that lines without one get.
    pub(crate) fn set_now(&mut self, unit: TimeUnit) {
        self.rules.now = Some(unit);
    }

    /// The next points: waits for one, and takes up to `most` that are there.
    pub(crate) fn next(&mut self, most: usize) -> LivePoints {
        let mut points = Vec::with_capacity(most);
        let mut end = None;
        while points.len() < most && end.is_none() {
            let came = match points.is_empty() {
                true => self.came.recv().unwrap_or(Came::End),
                false => match self.came.try_recv() {
                    Ok(came) => came,
                    Err(_) => break,
                },
            };
            match self.take(came) {
                Ok(point) => points.extend(point),
                Err(ended) => end = Some(ended),
            }
            if self.stop.is_set() {
                end.get_or_insert(End::Stopped);
            }
        }
        let clock = self.unit.unwrap_or(Clock::Rows);
        LivePoints { points, clock, end }
    }

    fn take(&mut self, came: Came) -> Result<Option<Point>, End> {
        match came {
            Came::Line { text, is_old } => self.line(&text, is_old),
            Came::Foreseen(lines) => {
                self.reader.foresee(&lines);
                Ok(None)
            }
            Came::Fault(source) => {
                let path = self.name.display().to_string();
                Err(End::Fault(FileError::Open { path, source }))
            }
            Came::End => Err(End::Done),
            Came::Signal => Ok(None),
        }
    }

    fn line(&mut self, text: &str, is_old: bool) -> Result<Option<Point>, End> {
        let read = self.reader.read(text);
        if let Some(guess) = self.reader.new_guess() {
            files::say(&self.name, &guess);
        }
        match read {
            Ok(Some(row)) => self.point(row, is_old).map_err(End::Fault),
            Ok(None) => Ok(None),
            Err(fault) if self.rules.form.strict || !fault.is_about_a_row() => {
                Err(End::Fault(fault))
            }
            Err(fault) => {
                self.skipped += 1;
                if self.skipped <= TOLD {
                    eprintln!("left out: {}", fault.in_short());
                }
                Ok(None)
            }
        }
    }

    /// The point of `row`; none if it is an old one that nobody wants.
    fn point(&mut self, row: LiveRow, is_old: bool) -> Result<Option<Point>, FileError> {
        let LiveRow {
            stamp,
            value,
            clock,
        } = row;
        let now_unit = self.rules.now.filter(|_| clock == Clock::Rows);
        if is_old && (self.rules.new_only || now_unit.is_some()) {
            return Ok(None);
        }
        let clock = *self.unit.get_or_insert(match now_unit {
            Some(_) => Clock::Numbers(0),
            None => clock,
        });
        let timestamp = match now_unit {
            Some(unit) => now(unit).max(self.last.saturating_add(1)),
            None => {
                let ticks = stamp.ticks(clock.digits());
                let timestamp = ticks.ok_or(FileError::NoRoom(1))?;
                if stamp.digits() > clock.digits() {
                    return Err(FileError::Finer(clock.show(timestamp)));
                }
                timestamp
            }
        };
        self.last = timestamp;
        Ok(Some(Point { timestamp, value }))
    }
}

/// Whether the receiver is still there.
struct Gone;

/// Passes the end of reading on.
fn pass(sender: &SyncSender<Came>, read: io::Result<Result<(), Gone>>) {
    let last = match read {
        Ok(_) => Came::End,
        Err(error) => Came::Fault(error),
    };
    // The command may have ended meanwhile.
    let _ = sender.send(last);
}

/// Sends the lines of `input`.
fn read(input: impl Read, sender: &SyncSender<Came>) -> io::Result<Result<(), Gone>> {
    let mut input = BufReader::new(input);
    let mut line = Vec::new();
    while input.read_until(b'\n', &mut line)? > 0 {
        if send(sender, &line, false).is_err() {
            return Ok(Err(Gone));
        }
        line.clear();
    }
    Ok(Ok(()))
}

/// Sends the lines of a file that grows.
fn follow(
    mut file: Follower,
    sender: &SyncSender<Came>,
    stop: &Stop,
) -> io::Result<Result<(), Gone>> {
    let mut is_first = true;
    while let Some(Part { lines, is_old }) = file.next(stop)? {
        if std::mem::take(&mut is_first) {
            let known = Came::Foreseen(text_of(&lines));
            if sender.send(known).is_err() {
                return Ok(Err(Gone));
            }
        }
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            if send(sender, line, is_old).is_err() {
                return Ok(Err(Gone));
            }
        }
    }
    Ok(Ok(()))
}

fn send(sender: &SyncSender<Came>, line: &[u8], is_old: bool) -> Result<(), Gone> {
    let text = text_of(line);
    sender.send(Came::Line { text, is_old }).map_err(|_| Gone)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The times of the lines of `text`, and the fault that ends them.
    fn times(text: &'static str) -> (Vec<i64>, Option<String>) {
        let rules = Rules {
            form: FormArgs::default(),
            now: None,
            new_only: false,
        };
        let source = Source::Input(Box::new(text.as_bytes()));
        let mut live = Live::start(source, Path::new("-"), rules, false).unwrap();
        let mut times = Vec::new();
        loop {
            let came = live.next(8);
            times.extend(came.points.iter().map(|point| point.timestamp));
            match came.end {
                None => {}
                Some(End::Fault(fault)) => return (times, Some(fault.to_string())),
                Some(_) => return (times, None),
            }
        }
    }

    #[test]
    fn times_have_the_unit_of_the_first() {
        assert_eq!(times("t,v\n1.5,1\n2,1\n"), (vec![1_500, 2_000], None));
        let (found, fault) = times("t,v\n2026-01-01T00:00:00Z,1\n2026-01-01T00:00:01.5Z,1\n");
        assert_eq!(found, [1_767_225_600]);
        let fault = fault.unwrap();
        assert!(fault.starts_with("2026-01-01 00:00:01 is finer"), "{fault}");
        // Decimals that are all 0 announce others.
        let whole = times("t,v\n2026-01-01T00:00:00.000Z,1\n2026-01-01T00:00:01.5Z,1\n");
        assert_eq!(whole, (vec![1_767_225_600_000, 1_767_225_601_500], None));
    }
}
