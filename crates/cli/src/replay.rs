//! `anomaly replay`: what the platform would have said about a file, had it seen the first part of it.

use std::{io::Write, time::Instant};

use contract::{Point, PredictReply, SeriesId};

use crate::{
    Error,
    args::PlotFormat,
    args::ReplayArgs,
    client::{Client, ClientError, PlotQuery, Reply},
    commands::{fit_on, read, save},
    episode::{Episode, Episodes},
    ordered::predict_all,
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
    let file = read(&args.csv)?;
    let points = file.points.len();
    let train = args.train.rows_of(points);
    if train >= points {
        return Err(Error::NothingLeft { points, train });
    }
    let (first, rest) = file.points.split_at(train);
    let fitted = fit_on(client, &args.series, first)?;
    if json {
        writeln!(out, "{}", fitted.raw)?;
    } else {
        render::fitted(out, &fitted.body, first, file.clock)?;
    }
    let report = Report {
        out,
        json,
        clock: file.clock,
        progress: Progress::steps(
            rest.len(),
            format!("predicting {}", count(rest.len(), "point")),
        ),
        episodes: Episodes::around(mean(first)),
        tally: Tally::default(),
    };
    report.all(client, &args.series, rest, args.connections.into())?;
    let Some(path) = &args.plot else {
        return Ok(());
    };
    let query = PlotQuery {
        version: Some(fitted.body.version),
        format: PlotFormat::of_name(path),
        ..PlotQuery::default()
    };
    save(path, &client.plot(&args.series, query)?, out)
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
    /// Predicts `points` and prints the anomalies among them, then the counts.
    fn all(
        mut self,
        client: &Client,
        series: &SeriesId,
        points: &[Point],
        connections: usize,
    ) -> Result<(), Error> {
        let started = Instant::now();
        predict_all(client, series, points, connections, |point, verdict| {
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
        match self.episodes.push(point, verdict.anomaly) {
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

fn mean(points: &[Point]) -> f64 {
    points.iter().map(|p| p.value).sum::<f64>() / points.len() as f64
}
