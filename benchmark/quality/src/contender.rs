//! The detectors and score files that are measured.

use std::{path::PathBuf, sync::Arc};

use anyhow::{Context, Result};
use contract::{DetectorName, FitOptions};

use crate::{
    args::RunArgs,
    data::Series,
    detection,
    gateway::{Gateway, demand_same},
    judged::Judged,
    workers,
};

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
    /// One of ours, in this process.
    Here(FitOptions),
    /// One of ours, in this process and on a platform: both must say the same.
    Both(FitOptions, Arc<Gateway>),
}

impl Contender {
    /// Those that the command line asks for.
    pub(crate) fn of(args: &RunArgs) -> Result<Vec<Self>> {
        if !args.scores.is_empty() {
            let contender = |folder: &PathBuf| {
                let name = folder.file_name().context("--scores names no folder")?;
                Ok(Self::files(&name.to_string_lossy(), folder.clone()))
            };
            return args.scores.iter().map(contender).collect();
        }
        let gateway = args.url.as_deref().map(|url| Arc::new(Gateway::new(url)));
        let contender = |(name, options): (DetectorName, FitOptions)| Self {
            name: name.to_string(),
            source: match &gateway {
                Some(gateway) => Source::Both(options, Arc::clone(gateway)),
                None => Source::Here(options),
            },
        };
        Ok(args
            .detectors
            .options()
            .into_iter()
            .map(contender)
            .collect())
    }

    /// One whose scores lie in files.
    pub(crate) fn files(name: &str, folder: PathBuf) -> Self {
        Self {
            name: name.to_owned(),
            source: Source::Files(folder),
        }
    }

    /// Judges each of `series`, on this thread.
    pub(crate) fn judge_quietly(&self, series: &[Series]) -> Result<Vec<Judged>> {
        series.iter().map(|series| self.judge_one(series)).collect()
    }

    /// Judges each of `series`, and keeps the scores if the command line says so.
    pub(crate) fn judge(&self, args: &RunArgs, series: &[Series]) -> Result<Vec<Judged>> {
        workers::map(args.output.threads, &self.name, series, |series| {
            let judged = self.judge_one(series)?;
            self.dump(args, series, &judged)?;
            Ok(judged)
        })
    }

    /// As [`Self::judge`], with the scores that are known half a window later.
    pub(crate) fn judge_twice(&self, args: &RunArgs, series: &[Series]) -> Result<Vec<Judged>> {
        workers::map(args.output.threads, &self.name, series, |series| {
            let mut judged = self.judge_one(series)?;
            if let Source::Here(options) | Source::Both(options, _) = &self.source {
                judged.delayed = detection::delayed(series, options);
            }
            self.dump(args, series, &judged)?;
            Ok(judged)
        })
    }

    fn dump(&self, args: &RunArgs, series: &Series, judged: &Judged) -> Result<()> {
        match &args.dump {
            Some(folder) => judged.save(&folder.join(&self.name), series),
            None => Ok(()),
        }
    }

    fn judge_one(&self, series: &Series) -> Result<Judged> {
        let judged = match &self.source {
            Source::Files(folder) => Judged::load(folder, series),
            Source::Here(options) => detection::judge(series, options),
            Source::Both(options, gateway) => judge_both(series, options, gateway),
        };
        judged.with_context(|| format!("{}: {}", self.name, series.name))
    }
}

fn judge_both(series: &Series, options: &FitOptions, gateway: &Gateway) -> Result<Judged> {
    let here = detection::replies(series, options)?;
    demand_same(&here, &gateway.detect(series, options)?)?;
    let mut judged = Judged::default();
    for reply in &here {
        let online = reply.online.as_ref().context("a verdict of a session")?;
        judged.push(reply.verdict.score, online.ratio, online.alarm);
    }
    Ok(judged)
}
