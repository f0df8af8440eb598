//! The commands: each reads its series, has them judged, and reports.

mod altered;
mod behaviour;
mod calibrate;
mod check;
mod incidents;
mod nab;
mod random;
mod verdicts;
mod vus;

use std::path::Path;

use anyhow::{Result, ensure};

use crate::{
    args::{BehaviourArgs, CalibrateArgs, Cli, Command, DetectorArgs, OutputArgs, RunArgs},
    data::Series,
    figure::{self, Figure},
    log,
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
        Command::Random(args) => Keeper::of(args, &origin).finish(&random::run(args)?),
        Command::Incidents(args) => Keeper::of(args, &origin).finish(&incidents::run(args)?),
        Command::Verdicts(args) => Keeper::of(args, &origin).finish(&verdicts::run(args)?),
        Command::Calibrate(args) => {
            Keeper::generated(&args.output, &origin, args.is_whole()).finish(&calibrate::run(args)?)
        }
        Command::Behaviour(args) => {
            Keeper::generated(&args.output, &origin, args.is_whole()).finish(&behaviour::run(args)?)
        }
        Command::Figures(args) => key_figures(args, &origin),
        Command::All(args) => all(args, &Keeper::of(args, &origin)),
    }
}

/// Measures `auto` only, and prints the key figures. Of the other tables it writes those that are
/// about `auto` alone in any run.
fn key_figures(args: &RunArgs, origin: &Origin) -> Result<()> {
    let args = RunArgs {
        detectors: DetectorArgs::auto(),
        ..args.clone()
    };
    let keeper = Keeper {
        log: false,
        files: args.only.is_none(),
        ..Keeper::of(&args, origin)
    };
    let mut goals = Vec::new();
    for report in with_goals(&args) {
        let report = report?;
        if keeper.files && [behaviour::NAME, verdicts::NAME].contains(&report.name) {
            report::write(keeper.folder(), &report, keeper.origin)?;
        }
        goals.extend(report.goals);
    }
    keeper.finish(&figures(goals))
}

fn all(args: &RunArgs, keeper: &Keeper<'_>) -> Result<()> {
    keeper.finish(&check::run(args)?)?;
    let mut goals = Vec::new();
    for report in with_goals(args) {
        let report = report?;
        keeper.finish(&report)?;
        goals.extend(report.goals);
    }
    keeper.finish(&random::run(args)?)?;
    keeper.finish(&calibrate::run(&CalibrateArgs::of(args))?)?;
    keeper.finish(&figures(goals))
}

/// The reports that have key figures, each measured when it is asked for.
fn with_goals(args: &RunArgs) -> impl Iterator<Item = Result<Report>> {
    let commands = [
        nab::run,
        vus::run,
        altered::run,
        incidents::run,
        verdicts::run,
    ];
    let behaviour = std::iter::once_with(|| behaviour::run(&BehaviourArgs::of(args)));
    behaviour.chain(commands.into_iter().map(|command| command(args)))
}

/// The key figures alone.
fn figures(goals: Vec<Figure>) -> Report {
    Report {
        name: "figures",
        goals,
        ..Report::default()
    }
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

    /// Of a run on generated series: `whole` if its results are the ones to keep.
    fn generated(output: &'a OutputArgs, origin: &'a Origin, whole: bool) -> Self {
        Self {
            output,
            origin,
            log: true,
            files: output.out.is_some() || whole,
        }
    }

    /// Where results go.
    fn folder(&self) -> &Path {
        self.output.out.as_deref().unwrap_or(Path::new(RESULTS))
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
        let folder = self.folder();
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
