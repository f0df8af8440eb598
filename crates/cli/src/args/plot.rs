//! The options of pictures.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use contract::{SeriesId, VersionRef};

use crate::timestamp::Timestamp;

#[derive(Debug, Args)]
pub(crate) struct PlotArgs {
    /// The series to draw.
    #[arg(value_parser = SeriesId::new)]
    pub(crate) series: SeriesId,
    /// The version to draw, or an alias [default: the one that serves].
    #[arg(long)]
    pub(crate) version: Option<VersionRef>,
    /// Where to save it; `-` for standard output [default: SERIES.png, or .svg].
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) view: ViewArgs,
    /// Kind of picture [default: by the name of the output, else png].
    #[arg(long)]
    pub(crate) format: Option<PlotFormat>,
}

/// The part of a chart that a picture shows, and its size.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct ViewArgs {
    #[command(flatten)]
    pub(crate) size: SizeArgs,
    /// Time of the earliest point in the picture, in the forms that files may use [default: the
    /// first].
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) from: Option<Timestamp>,
    /// Time of the latest point in the picture [default: the last].
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) to: Option<Timestamp>,
}

/// The size of a picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Args)]
pub(crate) struct SizeArgs {
    /// Width of the picture in pixels [default: 800].
    #[arg(long, value_name = "PIXELS")]
    pub(crate) width: Option<u32>,
    /// Height of the picture in pixels [default: 400].
    #[arg(long, value_name = "PIXELS")]
    pub(crate) height: Option<u32>,
    /// Pixels for each pixel of width and height, 1 to 4: 2 is sharp on the screens of today
    /// [default: 1].
    #[arg(long, value_name = "N")]
    pub(crate) scale: Option<u32>,
}

impl ViewArgs {
    /// Whether any of these options is given.
    pub(crate) fn is_given(&self) -> bool {
        self.size != SizeArgs::default() || self.from.is_some() || self.to.is_some()
    }
}

/// A kind of picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlotFormat {
    Png,
    Svg,
}

impl PlotFormat {
    /// The kind by the extension of a file's name, if that is one.
    pub(crate) fn of_name(path: &Path) -> Option<Self> {
        let end = path.extension()?.to_str()?;
        <Self as ValueEnum>::from_str(end, true).ok()
    }

    /// Its name in queries and as an extension.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Svg => "svg",
        }
    }
}
