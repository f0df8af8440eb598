//! The command that makes API keys.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use contract::{Expiry, KeyName, endpoint::Scope};

use super::options::finite;

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Make a key: prints its secret, which is shown this once, and its line for the file that
    /// API_KEYS_FILE names. Nothing is sent.
    New(NewKeyArgs),
}

#[derive(Debug, Args)]
pub(crate) struct NewKeyArgs {
    /// The holder. The key that replaces another gets the same name.
    #[arg(long)]
    pub(crate) name: KeyName,
    /// What the key may do: predict (judge points), fit (fit, promote, roll back), read (lists,
    /// models, plots, figures), admin (delete, import).
    #[arg(long, required = true, value_name = "SCOPES", value_delimiter = ',')]
    pub(crate) scopes: Vec<Scope>,
    /// Only for series whose ids begin with this; may be given several times [default: for all].
    #[arg(long, value_name = "PREFIX")]
    pub(crate) series: Vec<String>,
    /// When the key ends: 2030-12-31T00:00:00Z [default: never].
    #[arg(long, value_name = "TIME")]
    pub(crate) expires: Option<Expiry>,
    /// Requests a second [default: as the platform's settings say].
    #[arg(long, value_name = "N", value_parser = finite)]
    pub(crate) requests_per_second: Option<f64>,
    /// Bytes of request bodies a second [default: as the platform's settings say].
    #[arg(long, value_name = "N", value_parser = finite)]
    pub(crate) bytes_per_second: Option<f64>,
    /// Seconds in a minute for which calls other than predictions may be in progress, added up
    /// [default: as the platform's settings say].
    #[arg(long, value_name = "N", value_parser = finite)]
    pub(crate) work_seconds_per_minute: Option<f64>,
    /// Add the line to this file, which is made if need be, instead of printing it.
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
}
