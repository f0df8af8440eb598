//! The commands about streams.

use std::{ffi::OsString, path::PathBuf};

use clap::{ArgGroup, Args, Subcommand, builder::TypedValueParser};
use contract::{Budget, DetectorName, Origin, Restart, SeriesId, Sides, StreamOptions, Transform};

use super::{
    FormArgs,
    options::{detectors, distance, finite, param, rate, sides, words},
};
use crate::timestamp::Timestamp;

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("points").required(true).args(["file", "value"])))]
pub(crate) struct ObserveArgs {
    /// The series that the points belong to.
    #[arg(value_parser = SeriesId::new)]
    pub(crate) series: SeriesId,
    /// CSV file of points; `-` for standard input, whose rows
    /// are sent as they come and so must be in the order of their times.
    pub(crate) file: Option<PathBuf>,
    /// Value of a single point.
    #[arg(long, allow_hyphen_values = true, value_parser = finite)]
    pub(crate) value: Option<f64>,
    /// Time of that point, in the forms that files may use [default: now, in seconds].
    #[arg(
        long,
        value_name = "TIME",
        allow_hyphen_values = true,
        conflicts_with = "file"
    )]
    pub(crate) timestamp: Option<Timestamp>,
    /// Tell nobody of what is found: for history.
    #[arg(long)]
    pub(crate) no_notify: bool,
    /// Print a line for every point of the file, not only for alarms.
    #[arg(long)]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) form: FormArgs,
}

const WATCH_HELP: &str = "\
Examples:
  anomaly watch web /var/log/requests.csv          lines that are there, then those that are added
  anomaly watch load -- sh -c 'while cut -d\" \" -f1 /proc/loadavg; do sleep 10; done'
  mosquitto_sub -t plant/temp | anomaly watch temp -

A file may be cut, or another take its name: both are followed. While the platform is away, points \
wait, and are sent in their order once it is back; one that is sent again is learned once. SIGINT \
and SIGTERM end it with a summary.

Exit status: 0 the input or the command has ended, or a signal came, and all points are observed; 1 \
the platform refused points, some that were read were not observed, or the command failed; 2 the \
command line or the file is wrong.";

#[derive(Debug, Args)]
#[command(
    after_help = WATCH_HELP,
    override_usage = "anomaly watch [OPTIONS] <SERIES> <FILE>\n       \
                      anomaly watch [OPTIONS] <SERIES> -- <COMMAND>..."
)]
#[command(group(ArgGroup::new("source").required(true).args(["file", "command"])))]
pub(crate) struct WatchArgs {
    /// The series that the points belong to.
    #[arg(value_parser = SeriesId::new)]
    pub(crate) series: SeriesId,
    /// File that grows; `-` for standard input.
    pub(crate) file: Option<PathBuf>,
    /// Command, and its arguments, whose lines of output are points.
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
    /// Leave out the lines that the file has at first. Those without a time are left out in any
    /// case.
    #[arg(long, conflicts_with = "command")]
    pub(crate) new_only: bool,
    /// Tell nobody of what is found.
    #[arg(long)]
    pub(crate) no_notify: bool,
    /// Print a line for every point, not only for anomalies.
    #[arg(long)]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) form: FormArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum StreamCommand {
    /// Show the stream of a series: its state, its points, its options.
    Show(StreamArgs),
    /// Begin a stream, or change the options of one from its next point on. Options that are not
    /// given are as by default again.
    Set(SetStreamArgs),
    /// Let a stream begin anew at its next point.
    Restart(RestartArgs),
    /// End a stream: what it has learned is gone. Its anomalies stay.
    End(EndArgs),
}

#[derive(Debug, Args)]
pub(crate) struct StreamArgs {
    /// The series.
    #[arg(value_parser = SeriesId::new)]
    pub(crate) series: SeriesId,
}

