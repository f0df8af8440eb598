//! `anomaly detect`: finds the anomalies in a file.

use std::{
    io::{self, IsTerminal, Write},
    path::Path,
    time::Instant,
};

use contract::{DetectLine, DetectRequest, DetectSummary, EpisodeReply, MAX_TITLE_BYTES};

use super::detect_columns::detect_columns;
use crate::{
    Error,
    args::{CsvArgs, DetectArgs, PlotFormat},
    client::{Client, View},
    csv::SeriesFile,
    files,
    http::{ClientError, NdjsonReader},
    progress::Progress,
    render::{count, detection},
    timestamp::Clock,
};

/// How the last line of a reply begins, and no other.
const SUMMARY: &str = "{\"summary\":";

/// The result of a detection.
struct Found {
    summary: DetectSummary,
    judged: usize,
}

/// Carries out `anomaly detect`.
///
/// # Errors
/// See [`crate::run`].
pub(crate) fn detect(
    client: &Client,
    args: &DetectArgs,
    json: bool,
    out: &mut impl Write,
) -> Result<(), Error> {
    if args.plot.is_none() && args.view.is_given() {
        return Err(Error::NothingToPlot);
    }
    if !args.table.columns.is_empty() {
        return detect_columns(client, args, json, out);
    }
    let CsvArgs { file, form } = &args.csv;
    if !args.each {
        return detect_in(client, args, files::read(file, form)?, json, out);
    }
    for (name, file) in files::read_each(file, form)? {
        match json {
            true => writeln!(out, "{}", serde_json::json!({ "column": name }))?,
            false => writeln!(out, "{name}:")?,
        }
        detect_in(client, args, file, json, out)?;
    }
    Ok(())
}

/// Finds the anomalies among the points of `file`.
fn detect_in(
    client: &Client,
    args: &DetectArgs,
    file: SeriesFile,
    json: bool,
    out: &mut impl Write,
) -> Result<(), Error> {
    let clock = file.clock;
    let request = request(args, file)?;
    let detection = Detection {
        client,
        args,
        request,
        clock,
    };
    let done = detection.print_and_plot(json, out);
    done.map_err(|error| error.of_many(detection.request.points.len()))
}

/// A detection to carry out.
struct Detection<'a> {
    client: &'a Client,
    args: &'a DetectArgs,
    request: DetectRequest,
    clock: Clock,
}

impl Detection<'_> {
    /// Prints what was found, and saves a picture of it if one is wanted.
    fn print_and_plot(&self, json: bool, out: &mut impl Write) -> Result<(), Error> {
        let printed = self.print(json, out);
        let Some(path) = &self.args.plot else {
            return printed;
        };
        files::unless_reader_is_gone(printed)?;
        let sample = self.request.points[0].timestamp;
        let ticks = |time| self.clock.ticks(time, sample);
        let asked = self.args.view;
        let view = View {
            size: asked.size,
            from: asked.from.map(ticks),
            to: asked.to.map(ticks),
            format: PlotFormat::of_name(path),
        };
        let title = title(&self.args.csv.file);
        let picture = self.client.detect_plot(&self.request, title, view)?;
        files::save(path, &picture, json, out)
    }

    /// Has the points judged, and prints what was found.
    fn print(&self, json: bool, out: &mut impl Write) -> Result<(), Error> {
        let points = self.request.points.len();
        let started = Instant::now();
        let waiting = Progress::spinner(format!("detecting in {}", count(points, "point")));
        let lines = self.client.detect(&self.request)?;
        drop(waiting);
        let expected = points - self.request.train.of(points);
        if json {
            return pass_on(lines, expected, out);
        }
        let found = listen(lines, expected)?;
        self.show(&found, out)?;
        let elapsed = started.elapsed();
        Ok(detection::counts(
            out,
            &found.summary,
            found.judged,
            elapsed,
        )?)
    }

    /// Prints the fit, the episodes with the worst first, and the changes of the level.
    fn show(&self, found: &Found, out: &mut impl Write) -> io::Result<()> {
        let Found { summary, .. } = found;
        let points = &self.request.points;
        let first = &points[..self.request.train.of(points.len())];
        detection::fitted(out, summary, first, self.clock)?;
        let mut episodes: Vec<&EpisodeReply> = summary.episodes.iter().collect();
        let worse = |one: &&EpisodeReply, other: &&EpisodeReply| {
            let severity = other.severity.cmp(&one.severity);
            severity.then(other.ratio.total_cmp(&one.ratio))
        };
        episodes.sort_by(worse);
        let shown = self.args.top.unwrap_or(usize::MAX).min(episodes.len());
        for episode in &episodes[..shown] {
            detection::episode(out, episode, self.clock)?;
        }
        detection::left_out(out, episodes.len() - shown)?;
        detection::change_points(out, summary, self.clock)
    }
}

/// Makes a request of a file that leaves something to judge.
fn request(args: &DetectArgs, file: SeriesFile) -> Result<DetectRequest, Error> {
    let points = file.points;
    let (train, points_read) = (args.train.of(points.len()), points.len());
    if train >= points_read {
        return Err(Error::NothingLeft {
            points: points_read,
            train,
        });
    }
    Ok(DetectRequest {
        points,
        train: args.train,
        fit: args.options.options(args.csv.form.timezone.as_ref()),
        min_deviation: args.min_deviation,
        form: None,
    })
}

/// The title of a plot of `file`: its name without the extension, if that can be a title.
pub(super) fn title(file: &Path) -> Option<String> {
    let name = file.file_stem()?.to_str()?;
    let is_title = name != "-" && name.len() <= MAX_TITLE_BYTES && !name.contains(char::is_control);
    is_title.then(|| name.to_owned())
}

/// Prints `lines`, about `expected` of them, as they come.
pub(super) fn pass_on(
    mut lines: NdjsonReader,
    expected: usize,
    out: &mut impl Write,
) -> Result<(), Error> {
    // On a terminal the lines themselves show the progress, and a bar would be in their way.
    let bar = (!io::stdout().is_terminal()).then(|| judging(expected));
    let mut is_whole = false;
    while let Some(line) = lines.next()? {
        is_whole = line.starts_with(SUMMARY);
        writeln!(out, "{line}")?;
        if let Some(bar) = &bar {
            bar.step();
        }
    }
    match is_whole {
        true => Ok(()),
        false => Err(lines.ended_early().into()),
    }
}

/// Reads `lines`, about `expected` of them, to the end.
fn listen(mut lines: NdjsonReader, expected: usize) -> Result<Found, ClientError> {
    let bar = judging(expected);
    let mut judged = 0;
    while lines.next()?.is_some() {
        match lines.parse()? {
            DetectLine::Verdict(_) => {
                judged += 1;
                bar.step();
            }
            DetectLine::Summary { summary } => return Ok(Found { summary, judged }),
        }
    }
    Err(lines.ended_early())
}

pub(super) fn judging(points: usize) -> Progress {
    Progress::steps(points, format!("judging {}", count(points, "point")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_is_called_what_its_file_is_called() {
        let title = |file: &str| title(Path::new(file));
        assert_eq!(title("data/nyc taxi.csv").as_deref(), Some("nyc taxi"));
        for file in ["-", "a\nb.csv", &format!("{}.csv", "x".repeat(201))] {
            assert_eq!(title(file), None, "{file:?}");
        }
    }
}
