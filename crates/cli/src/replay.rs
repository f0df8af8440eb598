//! `anomaly replay`: what the platform would have said about a file, had it seen the first part of it.

use std::{io::Write, time::Instant};

use contract::{Point, PredictReply, SeriesId, Train};

use crate::{
    Error,
    args::{PlotFormat, ReplayArgs},
    client::{Client, PlotQuery},
    commands::{fit_on, read, save},
    episode::{Episode, Episodes},
    http::{ClientError, Reply},
    ordered::{Rows, predict_all},
    progress::Progress,
    render::{self, Tally, count},
    series_file::FileError,
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
    let file = read(&args.csv)?;
    let points = file.points.len();
    let train = rows_of(args.train, points);
    if train >= points {
        return Err(Error::NothingLeft { points, train });
    }
    if args.context > 0 {
        check_sorted(&file.points)?;
    }
    let first = &file.points[..train];
    let fitted = fit_on(client, &args.series, first, &args.options)?;
    if json {
        writeln!(out, "{}", fitted.raw)?;
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
        episodes: Episodes::default(),
        tally: Tally::default(),
    };
    report.all(client, &args.series, &rows, args.connections.into())?;
    let Some(path) = &args.plot else {
        return Ok(());
    };
    let query = PlotQuery {
        version: Some(contract::VersionRef::Version(fitted.body.version)),
        format: PlotFormat::of_name(path),
        ..PlotQuery::default()
    };
    save(path, &client.plot(&args.series, query)?, json, out)
}

/// How many of `rows` are fitted on. Unlike the platform for a detection, a replay takes a share of any size.
fn rows_of(train: Train, rows: usize) -> usize {
    match train {
        // Exact: the rows of a file that fits in memory are far below 2^53.
        Train::Share(share) => (rows as f64 * share) as usize,
        Train::Points(points) => points,
    }
}

fn check_sorted(points: &[Point]) -> Result<(), FileError> {
    let earlier = |pair: &[Point]| pair[1].timestamp < pair[0].timestamp;
    match points.windows(2).position(earlier) {
        Some(index) => Err(FileError::Unsorted(index + 2)),
        None => Ok(()),
    }
}

/// What is printed while verdicts come in.
struct Report<'a, W> {
    out: &'a mut W,
    json: bool,
    clock: Clock,
    progress: Progress,
    episodes: Episodes,
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
        if let Some(last) = self.episodes.finish() {
            self.episode(&last)?;
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
                .aside(|| writeln!(self.out, "{}", reply.raw))?;
        }
        let PredictReply {
            model_version,
            verdict,
            ..
        } = reply.body;
        self.tally.judged += 1;
        self.tally.anomalies += usize::from(verdict.anomaly);
        *self.tally.versions.entry(model_version).or_default() += 1;
        match self.episodes.push(point, verdict) {
            Some(ended) => self.episode(&ended),
            None => Ok(()),
        }
    }

    fn episode(&mut self, episode: &Episode) -> Result<(), Error> {
        self.tally.episodes += 1;
        if self.json {
            return Ok(());
        }
        let line = || render::episode(self.out, episode, self.clock);
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
