//! The benchmark's series, altered.

use anyhow::Result;

use super::wanted;
use crate::{
    altered::COPIES,
    args::RunArgs,
    contender::Contender,
    data::{self, Series},
    evaluation::Evaluation,
    figure::Goal,
    nab::Tally,
    report::{Cell, Report, Table},
};

pub(super) fn run(args: &RunArgs) -> Result<Report> {
    let originals = wanted(args, data::nab(&args.data)?)?;
    let mut series = Vec::new();
    for (name, change) in COPIES {
        series.extend(originals.iter().map(|original| {
            let mut copy = change.apply(original);
            copy.name = format!("{name}/{}", original.name);
            copy
        }));
    }
    let mut report = Report {
        name: "altered",
        ..Report::default()
    };
    let mut columns = vec!["detector"];
    columns.extend(COPIES.map(|(name, _)| name));
    columns.extend(["mean", "mean low FP", "mean low FN", "mean left out"]);
    let note = "Numenta Anomaly Benchmark, the verdict, on changed copies of the given files: standard profile unless said otherwise.";
    let mut table = Table::new("Verdicts on altered copies", note, columns);
    for contender in Contender::of(args)? {
        let judged = contender.judge(args, &series)?;
        let mut by_copy: Vec<[Option<f64>; 4]> = Vec::new();
        for (k, (name, _)) in COPIES.iter().enumerate() {
            let copies = k * originals.len()..(k + 1) * originals.len();
            debug_assert!(series[copies.start].name.starts_with(name));
            by_copy.push(scores(&series[copies.clone()], &judged[copies]));
        }
        let mut row = vec![Cell::Text(contender.name.clone())];
        row.extend(by_copy.iter().map(|scores| Cell::of(scores[0], 2)));
        let mean = |which: usize| -> Option<f64> {
            let all: Option<Vec<f64>> = by_copy.iter().map(|scores| scores[which]).collect();
            all.map(|all| all.iter().sum::<f64>() / all.len() as f64)
        };
        let means = [0, 1, 2, 3].map(|which| Cell::of(mean(which), 2));
        let figures = format!(
            "mean verdict {} / {} / {}, left out {}",
            means[0], means[1], means[2], means[3]
        );
        row.extend(means);
        table.row(row);
        let what = "NAB, altered copies: mean of the verdicts";
        report.goal_of(&contender.name, what, mean(0), Goal::AtLeast(75.0));
        report.figures.push((contender.name, figures));
    }
    report.summary = vec![table];
    Ok(report)
}

/// The verdict in each profile, and the standard one with a threshold from other categories.
fn scores(series: &[Series], judged: &[crate::judged::Judged]) -> [Option<f64>; 4] {
    let evaluation = Evaluation::new(series, judged);
    let [standard, low_fp, low_fn] = evaluation.verdicts().map(|tally: Tally| tally.score());
    [standard, low_fp, low_fn, evaluation.left_out().score()]
}
