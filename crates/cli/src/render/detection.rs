//! Writes what was found in a file.

use std::{
    io::{self, Write},
    time::Duration,
};

use contract::{DetectSummary, Point, Severity};

use super::{count, count_of, short, value, warnings};
use crate::timestamp::Clock;

/// Anomalies that belong together, by the platform's rule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Episode<'a> {
    /// The first timestamp.
    pub(crate) start: i64,
    /// The last timestamp.
    pub(crate) end: i64,
    /// The timestamp of the point that the strongest alarm is about.
    pub(crate) peak: i64,
    /// The value of that point.
    pub(crate) value: Option<f64>,
    /// The severity of the strongest alarm.
    pub(crate) severity: Severity,
    /// The strength of that alarm.
    pub(crate) ratio: f64,
    /// The reason for that alarm.
    pub(crate) reason: Option<&'a str>,
}

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
pub(crate) fn episode(out: &mut impl Write, episode: &Episode<'_>, clock: Clock) -> io::Result<()> {
    let mut span = clock.show(episode.start);
    if episode.end != episode.start {
        span = format!("{span} – {}", clock.show(episode.end));
    }
    let severity = episode.severity;
    write!(out, "  {span:<41}  {severity:<8}  peak ")?;
    if let Some(at_peak) = episode.value {
        write!(out, "{} ", value(at_peak))?;
    }
    writeln!(out, "at {}", clock.show(episode.peak))?;
    match episode.reason {
        Some(reason) => writeln!(out, "      {reason}"),
        None => Ok(()),
    }
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
