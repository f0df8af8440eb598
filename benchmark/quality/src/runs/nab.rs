//! The Numenta Anomaly Benchmark on the given files.

use std::{collections::BTreeMap, path::Path, time::Instant};

use anyhow::{Context, Result};
use serde::Deserialize;

use super::wanted;
use crate::{
    args::RunArgs,
    contender::Contender,
    data::{self, Series},
    evaluation::{ByProfile, Evaluation, chosen_elsewhere, groups},
    figure::Goal,
    judged::Judged,
    nab::{PROFILES, STANDARD},
    report::{Cell, Report, Table},
};

/// The results of one detector.
struct Entry {
    name: String,
    judged: Vec<Judged>,
    seconds: f64,
}

/// A published result in one profile.
#[derive(Debug, Deserialize)]
pub(super) struct Published {
    pub(super) score: f64,
    pub(super) threshold: f64,
}

/// Published results by detector and profile.
pub(super) type PublishedScores = BTreeMap<String, BTreeMap<String, Published>>;

pub(super) fn run(args: &RunArgs) -> Result<Report> {
    let series = wanted(args, data::nab(&args.data)?)?;
    let mut entries = Vec::new();
    for contender in Contender::of(args)? {
        let started = Instant::now();
        entries.push(Entry {
            judged: contender.judge(args, &series)?,
            name: contender.name,
            seconds: started.elapsed().as_secs_f64(),
        });
    }
    let mut report = Report {
        name: "nab",
        ..Report::default()
    };
    let mut scores = scores_table();
    let mut by_group = group_table(&series, &entries);
    for entry in &entries {
        let evaluation = Evaluation::new(&series, &entry.judged);
        let (row, figures) = scores_row(entry, &evaluation);
        scores.row(row);
        let verdict = evaluation.verdicts()[0].score();
        report.goal_of(
            &entry.name,
            "NAB: alarms of /v1/detect",
            verdict,
            Goal::AtLeast(74.0),
        );
        report.figures.push((entry.name.clone(), figures));
        report.details.push(file_table(entry, &series, &evaluation));
    }
    if args.only.is_none() {
        add_published(args, &series, &mut scores)?;
    }
    if args.scores.len() > 1 {
        scores.row(chosen_row(&series, &entries));
    }
    fill_groups(&mut by_group, &series, &entries);
    report.summary = vec![scores, by_group];
    Ok(report)
}

fn scores_table() -> Table {
    Table::new(
        "Scores",
        "Numenta Anomaly Benchmark v1.1, the given files; 100 is perfect, 0 is what saying nothing gives. *Best*: one threshold on the strength \
         of alarm for all files, chosen on the labels. *Verdict*: the anomalies as the detector says them, nothing chosen. *Left out*: each \
         category with the threshold that is best on the others.",
        [
            "detector",
            "best standard",
            "best low FP",
            "best low FN",
            "threshold",
            "verdict standard",
            "verdict low FP",
            "verdict low FN",
            "left out",
            "hits",
            "windows",
            "false alarms",
            "seconds",
        ],
    )
}

fn scores_row(entry: &Entry, evaluation: &Evaluation<'_>) -> (Vec<Cell>, String) {
    let best = evaluation.best();
    let verdicts = evaluation.verdicts();
    let left_out = evaluation.left_out();
    let mut row = vec![Cell::Text(entry.name.clone())];
    row.extend(best.map(|(_, tally)| Cell::of(tally.score(), 2)));
    row.push(Cell::Number(best[0].0, 4));
    row.extend(verdicts.map(|tally| Cell::of(tally.score(), 2)));
    row.push(Cell::of(left_out.score(), 2));
    row.extend(
        [
            verdicts[0].hits,
            verdicts[0].windows,
            verdicts[0].false_alarms,
        ]
        .map(Cell::from),
    );
    row.push(Cell::Number(entry.seconds, 1));
    let three = |tallies: ByProfile<Option<f64>>| -> String {
        tallies
            .map(|score| Cell::of(score, 2).to_string())
            .join(" / ")
    };
    let figures = format!(
        "best {}, verdict {}, left out {}",
        three(best.map(|(_, tally)| tally.score())),
        three(verdicts.map(|tally| tally.score())),
        Cell::of(left_out.score(), 2)
    );
    (row, figures)
}

