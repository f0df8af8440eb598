//! Counts the instructions that predictions, verdicts and fits take, and holds them to what was
//! recorded: the same on a busy machine as on an idle one, so that a change that makes something
//! slower is seen where times would drown it.

mod callgrind;
mod cases;
mod predict;
mod recorded;

use std::path::Path;

use anyhow::{Context, Result, ensure};
use cases::Case;
use clap::{Parser, Subcommand};
use recorded::Recorded;

/// Where the counts to hold to are, seen from the root of the repository.
const FILE: &str = "benchmark/cost/counts.txt";

/// Counts instructions by callgrind, a point.
#[derive(Debug, Parser)]
#[command(name = "cost", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Fail if a case takes over 3 % more than recorded
    Check,
    /// Count all cases and record what they take
    Record,
    /// Work through points of a case; check and record have callgrind run this
    Work {
        /// The case
        case: String,
        /// How many points; 0 for the preparation only
        points: usize,
    },
}

fn main() -> Result<()> {
    let file = Path::new(FILE);
    match Cli::parse().command {
        Command::Check => check(&Recorded::read(file)?),
        Command::Record => Recorded::of(count_all()?).write(file),
        Command::Work { case, points } => {
            let found = cases::ALL.iter().find(|known| known.name == case);
            let case = found.with_context(|| format!("no case is named {case}"))?;
            ensure!(points <= case.points, "at most {} points", case.points);
            (case.prepare)()(points);
            Ok(())
        }
    }
}

fn count_all() -> Result<Vec<(&'static str, u64)>> {
    let count = |case: &Case| Ok((case.name, callgrind::per_point(case)?));
    cases::ALL.iter().map(count).collect()
}

fn check(recorded: &Recorded) -> Result<()> {
    let counts = count_all()?;
    let mut faults = Vec::new();
    println!(
        "{:<24}{:>12}{:>12}",
        "instructions a point", "recorded", "now"
    );
    for (name, now) in counts {
        let before = recorded.get(name);
        let shown = before.map_or("–".to_owned(), |count| count.to_string());
        println!("{name:<24}{shown:>12}{now:>12}");
        faults.extend(recorded::fault(name, before, now));
    }
    ensure!(
        faults.is_empty(),
        "{}\nIf that is meant: cargo run --profile dist -p cost -- record, and commit {FILE} with the reason.",
        faults.join("\n")
    );
    Ok(())
}
