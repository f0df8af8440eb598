//! The benchmark's series, changed at random: how far a score depends on luck.
//!
//! The constants of the streaming detector are known when it is compiled, and stay so: as settings
//! they would cost every update. So it is not them that vary but the series. A gain that is more
//! than luck holds for most seeds.

use anyhow::Result;

use super::wanted;
use crate::{
    altered::Change,
    args::RunArgs,
    chance::Chance,
    contender::Contender,
    data::{self, Series},
    evaluation::Evaluation,
    report::{Cell, Report, Table},
};

const SEEDS: usize = 14;

/// Every series with up to a tenth of its first points dropped, resampled at a distance from 0.8 to
/// 1.25, and with noise of up to 8 % of its spread.
fn changed(originals: &[Series], seed: usize) -> Vec<Series> {
    let change = |original: &Series| {
        let mut chance = Chance::of(&format!("{} {seed}", original.name));
        let drop = Change::DropShare(0.1 * chance.even());
        let step = Change::Step(0.8 + 0.45 * chance.even());
        let noise = Change::Noise(0.08 * chance.even());
        let mut copy = noise.apply(&step.apply(&drop.apply(original)));
        copy.name = format!("seed {seed}/{}", original.name);
        copy
    };
    originals.iter().map(change).collect()
}

pub(super) fn run(args: &RunArgs) -> Result<Report> {
    let originals = wanted(args, data::nab(&args.data)?)?;
    let copies: Vec<Vec<Series>> = (0..SEEDS).map(|seed| changed(&originals, seed)).collect();
    let all: Vec<Series> = copies.iter().flatten().cloned().collect();
    let columns = ["detector", "mean", "standard deviation", "least", "most"];
    let note = format!(
        "Numenta Anomaly Benchmark, the verdict, standard profile, on {SEEDS} randomly changed sets of the given files: some of the first \
         points dropped, resampled, with noise."
    );
    let mut table = Table::new("Verdicts on randomly changed copies", note, columns);
    let mut by_seed = Table::new("By seed", "", ["detector", "seed", "verdict"]);
    let mut report = Report {
        name: "random",
        ..Report::default()
    };
    for contender in Contender::of(args)? {
        let judged = contender.judge(args, &all)?;
        let mut scores = Vec::new();
        for (seed, (series, judged)) in copies
            .iter()
            .zip(judged.chunks(originals.len()))
            .enumerate()
        {
            let verdict = Evaluation::new(series, judged).verdicts()[0];
            by_seed.row(vec![
                contender.name.as_str().into(),
                seed.into(),
                Cell::of(verdict.score(), 2),
            ]);
            scores.extend(verdict.score());
        }
        let (mean, deviation) = moments(&scores);
        let least = scores.iter().copied().fold(f64::INFINITY, f64::min);
        let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let figures = format!("mean {mean:.2}, standard deviation {deviation:.2}");
        report.figures.push((contender.name.clone(), figures));
        let mut row = vec![Cell::Text(contender.name)];
        row.extend([mean, deviation, least, most].map(|number| Cell::Number(number, 2)));
        table.row(row);
    }
    report.summary = vec![table];
    report.details = vec![by_seed];
    Ok(report)
}

/// The mean, and the standard deviation of a sample.
fn moments(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    (mean, (squares / (n - 1.0)).sqrt())
}

#[cfg(test)]
mod tests {
    use contract::Point;

    use super::*;
    use crate::data::Span;

    #[test]
    fn copies_differ_by_seed_and_are_the_same_each_time() {
        let point = |i: i64| Point {
            timestamp: i * 300,
            value: (i * 7_919 % 101) as f64,
        };
        let original = Series {
            name: "a".to_owned(),
            group: "g".to_owned(),
            points: (0..1_000).map(point).collect(),
            train: 150,
            spans: vec![Span {
                first: 500,
                last: 549,
            }],
        };
        let originals = [original];
        let one = changed(&originals, 1);
        assert_eq!(one, changed(&originals, 1));
        assert_ne!(one[0].points, changed(&originals, 2)[0].points);
        assert_eq!(one[0].spans.len(), 1);
        assert_eq!(moments(&[1.0, 3.0]), (2.0, 2.0_f64.sqrt()));
    }
}
