//! The commands: each reads its series, has them judged, and reports.

mod altered;
mod check;
mod incidents;
mod nab;
mod vus;

use anyhow::{Result, ensure};

use crate::{
    args::{Cli, Command, RunArgs},
    data::Series,
    log,
    report::{self, Origin, Report},
};

/// Where results go if the command line does not say.
const RESULTS: &str = "benchmark/results/quality";

/// A command, on its own.
type Run = fn(&RunArgs) -> Result<Report>;

/// Does what the command line says.
pub(crate) fn run(cli: &Cli) -> Result<()> {
    let origin = Origin::of(cli.shown());
    let (args, commands): (&RunArgs, &[Run]) = match &cli.command {
        Command::Check(args) => (args, &[check::run]),
        Command::Nab(args) => (args, &[nab::run]),
        Command::Vus(args) => (args, &[vus::run]),
        Command::Altered(args) => (args, &[altered::run]),
        Command::Incidents(args) => (args, &[incidents::run]),
        Command::All(args) => (
            args,
            &[check::run, nab::run, vus::run, altered::run, incidents::run],
        ),
    };
    for command in commands {
        let report = command(args)?;
        for table in &report.summary {
            println!("{}", table.markdown());
        }
        keep(args, &report, &origin)?;
    }
    Ok(())
}

/// Writes down what is to be kept of a run.
fn keep(args: &RunArgs, report: &Report, origin: &Origin) -> Result<()> {
    if args.only.is_some() {
        return Ok(());
    }
    let folder = match &args.output.out {
        Some(folder) => folder.as_path(),
        None => RESULTS.as_ref(),
    };
    if args.output.out.is_some() || args.is_whole() {
        report::write(folder, report, origin)?;
    }
    log::append(folder, report, origin, &args.output.note)
}

/// Those that the command line wants of `series`.
fn wanted(args: &RunArgs, mut series: Vec<Series>) -> Result<Vec<Series>> {
    if let Some(text) = &args.only {
        series.retain(|s| s.name.contains(text));
        ensure!(!series.is_empty(), "no series has {text} in its name");
    }
    Ok(series)
}
