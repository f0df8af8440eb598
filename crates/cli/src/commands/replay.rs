//! `anomaly replay`: fits on the first part of a file and predicts the rest, to show what the
//! platform would have said.

use std::{io::Write, time::Instant};

use contract::{Point, PredictReply, SeriesId, Train, VersionRef};

use super::fit::fit_on;
use crate::{
    Error,
    args::{PlotFormat, ReplayArgs},
    client::{Client, View},
    files,
    groups::{Group, Grouping},
    http::{ClientError, Reply},
    ordered::{Rows, predict_all},
    progress::Progress,
    render::{self, Tally, count},
    timestamp::Clock,
};

/// Carries out `anomaly replay`.
///
/// # Errors
/// See [`crate::run`].
pub(crate) fn replay(
    client: &Client,
    args: &ReplayArgs,
    json: bool,
    out: &mut impl Write,
) -> Result<(), Error> {
    let file = files::read(&args.csv.file, &args.csv.form)?;
    let points = file.points.len();
    let train = rows_of(args.train, points);
    if train >= points {
        return Err(Error::NothingLeft { points, train });
    }
    let first = &file.points[..train];
    let options = args.options.options(args.csv.form.timezone.as_ref());
    let fitted = fit_on(client, &args.series, first, options)?;
    if json {
        writeln!(out, "{}", fitted.line())?;
    } else {
        render::fitted(out, &fitted.body, first, file.clock)?;
    }
    let rows = Rows {
        points: &file.points,
        skip: train,
        context: args.context.into(),
    };
    let judged = count(points - train, "point");
    let report = Report {
        out,
        json,
        clock: file.clock,
        progress: Progress::steps(points - train, format!("predicting {judged}")),
        grouping: Grouping::default(),
        tally: Tally::default(),
    };
    let printed = report.all(client, &args.series, &rows, args.connections.into());
    let Some(path) = &args.plot else {
        return printed;
    };
    files::unless_reader_is_gone(printed)?;
    let version = VersionRef::Version(fitted.body.version);
    let view = View {
        format: PlotFormat::of_name(path),
        ..View::default()
    };
    let picture = client.plot(&args.series, Some(&version), view)?;
    files::save(path, &picture, json, out)
}

/// The number of `rows` to fit on. A replay takes a share of any size; for a detection, the
/// platform limits it.
fn rows_of(train: Train, rows: usize) -> usize {
    match train {
        // The product is exact: a file that fits in memory has far fewer rows than 2^53.
        Train::Share(share) => (rows as f64 * share) as usize,
        Train::Points(points) => points,
    }
}

/// Prints verdicts while they come in.
struct Report<'a, W> {
    out: &'a mut W,
    json: bool,
    clock: Clock,
    progress: Progress,
    grouping: Grouping,
    tally: Tally,
}

impl<W: Write> Report<'_, W> {
    /// Predicts `rows` and prints the anomalies among them, then the counts.
    fn all(
        mut self,
        client: &Client,
        series: &SeriesId,
        rows: &Rows<'_>,
        connections: usize,
    ) -> Result<(), Error> {
        let started = Instant::now();
        predict_all(client, series, rows, connections, |point, verdict| {
            self.verdict(point, verdict)
        })?;
        let elapsed = started.elapsed();
        if let Some(last) = self.grouping.finish() {
            self.group(&last)?;
        }
        if self.json {
            return Ok(());
        }
        drop(self.progress);
        Ok(render::summary(
            self.out,
            &self.tally,
            elapsed,
            connections,
        )?)
    }

    fn verdict(
        &mut self,
        point: Point,
        verdict: Result<Reply<PredictReply>, ClientError>,
    ) -> Result<(), Error> {
        let reply = verdict.map_err(|source| Error::Replay {
            time: self.clock.show(point.timestamp),
            source,
        })?;
        self.progress.step();
        if self.json {
            self.progress
                .aside(|| writeln!(self.out, "{}", reply.line()))?;
        }
        let PredictReply {
            model_version,
            verdict,
            ..
        } = reply.body;
        self.tally.judged += 1;
        self.tally.anomalies += usize::from(verdict.anomaly);
        *self.tally.versions.entry(model_version).or_default() += 1;
        match self.grouping.push(point, verdict) {
            Some(ended) => self.group(&ended),
            None => Ok(()),
        }
    }

    fn group(&mut self, group: &Group) -> Result<(), Error> {
        self.tally.groups += 1;
        if self.json {
            return Ok(());
        }
        let line = || render::group(self.out, group, self.clock);
        Ok(self.progress.aside(line)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_rounded_down_and_has_no_limit() {
        assert_eq!(rows_of(Train::Share(0.15), 40_321), 6_048);
        assert_eq!(rows_of(Train::Points(7), 3), 7);
    }
}
