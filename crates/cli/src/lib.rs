//! The `anomaly` command: fits series from CSV files, predicts points, finds what is unusual in files, manages models.
//!
//! Every command is one function: those that look after series and models in `manage`, `detect` and `replay` in files of their
//! own, the others in `commands`. `http` sends and reads, `client` knows the routes, `series_file` reads CSV, `ordered` keeps
//! several requests under way, and `render` writes what a person reads. Results go to standard output, all else to standard error.

mod args;
mod client;
mod commands;
mod context;
mod detect;
mod episode;
mod http;
mod manage;
mod ordered;
mod progress;
mod render;
mod replay;
mod series_file;
mod timestamp;

use std::io::{self, Write};

pub use args::Cli;

/// Why a command could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The platform refused the request, or gave no answer that can be used.
    #[error(transparent)]
    Client(#[from] http::ClientError),
    /// The file of points cannot be used; nothing was sent.
    #[error(transparent)]
    File(#[from] series_file::FileError),
    /// `--train` leaves nothing to predict; nothing was sent.
    #[error("{points} points, of which --train takes {train}: none left to predict")]
    NothingLeft {
        /// Points in the file.
        points: usize,
        /// Points to fit on.
        train: usize,
    },
    /// A point of a replay was not judged.
    #[error("at {time}: {source}")]
    Replay {
        /// Time of the point.
        time: String,
        /// What went wrong.
        source: http::ClientError,
    },
    /// The file has more points than the platform takes in one request.
    #[error(
        "{points} points are more than the platform takes in one call (MAX_BODY_BYTES there says how much): {source}"
    )]
    TooManyPoints {
        /// Points in the file.
        points: usize,
        /// What the platform said.
        source: http::ClientError,
    },
    /// Someone would have to confirm, and there is no terminal to ask on; nothing was changed.
    #[error("this deletes for good: confirm with --yes, there is no terminal to ask on")]
    NobodyToAsk,
    /// Someone was asked and did not say yes; nothing was changed.
    #[error("nothing was deleted")]
    NotConfirmed,
    /// A result could not be written.
    #[error("cannot write {to}: {source}")]
    Output {
        /// Where to.
        to: String,
        /// Why.
        source: io::Error,
    },
}

impl Error {
    /// What the process ends with: 2 when the command line or the file is wrong or nobody said yes, 1 when the platform or the
    /// output failed.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::File(_) | Self::NothingLeft { .. } | Self::NobodyToAsk | Self::NotConfirmed => 2,
            Self::Client(_)
            | Self::Replay { .. }
            | Self::TooManyPoints { .. }
            | Self::Output { .. } => 1,
        }
    }

    /// Whether whoever read the output has stopped reading, as in `anomaly … | head`.
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

/// Carries out one command, writing its result to `out`.
///
/// # Errors
/// Whatever kept it from being carried out to the end; results up to there have been written.
pub fn run(cli: &Cli, out: &mut impl Write) -> Result<(), Error> {
    commands::run(cli, out)
}
