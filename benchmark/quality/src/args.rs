//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use contract::{DetectorName, FitOptions};

/// Measures the detectors on labelled series, and their false-alarm rates on generated ones.
///
/// DATA is a folder with nab/, tuning/ and extra/. Tables are printed; a run over all detectors and
/// series also writes them to benchmark/results/quality, as Markdown and JSON. Every run over all
/// series adds its key figures to log.md there.
#[derive(Debug, Parser)]
#[command(name = "quality", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl RunArgs {
    /// Whether this is a run over everything, whose results are the ones to keep.
    pub(crate) fn is_whole(&self) -> bool {
        self.scores.is_empty() && self.only.is_none() && self.detectors.is_whole()
    }
}

impl Cli {
    /// The command as it can be given again elsewhere: folders of this machine and the note are
    /// left out.
    pub(crate) fn shown(&self) -> String {
        shown(std::env::args().skip(1))
    }
}

fn shown(words: impl Iterator<Item = String>) -> String {
    let mut shown = "cargo run --release -p quality --".to_owned();
    let mut words = words;
    let mut data_is_next = false;
    while let Some(word) = words.next() {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name, Some(value.to_owned())),
            _ => (word.as_str(), None),
        };
        let takes_value = name.starts_with("--") && name != "--help";
        let mut value = || value.clone().or_else(|| words.next()).unwrap_or_default();
        match name {
            "--note" | "--out" => drop(value()),
            "--scores" | "--dump" => {
                value();
                shown.push_str(&format!(" {name} FOLDER"));
            }
            _ if takes_value => shown.push_str(&format!(" {name} {}", value())),
            _ if data_is_next => shown.push_str(" DATA"),
            command => {
                shown.push_str(&format!(" {command}"));
                data_is_next = true;
            }
        }
    }
    shown
}

/// The measurements.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Hold the scorer to what is published for two detectors on the same files
    Check(RunArgs),
    /// Numenta Anomaly Benchmark: best threshold, verdict, and a threshold chosen on other
    /// categories
    Nab(RunArgs),
    /// VUS-PR of the score on tuning/ and extra/, causal and delayed
    Vus(RunArgs),
    /// The benchmark's series with points dropped, resampled, or with noise
    Altered(RunArgs),
    /// The benchmark's series changed at random, fourteen times: how far a score depends on luck
    Random(RunArgs),
    /// tuning/ and extra/ as incidents, scored as the Numenta Anomaly Benchmark does
    Incidents(RunArgs),
    /// Ranges, p-values and frozen calls of `auto` on the labelled series, row by row
    Verdicts(RunArgs),
    /// False alarms on generated series in which nothing is wrong
    Calibrate(CalibrateArgs),
    /// Periods, new levels, false alarms and events on generated series, for one detector
    Behaviour(BehaviourArgs),
    /// The key figures of `auto` with their goals, from everything above but calibrate
    Figures(RunArgs),
    /// Everything above, for all detectors
    All(RunArgs),
}

/// The detectors, the series, and where results go.
#[derive(Clone, Debug, Args)]
pub(crate) struct RunArgs {
    /// The folder with nab/, tuning/ and extra/
    pub(crate) data: PathBuf,
    /// Judge nothing: take scores from files in this folder, named as the series (column
    /// anomaly_score, perhaps score and delayed); may be given several times, for each setting of a
    /// constant
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["names", "rate", "url"])]
    pub(crate) scores: Vec<PathBuf>,
    /// Keep the scores in this folder, in files that --scores takes
    #[arg(long, value_name = "FOLDER")]
    pub(crate) dump: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) detectors: DetectorArgs,
    /// Ask the platform at this address too, and demand the same verdicts to the last digit
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    /// Only series with this in their name; nothing is written
    #[arg(long, value_name = "TEXT")]
    pub(crate) only: Option<String>,
}

/// Which detectors, with which parameters.
#[derive(Clone, Debug, Args)]
pub(crate) struct DetectorArgs {
    /// A detector; may be given several times [default: all]
    #[arg(long = "detector", value_name = "NAME")]
    names: Vec<DetectorName>,
    /// A parameter of the detector; may be given several times
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = parameter, requires = "names")]
    params: Vec<(String, f64)>,
    /// The false-alarm rate to ask for [default: none; the detector's own rule decides]
    #[arg(long = "false-alarm-rate", value_name = "RATE")]
    rate: Option<f64>,
}

