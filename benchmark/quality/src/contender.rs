//! Who is measured.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::{args::RunArgs, data::Series, judged::Judged, workers};

/// Something that judges series.
#[derive(Clone, Debug)]
pub(crate) struct Contender {
    pub(crate) name: String,
    source: Source,
}

#[derive(Clone, Debug)]
enum Source {
    /// Judged before, by whomever.
    Files(PathBuf),
}

impl Contender {
    /// Those that the command line asks for.
    pub(crate) fn of(args: &RunArgs) -> Result<Vec<Self>> {
        let folder = args.scores.clone().context("--scores is missing")?;
        let name = folder.file_name().context("--scores names no folder")?;
        Ok(vec![Self::files(&name.to_string_lossy(), folder.clone())])
    }

    /// One whose scores lie in files.
    pub(crate) fn files(name: &str, folder: PathBuf) -> Self {
        Self {
            name: name.to_owned(),
            source: Source::Files(folder),
        }
    }

    /// What it says about each of `series`, on this thread.
    pub(crate) fn judge_quietly(&self, series: &[Series]) -> Result<Vec<Judged>> {
        series.iter().map(|series| self.judge_one(series)).collect()
    }

    fn judge_one(&self, series: &Series) -> Result<Judged> {
        let judged = match &self.source {
            Source::Files(folder) => Judged::load(folder, series),
        };
        judged.with_context(|| series.name.clone())
    }

    /// What it says about each of `series`, kept if the command line says so.
    pub(crate) fn judge(&self, args: &RunArgs, series: &[Series]) -> Result<Vec<Judged>> {
        workers::map(args.output.threads, &self.name, series, |series| {
            let judged = self.judge_one(series)?;
            if let Some(folder) = &args.dump {
                judged.save(&folder.join(&self.name), series)?;
            }
            Ok(judged)
        })
    }
}
