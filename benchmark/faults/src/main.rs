//! `faults list`, `faults run NAME… [--runs N]`, `faults table`.

use std::path::Path;

use anyhow::{Context, ensure};
use clap::{Parser, Subcommand};

/// Injects faults into the real programs under load, and checks that nothing acknowledged is lost.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Lists all scenarios.
    List,
    /// Runs scenarios, and adds the outcome to results.jsonl.
    Run {
        /// Names, or beginnings of names.
        #[arg(required = true)]
        names: Vec<String>,
        /// How often to inject each fault.
        #[arg(long, default_value_t = 1)]
        runs: usize,
    },
    /// Prints the results as a table.
    Table,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let results = Path::new(env!("CARGO_MANIFEST_DIR")).join("results.jsonl");
    match Cli::parse().command {
        Command::List => {
            for scenario in faults::all() {
                println!("{}", scenario.name);
            }
        }
        Command::Table => print!("{}", faults::table(&results)?),
        Command::Run { names, runs } => run(&results, &names, runs).await?,
    }
    Ok(())
}

async fn run(results: &Path, names: &[String], runs: usize) -> anyhow::Result<()> {
    let mut failed = 0;
    for name in names {
        let mut chosen = faults::all();
        chosen.retain(|scenario| scenario.name.starts_with(name));
        ensure!(!chosen.is_empty(), "no scenario begins with {name}");
        for scenario in chosen {
            eprintln!("{} × {runs}", scenario.name);
            let outcome = faults::run(&scenario, runs).await.context("starting")?;
            faults::record(results, &scenario, &outcome)?;
            eprintln!("  {} of {} failed", outcome.failures.len(), outcome.runs);
            failed += outcome.failures.len();
        }
    }
    ensure!(failed == 0, "{failed} runs failed");
    Ok(())
}