impl DetectorArgs {
    /// The parameters of each detector.
    pub(crate) fn options(&self) -> Vec<(DetectorName, FitOptions)> {
        let names = match self.names.as_slice() {
            [] => DetectorName::ALL,
            names => names,
        };
        let options = |name: &DetectorName| FitOptions {
            detector: Some(*name),
            params: self.params.iter().cloned().collect(),
            false_alarm_rate: self.rate,
            ..FitOptions::default()
        };
        names.iter().map(|name| (*name, options(name))).collect()
    }

    /// The default detector, as it is.
    pub(crate) fn auto() -> Self {
        Self {
            names: vec![DetectorName::Auto],
            params: Vec::new(),
            rate: None,
        }
    }

    /// Whether it is all detectors, as they are.
    fn is_whole(&self) -> bool {
        self.names.is_empty() && self.rate.is_none()
    }
}

fn parameter(text: &str) -> Result<(String, f64), String> {
    let (name, value) = text.split_once('=').ok_or("it must look like name=1.5")?;
    let value = value
        .parse()
        .map_err(|_| format!("{value:?} is not a number"))?;
    Ok((name.to_owned(), value))
}

/// Series of each kind in which false alarms are counted.
const SERIES: u64 = 100;
/// Points of each: ten million in all.
const POINTS: usize = 100_000;
/// Points that are fitted on before.
const TRAIN: usize = 2_000;

/// How false alarms are counted.
#[derive(Clone, Debug, Args)]
pub(crate) struct CalibrateArgs {
    #[command(flatten)]
    pub(crate) detectors: DetectorArgs,
    /// Series of each kind
    #[arg(long, value_name = "N", default_value_t = SERIES)]
    pub(crate) series: u64,
    /// Points of a series that are judged
    #[arg(long, value_name = "N", default_value_t = POINTS)]
    pub(crate) points: usize,
    /// Points of a series that are fitted on
    #[arg(long, value_name = "N", default_value_t = TRAIN)]
    pub(crate) train: usize,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

impl CalibrateArgs {
    /// As `all` has them.
    pub(crate) fn of(args: &RunArgs) -> Self {
        Self {
            detectors: args.detectors.clone(),
            series: SERIES,
            points: POINTS,
            train: TRAIN,
            output: args.output.clone(),
        }
    }

    /// Whether this is a run whose results are the ones to keep.
    pub(crate) fn is_whole(&self) -> bool {
        let sizes = (self.series, self.points, self.train);
        self.detectors.is_whole() && sizes == (SERIES, POINTS, TRAIN)
    }
}

/// Which detector is looked at.
#[derive(Clone, Debug, Args)]
pub(crate) struct BehaviourArgs {
    /// The detector
    #[arg(long, value_name = "NAME", default_value = "auto")]
    pub(crate) detector: DetectorName,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

impl BehaviourArgs {
    /// As `all` has them.
    pub(crate) fn of(args: &RunArgs) -> Self {
        Self {
            detector: DetectorName::Auto,
            output: args.output.clone(),
        }
    }

    /// Whether this is a run whose results are the ones to keep.
    pub(crate) fn is_whole(&self) -> bool {
        self.detector == DetectorName::Auto
    }
}

/// Where results go.
#[derive(Clone, Debug, Args)]
pub(crate) struct OutputArgs {
    /// Write tables and log to this folder
    #[arg(long, value_name = "FOLDER")]
    pub(crate) out: Option<PathBuf>,
    /// A note on this run, for the log
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) note: String,
    /// Series at a time
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub(crate) threads: usize,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_command_is_shown_without_folders_and_notes() {
        let words = "nab --only=realTweets --out x /a/b --note said --scores /c --threads 1";
        let shown = shown(words.split(' ').map(str::to_owned));
        let command = "nab --only realTweets DATA --scores FOLDER --threads 1";
        assert_eq!(
            shown,
            format!("cargo run --release -p quality -- {command}")
        );
    }
}
