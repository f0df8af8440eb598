//! The commands that manage series and models.

use std::path::PathBuf;

use clap::Args;
use contract::{AliasName, Revision, SeriesId, VersionRef};

#[derive(Debug, Args)]
pub(crate) struct SeriesArgs {
    /// List only series whose ids begin with this.
    #[arg(long, value_name = "TEXT")]
    pub(crate) prefix: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ModelsArgs {
    /// The series.
    #[arg(value_parser = SeriesId::new)]
    pub(crate) series: SeriesId,
}

#[derive(Debug, Args)]
pub(crate) struct PromoteArgs {
    /// The series.
    #[arg(value_parser = SeriesId::new)]
    pub(crate) series: SeriesId,
    /// The version, or another alias that it has.
    pub(crate) version: VersionRef,
    /// The alias. The champion serves requests that do not name a version.
    #[arg(long, value_name = "NAME", default_value = AliasName::CHAMPION)]
    pub(crate) alias: AliasName,
    #[command(flatten)]
    pub(crate) condition: ConditionArgs,
}

#[derive(Debug, Args)]
pub(crate) struct UnpinArgs {
    /// The series.
    #[arg(value_parser = SeriesId::new)]
    pub(crate) series: SeriesId,
    #[command(flatten)]
    pub(crate) condition: ConditionArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RollbackArgs {
    /// The series.
    #[arg(value_parser = SeriesId::new)]
    pub(crate) series: SeriesId,
    #[command(flatten)]
    pub(crate) condition: ConditionArgs,
}

/// The condition of a change.
#[derive(Debug, Args)]
pub(crate) struct ConditionArgs {
    /// Make the change only if the series is still at this revision, which `anomaly series` and
    /// every change show.
    #[arg(long, value_name = "REVISION")]
    pub(crate) if_match: Option<Revision>,
}

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The series.
    #[arg(value_parser = SeriesId::new)]
    pub(crate) series: SeriesId,
    /// The version, or an alias [default: the one that serves].
    pub(crate) version: Option<VersionRef>,
    /// Where to save it; `-` for standard output [default: SERIES.VERSION.json].
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// The series that gets the model; it may be new.
    #[arg(value_parser = SeriesId::new)]
    pub(crate) series: SeriesId,
    /// File that `anomaly export` saved; `-` for standard input.
    pub(crate) file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct DeleteArgs {
    /// The series.
    #[arg(value_parser = SeriesId::new)]
    pub(crate) series: SeriesId,
    /// The version, or an alias [default: all of the series].
    pub(crate) version: Option<VersionRef>,
    /// Do not ask. Without a terminal to ask on, this must be given.
    #[arg(long, short)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) condition: ConditionArgs,
}