/// The result if the setting for each category is chosen on the others.
fn chosen_row(series: &[Series], entries: &[Entry]) -> Vec<Cell> {
    let evaluations: Vec<_> = entries
        .iter()
        .map(|e| Evaluation::new(series, &e.judged))
        .collect();
    let tally = chosen_elsewhere(&evaluations);
    let mut row = vec!["setting chosen on other categories".into()];
    row.extend([const { Cell::None }; 4]);
    row.push(Cell::of(tally.score(), 2));
    row.extend([const { Cell::None }; 3]);
    row.extend([tally.hits, tally.windows, tally.false_alarms].map(Cell::from));
    row.push(Cell::None);
    row
}

/// Adds the rows of published detectors; where their scores of each point are given, also with a
/// threshold from other categories.
fn add_published(args: &RunArgs, series: &[Series], table: &mut Table) -> Result<()> {
    let root = args.data.join("nab");
    for (name, profiles) in published(&args.data)? {
        let folder = root.join("reference").join(&name);
        let left_out = match folder.exists() {
            true => {
                let judged = Contender::files(&name, folder).judge_quietly(series)?;
                Evaluation::new(series, &judged).left_out().score()
            }
            false => None,
        };
        let score = |profile: &str| profiles.get(profile).map(|p| p.score);
        let mut row = vec![Cell::Text(format!("{name} (published)"))];
        row.extend(PROFILES.map(|profile| Cell::of(score(profile.name), 2)));
        row.push(Cell::of(
            profiles.get(STANDARD.name).map(|p| p.threshold),
            4,
        ));
        row.extend([const { Cell::None }; 3]);
        row.push(Cell::of(left_out, 2));
        row.extend([const { Cell::None }; 4]);
        table.row(row);
    }
    Ok(())
}

/// `nab/reference_scores.json`.
pub(super) fn published(data: &Path) -> Result<PublishedScores> {
    let path = data.join("nab").join("reference_scores.json");
    serde_json::from_str(&data::read(&path)?).with_context(|| path.display().to_string())
}

fn group_table(series: &[Series], entries: &[Entry]) -> Table {
    let mut columns = vec![
        "category".to_owned(),
        "files".to_owned(),
        "windows".to_owned(),
    ];
    columns.extend(entries.iter().map(|e| e.name.clone()));
    let note = match series.iter().any(|s| s.spans.is_empty()) {
        true => {
            "Standard profile. A category without a window has no score: what false alarms cost there is in units of a hit."
        }
        false => "Standard profile.",
    };
    Table::new("Verdicts by category", note, columns)
}

fn fill_groups(table: &mut Table, series: &[Series], entries: &[Entry]) {
    for group in groups(series) {
        let of_group = |s: &&Series| s.group == group;
        let mut row = vec![
            group.into(),
            series.iter().filter(of_group).count().into(),
            series
                .iter()
                .filter(of_group)
                .map(|s| s.spans.len())
                .sum::<usize>()
                .into(),
        ];
        for entry in entries {
            let evaluation = Evaluation::new(series, &entry.judged);
            let tally = evaluation.verdicts_of(STANDARD, |s| s.group == group);
            row.push(match tally.score() {
                Some(score) => Cell::Number(score, 2),
                None => Cell::Text(format!("{:+.2} hits", tally.gain())),
            });
        }
        table.row(row);
    }
}

fn file_table(entry: &Entry, series: &[Series], evaluation: &Evaluation<'_>) -> Table {
    let title = format!("Files: {}", entry.name);
    let columns = [
        "file",
        "points",
        "windows",
        "hits",
        "false alarms",
        "score",
        "hits at best threshold",
        "false alarms at best threshold",
        "score at best threshold",
    ];
    let mut table = Table::new(
        title,
        "Standard profile; verdicts, then the best single threshold.",
        columns,
    );
    let (threshold, _) = evaluation.best()[0];
    for (s, best) in series.iter().zip(evaluation.at(STANDARD, threshold)) {
        let verdicts = evaluation.verdicts_of(STANDARD, |other| other.name == s.name);
        let mut row = vec![
            s.name.as_str().into(),
            s.points.len().into(),
            s.spans.len().into(),
        ];
        for tally in [verdicts, best] {
            row.push(tally.hits.into());
            row.push(tally.false_alarms.into());
            row.push(Cell::of(tally.score(), 2));
        }
        table.row(row);
    }
    table
}
