//! `anomaly observe`: points are judged and learned, one after the other.

use std::{
    io::{self, Write},
    path::Path,
};

use contract::{ObserveManyReply, ObservedPoint, Point, PointStatus, SeriesId, StreamVerdict};

use crate::{
    Error,
    args::ObserveArgs,
    client::{Client, Told},
    context::Moment,
    csv::FileError,
    files,
    http::{ClientError, Reply},
    live::{End, Live, LivePoints, Rules, Source},
    progress::Progress,
    render::{
        count,
        stream::{self, ObservedTally},
    },
    timestamp::{Clock, Timestamp},
};

/// The number of points in a call. A stream remembers its last eight verdicts, so whoever sends a
/// call again gets all verdicts of it.
pub(super) const AT_ONCE: usize = 8;

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
    let file = files::read(path, &args.form)?;
    let observed = count(file.points.len(), "point");
    let mut report = Report::new(out, json, args.all);
    report.clock = file.clock;
    report.progress = Progress::steps(file.points.len(), format!("observing {observed}"));
    for (part, points) in file.points.chunks(AT_ONCE).enumerate() {
        report.send(client, args, points, part > 0)?;
    }
    report.finish(0)
}

/// Observes the rows of standard input as they come, which may take for ever.
fn as_they_come(
    client: &Client,
    args: &ObserveArgs,
    json: bool,
    out: &mut impl Write,
) -> Result<(), Error> {
    let rules = Rules {
        form: args.form.clone(),
        now: None,
        new_only: false,
    };
    let source = Source::Input(Box::new(io::stdin()));
    let mut live = Live::start(source, Path::new("-"), rules, false)?;
    let mut report =
        Report::new(out, json, args.all).waiting("observing standard input".to_owned());
    let mut is_known = false;
    loop {
        let LivePoints { points, clock, end } = live.next(AT_ONCE);
        report.clock = clock;
        if !points.is_empty() {
            report.send(client, args, &points, is_known)?;
            is_known = true;
        }
        match end {
            None => {}
            Some(End::Fault(fault)) => return Err(fault.into()),
            Some(End::Done | End::Stopped) if is_known => return report.finish(live.skipped),
            Some(End::Done | End::Stopped) => return Err(FileError::Empty.into()),
        }
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

/// Where points go.
pub(super) struct Target<'a> {
    pub(super) series: &'a SeriesId,
    pub(super) notify: bool,
}

/// Prints verdicts while they come in.
pub(super) struct Report<'a, W> {
    out: &'a mut W,
    json: bool,
    all: bool,
    anomalies: bool,
    pub(super) clock: Clock,
    progress: Progress,
    tally: ObservedTally,
}

impl<'a, W: Write> Report<'a, W> {
    /// Prints replies unchanged if `json`, or else a line for each alarm, or for each point if
    /// `all`.
    pub(super) fn new(out: &'a mut W, json: bool, all: bool) -> Self {
        Self {
            out,
            json,
            all,
            anomalies: false,
            clock: Clock::Rows,
            progress: Progress::none(),
            tally: ObservedTally::default(),
        }
    }

    /// The same that shows it is `doing` something.
    pub(super) fn waiting(mut self, doing: String) -> Self {
        self.progress = Progress::spinner(doing);
        self
    }

    /// The same that prints anomalies without an alarm too.
    pub(super) fn with_anomalies(mut self) -> Self {
        self.anomalies = true;
        self
    }

    /// Observes `points` and prints what became of them.
    fn send(
        &mut self,
        client: &Client,
        args: &ObserveArgs,
        points: &[Point],
        is_known: bool,
    ) -> Result<(), Error> {
        let sent = client.observe_many(&args.series, points, !args.no_notify, is_known);
        self.sent(sent, points)
    }

    /// Prints what became of `points`.
    pub(super) fn sent(
        &mut self,
        sent: Result<Reply<Told<ObserveManyReply>>, ClientError>,
        points: &[Point],
    ) -> Result<(), Error> {
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
            let is_odd = |verdict: &StreamVerdict| {
                verdict.online.alarm || self.anomalies && verdict.verdict.anomaly
            };
            let is_told = self.all || observed.verdict.as_ref().is_some_and(is_odd);
            if is_told && !self.json {
                let line = || stream::line(self.out, observed, self.clock);
                self.progress.aside(line)?;
            }
        }
        Ok(())
    }

    /// Prints the counts. `skipped` lines were left out.
    pub(super) fn finish(self, skipped: usize) -> Result<(), Error> {
        drop(self.progress);
        if skipped > 0 {
            eprintln!("left out {} in all", count(skipped, "row"));
        }
        match self.json {
            true => Ok(()),
            false => Ok(stream::counts(self.out, &self.tally)?),
        }
    }
}
