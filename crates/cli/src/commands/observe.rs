//! `anomaly observe`: points are judged and learned, one after the other.

use std::{io::Write, path::Path};

use contract::{ObservedPoint, Point, PointStatus};

use crate::{
    Error,
    args::ObserveArgs,
    client::{Client, Told},
    context::Moment,
    csv::FileError,
    files,
    live::Live,
    progress::Progress,
    render::{
        count,
        stream::{self, ObservedTally},
    },
    timestamp::{Clock, Timestamp},
};

/// The number of points in a call. A stream remembers its last eight verdicts, so whoever sends a
/// call again gets all verdicts of it.
const AT_ONCE: usize = 8;

/// Carries out `anomaly observe`.
///
/// # Errors
/// See [`crate::run`].
pub(crate) fn observe(
    client: &Client,
    args: &ObserveArgs,
    json: bool,
    out: &mut impl Write,
) -> Result<(), Error> {
    match (&args.file, args.value) {
        (None, Some(value)) => one(client, args, value, json, out),
        (Some(path), _) if path != Path::new("-") => all_of(client, args, path, json, out),
        _ => as_they_come(client, args, json, out),
    }
}

/// Observes a single point.
fn one(
    client: &Client,
    args: &ObserveArgs,
    value: f64,
    json: bool,
    out: &mut impl Write,
) -> Result<(), Error> {
    let moment = Moment::alone(args.timestamp.unwrap_or_else(Timestamp::now));
    let point = Point {
        timestamp: moment.timestamp,
        value,
    };
    let reply = client.observe(&args.series, point, !args.no_notify)?;
    if json {
        return Ok(writeln!(out, "{}", reply.line())?);
    }
    let observed = match reply.body {
        Told::Done(reply) => reply.point,
        Told::Accepted(_) => accepted(point),
    };
    Ok(stream::point(out, &args.series, &observed, moment.clock)?)
}

/// Observes the points of a file in the order of their times.
fn all_of(
    client: &Client,
    args: &ObserveArgs,
    path: &Path,
    json: bool,
    out: &mut impl Write,
) -> Result<(), Error> {
    let mut file = files::read(path, &args.form)?;
    file.points.sort_by_key(|point| point.timestamp);
    let observed = count(file.points.len(), "point");
    let mut report = Report {
        out,
        json,
        all: args.all,
        clock: file.clock,
        progress: Progress::steps(file.points.len(), format!("observing {observed}")),
        tally: ObservedTally::default(),
    };
    for (part, points) in file.points.chunks(AT_ONCE).enumerate() {
        report.send(client, args, points, part > 0)?;
    }
    report.finish()
}

/// Observes the rows of standard input as they come, which may take for ever.
fn as_they_come(
    client: &Client,
    args: &ObserveArgs,
    json: bool,
    out: &mut impl Write,
) -> Result<(), Error> {
    let live = Live::start(args.form.clone());
    let mut report = Report {
        out,
        json,
        all: args.all,
        clock: Clock::Rows,
        progress: Progress::spinner("observing standard input".to_owned()),
        tally: ObservedTally::default(),
    };
    let mut is_known = false;
    while let Some(rows) = live.next(AT_ONCE) {
        report.clock = rows.clock;
        if !rows.points.is_empty() {
            report.send(client, args, &rows.points, is_known)?;
            is_known = true;
        }
        if let Some(fault) = rows.fault {
            return Err(fault.into());
        }
    }
    match is_known {
        true => report.finish(),
        false => Err(FileError::Empty.into()),
    }
}

/// A point that is kept, and of which nothing more is known.
fn accepted(Point { timestamp, value }: Point) -> ObservedPoint {
    ObservedPoint {
        status: PointStatus::Accepted,
        timestamp,
        value,
        verdict: None,
        last_timestamp: None,
        detail: None,
        warming: None,
    }
}

/// Prints verdicts while they come in.
struct Report<'a, W> {
    out: &'a mut W,
    json: bool,
    all: bool,
    clock: Clock,
    progress: Progress,
    tally: ObservedTally,
}

impl<W: Write> Report<'_, W> {
    /// Observes `points` and prints what became of them.
    fn send(
        &mut self,
        client: &Client,
        args: &ObserveArgs,
        points: &[Point],
        is_known: bool,
    ) -> Result<(), Error> {
        let sent = client.observe_many(&args.series, points, !args.no_notify, is_known);
        let reply = sent.map_err(|source| Error::Replay {
            time: self.clock.show(points[0].timestamp),
            source,
        })?;
        let verdicts = match &reply.body {
            Told::Done(reply) => &reply.verdicts,
            Told::Accepted(_) => &points.iter().copied().map(accepted).collect(),
        };
        self.part(reply.line(), verdicts)
    }

    /// Prints the verdicts of one reply.
    fn part(&mut self, raw: &str, verdicts: &[ObservedPoint]) -> Result<(), Error> {
        if self.json {
            self.progress.aside(|| writeln!(self.out, "{raw}"))?;
        }
        for observed in verdicts {
            self.progress.step();
            self.tally.add(observed);
            let is_told = self.all || observed.verdict.as_ref().is_some_and(|v| v.online.alarm);
            if is_told && !self.json {
                let line = || stream::line(self.out, observed, self.clock);
                self.progress.aside(line)?;
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<(), Error> {
        drop(self.progress);
        match self.json {
            true => Ok(()),
            false => Ok(stream::counts(self.out, &self.tally)?),
        }
    }
}
