//! The command line.

mod anomaly;
mod form;
mod key;
mod manual;
mod options;
mod plot;
mod registry;
mod stream;

use std::path::PathBuf;

use clap::{
    Args, Parser, Subcommand,
    builder::{OsStringValueParser, TypedValueParser},
};
use contract::{SeriesId, Train, VersionRef};

use self::options::{finite, train};
pub(crate) use self::{
    anomaly::{
        AddSilenceArgs, AnomaliesArgs, AnomalyCommand, AnomalyFilter, IncidentFilter,
        SilenceCommand,
    },
    form::FormArgs,
    key::{KeyCommand, NewKeyArgs},
    manual::{CompletionsArgs, ManArgs},
    options::{FitOptionArgs, JudgeArgs},
    plot::{PlotArgs, PlotFormat, SizeArgs, ViewArgs},
    registry::{
        DeleteArgs, ExportArgs, ImportArgs, ModelsArgs, PromoteArgs, RollbackArgs, SeriesArgs,
        UnpinArgs,
    },
    stream::{
        EndArgs, ObserveArgs, PointsArgs, RestartArgs, SetStreamArgs, StreamArgs, StreamCommand,
        WatchArgs,
    },
};
use crate::{
    http::{ApiKeyHeader, BaseUrl},
    timestamp::Timestamp,
};

const EXIT_CODES: &str = "\
Exit status: 0 done; 1 the platform refused, failed or was not reached, or the result could not be \
written; 2 the command line or the file is wrong, or a deletion was not confirmed, and nothing was \
changed.";

/// The heading of the options that every command takes.
const EVERYWHERE: &str = "Options of every command";

/// A client of an anomaly detection platform: fits models, asks for verdicts, observes streams,
/// draws plots, and manages series.
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
    #[command(flatten)]
    pub(crate) tls: TlsFiles,
    /// API key, where the platform asks for one. Rather the variable than the option: other users
    /// of this machine can see options.
    #[arg(
        long,
        env = "ANOMALY_API_KEY",
        hide_env_values = true,
        value_name = "KEY",
        value_parser = ApiKeyHeader::parse,
        global = true,
        help_heading = EVERYWHERE
    )]
    pub(crate) api_key: Option<ApiKeyHeader>,
    /// Print the replies unchanged, one on each line, instead of text.
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The files for https://. An empty path counts as none.
#[derive(Debug, Default, Args)]
pub(crate) struct TlsFiles {
    /// File with the certificates of the authorities to trust for https://, in PEM [default: those
    /// of SSL_CERT_FILE, or else of the system].
    #[arg(long, value_name = "FILE", global = true, help_heading = EVERYWHERE)]
    pub(crate) ca_file: Option<PathBuf>,
    /// File with our certificate and those between it and its authority, in PEM, for a platform that
    /// asks for one.
    #[arg(
        long,
        env = "ANOMALY_CLIENT_CERT_FILE",
        value_name = "FILE",
        value_parser = path(),
        global = true,
        help_heading = EVERYWHERE
    )]
    pub(crate) client_cert_file: Option<PathBuf>,
    /// File with the private key of that certificate, in PEM.
    #[arg(
        long,
        env = "ANOMALY_CLIENT_KEY_FILE",
        value_name = "FILE",
        value_parser = path(),
        global = true,
        help_heading = EVERYWHERE
    )]
    pub(crate) client_key_file: Option<PathBuf>,
}

/// A path, which may be empty.
fn path() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().map(PathBuf::from)
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Fit a new version of a series on the points of a CSV file.
    Fit(FitArgs),
    /// Ask whether one point is an anomaly, and why.
    Predict(PredictArgs),
    /// Judge points and learn from each: one point, or those of a CSV file. Sending points again is
    /// safe, so an observation that broke off may be run again.
    Observe(ObserveArgs),
    /// Observe the lines of a file that grows, of a command or of standard input as they come, and
    /// print the anomalies among them. A line is a point in the form of files; one without a time
    /// has that of its coming.
    Watch(WatchArgs),
    /// Store points of any series, which their streams judge soon: a file with one JSON object on
    /// each line, or CSV. Sending points again is safe.
    Points(PointsArgs),
    /// Show, change, restart and end the stream of a series.
    #[command(subcommand)]
    Stream(StreamCommand),
    /// List the anomalies that streams have found, and incidents.
    Anomalies(AnomaliesArgs),
    /// Make, list and remove silences.
    #[command(subcommand)]
    Silence(SilenceCommand),
    /// Find the anomalies in a CSV file: fit on its first part, then judge every later row. Nothing
    /// is kept.
    Detect(DetectArgs),
    /// Fit a series on the first part of a CSV file, then predict every later row, to see what the
    /// platform would have said.
    Replay(ReplayArgs),
    /// Save the plot of a version: its training points, the expected values and the normal range.
    Plot(PlotArgs),
    /// List the series.
    Series(SeriesArgs),
    /// List the models of a series, and which of them serves.
    Models(ModelsArgs),
    /// Give a version an alias. The champion is pinned: it serves, and later fits do not replace
    /// it.
    Promote(PromoteArgs),
    /// Take the champion away, so that the newest version serves.
    Unpin(UnpinArgs),
    /// Go back to the version that was champion before the last promotion.
    Rollback(RollbackArgs),
    /// Save a model as a file.
    Export(ExportArgs),
    /// Make a saved model the next version of a series.
    Import(ImportArgs),
    /// Delete a model or a whole series, with its training points.
    Delete(DeleteArgs),
    /// Make API keys.
    #[command(subcommand)]
    Key(KeyCommand),
    /// Write the completions of this command for a shell to standard output.
    Completions(CompletionsArgs),
    /// Write manual pages of this command and its parts into a folder.
    Man(ManArgs),
    /// Show the figures of the platform.
    Health,
    /// Say whether the service at --url takes requests: exit 0 if it does, 1 if not, within two
    /// seconds.
    Ready,
}