#[derive(Debug, Args)]
pub(crate) struct SetStreamArgs {
    /// The series.
    #[arg(value_parser = SeriesId::new)]
    pub(crate) series: SeriesId,
    /// The detector [default: that of the model it begins from, else that of the platform's
    /// settings].
    #[arg(long, value_name = "NAME", value_parser = detectors())]
    detector: Option<DetectorName>,
    /// A parameter of the detector. May be given several times.
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = param)]
    params: Vec<(String, f64)>,
    /// Number of points to warm up with, 10 to 100000 [default: 750].
    #[arg(long, value_name = "POINTS", value_parser = clap::value_parser!(u64).range(10..=100_000))]
    warmup: Option<u64>,
    /// Fraction of normal points that may be called anomalies, above 0 and at most 0.5 [default:
    /// 0.001, or that of the model it begins from].
    #[arg(long, value_name = "SHARE", value_parser = rate)]
    false_alarm_rate: Option<f64>,
    /// The side of the expected value on which anomalies count [default: both, or that of the model
    /// it begins from].
    #[arg(long, value_name = "SIDE", value_parser = sides())]
    direction: Option<Sides>,
    /// Smallest distance from the expected value that counts, in the unit of the values.
    #[arg(long, value_name = "DISTANCE", value_parser = distance)]
    min_deviation: Option<f64>,
    /// How long points wait for earlier ones, in the unit of the timestamps [default: 0].
    #[arg(long, value_name = "TIME", value_parser = clap::value_parser!(i64).range(0..))]
    lateness: Option<i64>,
    /// Milliseconds of silence after which the series is missing; 0 for never [default: learned
    /// from the points].
    #[arg(long, value_name = "MS")]
    missing_after_ms: Option<u64>,
    /// How values are read: as they are, or as readings of a counter, whose rate counts [default:
    /// none].
    #[arg(long, value_name = "NAME", value_parser = transforms())]
    transform: Option<Transform>,
    /// A label. May be given several times.
    #[arg(long = "label", value_name = "NAME=TEXT", value_parser = label)]
    labels: Vec<(String, String)>,
    /// The most anomalies that people want to be told of: `3/week`, or a day or a month [default: any
    /// number].
    #[arg(long, value_name = "N/TIME", value_parser = budget)]
    budget: Option<Budget>,
}

/// A budget, such as `3/week`.
fn budget(text: &str) -> Result<Budget, String> {
    let (alarms, per) = text.split_once('/').ok_or("it is not of the form 3/week")?;
    let budget = Budget {
        alarms: alarms.parse().map_err(|why| format!("{alarms}: {why}"))?,
        per: per
            .parse()
            .map_err(|why: contract::UnknownWord| format!("{per}: {why}"))?,
    };
    budget.check().map(|()| budget)
}

impl SetStreamArgs {
    /// The options of the stream.
    pub(crate) fn options(&self) -> StreamOptions {
        StreamOptions {
            detector: self.detector,
            params: self.params.iter().cloned().collect(),
            warmup: self.warmup,
            false_alarm_rate: self.false_alarm_rate,
            direction: self.direction,
            min_deviation: self.min_deviation,
            lateness: self.lateness,
            missing_after_ms: self.missing_after_ms,
            transform: self.transform,
            labels: self.labels.iter().cloned().collect(),
            budget: self.budget,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct RestartArgs {
    /// The series.
    #[arg(value_parser = SeriesId::new)]
    pub(crate) series: SeriesId,
    /// What to begin from: champion, the model that serves; a version; or nothing, to warm up.
    #[arg(long, value_name = "ORIGIN", default_value = "champion")]
    from: Origin,
    /// Let the next point be before the last one.
    #[arg(long)]
    rewind: bool,
}

impl RestartArgs {
    /// The new beginning.
    pub(crate) fn restart(&self) -> Restart {
        Restart {
            from: self.from,
            rewind: self.rewind,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct EndArgs {
    /// The series.
    #[arg(value_parser = SeriesId::new)]
    pub(crate) series: SeriesId,
    /// Do not ask. Without a terminal to ask on, this must be given.
    #[arg(long, short)]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct PointsArgs {
    /// File of points, one JSON object on each line: {"series_id":"a","timestamp":1,"value":2.5};
    /// `-` for standard input.
    pub(crate) file: PathBuf,
    /// The file is CSV, with the points of this series.
    #[arg(long, value_name = "SERIES", value_parser = SeriesId::new)]
    pub(crate) csv: Option<SeriesId>,
    /// Tell nobody of what is found: for history.
    #[arg(long)]
    pub(crate) no_notify: bool,
    #[command(flatten)]
    pub(crate) form: FormArgs,
}

fn transforms() -> impl TypedValueParser<Value = Transform> {
    words(Transform::ALL.iter().map(|transform| transform.as_str()))
}

/// `NAME=TEXT`.
pub(super) fn label(text: &str) -> Result<(String, String), &'static str> {
    let (name, value) = text.split_once('=').ok_or("must look like NAME=TEXT")?;
    Ok((name.to_owned(), value.to_owned()))
}
