//! Writes verdicts on rows of several columns.

use std::{
    io::{self, Write},
    time::Duration,
};

use contract::{ColumnsDetectSummary, ColumnsEpisodeReply, ColumnsPredictReply};

use super::{count, count_of, short, warnings};
use crate::timestamp::Clock;

/// Writes the verdict on a row, and what each column has to do with it.
pub(crate) fn verdict(
    out: &mut impl Write,
    subject: &str,
    reply: &ColumnsPredictReply,
) -> io::Result<()> {
    let (verdict, version) = (&reply.verdict, reply.model_version);
    let word = match verdict.anomaly {
        true => format!("an anomaly of {} severity", verdict.severity),
        false => "normal".to_owned(),
    };
    writeln!(out, "{subject} is {word} (model {version})")?;
    writeln!(out, "  {}", verdict.reason)?;
    let (p_value, score) = (short(verdict.p_value), short(verdict.score));
    writeln!(
        out,
        "  p-value {p_value}, score {score}, detector {}",
        verdict.detector
    )?;
    let columns = verdict.columns.iter().zip(verdict.contributions.iter());
    for ((name, column), (_, share)) in columns {
        let number = |number: Option<f64>| number.map_or_else(|| "–".to_owned(), short);
        writeln!(
            out,
            "  {:>3.0} %  {name}: expected {}, normal from {} to {}",
            100.0 * share,
            number(column.expected),
            number(column.lower),
            number(column.upper),
        )?;
    }
    warnings(out, &reply.warnings)
}

/// Writes which detector was fitted, and on how many rows.
pub(crate) fn fitted(out: &mut impl Write, summary: &ColumnsDetectSummary) -> io::Result<()> {
    let rows = usize::try_from(summary.train).unwrap_or(usize::MAX);
    let (rows, columns) = (count(rows, "row"), count(summary.columns.len(), "column"));
    writeln!(out, "{} fitted on {rows} of {columns}", summary.detector)?;
    warnings(out, &summary.warnings)
}

/// Writes a line with time and severity of an episode, and a line with its reason.
pub(crate) fn episode(
    out: &mut impl Write,
    episode: &ColumnsEpisodeReply,
    reason: Option<&str>,
    clock: Clock,
) -> io::Result<()> {
    let mut span = clock.show(episode.start);
    if episode.end != episode.start {
        span = format!("{span} – {}", clock.show(episode.end));
    }
    let (severity, peak) = (episode.severity, clock.show(episode.peak));
    writeln!(out, "  {span:<41}  {severity:<8}  peak at {peak}")?;
    match reason {
        Some(reason) => writeln!(out, "      {reason}"),
        None => Ok(()),
    }
}

/// Writes the counts of a detection that took `elapsed`.
pub(crate) fn counts(
    out: &mut impl Write,
    summary: &ColumnsDetectSummary,
    judged: usize,
    elapsed: Duration,
) -> io::Result<()> {
    let anomalies = usize::try_from(summary.anomalies).unwrap_or(usize::MAX);
    writeln!(
        out,
        "{}; {} among {} judged in {:.2} s",
        count(summary.episodes.len(), "episode"),
        count_of(anomalies, "anomaly", "anomalies"),
        count(judged, "row"),
        elapsed.as_secs_f64(),
    )
}
