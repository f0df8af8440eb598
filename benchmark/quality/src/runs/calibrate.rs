//! False alarms on generated series in which nothing is wrong.

use std::ops::AddAssign;

use anyhow::{Result, ensure};
use contract::{DetectorName, FitOptions, JudgeOptions, Point};
use detector::Model;

use crate::{
    args::CalibrateArgs,
    normal::Kind,
    report::{Cell, Report, Table},
    workers,
};

/// The rates that are asked for.
const RATES: [f64; 2] = [1e-3, 1e-4];
/// The observed rate may be this many times too high or too low.
const TOLERANCE: f64 = 2.0;

/// How points are judged.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// Each alone: `/predict` without context.
    Alone,
    /// Each after those before it, nothing learned: `/predict` with context, and batches.
    Following,
    /// Online: `/v1/detect`.
    Session,
}

const WAYS: [(Way, &str); 3] = [
    (Way::Alone, "alone"),
    (Way::Following, "with context"),
    (Way::Session, "session"),
];

/// False alarms by way and rate.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Counts([[u64; RATES.len()]; WAYS.len()]);

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        let pairs = self.0.iter_mut().flatten().zip(other.0.iter().flatten());
        pairs.for_each(|(sum, count)| *sum += count);
    }
}

pub(super) fn run(args: &CalibrateArgs) -> Result<Report> {
    let mut tables = Tables::new(args);
    let mut report = Report {
        name: "calibrate",
        ..Report::default()
    };
    for (name, options) in args.detectors.options() {
        let mut within = 0;
        for kind in Kind::ALL {
            let counts = count_kind(args, name, &options, kind)?;
            within += tables.add((name, kind), &counts);
        }
        let cases = Kind::ALL.len() * WAYS.len() * RATES.len();
        report.figures.push((
            name.to_string(),
            format!("{within} of {cases} rates within"),
        ));
    }
    report.summary = vec![tables.factors];
    report.details = vec![tables.rates];
    Ok(report)
}

/// The same counts twice: at a glance, and whole.
struct Tables {
    judged: f64,
    factors: Table,
    rates: Table,
}

impl Tables {
    fn new(args: &CalibrateArgs) -> Self {
        let note = format!(
            "Observed over asked; bold where it is not half to twice. {} series of each kind, {} points each, fitted on {} more. *Alone*: a \
             point at a time without context; *with context*: after all points before it, nothing learned; *session*: online, where an episode \
             is one alarm.",
            args.series, args.points, args.train
        );
        let mut columns = vec!["detector".to_owned(), "series".to_owned()];
        for (_, way) in WAYS {
            columns.extend(RATES.map(|rate| format!("{way}, {rate}")));
        }
        let whole = [
            "detector",
            "series",
            "way",
            "rate asked",
            "false alarms",
            "rate observed",
            "within",
        ];
        Self {
            judged: args.series as f64 * args.points as f64,
            factors: Table::new("False alarms", note, columns),
            rates: Table::new("Rates", "", whole),
        }
    }

    /// Adds what was counted; how many rates are within the tolerance.
    fn add(&mut self, (name, kind): (DetectorName, Kind), counts: &Counts) -> usize {
        let mut within = 0;
        let mut factors: Vec<Cell> = vec![name.as_str().into(), kind.name().into()];
        for ((_, way), counts) in WAYS.iter().zip(&counts.0) {
            for (asked, count) in RATES.iter().zip(counts) {
                let observed = *count as f64 / self.judged;
                let factor = observed / asked;
                let holds = (1.0 / TOLERANCE..=TOLERANCE).contains(&factor);
                within += usize::from(holds);
                factors.push(match holds {
                    true => Cell::Number(factor, 2),
                    false => Cell::Text(format!("**{factor:.2}**")),
                });
                self.rates.row(vec![
                    name.as_str().into(),
                    kind.name().into(),
                    (*way).into(),
                    Cell::Number(*asked, 4),
                    Cell::Count(*count),
                    Cell::Number(observed, 7),
                    if holds { "yes" } else { "no" }.into(),
                ]);
            }
        }
        self.factors.row(factors);
        within
    }
}

fn count_kind(
    args: &CalibrateArgs,
    name: DetectorName,
    options: &FitOptions,
    kind: Kind,
) -> Result<Counts> {
    let numbers: Vec<u64> = (0..args.series).collect();
    let doing = format!("{name}: {}", kind.name());
    let counts = workers::map(args.output.threads, &doing, &numbers, |number| {
        let points: Vec<Point> = kind
            .series(*number)
            .take(args.train + args.points)
            .collect();
        let (train, rest) = points.split_at(args.train);
        let model = Model::fit(train, options, name)?.model;
        count(&model, rest)
    })?;
    let mut sum = Counts::default();
    counts.into_iter().for_each(|counts| sum += counts);
    Ok(sum)
}

fn count(model: &Model, points: &[Point]) -> Result<Counts> {
    let mut counts = Counts::default();
    for ((way, _), counts) in WAYS.iter().zip(&mut counts.0) {
        match way {
            Way::Alone => {
                for point in points {
                    count_pure(counts, |judge| model.score(&[], *point, judge))?;
                }
            }
            Way::Following => {
                let mut scorer = model.fixed_scorer(&[]);
                for point in points {
                    count_pure(counts, |judge| scorer.score(*point, judge))?;
                }
            }
            Way::Session => {
                for (rate, count) in RATES.iter().zip(counts) {
                    let mut session = model.session(&at(*rate));
                    let alarms = points.iter().filter(|p| session.update(**p).alarm);
                    *count = alarms.count() as u64;
                }
            }
        }
    }
    Ok(counts)
}

fn at(rate: f64) -> JudgeOptions {
    JudgeOptions {
        false_alarm_rate: Some(rate),
        ..JudgeOptions::default()
    }
}

/// Judges once, for the first rate; for the others the p-value decides, as it has to for the first.
fn count_pure(
    counts: &mut [u64],
    judge: impl FnOnce(&JudgeOptions) -> detector::Verdict,
) -> Result<()> {
    let verdict = judge(&at(RATES[0]));
    let p = verdict.p_value;
    ensure!(
        verdict.anomaly == (p <= RATES[0]),
        "an anomaly at a p-value of {p}, or none"
    );
    for (rate, count) in RATES.iter().zip(counts) {
        *count += u64::from(p <= *rate);
    }
    Ok(())
}
