//! Writes what was found in a file.

use std::{
    io::{self, Write},
    time::Duration,
};

use contract::{DetectSummary, EpisodeReply, Point};

use super::{count, count_of, short, value, warnings};
use crate::timestamp::Clock;

/// Writes which detector was fitted, and on which points.
pub(crate) fn fitted(
    out: &mut impl Write,
    summary: &DetectSummary,
    first: &[Point],
    clock: Clock,
) -> io::Result<()> {
    write!(
        out,
        "{} fitted on {}",
        summary.detector,
        count(first.len(), "point")
    )?;
    if let (Some(first), Some(last)) = (first.first(), first.last()) {
        let time = |point: &Point| clock.show(point.timestamp);
        write!(out, ", {} – {}", time(first), time(last))?;
    }
    match summary.period {
        Some(period) => writeln!(out, ", season of {period} points")?,
        None => writeln!(out, ", no season")?,
    }
    warnings(out, &summary.warnings)
}

/// Writes a line with time, severity and peak of an episode, and a line with its reason.
pub(crate) fn episode(
    out: &mut impl Write,
    episode: &EpisodeReply,
    clock: Clock,
) -> io::Result<()> {
    let mut span = clock.show(episode.began);
    if episode.end != episode.began {
        span = format!("{span} – {}", clock.show(episode.end));
    }
    let severity = episode.severity;
    let (value, peak) = (value(episode.value), clock.show(episode.peak));
    writeln!(out, "  {span:<41}  {severity:<8}  peak {value} at {peak}")?;
    writeln!(out, "      {}", episode.reason)
}

/// Says that there are `more` episodes than those shown.
pub(crate) fn left_out(out: &mut impl Write, more: usize) -> io::Result<()> {
    match more {
        0 => Ok(()),
        1 => writeln!(out, "  and 1 more episode"),
        _ => writeln!(out, "  and {more} more episodes"),
    }
}

/// Writes a line for each change of the level.
pub(crate) fn change_points(
    out: &mut impl Write,
    summary: &DetectSummary,
    clock: Clock,
) -> io::Result<()> {
    summary.change_points.iter().try_for_each(|change| {
        let time = clock.show(change.timestamp);
        let (from, to) = (short(change.from), short(change.to));
        writeln!(out, "  {time:<41}  the level changes from {from} to {to}")
    })
}

/// Writes the counts and the rate of a detection that took `elapsed`.
pub(crate) fn counts(
    out: &mut impl Write,
    summary: &DetectSummary,
    judged: usize,
    elapsed: Duration,
) -> io::Result<()> {
    let number = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let anomalies = number(summary.anomalies);
    writeln!(
        out,
        "{} in {} and {}; {} among {} judged ({:.2} %)",
        count(number(summary.alarms), "alarm"),
        count(summary.episodes.len(), "episode"),
        count_of(
            summary.change_points.len(),
            "change of the level",
            "changes of the level"
        ),
        count_of(anomalies, "anomaly", "anomalies"),
        count(judged, "point"),
        100.0 * anomalies as f64 / (judged as f64).max(1.0),
    )?;
    let seconds = elapsed.as_secs_f64();
    let rate = judged as f64 / seconds.max(1e-9);
    writeln!(out, "{seconds:.2} s, {rate:.0} points/s")
}
