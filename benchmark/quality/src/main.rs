//! Measures how well the detectors find labelled anomalies, and whether their false-alarm rates
//! hold.

mod agreement;
mod altered;
mod args;
mod behaviour;
mod chance;
mod contender;
mod data;
mod detection;
mod evaluation;
mod figure;
mod frozen;
mod gateway;
mod generated;
mod incidents;
mod interval;
mod judged;
mod log;
mod nab;
mod normal;
mod period;
mod report;
mod runs;
mod vus;
mod workers;

use clap::Parser;

fn main() -> anyhow::Result<()> {
    runs::run(&args::Cli::parse())
}
