//! `anomaly detect`: what is unusual in a file.

use std::{
    collections::BTreeMap,
    io::{self, IsTerminal, Write},
    path::Path,
    time::Instant,
};

use contract::{DetectLine, DetectRequest, DetectSummary, JudgedReply};

use crate::{
    Error,
    args::{DetectArgs, PlotFormat},
    client::Client,
    commands::{read, save},
    http::{ClientError, Lines},
    progress::Progress,
    render::{count, detection},
    series_file::SeriesFile,
    timestamp::Clock,
};

/// How the last line of a reply begins, and no other.
const SUMMARY: &str = "{\"summary\":";

/// The longest title that the platform takes, in bytes.
const MAX_TITLE: usize = 200;

/// A verdict that may turn out to be the peak of an episode.
#[derive(Debug)]
pub(crate) struct Alarm {
    /// The value of the point.
    pub(crate) value: f64,
    /// Why it is an anomaly.
    pub(crate) reason: String,
    ratio: f64,
}

/// What came of a detection.
struct Found {
    summary: DetectSummary,
    /// By timestamp.
    alarms: BTreeMap<i64, Alarm>,
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
    let (request, clock) = request(args)?;
    let points = request.points.len();
    let too_many = |source: ClientError| match source.is_too_large() {
        true => Error::TooManyPoints { points, source },
        false => source.into(),
    };
    let started = Instant::now();
    let waiting = Progress::spinner(format!("detecting in {}", count(points, "point")));
    let lines = client.detect(&request).map_err(too_many)?;
    drop(waiting);
    let expected = points - request.train.of(points);
    if json {
        pass_on(lines, expected, out)?;
    } else {
        let found = listen(lines, expected)?;
        show(out, &found, &request, clock)?;
        detection::counts(out, &found.summary, found.judged, started.elapsed())?;
    }
    let Some(path) = &args.plot else {
        return Ok(());
    };
    let title = title(&args.csv.file);
    let picture = client.detect_plot(&request, title, PlotFormat::of_name(path));
    save(path, &picture.map_err(too_many)?, json, out)
}

/// Reads the file, and makes a request of it that leaves something to judge.
fn request(args: &DetectArgs) -> Result<(DetectRequest, Clock), Error> {
    let SeriesFile {
        mut points, clock, ..
    } = read(&args.csv)?;
    points.sort_by_key(|point| point.timestamp);
    let (train, points_read) = (args.train.of(points.len()), points.len());
    if train >= points_read {
        return Err(Error::NothingLeft {
            points: points_read,
            train,
        });
    }
    let request = DetectRequest {
        points,
        train: args.train,
        fit: args.options.options(),
        min_deviation: args.min_deviation,
    };
    Ok((request, clock))
}

/// What a plot of `file` is called: its name without the end, if that can be a title.
fn title(file: &Path) -> Option<String> {
    let name = file.file_stem()?.to_str()?;
    let is_title = name != "-" && name.len() <= MAX_TITLE && !name.contains(char::is_control);
    is_title.then(|| name.to_owned())
}

/// Prints `lines`, about `expected` of them, as they come.
fn pass_on(mut lines: Lines, expected: usize, out: &mut impl Write) -> Result<(), Error> {
    // On a terminal the lines themselves show how far it is, and a bar would be in their way.
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
fn listen(mut lines: Lines, expected: usize) -> Result<Found, ClientError> {
    let bar = judging(expected);
    let mut alarms = BTreeMap::new();
    let mut judged = 0;
    while lines.next()?.is_some() {
        match lines.parse()? {
            DetectLine::Verdict(verdict) => {
                judged += 1;
                bar.step();
                note(&mut alarms, verdict);
            }
            DetectLine::Summary { summary } => {
                return Ok(Found {
                    summary,
                    alarms,
                    judged,
                });
            }
        }
    }
    Err(lines.ended_early())
}

fn judging(points: usize) -> Progress {
    Progress::steps(points, format!("judging {}", count(points, "point")))
}

/// Keeps a verdict if it is an alarm; of several at one time the strongest.
fn note(alarms: &mut BTreeMap<i64, Alarm>, verdict: JudgedReply) {
    let ratio = verdict.ratio.unwrap_or_default();
    if !verdict.verdict.anomaly && ratio < 1.0 {
        return;
    }
    let stronger = |held: &Alarm| held.ratio >= ratio;
    if alarms.get(&verdict.timestamp).is_some_and(stronger) {
        return;
    }
    let alarm = Alarm {
        value: verdict.value,
        reason: verdict.verdict.reason,
        ratio,
    };
    alarms.insert(verdict.timestamp, alarm);
}

fn show(
    out: &mut impl Write,
    found: &Found,
    request: &DetectRequest,
    clock: Clock,
) -> io::Result<()> {
    let first = &request.points[..request.train.of(request.points.len())];
    detection::fitted(out, &found.summary, first, clock)?;
    for episode in &found.summary.episodes {
        detection::episode(out, episode, found.alarms.get(&episode.peak), clock)?;
    }
    detection::change_points(out, &found.summary, clock)
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
