//! The scorer against what is published for detectors whose scores of each point are given.

use std::path::Path;

use anyhow::{Result, ensure};

use super::nab::published;
use crate::{
    args::RunArgs,
    contender::Contender,
    data,
    evaluation::Evaluation,
    nab::PROFILES,
    report::{Cell, Report, Table},
};

/// Detectors whose scores of each point are in `nab/reference`.
const GIVEN: [&str; 2] = ["numenta", "windowedGaussian"];
/// The largest difference of a score: published ones have two decimals.
const TOLERANCE: f64 = 0.01;

pub(super) fn run(args: &RunArgs) -> Result<Report> {
    check(&args.data)
}

fn check(data: &Path) -> Result<Report> {
    let series = data::nab(data)?;
    let published = published(data)?;
    let columns = [
        "detector",
        "profile",
        "published",
        "ours",
        "threshold published",
        "threshold ours",
    ];
    let mut table = Table::new("The scorer", "Best threshold on the given files.", columns);
    let mut largest: f64 = 0.0;
    for name in GIVEN {
        let folder = data.join("nab").join("reference").join(name);
        let judged = Contender::files(name, folder).judge_quietly(&series)?;
        let best = Evaluation::new(&series, &judged).best();
        for (profile, (threshold, tally)) in PROFILES.iter().zip(best) {
            let expected = &published[name][profile.name];
            let score = tally.score().unwrap_or_default();
            largest = largest.max((score - expected.score).abs());
            table.row(vec![
                name.into(),
                profile.name.into(),
                Cell::Number(expected.score, 2),
                Cell::Number(score, 4),
                Cell::Number(expected.threshold, 6),
                Cell::Number(threshold, 6),
            ]);
        }
    }
    println!("{}", table.markdown());
    ensure!(
        largest <= TOLERANCE,
        "a score differs by {largest:.4} from the published one"
    );
    Ok(Report {
        name: "check",
        details: vec![table],
        ..Report::default()
    })
}

#[cfg(test)]
mod tests {
    /// Tests on published series, which the project does not hold.
    mod labelled_series {
        use std::path::Path;

        use super::super::check;

        #[test]
        #[ignore = "needs TEST_LABELLED_SERIES: a folder with nab/"]
        #[expect(
            clippy::disallowed_methods,
            reason = "says where the series of the tests are; the program takes an argument"
        )]
        fn the_scorer_gives_what_is_published() {
            let folder = std::env::var("TEST_LABELLED_SERIES").unwrap();
            check(Path::new(&folder)).unwrap();
        }
    }
}
