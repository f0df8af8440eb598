//! The series of tuning/ and extra/ as incidents.

use anyhow::Result;

use super::wanted;
use crate::{
    args::RunArgs,
    contender::Contender,
    data::{self, Series},
    evaluation::{Evaluation, groups},
    figure::Goal,
    incidents::widened,
    nab::STANDARD,
    report::{Cell, Report, Table},
};

/// A source with a third of all windows, which no detector finds: it has no part in the mean.
const UNSEEN: &str = "TODS";

pub(super) fn run(args: &RunArgs) -> Result<Report> {
    let mut series = data::labelled(&args.data, "tuning")?;
    series.extend(data::labelled(&args.data, "extra")?);
    let series: Vec<_> = wanted(args, series)?.iter().map(widened).collect();
    let mut columns = vec![
        "detector",
        "verdict",
        "best",
        "threshold",
        "left out",
        "hits",
        "windows",
        "false alarms",
    ];
    columns.extend(groups(&series));
    columns.extend(["mean without TODS", "tuning", "extra"]);
    let note = "Each labelled segment widened until all windows make 10 % of the scored points, then scored like the Numenta Anomaly Benchmark, \
                standard profile. *Left out*: each source with the threshold that is best on the others. By source and folder: the \
                verdict; the mean is of the sources but TODS, of whose windows no detector finds more than a few.";
    let mut table = Table::new("Incidents", note, columns);
    let mut report = Report {
        name: "incidents",
        ..Report::default()
    };
    for contender in Contender::of(args)? {
        let judged = contender.judge(args, &series)?;
        let evaluation = Evaluation::new(&series, &judged);
        let verdict = evaluation.verdicts()[0];
        let (threshold, best) = evaluation.best()[0];
        let scores =
            [verdict.score(), best.score(), evaluation.left_out().score()].map(|s| Cell::of(s, 2));
        report.figures.push((
            contender.name.clone(),
            format!(
                "verdict {}, best {} at {threshold:.3}, left out {}",
                scores[0], scores[1], scores[2]
            ),
        ));
        let name = contender.name;
        let [verdict_score, best_score, left_out] = scores;
        let mut row = vec![
            Cell::Text(name.clone()),
            verdict_score,
            best_score,
            Cell::Number(threshold, 4),
            left_out,
        ];
        row.extend([verdict.hits, verdict.windows, verdict.false_alarms].map(Cell::from));
        let (scores, mean) = by_source(&evaluation, &series);
        row.extend(scores);
        row.push(Cell::Number(mean, 2));
        let what = "incidents, mean of the sources without TODS";
        report.goal_of(&name, what, Some(mean), Goal::AtLeast(66.0));
        for folder in ["tuning/", "extra/"] {
            let tally = evaluation.verdicts_of(STANDARD, |s| s.name.starts_with(folder));
            row.push(Cell::of(tally.score(), 2));
        }
        table.row(row);
    }
    report.summary = vec![table];
    Ok(report)
}

/// The verdict's score of every source, and the mean of all but [`UNSEEN`].
fn by_source(evaluation: &Evaluation<'_>, series: &[Series]) -> (Vec<Cell>, f64) {
    let (mut cells, mut others) = (Vec::new(), Vec::new());
    for group in groups(series) {
        let tally = evaluation.verdicts_of(STANDARD, |s| s.group == group);
        cells.push(Cell::of(tally.score(), 2));
        others.extend(tally.score().filter(|_| group != UNSEEN));
    }
    (cells, others.iter().sum::<f64>() / others.len() as f64)
}
