//! VUS-PR of the score on the series of tuning/ and extra/.

use std::{collections::BTreeSet, time::Instant};

use anyhow::{Result, bail};

use super::wanted;
use crate::{
    args::RunArgs,
    contender::Contender,
    data::{self, Series},
    evaluation::groups,
    figure::Goal,
    judged::Judged,
    period::dominant_period,
    report::{Cell, Report, Table},
    vus::vus_pr,
    workers,
};

/// The volumes of one series: of the score at once, and of the one half a window later.
#[derive(Clone, Copy, Debug)]
struct Volumes {
    causal: Option<f64>,
    delayed: Option<f64>,
}

/// Series that a mean is taken over.
struct Part {
    name: String,
    wanted: Vec<bool>,
}

impl Part {
    fn new(name: &str, series: &[Series], wanted: impl Fn(&Series) -> bool) -> Self {
        Self {
            name: name.to_owned(),
            wanted: series.iter().map(wanted).collect(),
        }
    }
}

/// The stride of the series of extra/, by name, that go with those of tuning/ in [`REFERENCE`].
const REFERENCE_STEP: usize = 4;
/// The series that the reference figures are given for.
const REFERENCE: &str = "tuning and a quarter of extra";

pub(super) fn run(args: &RunArgs) -> Result<Report> {
    let mut series = data::labelled(&args.data, "tuning")?;
    let extra = data::labelled(&args.data, "extra")?;
    let quarter: BTreeSet<String> = extra
        .iter()
        .step_by(REFERENCE_STEP)
        .map(|s| s.name.clone())
        .collect();
    series.extend(extra);
    let series = wanted(args, series)?;
    let within = |folder: &'static str| move |s: &Series| s.name.starts_with(folder);
    let parts = [
        Part::new(REFERENCE, &series, |s| {
            within("tuning/")(s) || quarter.contains(&s.name)
        }),
        Part::new("tuning", &series, within("tuning/")),
        Part::new("extra", &series, within("extra/")),
        Part::new("all", &series, |_| true),
    ];
    let sources: Vec<Part> = groups(&series)
        .into_iter()
        .map(|group| Part::new(group, &series, |s| s.group == group))
        .collect();
    let mut report = Report {
        name: "vus",
        ..Report::default()
    };
    let mut means = means_table("Mean VUS-PR", &parts);
    let mut by_source = means_table("Mean VUS-PR by source", &sources);
    let mut results = Vec::new();
    for contender in Contender::of(args)? {
        let started = Instant::now();
        let judged = contender.judge_twice(args, &series)?;
        let seconds = started.elapsed().as_secs_f64();
        let volumes = volumes(args, &contender.name, &series, &judged)?;
        let mut row = means_row(&contender.name, &parts, &volumes);
        report
            .figures
            .push((contender.name.clone(), figures(&parts, &row)));
        let causal = match row[1] {
            Cell::Number(causal, _) => Some(causal),
            _ => None,
        };
        let what = "VUS-PR, causal: tuning and a quarter of extra";
        report.goal_of(&contender.name, what, causal, Goal::AtLeast(0.605));
        row.push(Cell::Number(seconds, 1));
        means.row(row);
        let mut row = means_row(&contender.name, &sources, &volumes);
        row.push(Cell::Number(seconds, 1));
        by_source.row(row);
        results.push((contender.name, volumes));
    }
    report.summary = vec![means, by_source];
    report.details = vec![series_table(&series, &results)];
    Ok(report)
}

fn volumes(
    args: &RunArgs,
    name: &str,
    series: &[Series],
    judged: &[Judged],
) -> Result<Vec<Volumes>> {
    let pairs: Vec<(&Series, &Judged)> = series.iter().zip(judged).collect();
    let doing = format!("{name}: VUS-PR");
    workers::map(args.output.threads, &doing, &pairs, |(series, judged)| {
        let values: Vec<f64> = series.values().collect();
        let window = dominant_period(&values);
        let labels = &series.labels()[series.train..];
        let volume = |scores: &[f64]| match scores.iter().any(|s| s.is_nan()) {
            true => bail!("{}: a score is not a number", series.name),
            false => Ok(vus_pr(scores, labels, window)),
        };
        Ok(Volumes {
            causal: volume(&judged.score)?,
            delayed: match judged.delayed.is_empty() {
                true => None,
                false => volume(&judged.delayed)?,
            },
        })
    })
}

fn means_table(title: &str, parts: &[Part]) -> Table {
    let mut columns = vec!["detector".to_owned()];
    for part in parts {
        columns.push(part.name.clone());
        columns.push(format!("{} delayed", part.name));
    }
    columns.push("seconds".to_owned());
    let note = "Of the score after the training points; the window is the dominant period of the series. *Delayed*: half a window later.";
    Table::new(title, note, columns)
}

fn means_row(name: &str, parts: &[Part], volumes: &[Volumes]) -> Vec<Cell> {
    let mut row = vec![name.into()];
    for part in parts {
        let of_part = || {
            volumes
                .iter()
                .zip(&part.wanted)
                .filter(|(_, wanted)| **wanted)
        };
        row.push(Cell::of(mean(of_part().filter_map(|(v, _)| v.causal)), 4));
        row.push(Cell::of(mean(of_part().filter_map(|(v, _)| v.delayed)), 4));
    }
    row
}

/// The means as one text, causal / delayed.
fn figures(parts: &[Part], row: &[Cell]) -> String {
    let pairs = row[1..].chunks(2).zip(parts);
    let texts = pairs.map(|(pair, part)| format!("{} {} / {}", part.name, pair[0], pair[1]));
    texts.collect::<Vec<_>>().join(", ")
}

fn mean(numbers: impl Iterator<Item = f64>) -> Option<f64> {
    let numbers: Vec<f64> = numbers.collect();
    (!numbers.is_empty()).then(|| numbers.iter().sum::<f64>() / numbers.len() as f64)
}

fn series_table(series: &[Series], results: &[(String, Vec<Volumes>)]) -> Table {
    let mut columns = vec![
        "series".to_owned(),
        "points".to_owned(),
        "training".to_owned(),
        "labelled".to_owned(),
    ];
    for (name, _) in results {
        columns.push(name.clone());
        columns.push(format!("{name} delayed"));
    }
    let mut table = Table::new("Series", "", columns);
    for (i, s) in series.iter().enumerate() {
        let labelled: usize = s.spans.iter().map(|span| span.len()).sum();
        let mut row = vec![
            s.name.as_str().into(),
            s.points.len().into(),
            s.train.into(),
            labelled.into(),
        ];
        for (_, volumes) in results {
            row.extend([volumes[i].causal, volumes[i].delayed].map(|v| Cell::of(v, 4)));
        }
        table.row(row);
    }
    table
}
