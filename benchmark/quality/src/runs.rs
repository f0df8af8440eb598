//! The commands: each reads its series, has them judged, and reports.

mod altered;
mod behaviour;
mod calibrate;
mod check;
mod incidents;
mod nab;
mod vus;

use std::path::Path;

use anyhow::{Result, ensure};

use crate::{
    args::{BehaviourArgs, CalibrateArgs, Cli, Command, OutputArgs, RunArgs},
    data::Series,
    figure, log,
    report::{self, Origin, Report},
};

/// Where results go if the command line does not say.
const RESULTS: &str = "benchmark/results/quality";
/// The figures of an earlier commit, which new ones are shown beside.
const BEFORE: &str = "before/figures.json";

/// Does what the command line says.
pub(crate) fn run(cli: &Cli) -> Result<()> {
    let origin = Origin::of(cli.shown());
    match &cli.command {
        Command::Check(args) => Keeper::of(args, &origin).finish(&check::run(args)?),
        Command::Nab(args) => Keeper::of(args, &origin).finish(&nab::run(args)?),
        Command::Vus(args) => Keeper::of(args, &origin).finish(&vus::run(args)?),
        Command::Altered(args) => Keeper::of(args, &origin).finish(&altered::run(args)?),
        Command::Incidents(args) => Keeper::of(args, &origin).finish(&incidents::run(args)?),
        Command::Calibrate(args) => {
            let keeper = Keeper {
                output: &args.output,
                origin: &origin,
                log: true,
                files: args.output.out.is_some() || args.is_whole(),
            };
            keeper.finish(&calibrate::run(args)?)
        }
        Command::Behaviour(args) => {
            let keeper = Keeper {
                output: &args.output,
                origin: &origin,
                log: true,
                files: args.output.out.is_some() || args.is_whole(),
            };
            keeper.finish(&behaviour::run(args)?)
        }
        Command::All(args) => all(args, &Keeper::of(args, &origin)),
    }
}

fn all(args: &RunArgs, keeper: &Keeper<'_>) -> Result<()> {
    let mut goals = Vec::new();
    let mut finish = |report: Report| {
        keeper.finish(&report)?;
        goals.extend(report.goals);
        anyhow::Ok(())
    };
    finish(behaviour::run(&BehaviourArgs::of(args))?)?;
    for command in [check::run, nab::run, vus::run, altered::run, incidents::run] {
        finish(command(args)?)?;
    }
    finish(calibrate::run(&CalibrateArgs::of(args))?)?;
    keeper.finish(&Report {
        name: "figures",
        goals,
        ..Report::default()
    })
}

/// Keeps results, where the command line wants them kept.
struct Keeper<'a> {
    output: &'a OutputArgs,
    origin: &'a Origin,
    /// Whether they are logged.
    log: bool,
    /// Whether tables are written.
    files: bool,
}

impl<'a> Keeper<'a> {
    fn of(args: &'a RunArgs, origin: &'a Origin) -> Self {
        let log = args.only.is_none();
        Self {
            output: &args.output,
            origin,
            log,
            files: log && (args.output.out.is_some() || args.is_whole()),
        }
    }

    /// Prints a report, and keeps it.
    fn finish(&self, report: &Report) -> Result<()> {
        let mut report = report.clone();
        if !report.goals.is_empty() {
            let before = figure::load(&Path::new(RESULTS).join(BEFORE))?;
            let table = figure::table(&report.goals, &before);
            report.summary.insert(0, table);
        }
        for table in &report.summary {
            println!("{}", table.markdown());
        }
        let folder = self.output.out.as_deref().unwrap_or(Path::new(RESULTS));
        if self.files {
            report::write(folder, &report, self.origin)?;
        }
        if self.log {
            log::append(folder, &report, self.origin, &self.output.note)?;
        }
        Ok(())
    }
}

/// Those that the command line wants of `series`.
fn wanted(args: &RunArgs, mut series: Vec<Series>) -> Result<Vec<Series>> {
    if let Some(text) = &args.only {
        series.retain(|s| s.name.contains(text));
        ensure!(!series.is_empty(), "no series has {text} in its name");
    }
    Ok(series)
}
