//! How one detector behaves on generated series.

use anyhow::Result;

use crate::{
    args::BehaviourArgs,
    behaviour::{Subject, events, levels, periods, rates},
    report::Report,
};

pub(super) fn run(args: &BehaviourArgs) -> Result<Report> {
    let subject = Subject {
        detector: args.detector,
        threads: args.output.threads,
    };
    let mut report = Report {
        name: "behaviour",
        ..Report::default()
    };
    for measure in [
        periods::measure,
        levels::measure,
        rates::measure,
        events::measure,
    ] {
        let part = measure(&subject)?;
        report.summary.extend(part.tables);
        report.goals.extend(part.figures);
    }
    Ok(report)
}
