//! Writes observed points, and streams.

use std::io::{self, Write};

use contract::{
    ObservedPoint, PointCounts, PointStatus, SeriesId, StreamReply, StreamState, StreamVerdict,
};

use super::{band, count_of, short, value};
use crate::timestamp::Clock;

/// Writes what became of one point.
pub(crate) fn point(
    out: &mut impl Write,
    series: &SeriesId,
    observed: &ObservedPoint,
    clock: Clock,
) -> io::Result<()> {
    let (value, time) = (value(observed.value), clock.show(observed.timestamp));
    write!(out, "{series}: {value} at {time} ")?;
    let Some(judged) = &observed.verdict else {
        return writeln!(out, "{}", without_verdict(observed, clock));
    };
    let verdict = &judged.verdict;
    let word = match verdict.anomaly {
        true => format!("is an anomaly of {} severity", verdict.severity),
        false => "is normal".to_owned(),
    };
    let alarm = if judged.online.alarm {
        ", with an alarm"
    } else {
        ""
    };
    let again = match observed.status {
        PointStatus::Duplicate => " (sent before, and learned then)",
        _ => "",
    };
    writeln!(out, "{word}{alarm}{again}")?;
    writeln!(out, "  {}", verdict.reason)?;
    writeln!(
        out,
        "  {}; p-value {}, score {}, direction {}, detector {}",
        band(verdict),
        short(verdict.p_value),
        short(verdict.score),
        verdict.direction,
        verdict.detector
    )?;
    if let Some(learning) = observed.warming.or(judged.learning) {
        let (points, of) = (learning.points, learning.of);
        writeln!(out, "  still learning: {points} of {of} points")?;
    }
    Ok(())
}

/// A sentence's end about a point without a verdict.
fn without_verdict(observed: &ObservedPoint, clock: Clock) -> String {
    match observed.status {
        PointStatus::Accepted => "is kept, and judged soon".to_owned(),
        PointStatus::Duplicate => "was sent before, and learned then".to_owned(),
        PointStatus::Learning | PointStatus::Judged => match observed.warming {
            Some(learning) => format!(
                "is learned, too early for a verdict ({} of {} points)",
                learning.points, learning.of
            ),
            None => "is learned, without a verdict".to_owned(),
        },
        status @ (PointStatus::Late | PointStatus::Conflict | PointStatus::Implausible) => {
            let mut text = format!("is not learned: {status}");
            if let Some(detail) = &observed.detail {
                text.push_str(", ");
                text.push_str(detail);
            }
            if let Some(last) = observed.last_timestamp {
                text.push_str(&format!(" ({})", clock.show(last)));
            }
            text
        }
    }
}

/// Writes a line for a point of a file, and one with the reason if it has an alarm.
pub(crate) fn line(out: &mut impl Write, observed: &ObservedPoint, clock: Clock) -> io::Result<()> {
    let (time, value) = (clock.show(observed.timestamp), value(observed.value));
    let word = match &observed.verdict {
        Some(StreamVerdict {
            online, verdict, ..
        }) if online.alarm => {
            format!("alarm, {}", verdict.severity)
        }
        Some(judged) if judged.verdict.anomaly => {
            format!("anomaly, {}", judged.verdict.severity)
        }
        Some(_) => "normal".to_owned(),
        None => observed.status.to_string(),
    };
    writeln!(out, "  {time:<23}  {word:<17}  value {value}")?;
    match &observed.verdict {
        Some(judged) if judged.online.alarm => writeln!(out, "      {}", judged.verdict.reason),
        _ => Ok(()),
    }
}

/// The counts of observed points.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ObservedTally {
    counts: PointCounts,
    verdicts: usize,
    anomalies: usize,
    alarms: usize,
}

impl ObservedTally {
    /// Counts a point.
    pub(crate) fn add(&mut self, observed: &ObservedPoint) {
        self.counts.add(observed.status);
        if let Some(judged) = &observed.verdict {
            self.verdicts += 1;
            self.anomalies += usize::from(judged.verdict.anomaly);
            self.alarms += usize::from(judged.online.alarm);
        }
    }
}

/// Writes the counts of the observed points, and what they mean where that is not plain.
pub(crate) fn counts(out: &mut impl Write, tally: &ObservedTally) -> io::Result<()> {
    let PointCounts {
        judged: _,
        learning,
        duplicate,
        conflict,
        late,
        implausible,
        accepted,
    } = tally.counts;
    writeln!(
        out,
        "{} and {} in {}",
        count_of(tally.alarms, "alarm", "alarms"),
        count_of(tally.anomalies, "anomaly", "anomalies"),
        count_of(tally.verdicts, "verdict", "verdicts"),
    )?;
    for (count, meaning) in [
        (learning, "learned, too early for a verdict"),
        (duplicate, "sent before, and learned then"),
        (accepted, "kept, and judged soon"),
        (late, "not learned: late, before the last one of the stream"),
        (
            conflict,
            "not learned: conflict, another value at that time is there",
        ),
        (implausible, "not learned: implausible, too far ahead"),
    ] {
        if count > 0 {
            writeln!(out, "{count} {meaning}")?;
        }
    }
    Ok(())
}

/// Writes a stream.
pub(crate) fn shown(out: &mut impl Write, stream: &StreamReply) -> io::Result<()> {
    let clock = Clock::Numbers(0);
    write!(out, "{}: {}", stream.series_id, stream.state)?;
    if let Some(learning) = stream
        .learning
        .filter(|_| stream.state != StreamState::Ready)
    {
        write!(out, ", {} of {} points", learning.points, learning.of)?;
    }
    match (stream.detector, stream.begun_from) {
        (Some(detector), Some(version)) => writeln!(out, ", {detector} begun from {version}")?,
        (Some(detector), None) => writeln!(out, ", {detector}")?,
        (None, _) => writeln!(out)?,
    }
    write!(out, "  {} learned", count_of_u64(stream.points))?;
    if let Some(last) = stream.last_timestamp {
        write!(out, ", the last at {}", clock.show(last))?;
    }
    if let Some(step) = stream.usual_step {
        write!(out, ", usually {step} apart")?;
    }
    writeln!(out)?;
    let counts = stream.counts;
    writeln!(
        out,
        "  {} judged, {} duplicate, {} conflict, {} late, {} implausible",
        counts.judged, counts.duplicate, counts.conflict, counts.late, counts.implausible
    )?;
    if let Some(late) = stream.latest_by {
        writeln!(out, "  the last late point was {late} late")?;
    }
    if let Some(id) = stream.open_anomaly {
        writeln!(out, "  open anomaly {id}")?;
    }
    for (name, text) in &stream.labels {
        writeln!(out, "  label {name}={text}")?;
    }
    let partition = stream.partition;
    match stream.checkpoint_age_ms {
        Some(age) => writeln!(out, "  partition {partition}, stored {age} ms ago"),
        None => writeln!(out, "  partition {partition}, not stored yet"),
    }
}

fn count_of_u64(points: u64) -> String {
    count_of(
        usize::try_from(points).unwrap_or(usize::MAX),
        "point",
        "points",
    )
}