#[derive(Debug, Args)]
pub(crate) struct FitArgs {
    /// The series to fit.
    #[arg(value_parser = SeriesId::new)]
    pub(crate) series: SeriesId,
    #[command(flatten)]
    pub(crate) csv: CsvArgs,
    #[command(flatten)]
    pub(crate) table: TableArgs,
    #[command(flatten)]
    pub(crate) options: FitOptionArgs,
}

/// The columns of a file that belong together.
#[derive(Debug, Args)]
pub(crate) struct TableArgs {
    /// Columns with values that belong together, 2 to 64 of them: cpu,memory,latency.
    #[arg(
        long,
        value_name = "NAMES",
        value_delimiter = ',',
        conflicts_with = "value_column"
    )]
    pub(crate) columns: Vec<String>,
}

/// A file of points and how to read it.
#[derive(Debug, Args)]
pub(crate) struct CsvArgs {
    /// CSV file, or tabs, semicolons, dates, gaps as they come; `-` for standard input. What is
    /// guessed is said.
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) form: FormArgs,
}

#[derive(Debug, Args)]
pub(crate) struct PredictArgs {
    /// The series to ask.
    #[arg(value_parser = SeriesId::new)]
    pub(crate) series: SeriesId,
    /// Time of the point, in the forms that files may use [default: now, in seconds; with a
    /// --context that has no times, the row after its last].
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) timestamp: Option<Timestamp>,
    /// Value of the point.
    #[arg(
        long,
        allow_hyphen_values = true,
        value_parser = finite,
        required_unless_present = "values"
    )]
    pub(crate) value: Option<f64>,
    /// Values of a row of columns that belong together: cpu=61.5,memory=8.1.
    #[arg(
        long,
        value_name = "NAME=VALUE",
        value_parser = options::param,
        value_delimiter = ',',
        conflicts_with_all = ["value", "context", "direction", "min_deviation"]
    )]
    pub(crate) values: Vec<(String, f64)>,
    #[command(flatten)]
    pub(crate) judge: JudgeArgs,
    /// The version to ask, or an alias [default: the one that serves].
    #[arg(long, value_name = "VERSION")]
    pub(crate) version: Option<VersionRef>,
    /// CSV file with the points before this one. The last 2,048 of them are sent too, so that
    /// shapes and changes are found.
    #[arg(long, value_name = "FILE")]
    pub(crate) context: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) form: FormArgs,
}

#[derive(Debug, Args)]
pub(crate) struct DetectArgs {
    #[command(flatten)]
    pub(crate) csv: CsvArgs,
    /// How much to fit on: a fraction of the rows (0.15), which is at most 750 rows, or a number of
    /// rows (600).
    #[arg(long, default_value = "0.15", value_name = "PART", value_parser = train)]
    pub(crate) train: Train,
    #[command(flatten)]
    pub(crate) table: TableArgs,
    #[command(flatten)]
    pub(crate) options: FitOptionArgs,
    /// Smallest distance from the expected value that counts, in the unit of the values.
    #[arg(
        long,
        value_name = "DISTANCE",
        value_parser = options::distance,
        conflicts_with = "columns"
    )]
    pub(crate) min_deviation: Option<f64>,
    /// Judge each column of numbers by itself, one after the other.
    #[arg(long, conflicts_with_all = ["columns", "value_column", "plot"])]
    pub(crate) each: bool,
    /// Print only the worst N episodes.
    #[arg(long, value_name = "N")]
    pub(crate) top: Option<usize>,
    /// Save a plot of the judged series here: SVG if the name ends in .svg, else PNG.
    #[arg(long, value_name = "FILE")]
    pub(crate) plot: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) view: ViewArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// The series to fit and ask.
    #[arg(value_parser = SeriesId::new)]
    pub(crate) series: SeriesId,
    #[command(flatten)]
    pub(crate) csv: CsvArgs,
    /// How much to fit on: a fraction of the rows (0.15) or a number of rows (600).
    #[arg(long, default_value = "0.15", value_name = "PART", value_parser = train)]
    pub(crate) train: Train,
    #[command(flatten)]
    pub(crate) options: FitOptionArgs,
    /// Number of points before each row that are sent with it, so that shapes and changes are
    /// found. The rows must be sorted by time.
    #[arg(long, default_value_t = 0, value_name = "N", value_parser = clap::value_parser!(u16).range(0..=512))]
    pub(crate) context: u16,
    /// Save a plot of the first part here: SVG if the name ends in .svg, else PNG.
    #[arg(long, value_name = "FILE")]
    pub(crate) plot: Option<PathBuf>,
    /// Number of connections in use at the same time.
    #[arg(long, default_value_t = 8, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) connections: u16,
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
        assert_eq!(args.value, Some(-1500.0));
        assert!(Cli::try_parse_from(["anomaly", "predict", "s", "--value", "nan"]).is_err());
    }
}
