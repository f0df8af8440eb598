//! The command line.

use std::{
    path::{Path, PathBuf},
    str::FromStr,
};

use clap::{Args, Parser, Subcommand, ValueEnum};
use contract::{SeriesId, Version};

use crate::{client::BaseUrl, timestamp::Stamp};

const EXIT_CODES: &str = "\
Exit status: 0 done; 1 the platform refused, failed or was not reached, or the result could not be written; \
2 the command line or the file is wrong, and nothing was sent.";

/// The heading of the options that every command takes.
const EVERYWHERE: &str = "Options of every command";

/// Trains, asks and looks at an anomaly detection platform over HTTP.
#[derive(Debug, Parser)]
#[command(name = "anomaly", version, after_help = EXIT_CODES)]
pub struct Cli {
    /// Address of the gateway or of standalone.
    #[arg(
        long,
        env = "ANOMALY_URL",
        default_value = "http://localhost:8080",
        global = true,
        help_heading = EVERYWHERE
    )]
    pub(crate) url: BaseUrl,
    /// Print the replies as they came, one a line, instead of text.
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Fit a new version of a series on the points of a CSV file.
    Fit(FitArgs),
    /// Ask whether one point is an anomaly.
    Predict(PredictArgs),
    /// Fit on the first part of a CSV file and predict every later row: what the platform would have said.
    Replay(ReplayArgs),
    /// Save the plot of a version: its training points, their mean and the limit.
    Plot(PlotArgs),
    /// Show the figures of the platform.
    Health,
    /// Say whether the service at --url takes requests: exit 0 if it does, 1 if not, within two seconds.
    Ready,
}

#[derive(Debug, Args)]
pub(crate) struct FitArgs {
    /// The series to fit.
    #[arg(value_parser = SeriesId::new)]
    pub(crate) series: SeriesId,
    #[command(flatten)]
    pub(crate) csv: CsvArgs,
}

/// A file of points and how to read it.
#[derive(Debug, Args)]
pub(crate) struct CsvArgs {
    /// CSV file whose first line names the columns; `-` for standard input.
    pub(crate) file: PathBuf,
    /// Column with the timestamps: integers, seconds with a fraction, `YYYY-MM-DD HH:MM:SS[.fff]` (UTC), or RFC 3339
    /// [default: timestamp, time, date, datetime, ts, ds or t; without one, rows are counted from 0].
    #[arg(long, value_name = "NAME")]
    pub(crate) time_column: Option<String>,
    /// Column with the values [default: value, values, y or v, or the only one left].
    #[arg(long, value_name = "NAME")]
    pub(crate) value_column: Option<String>,
    /// Leave out rows that cannot be read, and count them, instead of stopping at the first.
    #[arg(long)]
    pub(crate) skip_bad: bool,
}

#[derive(Debug, Args)]
pub(crate) struct PredictArgs {
    /// The series to ask.
    #[arg(value_parser = SeriesId::new)]
    pub(crate) series: SeriesId,
    /// Time of the point, in the forms that files may use [default: now, in seconds].
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) timestamp: Option<Stamp>,
    /// Value of the point.
    #[arg(long, allow_hyphen_values = true, value_parser = finite)]
    pub(crate) value: f64,
}

#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// The series to fit and ask.
    #[arg(value_parser = SeriesId::new)]
    pub(crate) series: SeriesId,
    #[command(flatten)]
    pub(crate) csv: CsvArgs,
    /// How much to fit on: a fraction of the rows (0.15) or a number of rows (600).
    #[arg(long, default_value = "0.15", value_name = "PART")]
    pub(crate) train: Train,
    /// Save the plot of the part fitted on here: PNG, or SVG if the name says so.
    #[arg(long, value_name = "FILE")]
    pub(crate) plot: Option<PathBuf>,
    /// Connections to predict over at the same time.
    #[arg(long, default_value_t = 8, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) connections: u16,
}

#[derive(Debug, Args)]
pub(crate) struct PlotArgs {
    /// The series to draw.
    #[arg(value_parser = SeriesId::new)]
    pub(crate) series: SeriesId,
    /// The version to draw [default: the newest].
    #[arg(long)]
    pub(crate) version: Option<Version>,
    /// Where to save it; `-` for standard output [default: SERIES.png, or .svg].
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Width in pixels [default: 800].
    #[arg(long, value_name = "PIXELS")]
    pub(crate) width: Option<u32>,
    /// Height in pixels [default: 400].
    #[arg(long, value_name = "PIXELS")]
    pub(crate) height: Option<u32>,
    /// Kind of picture [default: what the name of the output says, else png].
    #[arg(long)]
    pub(crate) format: Option<PlotFormat>,
}

/// A kind of picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlotFormat {
    Png,
    Svg,
}

impl PlotFormat {
    /// The kind that the name of a file ends in, if it does.
    pub(crate) fn of_name(path: &Path) -> Option<Self> {
        let end = path.extension()?.to_str()?;
        <Self as ValueEnum>::from_str(end, true).ok()
    }

    /// The word for it, in queries and at the end of file names.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Svg => "svg",
        }
    }
}

/// How much of a file to fit on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Train {
    /// This part of the rows, above 0 and under 1.
    Fraction(f64),
    /// This many rows, from 1 up.
    Rows(usize),
}

impl Train {
    /// How many of `rows` that is, rounded down.
    pub(crate) fn rows_of(self, rows: usize) -> usize {
        match self {
            // Exact: the rows of a file that fits in memory are far below 2^53.
            Self::Fraction(fraction) => (rows as f64 * fraction) as usize,
            Self::Rows(rows) => rows,
        }
    }
}

impl FromStr for Train {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "must be a fraction between 0 and 1, or a number of rows";
        match (text.parse::<usize>(), text.parse::<f64>()) {
            (Ok(rows), _) if rows > 0 => Ok(Self::Rows(rows)),
            (Err(_), Ok(fraction)) if fraction > 0.0 && fraction < 1.0 => {
                Ok(Self::Fraction(fraction))
            }
            _ => Err(FORM),
        }
    }
}

fn finite(text: &str) -> Result<f64, &'static str> {
    let value: f64 = text.parse().map_err(|_| "not a number")?;
    value.is_finite().then_some(value).ok_or("not finite")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn train_is_a_fraction_or_a_number_of_rows() {
        assert_eq!("0.15".parse(), Ok(Train::Fraction(0.15)));
        assert_eq!("3".parse(), Ok(Train::Rows(3)));
        for text in ["0", "1.0", "1.5", "0.0", "-1", "nan", "inf", "15%", ""] {
            assert!(text.parse::<Train>().is_err(), "{text}");
        }
        assert_eq!(Train::Fraction(0.15).rows_of(4032), 604);
        assert_eq!(Train::Rows(7).rows_of(3), 7);
    }

    #[test]
    fn negative_numbers_are_values_and_not_options() {
        let cli = Cli::try_parse_from([
            "anomaly",
            "predict",
            "s",
            "--timestamp",
            "-5",
            "--value",
            "-1.5e3",
        ]);
        let Command::Predict(args) = cli.unwrap().command else {
            panic!("not predict");
        };
        assert_eq!(args.value, -1500.0);
        assert!(Cli::try_parse_from(["anomaly", "predict", "s", "--value", "nan"]).is_err());
    }
}
