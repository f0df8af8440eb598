//! How one detector behaves on generated series.

use anyhow::Result;

use crate::{
    args::BehaviourArgs,
    behaviour::{Subject, cost, events, levels, periods, rates},
    report::Report,
};

/// The name of its files.
pub(super) const NAME: &str = "behaviour";

pub(super) fn run(args: &BehaviourArgs) -> Result<Report> {
    let subject = Subject {
        detector: args.detector,
        threads: args.output.threads,
    };
    let mut report = Report {
        name: NAME,
        ..Report::default()
    };
    for measure in [
        periods::measure,
        levels::measure,
        rates::measure,
        events::measure,
        cost::measure,
    ] {
        let part = measure(&subject)?;
        report.summary.extend(part.tables);
        report.goals.extend(part.figures);
    }
    Ok(report)
}
