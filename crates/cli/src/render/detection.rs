//! What was found in a file.

use std::{
    io::{self, Write},
    time::Duration,
};

use contract::{DetectSummary, EpisodeReply, Point};

use super::{count, count_of, short, warnings};
use crate::{detect::Alarm, timestamp::Clock};

/// What was fitted, and on what.
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

/// One line for an episode, and one for the reason at its peak if that is known.
pub(crate) fn episode(
    out: &mut impl Write,
    episode: &EpisodeReply,
    peak: Option<&Alarm>,
    clock: Clock,
) -> io::Result<()> {
    let mut span = clock.show(episode.start);
    if episode.end != episode.start {
        span = format!("{span} – {}", clock.show(episode.end));
    }
    let severity = episode.severity;
    write!(out, "  {span:<41}  {severity:<8}  peak ")?;
    if let Some(alarm) = peak {
        write!(out, "{} ", alarm.value)?;
    }
    writeln!(out, "at {}", clock.show(episode.peak))?;
    match peak {
        Some(alarm) => writeln!(out, "      {}", alarm.reason),
        None => Ok(()),
    }
}

/// Where the level changed.
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

/// The counts and the rate of a detection that took `elapsed`.
pub(crate) fn counts(
    out: &mut impl Write,
    summary: &DetectSummary,
    judged: usize,
    elapsed: Duration,
) -> io::Result<()> {
    let anomalies = usize::try_from(summary.anomalies).unwrap_or(usize::MAX);
    writeln!(
        out,
        "{} in {} and {}, out of {} judged ({:.2} %)",
        count_of(anomalies, "anomaly", "anomalies"),
        count(summary.episodes.len(), "episode"),
        count_of(
            summary.change_points.len(),
            "change of the level",
            "changes of the level"
        ),
        count(judged, "point"),
        100.0 * anomalies as f64 / (judged as f64).max(1.0),
    )?;
    let seconds = elapsed.as_secs_f64();
    let rate = judged as f64 / seconds.max(1e-9);
    writeln!(out, "{seconds:.2} s, {rate:.0} points/s")
}
