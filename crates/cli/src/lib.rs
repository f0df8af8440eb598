//! The `anomaly` command: fits series from CSV files, predicts points, observes streams, finds
//! anomalies in files, and manages models.
//!
//! Every command is a function in `commands`. `http` sends and reads, `client` knows the routes,
//! `csv` reads series, `ordered` keeps several requests under way, and `render` writes text for
//! people. Results go to standard output, everything else to standard error.

mod args;
mod client;
mod commands;
mod context;
mod csv;
mod files;
mod groups;
mod http;
mod live;
mod ordered;
mod progress;
mod render;
mod stop;
mod timestamp;

use std::io::{self, Write};

pub use args::Cli;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The platform refused the request, or its answer cannot be used.
    #[error(transparent)]
    Client(#[from] http::ClientError),
    /// A file for TLS cannot be used; nothing was sent.
    #[error(transparent)]
    Tls(#[from] http::InvalidTlsFile),
    /// The file of points cannot be used; nothing was sent.
    #[error(transparent)]
    File(#[from] csv::FileError),
    /// `--train` leaves nothing to predict; nothing was sent.
    #[error("{points} points, of which --train takes {train}: none left to predict")]
    NothingLeft {
        /// Points in the file.
        points: usize,
        /// Points to fit on.
        train: usize,
    },
    /// `--plot` is missing, and the options of a picture are there; nothing was sent.
    #[error("--width, --height, --scale, --from and --to are for a picture: name one with --plot")]
    NothingToPlot,
    /// A point of a file was not judged.
    #[error("at {time}: {source}")]
    Replay {
        /// Time of the point.
        time: String,
        /// Why it was not judged.
        source: http::ClientError,
    },
    /// Points of a file were not stored; those before them were.
    #[error("in the lines from {first_line} on, counted from there: {source}")]
    Points {
        /// The first line of those sent together, from 1.
        first_line: usize,
        /// Why they were not stored.
        source: http::ClientError,
    },
    /// The file has more points than the platform takes in one request.
    #[error(
        "{points} points are more than the platform takes in one call \
         (its setting MAX_BODY_BYTES is the limit): {source}"
    )]
    TooManyPoints {
        /// Points in the file.
        points: usize,
        /// The answer of the platform.
        source: http::ClientError,
    },
    /// A command whose output was to be watched could not be started, or failed.
    #[error("{command}: {why}")]
    Command {
        /// The command.
        command: String,
        /// What became of it.
        why: String,
    },
    /// The platform was away when it was time to stop, so these points were not observed.
    #[error("stopped while the platform was away: {0} points that were read were not observed")]
    Unsent(usize),
    /// The options do not make a key that the platform takes.
    #[error("{0}")]
    InvalidKey(String),
    /// The system has no random numbers.
    #[error("the system gives no random numbers: {0}")]
    NoRandom(String),
    /// A deletion or an end must be confirmed, and there is no terminal to ask on; nothing was changed.
    #[error("this cannot be undone, and there is no terminal to ask on: confirm with --yes")]
    NobodyToAsk,
    /// The answer to the question was not yes; nothing was changed.
    #[error("nothing was deleted")]
    NotConfirmed,
    /// A result could not be written.
    #[error("cannot write {to}: {source}")]
    Output {
        /// The file, or standard output.
        to: String,
        /// Why the output could not be written.
        source: io::Error,
    },
}

impl Error {
    /// The exit status: 2 when the command line or the file is wrong or a deletion was not
    /// confirmed, 1 when the platform or the output failed.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Tls(_)
            | Self::File(_)
            | Self::NothingLeft { .. }
            | Self::NothingToPlot
            | Self::InvalidKey(_)
            | Self::NobodyToAsk
            | Self::NotConfirmed => 2,
            Self::Client(_)
            | Self::Replay { .. }
            | Self::Points { .. }
            | Self::Command { .. }
            | Self::Unsent(_)
            | Self::TooManyPoints { .. }
            | Self::NoRandom(_)
            | Self::Output { .. } => 1,
        }
    }

    /// The same error about a request of `points`: names their number if there are too many.
    fn of_many(self, points: usize) -> Self {
        match self {
            Self::Client(source) if source.is_too_large() => Self::TooManyPoints { points, source },
            other => other,
        }
    }

    /// Whether the reader of the output has stopped reading, as in `anomaly … | head`.
    pub fn reader_is_gone(&self) -> bool {
        matches!(self, Self::Output { source, .. } if source.kind() == io::ErrorKind::BrokenPipe)
    }
}

impl From<io::Error> for Error {
    fn from(source: io::Error) -> Self {
        let to = "standard output".to_owned();
        Self::Output { to, source }
    }
}

/// Carries out one command and writes its result to `out`.
///
/// # Errors
/// The first failure. Results up to there have been written.
pub fn run(cli: &Cli, out: &mut impl Write) -> Result<(), Error> {
    commands::run(cli, out)
}
